"""A process that does nothing but send messages, as `flask --app app_multiuser work` does, with less patience.

The waits before an attempt is looked up are long because a provider's answer may take half a minute; the stub's takes
milliseconds. What is shortened is how long to wait, never what is asked before anything is sent again.
"""

import threading
from datetime import timedelta

import portal.areas
from portal.gateways import http
from portal.outbox import delivery
from portal.outbox.tasks import outcomes, reconciling
from task_queue import TaskQueue

WORKERS = 8


def main() -> None:
    http.READ_SECONDS = 2.0
    outcomes.FIRST_LOOK = timedelta(seconds=1)
    reconciling.STILL_SENDING = timedelta(seconds=4)
    reconciling.ASK_AGAIN = timedelta(seconds=1)
    delivery.end_of_quiet_hours = lambda moment: None   # tests run at night as well
    assert portal.areas.TASKS
    TaskQueue(max_workers=WORKERS).start(["outbox.*"])
    threading.Event().wait()


if __name__ == "__main__":
    main()
