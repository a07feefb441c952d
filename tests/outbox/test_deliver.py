"""A message on its way: claimed, sent once, and what came of each attempt."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from database_pool import Duplicate, call_function, execute_query, transaction
from portal.audit import THE_PORTAL
from portal.errors import Refused
from portal.formats import now
from portal.gateways.interface import Accepted, Capabilities, Kind, Report, SendFailed, Verdict
from portal.outbox import queries, service
from portal.outbox.tasks import reconciling, sending
from task_queue import run_due_tasks
from tests.outbox.conftest import heard, stored, wrote

BUSY = SendFailed(Verdict(Kind.RETRY, "Too much.", wait=30), "20429", retry_after=7.0)
LOST = SendFailed(Verdict(Kind.UNCLEAR, "The connection broke."), "no answer")
CANNOT_BE_ASKED = Capabilities(window=True, echoes=True, per_second=100_000.0)
NOTHING_IS_HEARD = Capabilities(window=True, echoes=False, per_second=100_000.0)
MAIL = Capabilities(per_second=100_000.0)


def due(message_id: int) -> None:
    """Time passes: the message and its task are due, and its last attempt lies long enough back."""
    past = now() - timedelta(hours=1)
    claimed = {"claimed_at": past} if stored(message_id)["claimed_at"] else {}
    execute_query("messages", "update", filters={"message_id_eq": message_id}, data={"not_before": past, **claimed})
    execute_query("tasks", "update", filters={"state_eq": "queued"}, data={"run_at": past})


def test_a_message_is_sent_once_and_knows_its_id_at_the_provider(provider, queue_open):
    message_id = queue_open()
    run_due_tasks()
    run_due_tasks()
    message = stored(message_id)
    assert (message["state"], message["provider_id"], message["attempts"]) == ("accepted", f"SM{message_id}.1", 1)
    assert [one.own_id for one in provider.sent] == [f"{message_id}.1"]


def claim(*wanted: tuple[int, str], burst: int = 1) -> list[dict[str, Any]]:
    """What the database answers a worker who claims these messages together, each by its token."""
    told = [{"id": number, "token": token, "spacing": 6.0, "burst": burst, "from_state": "queued"}
            for number, token in wanted]  # fmt: skip
    answers: list[dict[str, Any]] = call_function("claim_messages", {"wanted": json.dumps(told)})
    return answers


def test_messages_claimed_together_are_one_workers_and_answered_in_their_order(queue_open, queue, add_client):
    mine, others, gone = queue_open(), queue_open(), 10**9
    too_soon = queue(client=add_client(), not_before=now() + timedelta(hours=1))
    assert claim((others, "theirs")) == [{"claimed": True, "attempt": 1}]
    answers = claim((too_soon, "a"), (mine, "b"), (others, "c"), (gone, "d"))
    assert answers[1:] == [{"claimed": True, "attempt": 1}, {"claimed": False}, {"claimed": False}]
    assert not answers[0]["claimed"] and answers[0]["wait_until"]
    assert claim((mine, "b")) == [{"claimed": True, "attempt": 1}]   # whose answer was lost asks again


def test_two_messages_to_one_recipient_in_one_trip_keep_their_distance(queue, add_client):
    client = add_client()
    first, second, third = (queue(client=client) for _ in range(3))
    answers = claim((first, "a"), (second, "b"), (third, "c"), burst=1)
    assert [one["claimed"] for one in answers] == [True, True, False]   # one may be borrowed from later
    wait = datetime.fromisoformat(answers[2]["wait_until"]) - now()
    assert timedelta(seconds=4) < wait < timedelta(seconds=6.5)


def test_messages_taken_by_the_provider_are_written_together_and_once(queue_open):
    numbers = [queue_open() for _ in range(2)]
    assert all(one["claimed"] for one in claim(*((number, f"t{number}") for number in numbers)))
    heard(numbers[1], 1, f"SM{numbers[1]}", "delivered")   # its report was faster than the answer
    taken = [{"id": number, "token": f"t{number}", "attempt": 1, "state": "accepted", "provider": "twilio",
              "provider_id": f"SM{number}", "as_template": False} for number in numbers]  # fmt: skip
    for _ in range(2):
        call_function("accept_messages", {"rows": json.dumps(taken), "finished": "[]"})
    assert [(stored(n)["state"], stored(n)["provider_id"]) for n in numbers] == [
        ("accepted", f"SM{numbers[0]}"), ("delivered", f"SM{numbers[1]}")]  # fmt: skip
    for number in numbers:
        noted = [one for one in queries.events_of(number) if one["source"] == "portal"]
        assert [(one["status"], one["attempt"], one["detail"]) for one in noted] == [("accepted", 1, "[twilio]")]


def test_one_key_is_one_message(provider, queue, add_client):
    client = add_client()
    first = queue(client=client, key="reminder:7:D-7")
    message = service.NewMessage("whatsapp", "service", "reminder:7:D-7", client["phone"], text="again")
    with transaction() as tx:
        assert service.queue_message(tx, THE_PORTAL, message) is None
    with transaction() as tx:
        other = service.NewMessage("whatsapp", "service", "reminder:7:D-1", client["phone"], text="new")
        found = service.queue_messages(tx, THE_PORTAL, [message, other, other])
    assert found[0] is None and found[1] is not None and found[2] is None
    assert stored(first)["body"] != "again"


def test_rivals_with_one_key_make_one_message(add_client):
    message = service.NewMessage("whatsapp", "service", "rivals:1", add_client()["phone"], text="one")
    with pytest.raises(Duplicate), transaction() as slow:
        service.queue_message(slow, THE_PORTAL, message)
        with transaction() as fast:
            service.queue_message(fast, THE_PORTAL, message)
    assert len(execute_query("messages", filters={"key_eq": "rivals:1"}).data) == 1


def test_too_many_requests_wait_as_long_as_the_provider_says(provider, queue_open):
    message_id = queue_open()
    provider.answers = [BUSY]
    before = now()
    run_due_tasks()
    message = stored(message_id)
    assert message["state"] == "queued" and message["reason"] == "Too much."
    assert message["not_before"] >= before + timedelta(seconds=7)
    due(message_id)
    run_due_tasks()
    assert stored(message_id)["state"] == "accepted" and len(provider.sent) == 2


def test_a_failure_that_never_ends_is_given_up_after_its_tries(provider, queue_open):
    message_id = queue_open()
    provider.answers = [SendFailed(Verdict(Kind.RETRY, "Not now.", tries=3), "63019")] * 5
    for _ in range(5):
        due(message_id)
        run_due_tasks()
    assert stored(message_id)["state"] == "failed" and len(provider.sent) == 3


def test_sent_again_by_a_colleague_a_message_has_all_its_tries_and_new_numbers(provider, queue_open):
    message_id = queue_open()
    provider.answers = [SendFailed(Verdict(Kind.RETRY, "Not now.", tries=3), "63019")] * 5
    for _ in range(3):
        due(message_id)
        run_due_tasks()
    with transaction() as tx:
        service.retry(tx, THE_PORTAL, stored(message_id))
    for _ in range(3):
        run_due_tasks()
        assert stored(message_id)["not_before"] < now() + timedelta(minutes=2)   # pauses begin small again
        due(message_id)
    assert stored(message_id)["state"] == "accepted"
    assert [one.own_id for one in provider.sent] == [f"{message_id}.{attempt}" for attempt in range(1, 7)]


def test_an_account_that_was_refused_uses_up_no_tries_of_other_errors(provider, queue_open):
    message_id = queue_open()
    refused = SendFailed(Verdict(Kind.CHANNEL, "Wrong token."), "20003")
    provider.answers = [*[refused] * 4, SendFailed(Verdict(Kind.RETRY, "Not now.", tries=2), "63019")]
    for _ in range(6):
        again(message_id)
    assert stored(message_id)["state"] == "accepted" and len(provider.sent) == 6


@pytest.mark.parametrize("known", [True, False])
def test_a_lost_answer_is_looked_up_before_anything_is_sent_again(provider, queue_open, known):
    message_id = queue_open()
    provider.answers = [LOST]
    run_due_tasks()
    assert stored(message_id)["state"] == "unclear" and len(provider.sent) == 1
    provider.there = [Report("SM-found", "sent", text=stored(message_id)["body"])] if known else []
    due(message_id)
    run_due_tasks()
    message = stored(message_id)
    assert message["state"] == "accepted"
    assert (message["provider_id"], len(provider.sent)) == (("SM-found", 1) if known else (f"SM{message_id}.2", 2))


def test_a_message_found_at_the_provider_that_belongs_to_another_is_not_taken_for_this_one(provider, queue_open):
    pair = queue_open(text="Same words"), queue_open(text="Same words")
    provider.answers = [Accepted("SM-other"), LOST]
    run_due_tasks()
    lost = next(one for one in pair if stored(one)["state"] == "unclear")
    provider.there = [Report("SM-other", "sent", text="Same words")]
    due(lost)
    run_due_tasks()
    assert stored(lost)["provider_id"] == f"SM{lost}.2"


def test_a_report_that_carries_our_own_id_settles_a_lost_answer(provider, queue_open):
    message_id = queue_open()
    provider.answers = [LOST]
    run_due_tasks()
    heard(message_id, 1, "SM-77", "delivered")
    due(message_id)
    run_due_tasks()
    message = stored(message_id)
    assert (message["state"], message["provider_id"], len(provider.sent)) == ("delivered", "SM-77", 1)


def test_who_died_while_sending_leaves_a_message_that_is_looked_up(provider, queue_open):
    message_id = queue_open()
    half_done = {"state": "sending", "attempts": 1, "open_attempt": 1, "claim_token": "dead", "claimed_at": now()}
    execute_query("messages", "update", filters={"message_id_eq": message_id}, data=half_done)
    run_due_tasks()
    assert stored(message_id)["state"] == "sending" and not provider.sent   # its sender may still be at it
    due(message_id)
    run_due_tasks()
    assert stored(message_id)["state"] == "accepted" and len(provider.sent) == 1


@pytest.mark.parametrize("capabilities", [CANNOT_BE_ASKED, NOTHING_IS_HEARD])
def test_where_nobody_can_be_asked_and_nothing_is_heard_a_colleague_decides(provider, queue_open, capabilities):
    provider.capabilities = capabilities
    message_id = queue_open()
    provider.answers = [LOST]
    run_due_tasks()
    due(message_id)
    execute_query("messages", "update", filters={"message_id_eq": message_id},
                  data={"claimed_at": now() - timedelta(minutes=11)})  # fmt: skip
    execute_query("message_events", "update", filters={"source_eq": "twilio"},
                  data={"stored_at": now() - timedelta(days=1)})  # fmt: skip
    run_due_tasks()
    message = stored(message_id)
    assert (message["state"], message["left_to_staff"]) == ("unclear", True)
    assert message["reason"] == reconciling.NOBODY_KNOWS
    assert len(provider.sent) == 1
    with transaction() as tx:
        service.retry(tx, THE_PORTAL, message)
    run_due_tasks()
    assert stored(message_id)["state"] == "accepted" and len(provider.sent) == 2


def test_a_mail_whose_answer_is_lost_is_sent_once_more_and_then_left_to_a_colleague(provider, queue):
    provider.capabilities = MAIL
    message_id = queue(channel="email")
    provider.answers = [LOST, LOST]
    for _ in range(3):
        run_due_tasks()
        due(message_id)
    assert (stored(message_id)["state"], stored(message_id)["left_to_staff"]) == ("unclear", True)
    assert len(provider.sent) == 2


def test_where_reports_come_in_silence_about_one_message_means_that_it_did_not_leave(provider, queue_open):
    provider.capabilities = CANNOT_BE_ASKED
    message_id = queue_open()
    provider.answers = [LOST]
    run_due_tasks()
    heard(None, None, f"SM-x{message_id}", "sent")
    due(message_id)
    run_due_tasks()
    assert stored(message_id)["state"] == "accepted" and len(provider.sent) == 2


def test_a_refused_account_rests_and_burns_no_message(provider, queue_open):
    pair = queue_open(), queue_open()
    provider.answers = [SendFailed(Verdict(Kind.CHANNEL, "Wrong token."), "20003")]
    run_due_tasks()
    assert len(provider.sent) == 1
    assert {stored(one)["state"] for one in pair} == {"queued"}
    assert queries.pauses()[0]["reason"] == "Wrong token."
    with transaction() as tx:
        service.resume_channel(tx, THE_PORTAL, "whatsapp")
    for one in pair:
        due(one)
    run_due_tasks()
    assert {stored(one)["state"] for one in pair} == {"accepted"}


WRONG = SendFailed(Verdict(Kind.CHANNEL, "The account is refused."), "403")


def again(*message_ids):
    """The rest of the channel is over, and the messages are looked at."""
    execute_query("channel_pauses", "delete", filters={"channel_eq": "whatsapp"})
    for one in message_ids:
        due(one)
    run_due_tasks()


def test_a_message_that_alone_is_refused_like_an_account_does_not_rest_the_channel_for_ever(provider, queue_open):
    odd = queue_open()
    for meeting in (1, 2):
        provider.answers = [WRONG]
        again(odd)
        assert (stored(odd)["state"], len(queries.pauses())) == ("queued", 1), meeting
        again(queue_open())   # others go out
    provider.answers = [WRONG]
    again(odd)
    assert (stored(odd)["state"], queries.pauses()) == ("failed", [])
    assert stored(odd)["reason"] == "The account is refused. Others went out meanwhile, so this one is given up."


def test_a_refused_account_burns_nothing_however_long_it_takes(provider, queue_open):
    message_id = queue_open()
    for _ in range(5):
        provider.answers = [WRONG]
        again(message_id)
        assert (stored(message_id)["state"], len(queries.pauses())) == ("queued", 1)


def test_sent_again_by_a_colleague_the_refusals_are_counted_anew(provider, queue_open):
    odd = queue_open()
    for _ in range(2):
        provider.answers = [WRONG]
        again(odd)
        again(queue_open())
    execute_query("messages", "update", filters={"message_id_eq": odd}, data={"state": "failed"})
    with transaction() as tx:
        service.retry(tx, THE_PORTAL, stored(odd))
    provider.answers = [WRONG]
    again(odd)
    assert (stored(odd)["state"], len(queries.pauses())) == ("queued", 1)


def test_what_is_too_late_is_not_sent(provider, queue):
    message_id = queue(expires_at=now() - timedelta(minutes=1))
    run_due_tasks()
    assert stored(message_id)["state"] == "expired" and not provider.sent


def test_nothing_is_sent_before_its_time(provider, queue):
    message_id = queue(not_before=now() + timedelta(hours=2))
    run_due_tasks()
    assert stored(message_id)["state"] == "queued" and not provider.sent


def test_messages_to_one_recipient_keep_their_distance(provider, queue, add_client):
    provider.capabilities = Capabilities(window=True, per_second=100_000.0, spacing=60.0)
    client = add_client()
    wrote(client["phone"])
    ids = [queue(client=client, priority=3) for _ in range(4)]
    run_due_tasks()
    states = sorted(stored(one)["state"] for one in ids)
    assert states == ["accepted", "accepted", "queued", "queued"]   # the one and the one that may be borrowed
    waiting = next(one for one in ids if stored(one)["state"] == "queued")
    task = execute_query("tasks", filters={"unique_key_eq": service.task_key(waiting), "state_eq": "queued"}).data[0]
    assert task["run_at"] > now() + timedelta(seconds=30)


def test_a_message_without_words_or_with_too_many_is_refused(queue):
    with pytest.raises(Refused, match="no text"):
        queue(text="   ")
    with pytest.raises(Refused, match="1,601 characters"):
        queue(text="x" * 1601)


def test_waiting_reminders_of_a_policy_are_cancelled_and_others_stay(provider, queue, add_client):
    client = add_client()
    with transaction() as tx:
        tx.upsert("insurers", {"insurer_id": 901, "name": "Example General"})
        tx.upsert("products", {"product_id": 901, "name": "Example", "line": "motor"})
        policy = tx.insert("policies", {
            "client_id": client["client_id"], "insurer_id": 901, "product_id": 901, "line": "motor",
            "policy_number": "EX/1", "policy_from": "2026-11-01", "policy_to": "2027-10-31",
            "due_on": "2027-10-31"})  # fmt: skip
    policy_id = policy.rows[0]["policy_id"]
    reminder, other = queue(key="reminder:P:1", policy_id=policy_id), queue(key="document:P:1", policy_id=policy_id)
    with transaction() as tx:
        service.cancel_waiting(tx, THE_PORTAL, policy_id=policy_id)
    assert (stored(reminder)["state"], stored(other)["state"]) == ("cancelled", "queued")
    run_due_tasks()
    assert stored(reminder)["state"] == "cancelled" and not provider.sent


@pytest.mark.parametrize("pace", [10, 70, 80])
def test_no_second_holds_more_than_the_providers_pace_though_every_message_may_be_late(pace):
    turns = [place / (pace * sending.PART_OF_THE_PACE) for place in range(10 * pace)]
    for late_until in turns[: 2 * pace]:
        # The worst there is: those before were held up as long as they may be, those after are in time.
        sent = [turn if turn >= late_until else min(turn + sending.MAY_BE_LATE, late_until) for turn in turns]
        for first, moment in enumerate(sent[: 3 * pace]):
            assert first + pace >= len(sent) or sent[first + pace] - moment > 0.999
