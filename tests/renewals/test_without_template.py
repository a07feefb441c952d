"""WhatsApp is set up and its templates are not: colleagues read it before they send, not in the log afterwards."""

from dataclasses import replace
from datetime import timedelta

import pytest

import config
from database_pool import execute_query
from portal.formats import now
from portal.outbox.reach import NO_TEMPLATE
from task_queue import run_due_tasks
from tests.cast import sign_in
from tests.outbox.conftest import wrote
from tests.policies.book import days_from_today
from tests.renewals.desk import hold_back_messages, messages, notes, open_desk, reach, term
from tests.renewals.test_bulk import confirm, ticked


@pytest.fixture(scope="module")
def clerk(app):
    hold_back_messages()
    return sign_in(app, "staff")


@pytest.fixture(autouse=True)
def twilio(app):
    """The portal sends through Twilio, which is not asked here."""
    sender = "whatsapp:+14155238886"
    account = replace(
        config.settings(), twilio_account_sid="AC1", twilio_auth_token="secret", twilio_whatsapp_from=sender
    )
    before = config.use_settings(account)
    yield
    config.use_settings(before)


@pytest.fixture
def book(app):
    return open_desk(f"WT{execute_query('clients', count=True, limit=1).count}")


@pytest.fixture
def approved(database):
    """The provider has approved the English words of the reminder."""
    which = {"key_eq": "reminder.before", "channel_eq": "whatsapp", "language_eq": "en"}
    execute_query("message_templates", "update", filters=which, data={"provider_template_id": "HX1"})
    yield
    execute_query("message_templates", "update", filters=which, data={"provider_template_id": None})


def phone_of(book):
    return execute_query("clients", filters={"client_id_eq": book.client}).data[0]["phone"]


def offered(clerk, policy_id, language="en"):
    page = clerk.get(f"/renewals/{policy_id}/reminder?language={language}").text
    return [channel for channel in ("whatsapp", "email") if f'id="f-by-{channel}"' in page], NO_TEMPLATE in page


def send(clerk, policy_id, **typed):
    form = {"language": "en", "channels": ["whatsapp", "email"], **typed}
    return clerk.submit(f"/renewals/{policy_id}/reminder", form)


def test_the_dialog_says_why_whatsapp_cannot_be_used_and_takes_e_mail(clerk, book):
    policy_id = term(book, 20)
    assert offered(clerk, policy_id) == (["email"], True)
    answer = send(clerk, policy_id)
    assert answer.status_code == 422 and f"WhatsApp: {NO_TEMPLATE}" in answer.text
    assert send(clerk, policy_id, channels="email").status_code == 303
    assert [row["channel"] for row in messages(policy_id)] == ["email"]


def test_who_wrote_today_can_be_written_to_today_and_not_in_two_days(clerk, book):
    policy_id = term(book, 20)
    wrote(phone_of(book))
    assert offered(clerk, policy_id) == (["whatsapp", "email"], False)
    assert send(clerk, policy_id, send_on=days_from_today(2)).status_code == 422
    assert send(clerk, policy_id).status_code == 303


def test_who_wrote_the_day_before_yesterday_cannot(clerk, book):
    wrote(phone_of(book), received_at=now() - timedelta(hours=25))
    assert offered(clerk, term(book, 20)) == (["email"], True)


@pytest.mark.usefixtures("approved")
def test_an_approved_template_opens_the_way_in_its_language_alone(clerk, book):
    policy_id = term(book, 20)
    assert offered(clerk, policy_id) == (["whatsapp", "email"], False)
    assert offered(clerk, policy_id, "hi") == (["email"], True)
    assert offered(clerk, term(book, -2)) == (["email"], True), "another occasion, another template"
    assert send(clerk, policy_id, send_on=days_from_today(2)).status_code == 303


def test_a_job_leaves_out_who_cannot_be_reached_and_writes_mails_to_the_others(clerk, book):
    other = open_desk(f"{book.client}B")
    reach(other.client, email=None)
    policies = {"by mail": term(book, 20), "nobody": term(other, 20)}
    page = clerk.submit("/renewals/bulk", ticked(policies))
    assert "2 chosen: 1 ready, 1 without approved template" in page.text and NO_TEMPLATE in page.text
    assert confirm(clerk, page)[0].status_code == 303
    run_due_tasks()
    assert [row["channel"] for row in messages(policies["by mail"])] == ["email"]
    assert notes(policies["nobody"]) == []


@pytest.mark.usefixtures("approved")
def test_with_an_approved_template_a_job_writes_over_whatsapp(clerk, book):
    policies = {"first": term(book, 20)}
    assert confirm(clerk, clerk.submit("/renewals/bulk", ticked(policies)))[0].status_code == 303
    run_due_tasks()
    assert {row["channel"] for row in messages(policies["first"])} == {"whatsapp", "email"}
