"""A client writes HI: the menu, policies, what is due, documents, and the way to a colleague."""

from datetime import timedelta

import pytest

from database_pool import execute_query, transaction
from portal.formats import now, office_date, today
from portal.whatsapp_bot import tasks
from tests.cast import sign_in
from tests.whatsapp_bot.shelf import policy


def test_hi_is_answered_with_the_menu_and_the_clients_name(client):
    person = client()
    reply = person.says("Hi")[0]
    assert reply["template_key"] == "bot.menu"
    assert "Kavita Iyer" in reply["body"]
    assert "1 My policies" in reply["body"]
    assert (reply["purpose"], reply["priority"], reply["recipient"]) == ("reply", 1, person.phone)
    assert reply["expires_at"] > now() + timedelta(hours=23)


@pytest.mark.parametrize(
    ("language", "words"),
    [("hi", "मेरी पॉलिसियाँ"), ("gu", "મારી પૉલિસીઓ"), ("mr", "माझ्या पॉलिसी"), ("en", "My policies")],
)
def test_the_bot_speaks_the_language_of_the_client(client, language, words):
    assert words in client(language=language).says("hello")[0]["body"]


def test_policies_are_listed_eight_at_a_time(client, book):
    person = client()
    numbers = [policy(book, person.client_id, due_in=10 + place, number=f"LIST/{place}") for place in range(19)]
    person.says("hi")
    pages = [person.says(text)[0] for text in ("1", "9", "9", "9")]
    assert [page["template_key"] for page in pages] == ["bot.policies_more", "bot.policies_more", "bot.policies",
                                                        "bot.policies_more"]  # fmt: skip
    assert [page["body"].count("LIST/") for page in pages] == [8, 8, 3, 8]
    assert f"until {office_date(today() + timedelta(days=10))}" in pages[0]["body"]
    assert len(numbers) == 19


def test_a_client_without_policies_is_told_so(client):
    person = client()
    person.says("hi")
    assert person.hears("1") == "bot.no_policies"


def test_what_is_due_is_overdue_or_ends_in_sixty_days(client, book):
    person = client(language="mr")
    for days, number in ((-10, "D/LATE"), (60, "D/SOON"), (61, "D/FAR")):
        policy(book, person.client_id, due_in=days, number=number)
    policy(book, person.client_id, due_in=5, number="D/ONCE", one_time=True)
    person.says("hi")
    body = person.says("2")[0]["body"]
    assert "D/LATE" in body
    assert "रोजी संपली" in body
    assert "D/SOON" in body
    assert "D/FAR" not in body
    assert "D/ONCE" not in body


def test_nothing_due_is_said(client):
    person = client()
    person.says("hi")
    assert person.hears("2") == "bot.nothing_due"


def test_a_number_of_the_list_brings_the_document(client, book):
    person = client()
    policy(book, person.client_id, due_in=10, number="DOC/1")
    wanted = policy(book, person.client_id, due_in=20, number="DOC/2", document=True)
    person.says("hi")
    person.says("1")
    reply = person.says("2")[0]
    document = execute_query("documents", filters={"policy_id_eq": wanted}).data[0]
    assert reply["template_key"] == "bot.document"
    assert reply["document_ids"] == [document["document_id"]]
    assert "DOC/2" in reply["body"]


def test_the_list_of_documents_has_only_policies_with_one(client, book):
    person = client()
    policy(book, person.client_id, number="N/0")
    policy(book, person.client_id, number="N/1", document=True)
    person.says("hi")
    body = person.says("3")[0]["body"]
    assert "N/1" in body
    assert "N/0" not in body
    assert person.hears("1") == "bot.document"


def test_a_document_that_is_not_here_calls_a_colleague(client, book):
    person = client()
    policy(book, person.client_id)
    person.says("hi")
    person.says("1")
    assert person.hears("1") == "bot.document_missing"
    assert person.contact()["waits_for_staff_since"] is not None


