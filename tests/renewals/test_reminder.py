"""The reminder of one policy: what would be sent, and sending it once a day."""

from datetime import datetime, timedelta

import pytest

from database_pool import transaction
from portal.formats import OFFICE_ZONE, today
from tests.cast import sign_in
from tests.policies.book import days_from_today
from tests.renewals.desk import hold_back_messages, messages, notes, open_desk, reach, term


@pytest.fixture(scope="module")
def book(app):
    hold_back_messages()
    return open_desk()


@pytest.fixture(scope="module")
def clerk(app, book):
    return sign_in(app, "staff")


def send(browser, policy_id, **typed):
    return browser.submit(
        f"/renewals/{policy_id}/reminder", {"language": "en", "channels": ["whatsapp", "email"], **typed}
    )


def test_the_dialog_shows_the_exact_words_that_then_go_out(clerk, book):
    policy_id = term(book, 20, "motor", asset="MH02DN4417")
    page = clerk.get(f"/renewals/{policy_id}/reminder?language=mr").text
    assert send(clerk, policy_id, language="mr").status_code == 303
    sent = {row["channel"]: row for row in messages(policy_id)}
    for row in sent.values():
        assert row["body"].splitlines()[0] in page
    assert ", MH 02 DN 4417)" in sent["whatsapp"]["body"]
    assert sent["email"]["subject"].startswith("तुमची पॉलिसी")


def test_a_second_one_on_the_same_day_is_refused(clerk, book):
    policy_id = term(book, 20)
    assert send(clerk, policy_id, channels="email").status_code == 303
    answer = send(clerk, policy_id)
    assert answer.status_code == 422
    assert "was sent today already" in answer.text
    assert len(messages(policy_id)) == 1


def test_a_reminder_can_wait_for_the_morning_of_a_chosen_day(clerk, book):
    policy_id = term(book, 20)
    assert send(clerk, policy_id, send_on=days_from_today(2)).status_code == 303
    day = today() + timedelta(days=2)
    assert {row["not_before"] for row in messages(policy_id)} == {
        datetime(day.year, day.month, day.day, 9, tzinfo=OFFICE_ZONE)
    }
    assert notes(policy_id) == [f"by hand {day.isoformat()}"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"whatsapp_opt_in": False}, "There is no consent to WhatsApp messages."),
        ({"phone": None}, "The client has no phone number."),
        ({"email": None}, "The client has no e-mail address."),
    ],
)
def test_a_channel_that_cannot_be_used_says_why(clerk, book, changed, sentence):
    other = open_desk(f"R{next(iter(changed))[:2].upper()}1")
    reach(other.client, **changed)
    policy_id = term(other, 20)
    assert sentence in clerk.get(f"/renewals/{policy_id}/reminder").text
    channel = "email" if "email" in changed else "whatsapp"
    answer = send(clerk, policy_id, channels=channel)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert messages(policy_id) == []


def test_nobody_is_reminded_of_a_policy_that_is_renewed(clerk, book):
    policy_id = term(book, 20)
    with transaction() as tx:
        tx.update("policies", {"state": "renewed"}, filters={"policy_id_eq": policy_id})
    assert "This policy is renewed." in clerk.get(f"/renewals/{policy_id}/reminder").text
    assert send(clerk, policy_id).status_code == 422
    assert messages(policy_id) == []


@pytest.mark.parametrize(
    ("typed", "sentence"), [({"channels": []}, "Choose WhatsApp"), ({"send_on": "1/1/2020"}, "after today")]
)
def test_a_form_without_sense_is_refused(clerk, book, typed, sentence):
    policy_id = term(book, 20)
    answer = send(clerk, policy_id, **typed)
    assert answer.status_code == 422
    assert sentence in answer.text


def test_a_name_with_html_in_it_stays_a_name(clerk, book):
    other = open_desk("XSS1")
    with transaction() as tx:
        tx.update("clients", {"name": "<b>R & J</b>"}, filters={"client_id_eq": "XSS1"})
    policy_id = term(other, 20)
    send(clerk, policy_id)
    mail = next(row for row in messages(policy_id) if row["channel"] == "email")
    assert "&lt;b&gt;R &amp; J&lt;/b&gt;" in mail["html_body"]
    assert "<b>R & J</b>" in mail["body"]
    assert "<b>R & J" not in clerk.get(f"/renewals/{policy_id}/reminder").text
