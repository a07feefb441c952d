"""What the tests of jobs start from: colleagues, and a job of three records whose tasks do as they are told."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from database_pool import transaction
from portal.audit import Actor
from portal.jobs.service import JobItem, Skipped, start_job
from task_queue import PermanentFailure
from tests.cast import Browser, make_cast, sign_in
from tests.task_queue.conftest import Tried, tried

__all__ = ["Tried", "tried"]


@pytest.fixture(scope="module")
def clerk(app: Flask) -> Browser:
    """The colleague who starts the jobs."""
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def colleague(app: Flask) -> Browser:
    """Another colleague of the same rank as most: accounts."""
    return sign_in(app, "accounts")


@pytest.fixture(scope="module")
def administrator(app: Flask) -> Browser:
    """Who looks after the queue."""
    return sign_in(app, "administrator")


@pytest.fixture
def told(tried: Tried) -> Iterator[dict[str, Any]]:
    """The name of a task, and the records for which it fails."""
    bad: set[str] = set()

    def work(what: str) -> dict[str, Any]:
        if what in bad:
            raise PermanentFailure("The phone number is missing.")
        return {"done": what}

    yield {"name": tried.task(work), "bad": bad}


@pytest.fixture
def start(told: dict[str, Any], clerk: Browser) -> Callable[..., str]:
    """Starts a job of the clerk over some records and answers its id."""

    def begin(*records: str, key: str | None = None, title: str = "Reminders for the test", **options: Any) -> str:
        actor = Actor(user_id=make_cast()["staff"])
        items = [JobItem("policy", record, {"what": record}, f"Policy {record}") for record in records or "123"]
        with transaction() as tx:
            return start_job(tx, actor, kind="tests.remind", title=title, task=told["name"], items=items, key=key,
                             skipped=[Skipped("policy", "9", "No consent to WhatsApp.")], **options)  # fmt: skip

    return begin
