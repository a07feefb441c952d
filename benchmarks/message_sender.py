"""One worker process of benchmarks/messages.py: as `flask --app app_multiuser work`, by day."""

from gevent import monkey

monkey.patch_all()

import threading

import portal.areas
from portal.outbox import delivery
from task_queue import TaskQueue


def main() -> None:
    delivery.end_of_quiet_hours = lambda moment: None   # the measurement may be made at night
    assert portal.areas.TASKS
    TaskQueue().start(["outbox.*", "whatsapp_bot.*"])
    threading.Event().wait()


if __name__ == "__main__":
    main()
