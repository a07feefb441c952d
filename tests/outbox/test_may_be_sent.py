"""Whether a message may go out, and in which form: consent, stop, quiet hours, WhatsApp's 24 hours, templates."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from database_pool import call_function, execute_query, transaction
from portal.audit import THE_PORTAL
from portal.errors import Refused
from portal.formats import now
from portal.gateways.interface import Capabilities, Kind, Report, SendFailed, Verdict
from portal.outbox import consent, delivery, queries, wording
from portal.outbox.tasks import upkeep
from task_queue import run_due_tasks, send_email_async, send_whatsapp_async
from tests.outbox.conftest import heard, stored, wrote

ALWAYS = Capabilities(per_second=100_000.0)
REAL_QUIET_HOURS = delivery.end_of_quiet_hours


def age(message_id, **ago):
    """Some moments of a message lie so long ago."""
    moments = {name: now() - distance for name, distance in ago.items()}
    execute_query("messages", "update", filters={"message_id_eq": message_id}, data=moments)


@pytest.fixture
def template(database):
    """A reminder in two languages, approved for the time after the 24 hours."""
    common = {"key": "renewal", "channel": "whatsapp", "title": "Renewal", "variables": ["name", "due"]}
    execute_query("message_templates", "upsert", on_conflict="key, channel, language", data=[
        {**common, "language": "en", "provider_template_id": "HX1",
         "body": "Dear {{name}}, your policy ends on {{ due }}."},
        {**common, "language": "hi", "provider_template_id": "HX2", "body": "{{name}} जी, पॉलिसी {{due}} तक।"},
    ])  # fmt: skip
    return {"template": "renewal", "text": "", "variables": {"name": "Neha", "due": "31/12/2026"}}


@pytest.mark.parametrize(("channel", "box"), [("whatsapp", "whatsapp_opt_in"), ("email", "email_opt_in")])
def test_without_consent_nothing_goes_and_the_reason_stands_there(provider, queue, add_client, channel, box):
    provider.capabilities = ALWAYS
    message_id = queue(client=add_client(**{box: False}), channel=channel)
    run_due_tasks()
    assert stored(message_id)["state"] == "suppressed" and "not agreed" in stored(message_id)["reason"]
    assert not provider.sent


def test_a_number_of_the_book_without_consent_is_not_written_to_by_programs_either(provider, add_client):
    provider.capabilities = ALWAYS
    client = add_client(whatsapp_opt_in=False)
    send_whatsapp_async(client["phone"], "Hello")
    run_due_tasks()
    assert not provider.sent


def test_who_asked_to_stop_gets_nothing_but_answers(provider, queue, add_client):
    provider.capabilities = ALWAYS
    client = add_client()
    with transaction() as tx:
        consent.opt_out(tx, THE_PORTAL, channel="whatsapp", address=client["phone"])
    service_message, answer = queue(client=client), queue(client=client, purpose="reply")
    run_due_tasks()
    assert (stored(service_message)["state"], stored(answer)["state"]) == ("suppressed", "accepted")
    assert queries.consent_of(client["client_id"], "whatsapp").why_not == "The client asked to stop."


def test_promotions_need_a_consent_of_their_own(provider, queue, add_client):
    provider.capabilities = ALWAYS
    client = add_client()
    before = queue(client=client, purpose="marketing")
    run_due_tasks()
    with transaction() as tx:
        consent.agree(tx, THE_PORTAL, client["client_id"], channel="whatsapp", how="on the phone")
    after = queue(client=client, purpose="marketing")
    run_due_tasks()
    with transaction() as tx:
        consent.opt_out(tx, THE_PORTAL, channel="whatsapp", address=client["phone"], scope="marketing")
    stopped, reminder = queue(client=client, purpose="marketing"), queue(client=client)
    run_due_tasks()
    assert [stored(one)["state"] for one in (before, after, stopped, reminder)] == [
        "suppressed", "accepted", "suppressed", "accepted"]  # fmt: skip


def test_a_client_in_the_trash_is_not_written_to(provider, queue, add_client):
    provider.capabilities = ALWAYS
    message_id = queue(client=add_client(deleted_at=now()))
    run_due_tasks()
    assert stored(message_id)["reason"] == delivery.IN_THE_TRASH


@pytest.mark.parametrize(("at", "until"), [
    ("2026-11-26T15:29:59", None),                      # 20:59:59 in Mumbai
    ("2026-11-26T15:30:00", "2026-11-27T03:30:00"),     # 21:00: until 09:00 the next day
    ("2026-11-26T19:00:00", "2026-11-27T03:30:00"),     # 00:30
    ("2026-11-27T03:29:59", "2026-11-27T03:30:00"),
    ("2026-11-27T03:30:00", None),
])  # fmt: skip
def test_quiet_hours_are_those_of_the_office(at, until):
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    found = REAL_QUIET_HOURS(moment)
    assert found == (datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None)


def test_at_night_reminders_wait_and_answers_do_not(provider, queue, monkeypatch):
    provider.capabilities = ALWAYS
    morning = now() + timedelta(hours=9)
    monkeypatch.setattr(delivery, "end_of_quiet_hours", lambda moment: morning)
    reminder, answer, urgent = queue(), queue(purpose="reply"), queue(priority=1)
    run_due_tasks()
    assert [stored(one)["state"] for one in (reminder, answer, urgent)] == ["queued", "accepted", "accepted"]
    assert stored(reminder)["not_before"] == morning and "morning" in stored(reminder)["reason"]


def test_within_24_hours_words_go_as_they_are_and_afterwards_the_approved_template(provider, queue, template):
    closed, opened = queue(**template, language="hi"), queue(**template)
    wrote(stored(opened)["recipient"])
    run_due_tasks()
    by_recipient = {one.to: one for one in provider.sent}
    free, approved = by_recipient[stored(opened)["recipient"]], by_recipient[stored(closed)["recipient"]]
    assert free.template is None and free.text == "Dear Neha, your policy ends on 31/12/2026."
    assert approved.template is not None
    assert (approved.template.provider_id, approved.template.language) == ("HX2", "hi")
    assert dict(approved.template.variables) == {"1": "Neha", "2": "31/12/2026"}


def test_after_24_hours_free_text_fails_with_the_reason(provider, queue):
    message_id = queue()
    run_due_tasks()
    assert (stored(message_id)["state"], stored(message_id)["reason"]) == ("failed", delivery.WINDOW_OVER)
    assert not provider.sent


def test_what_the_provider_calls_too_late_goes_again_as_a_template(provider, queue_open, template):
    provider.answers = [SendFailed(Verdict(Kind.TEMPLATE, "Over."), "63016")]
    message_id = queue_open(**template)
    run_due_tasks()
    assert [one.template is not None for one in provider.sent] == [False, True]
    assert stored(message_id)["state"] == "accepted"


def test_a_report_that_says_too_late_does_the_same(provider, queue_open, template):
    provider.verdicts = {"63016": Verdict(Kind.TEMPLATE, "Over.")}
    message_id = queue_open(**template)
    run_due_tasks()
    heard(message_id, 1, f"SM{message_id}.1", "failed", "63016")
    age(message_id, state_at=timedelta(hours=1))
    upkeep.sweep()   # whoever stored the report died before its task was made
    run_due_tasks()
    assert [one.template is not None for one in provider.sent] == [False, True]


def test_a_template_whose_answer_is_lost_is_found_though_its_words_are_the_providers(provider, queue, template):
    provider.answers = [SendFailed(Verdict(Kind.UNCLEAR, "The connection broke."), "no answer")]
    message_id = queue(**template)
    run_due_tasks()
    assert (stored(message_id)["state"], stored(message_id)["as_template"]) == ("unclear", True)
    provider.there = [Report("SM-found", "sent", text="the provider's wording")]
    age(message_id, claimed_at=timedelta(hours=1))
    execute_query("tasks", "update", filters={"state_eq": "queued"}, data={"run_at": now() - timedelta(hours=1)})
    run_due_tasks()
    assert (stored(message_id)["provider_id"], len(provider.sent)) == ("SM-found", 1)


def test_a_claim_of_the_release_before_leaves_the_form_as_it_is(queue):
    for known in (True, False):
        message_id = queue()
        execute_query("messages", "update", filters={"message_id_eq": message_id}, data={"as_template": known})
        told = {"id": message_id, "token": "old", "spacing": 6.0, "burst": 1, "from_state": "queued"}
        assert call_function("claim_messages", {"wanted": json.dumps([told])})[0]["claimed"]
        assert stored(message_id)["as_template"] is known


def test_an_address_that_cannot_be_reached_gets_nothing_more_until_it_writes(provider, queue_open, add_client, queue):
    client = add_client()
    provider.answers = [SendFailed(Verdict(Kind.SUPPRESS, "Not on WhatsApp."), "63024")]
    first = queue_open(client=client)
    run_due_tasks()
    second = queue(client=client)
    run_due_tasks()
    assert (stored(first)["state"], stored(second)["state"]) == ("failed", "suppressed")
    assert stored(second)["reason"] == "Not on WhatsApp."
    wrote(client["phone"])
    third = queue(client=client)
    run_due_tasks()
    assert stored(third)["state"] == "accepted"


def test_a_stop_at_the_provider_is_a_stop_here(provider, queue_open, add_client):
    client = add_client()
    provider.answers = [SendFailed(Verdict(Kind.SUPPRESS, "Stopped.", blocks="stop"), "21610")]
    queue_open(client=client)
    run_due_tasks()
    contact = queries.contact("whatsapp", client["phone"])
    assert contact is not None and contact["opted_out_at"]


def test_a_template_without_its_words_is_refused_with_their_names(queue, template):
    with pytest.raises(Refused, match="needs due"):
        queue(**{**template, "variables": {"name": "Neha", "due": " "}})
    with pytest.raises(Refused, match="no WhatsApp template called"):
        queue(template="nothing", text="")


def test_what_stands_in_html_is_escaped_and_variables_stand_on_one_line():
    assert wording.fill("<p>{{ name }}</p>", {"name": "<b>"}, as_html=True) == "<p>&lt;b&gt;</p>"
    assert wording.provider_variables(["a"], {"a": " two \n\t     words "}) == {"1": "two words"}
    assert wording.places_of("{{a}} {{ b }} {{a}} {c}") == ["a", "b"]


def test_the_operators_two_functions_end_in_the_outbox(provider):
    provider.capabilities = ALWAYS
    for _ in range(2):
        run_due_tasks()
    send_whatsapp_async("98200 12345", "Hello", priority=1)
    send_email_async("Neha@Example.in", "Subject", "Body")
    run_due_tasks()
    assert [(one.to, one.text, one.subject) for one in sorted(provider.sent, key=lambda one: one.to)] == [
        ("+919820012345", "Hello", ""), ("neha@example.in", "Body", "Subject")]  # fmt: skip


@pytest.mark.parametrize("ask", [
    lambda: send_whatsapp_async("12", "Hello"), lambda: send_email_async("nobody", "s", "b"),
    lambda: send_whatsapp_async("9820012345", "")])  # fmt: skip
def test_what_can_never_be_sent_is_a_dead_letter_with_a_sentence(provider, ask):
    task_id = ask()
    run_due_tasks()
    task = execute_query("tasks", filters={"task_id_eq": task_id}).data[0]
    assert task["state"] == "dead" and task["last_error"].endswith(".") and not provider.sent


def test_the_sweep_gives_what_was_left_behind_a_task_again(provider, queue_open):
    message_id = queue_open()
    execute_query("tasks", "delete", filters={"state_eq": "queued"})
    age(message_id, not_before=timedelta(hours=1))
    upkeep.sweep()
    upkeep.sweep()
    run_due_tasks()
    assert stored(message_id)["state"] == "accepted" and len(provider.sent) == 1


def test_a_status_that_never_came_is_asked_for(provider, queue_open):
    message_id = queue_open()
    run_due_tasks()
    provider.there = [Report(f"SM{message_id}.1", "delivered")]
    age(message_id, state_at=timedelta(hours=2))
    upkeep.ask_statuses()
    assert stored(message_id)["state"] == "delivered"


def test_texts_are_emptied_after_two_years_and_what_was_sent_stays_known(provider, queue_open):
    old, young = queue_open(), queue_open()
    age(old, created_at=timedelta(days=800))
    upkeep.prune()
    assert (stored(old)["body"], stored(old)["recipient"] != "") == ("", True)
    assert stored(young)["body"]
