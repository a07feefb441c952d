"""A colleague stops a job: its messages that wait are not sent, not by the sweep either."""

from datetime import timedelta

import pytest

from database_pool import execute_query, transaction
from portal.audit import THE_PORTAL
from portal.formats import now
from portal.gateways.interface import Kind, SendFailed, Verdict
from portal.jobs.service import JobItem, start_job, steer
from portal.outbox import service
from portal.outbox.tasks import upkeep
from task_queue import run_due_tasks
from tests.outbox.conftest import stored

BUSY = SendFailed(Verdict(Kind.RETRY, "Too much.", wait=30), "20429")


@pytest.fixture
def job(queue_open):
    """A job whose own tasks wait for another day."""
    with transaction() as tx:
        batch_id = start_job(tx, THE_PORTAL, kind="tests.send", title="Test", task="outbox.prune",
                             items=[JobItem("policy", str(queue_open()))])  # fmt: skip
    execute_query("tasks", "update", filters={"batch_id_eq": batch_id}, data={"run_at": now() + timedelta(days=1)})
    run_due_tasks()
    return batch_id


def stop(batch_id):
    with transaction() as tx:
        steer(tx, THE_PORTAL, batch_id, "stop")


def swept_after_an_hour(message_id):
    execute_query("messages", "update", filters={"message_id_eq": message_id},
                  data={"not_before": now() - timedelta(hours=1)})  # fmt: skip
    upkeep.sweep()
    run_due_tasks()
    return stored(message_id)


def test_messages_that_wait_are_cancelled_with_their_job(provider, queue_open, job):
    message_id = queue_open(batch_id=job, not_before=now() + timedelta(hours=1))
    before = len(provider.sent)
    stop(job)
    message = swept_after_an_hour(message_id)
    assert (message["state"], message["reason"], len(provider.sent)) == ("cancelled", "The job was stopped.", before)


def test_a_message_that_was_added_while_the_job_was_stopped_is_cancelled(provider, queue_open, job):
    before = len(provider.sent)
    stop(job)
    message_id = queue_open(batch_id=job)
    run_due_tasks()
    message = stored(message_id)
    assert (message["state"], message["reason"], len(provider.sent)) == ("cancelled", "The job was stopped.", before)


def test_an_attempt_that_was_under_way_is_not_repeated(provider, queue_open, job):
    message_id = queue_open(batch_id=job)
    provider.answers = [BUSY]
    run_due_tasks()
    execute_query("messages", "update", filters={"message_id_eq": message_id}, data={"state": "sending"})
    stop(job)
    execute_query("messages", "update", filters={"message_id_eq": message_id}, data={"state": "queued"})
    before = len(provider.sent)
    assert swept_after_an_hour(message_id)["state"] == "cancelled"
    assert len(provider.sent) == before


def test_what_a_colleague_sends_again_afterwards_goes_out(provider, queue_open, job):
    message_id = queue_open(batch_id=job)
    provider.answers = [SendFailed(Verdict(Kind.PERMANENT, "A filter."), "30007")]
    run_due_tasks()
    stop(job)
    with transaction() as tx:
        service.retry(tx, THE_PORTAL, stored(message_id))
    run_due_tasks()
    assert stored(message_id)["state"] == "accepted"


def test_messages_of_other_jobs_and_of_none_are_not_touched(provider, queue_open, job):
    others = queue_open(), queue_open(batch_id="another")
    stop(job)
    run_due_tasks()
    assert {stored(one)["state"] for one in others} == {"accepted"}
