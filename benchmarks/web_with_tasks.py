"""The portal with one more kind of task and a door to ask for it, for `benchmarks/task_queue.py --web` alone."""

import time

from flask import request

import database_pool
import task_queue
from wsgi import application

PROVIDER = 0.02  # seconds that somebody outside takes to answer


@task_queue.task("bench.send")
def send(number: int) -> None:
    """What sending a message does to the process: a row read, somebody waited for, a row written."""
    database_pool.execute_query("settings", filters={"key_eq": "bench"})
    time.sleep(PROVIDER)
    with database_pool.transaction() as tx:
        tx.upsert("settings", {"key": f"bench {number % 50}", "value": number}, on_conflict="key")


def bench() -> str:
    """POST asks for tasks, GET answers how many are still to be done."""
    if request.method == "POST":
        with database_pool.transaction() as tx:
            task_queue.enqueue_many(tx, "bench.send", [{"number": n} for n in range(int(request.args["tasks"]))])
    left = database_pool.execute_query("tasks", columns="task_id", limit=1, count=True,
                                       filters={"state_in": ["queued", "running"]})  # fmt: skip
    return str(left.count)


bench.access = "public"  # type: ignore[attr-defined]
application.add_url_rule("/bench", view_func=bench, methods=["GET", "POST"])
application.extensions["csrf"].exempt(bench)