def test_a_list_that_changed_meanwhile_gives_no_other_clients_document(client, book):
    person, other = client(), client()
    mine, theirs = policy(book, person.client_id), policy(book, other.client_id, document=True)
    person.says("hi")
    person.says("1")
    with transaction() as tx:
        tx.update("bot_sessions", {"choices": [theirs]}, filters={"address_eq": person.address})
    replies = person.says("1")
    assert replies[0]["template_key"] == "bot.not_understood"
    assert mine != theirs


def test_several_clients_on_one_phone_are_asked_apart(client, book):
    father = client()
    son = client(phone=father.phone)
    policy(book, father.client_id, number="FA/1")
    policy(book, son.client_id, number="SO/1")
    asked = father.says("hi")[0]
    assert asked["template_key"] == "bot.which_client"
    assert "1 Kavita Iyer" in asked["body"]
    assert father.hears("7") == "bot.which_client"
    assert father.hears("2") == "bot.menu"
    body = father.says("1")[0]["body"]
    assert "SO/1" in body
    assert "FA/1" not in body
    assert father.hears("hello") == "bot.menu", "within the half hour it is still the same client"
    father.was_silent_for(31)
    assert father.hears("hello") == "bot.which_client"


def test_after_half_an_hour_a_number_means_the_menu_again(client, book):
    person = client()
    policy(book, person.client_id, document=True)
    person.says("hi")
    person.says("1")
    person.was_silent_for(31)
    assert person.hears("1") == "bot.policies"


def test_three_times_not_understood_a_colleague_takes_over_and_the_bot_keeps_quiet(client):
    person = client()
    said = [person.hears(text) for text in ("what about my claim", "I mean the car", "the red one", "anybody there?")]
    assert said == ["bot.not_understood", "bot.not_understood", "bot.handed_over", ""]
    assert person.contact()["waits_for_staff_since"] is not None
    assert person.hears("MENU") == "bot.menu"
    assert person.contact()["waits_for_staff_since"] is None


def test_talk_to_us_calls_a_colleague(client):
    person = client()
    person.says("hi")
    assert person.hears("4") == "bot.staff"
    assert person.hears("hello?") == "", "the colleague answers now"
    assert person.contact()["unread"] == 2


def test_a_photo_goes_to_a_colleague(client):
    person = client()
    assert person.hears(kind="image") == "bot.staff"
    assert person.contact()["waits_for_staff_since"] is not None


def test_what_the_bot_answered_is_not_unread(client):
    person = client()
    person.says("hi")
    assert person.contact()["unread"] == 0


def test_a_client_in_the_trash_is_not_known(client):
    person = client(deleted_at=now())
    assert person.hears("hi") == "bot.unknown"


def test_a_colleague_gives_the_conversation_back(app, client):
    person, clerk = client(), sign_in(app, "staff")
    person.says("hi")
    person.says("4")
    page = clerk.get("/whatsapp_bot?show=waiting")
    assert person.phone[-5:] in page.text
    answer = clerk.submit("/whatsapp_bot/hand-back", {"address": person.address})
    assert answer.status_code == 303
    assert person.hears("1") == "bot.no_policies"


def test_a_reader_neither_sees_nor_steers_the_bot(app):
    reader = sign_in(app, "reader")
    assert reader.get("/whatsapp_bot").status_code == 403
    assert reader.submit("/whatsapp_bot/hand-back", {"address": "x"}).status_code == 403


def test_a_text_that_was_switched_off_calls_a_colleague(client):
    person = client()
    with transaction() as tx:
        tx.update("message_templates", {"is_active": False}, filters={"key_eq": "bot.nothing_due"})
    person.says("hi")
    assert person.hears("2") == ""
    assert person.contact()["waits_for_staff_since"] is not None
    with transaction() as tx:
        tx.update("message_templates", {"is_active": True}, filters={"key_eq": "bot.nothing_due"})


def test_the_answer_task_may_run_twice(client):
    person = client()
    inbound_id = person.writes("hi")
    for _ in range(3):
        tasks.answer(inbound_id)
    assert len(person.replies_to(inbound_id)) == 1
