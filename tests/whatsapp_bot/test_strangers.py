"""Who is not known, or shows no number, gets a polite answer and no data; STOP and START."""

from datetime import timedelta

import pytest

from database_pool import execute_query, transaction
from portal.formats import now
from portal.outbox.queries import consent_of
from tests.whatsapp_bot.conftest import Person
from tests.whatsapp_bot.shelf import policy


def test_an_unknown_number_gets_a_polite_answer_once_and_a_colleague_reads_it(app, book):
    stranger = Person("+919899999999")
    reply = stranger.says("hi, send me the policy of Rohan Mehta")[0]
    assert reply["template_key"] == "bot.unknown"
    assert "Mehta" not in reply["body"]
    assert reply["client_id"] is None
    assert stranger.hears("hello?") == ""
    assert stranger.contact()["waits_for_staff_since"] is not None


@pytest.mark.parametrize(("text", "language"), [("નમસ્તે", "gu"), ("नमस्ते", "hi"), ("हॅलो", "mr"), ("hello", "en")])
def test_a_stranger_is_answered_in_the_language_of_the_greeting(book, text, language):
    reply = Person(f"+91989999{len(text)}{ord(text[0]) % 1000:03d}").says(text)[0]
    assert (reply["template_key"], reply["language"]) == ("bot.unknown", language)


@pytest.fixture
def hidden(client, book):
    """A client, and somebody who writes with a user name instead of a number."""
    person = client()
    policy(book, person.client_id, number=f"OG-26/{person.client_id}", document=True)
    sender = Person(user_id=f"IN.{person.client_id}")
    return person, sender, f"og 26 {person.client_id.lower()}"


def test_a_sender_without_a_number_is_asked_for_a_policy_and_the_last_digits(hidden):
    person, sender, number = hidden
    assert sender.hears("hi") == "bot.ask_policy"
    assert sender.hears(number) == "bot.ask_digits"
    assert sender.hears(person.phone[-4:]) == "bot.menu"
    assert person.client_id in sender.says("1")[0]["body"]


def test_documents_do_not_go_to_a_sender_without_a_number(hidden):
    person, sender, number = hidden
    for text in ("hi", number, person.phone[-4:], "1"):
        sender.says(text)
    reply = sender.says("1")[0]
    assert reply["template_key"] == "bot.document_refused"
    assert reply["document_ids"] == []
    assert sender.contact()["waits_for_staff_since"] is not None


def test_the_question_does_not_tell_whether_a_policy_exists(hidden):
    _, sender, number = hidden
    sender.says("hi")
    there = sender.says(number)[0]["body"]
    other = Person(user_id=f"{sender.address}x")
    other.says("hi")
    assert other.says("no such policy 999")[0]["body"] == there


def test_three_wrong_checks_lock_the_sender_for_a_day_whatever_is_written(hidden):
    person, sender, number = hidden
    sender.says("hi")
    heard = []
    for digits in ("0000", "1111", "2222"):
        sender.says(number)
        heard.append(sender.hears(digits))
    assert heard == ["bot.ask_policy", "bot.ask_policy", "bot.not_verified"]
    sender.was_silent_for(45)
    assert [sender.hears(text) for text in ("MENU", "hi", number, person.phone[-4:])] == [""] * 4
    assert sender.session()["client_id"] is None


def test_waiting_half_an_hour_gives_no_new_tries(hidden):
    _, sender, number = hidden
    heard = []
    for digits in ("0000", "1111", "2222"):
        sender.was_silent_for(31)
        sender.says("hi")
        sender.says(number)
        heard.append(sender.hears(digits))
    assert heard[-1] == "bot.not_verified"


def test_after_half_an_hour_the_check_is_asked_for_again(hidden):
    person, sender, number = hidden
    for text in ("hi", number, person.phone[-4:]):
        sender.says(text)
    sender.was_silent_for(31)
    assert sender.hears("1") == "bot.ask_policy"


def test_stop_is_confirmed_and_nothing_more_is_sent_until_start(client):
    person = client()
    assert person.hears("STOP") == "bot.stopped"
    assert person.contact()["opted_out_at"] is not None
    assert person.hears("start") == "bot.started"
    assert person.contact()["opted_out_at"] is None


def test_stop_in_another_language_is_a_stop_and_answered_in_the_clients(client):
    person = client(language="gu")
    reply = person.says("બંધ કરો")[0]
    assert (reply["template_key"], reply["language"]) == ("bot.stopped", "gu")
    assert person.contact()["opted_out_at"] is not None


def test_stop_promo_ends_promotions_alone_until_start(client):
    person = client()
    assert person.hears("STOP PROMO") == "bot.promotions_stopped"
    contact = person.contact()
    assert contact["opted_out_at"] is None and contact["marketing_opted_out_at"] is not None
    assert consent_of(person.client_id, "whatsapp").service
    assert person.hears("start") == "bot.started"
    assert person.contact()["marketing_opted_out_at"] is None


def opted_out(phone):
    rows = execute_query("contacts", filters={"address_eq": phone}).data
    return [name for name in ("opted_out_at", "marketing_opted_out_at") if rows and rows[0][name]]


@pytest.mark.parametrize(("text", "column"), [("STOP", "opted_out_at"), ("stop promo", "marketing_opted_out_at")])
@pytest.mark.parametrize("silent_for", [1, 45])
def test_stop_of_a_known_sender_without_a_number_holds_for_the_clients_numbers(hidden, text, column, silent_for):
    person, sender, number = hidden
    with transaction() as tx:
        other = f"+9198333{person.phone[-5:]}"
        tx.update("clients", {"other_phone": other}, filters={"client_id_eq": person.client_id})
    for said in ("hi", number, person.phone[-4:]):
        sender.says(said)
    sender.was_silent_for(silent_for)
    sender.says(text)
    assert [opted_out(phone) for phone in (person.phone, other, sender.address)] == [[column]] * 3
    assert sender.contact()["waits_for_staff_since"] is None


def test_stop_of_a_sender_whom_nobody_can_place_is_seen_by_a_colleague(hidden):
    person, sender, _ = hidden
    assert sender.hears("STOP") == "bot.stopped"
    assert sender.contact()["opted_out_at"] is not None and sender.contact()["waits_for_staff_since"] is not None
    assert opted_out(person.phone) == []


def test_start_of_a_sender_without_a_number_is_seen_by_a_colleague_and_opens_no_other_number(hidden):
    person, sender, number = hidden
    for said in ("hi", number, person.phone[-4:], "STOP"):
        sender.says(said)
    assert sender.hears("START") == "bot.started"
    assert opted_out(person.phone) == ["opted_out_at"] and opted_out(sender.address) == []
    assert sender.contact()["waits_for_staff_since"] is not None


def test_start_without_a_stop_is_a_greeting(client):
    assert client().hears("START") == "bot.menu"


def test_stop_is_heard_while_a_colleague_answers(client):
    person = client()
    person.says("hi")
    person.says("4")
    assert person.hears("stop") == "bot.stopped"
    assert person.contact()["opted_out_at"] is not None


def test_an_old_message_is_answered_only_while_whatsapp_takes_it(client):
    person = client()
    reply = person.says("hi", at=now() - timedelta(hours=25))[0]
    assert reply["expires_at"] < now()


def test_a_client_on_another_number_of_theirs_is_known(client):
    person = client(other_phone="+919876543210")
    assert Person("+919876543210").hears("hi") == "bot.menu"
    with transaction() as tx:
        tx.update("clients", {"other_phone": None}, filters={"client_id_eq": person.client_id})
    assert execute_query("bot_clients", filters={"phone_eq": "+919876543210"}).data == []
