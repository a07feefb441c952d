"""The clock was an hour ahead and is set right while a message is under way: it does not wait for that hour again."""

from datetime import timedelta

import pytest

from database_pool import execute_query
from portal.formats import now
from portal.gateways.interface import Capabilities, Kind, SendFailed, Verdict
from portal.outbox.tasks import outcomes, reconciling
from task_queue import run_due_tasks
from tests.outbox.conftest import stored

HOUR = timedelta(hours=1)
BUSY = SendFailed(Verdict(Kind.RETRY, "Too much.", wait=30), "20429", retry_after=7.0)
LOST = SendFailed(Verdict(Kind.UNCLEAR, "The connection broke."), "no answer")


def rest() -> timedelta:
    """How long the only task that waits goes on waiting."""
    [task] = execute_query("tasks", columns="run_at", filters={"state_eq": "queued", "name_eq": "outbox.deliver"}).data
    waits: timedelta = task["run_at"] - now()
    return waits


@pytest.mark.parametrize(("answer", "longest"), [(BUSY, 60), (LOST, 21)])
def test_an_attempt_that_failed_in_the_wrong_hour(provider, queue_open, monkeypatch, answer, longest):
    message_id = queue_open()
    provider.answers = [answer]
    monkeypatch.setattr(outcomes, "now", lambda: now() + HOUR)   # and right again when the task ends
    run_due_tasks()
    assert stored(message_id)["state"] in ("queued", "unclear") and len(provider.sent) == 1
    assert timedelta(seconds=6) < rest() < timedelta(seconds=longest)


@pytest.mark.parametrize("state", ["sending", "unclear"])
def test_a_claim_of_the_wrong_hour(provider, queue_open, state):
    message_id = queue_open()
    claimed = {"state": state, "attempts": 1, "open_attempt": 1, "claim_token": "gone", "claimed_at": now() + HOUR}
    execute_query("messages", "update", filters={"message_id_eq": message_id}, data=claimed)
    run_due_tasks()
    assert not provider.sent and timedelta(seconds=15) < rest() <= reconciling.STILL_SENDING


def test_a_recipient_who_got_the_last_message_in_the_wrong_hour(provider, queue_open):
    provider.capabilities = Capabilities(window=True, spacing=6.0, per_second=100_000.0)
    recipient = stored(queue_open())["recipient"]
    execute_query("contacts", "update", filters={"address_eq": recipient}, data={"next_send_at": now() + HOUR})
    run_due_tasks()
    assert not provider.sent and timedelta(seconds=60) < rest() < timedelta(minutes=3)


@pytest.mark.parametrize(("ends_in", "state"), [(timedelta(minutes=14), "queued"), (HOUR, "accepted")])
def test_a_channel_that_rests_until_the_end_of_the_wrong_hour(provider, queue_open, ends_in, state):
    rests = {"channel": "whatsapp", "paused_until": now() + ends_in, "reason": "Wrong token."}
    execute_query("channel_pauses", "insert", data=rests)
    message_id = queue_open()
    run_due_tasks()
    assert stored(message_id)["state"] == state
