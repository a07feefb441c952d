"""The pages of messages: inbox, conversation, outbox, log, one message, a client's consent, channels."""

import re

import pytest

from database_pool import execute_query
from portal.formats import now
from portal.outbox import queries
from task_queue import run_due_tasks
from tests.cast import found, sign_in
from tests.outbox.conftest import stored, wrote


@pytest.fixture(scope="module")
def clerk(app):
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


@pytest.fixture(scope="module")
def reader(app):
    return sign_in(app, "reader")


def thread_of(phone):
    return queries.thread_of("whatsapp", phone)


def test_the_inbox_shows_who_wrote_with_the_client_and_how_long_free_text_is_allowed(clerk, add_client):
    client = add_client(name="Kavita Iyer")
    wrote(client["phone"], "When is my renewal?")
    page = clerk.get("/messages").text
    assert "Kavita Iyer" in page and "When is my renewal?" in page and "1 new" in page
    assert "Kavita Iyer" in clerk.get("/messages?show=unread&q=kavita").text
    assert "No conversation matches" in clerk.get("/messages?q=zzzz").text


def test_how_many_wrote_counts_each_new_sender_once(clerk, add_client):
    def people(query=""):
        found = re.search(r"([0-9,]+) (?:person|people)", clerk.get(f"/messages{query}").text)
        return int(found[1].replace(",", ""))

    first, second = add_client(name="Meera Rao"), add_client(name="Arjun Rao")
    before = people()
    wrote(first["phone"], "Hello")
    assert people() == before + 1
    wrote(first["phone"], "Hello again")
    assert people() == before + 1
    wrote(second["phone"], "Good morning")
    assert people() == before + 2
    assert people("?show=unread") >= 2 and people("?q=Meera") == 1


def test_a_sender_without_a_number_is_shown_by_the_name_they_go_by(clerk):
    wrote("IN.1349870", phone=None, user_id="IN.1349870", profile_name="Sheena", user_name="sheena.n")
    page = clerk.get("/messages").text
    assert "Sheena" in page and "not in the book" in page


def test_opening_a_conversation_reads_it_and_an_answer_goes_out_once(clerk, reader, add_client, provider):
    client = add_client(name="Rohan Mehta")
    wrote(client["phone"], "Hello")
    path = f"/messages/threads/{thread_of(client['phone'])['contact_id']}"
    assert "may read messages but not answer" in reader.get(path).text
    assert thread_of(client["phone"])["unread"] == 1
    page = clerk.get(path).text
    assert thread_of(client["phone"])["unread"] == 0
    form = {"text": "Good morning!", "form_key": found(r'name="form_key" value="([0-9a-f]{32})"', page)}
    for _ in range(2):
        assert clerk.submit(f"{path}/answer", form).status_code == 303
    run_due_tasks()
    assert [one.text for one in provider.sent] == ["Good morning!"]
    page = clerk.get(path).text
    assert "Good morning!" in page and "Charu Nair" in page and "With the provider" in page
    assert "Waits for staff" in clerk.get("/messages?show=staff").text
    assert clerk.submit(f"{path}/done").status_code == 303
    assert thread_of(client["phone"])["waits_for_staff_since"] is None


def test_after_24_hours_there_is_no_box_for_an_answer_and_none_is_taken(clerk, add_client, provider):
    client = add_client()
    wrote(client["phone"])
    long_ago = {"last_inbound_at": "2026-01-01T00:00Z"}
    execute_query("contacts", "update", filters={"address_eq": client["phone"]}, data=long_ago)
    path = f"/messages/threads/{thread_of(client['phone'])['contact_id']}"
    assert "older than 24 hours" in clerk.get(path).text
    answer = clerk.submit(f"{path}/answer", {"text": "Too late", "form_key": "0" * 32})
    assert answer.status_code == 422 and "Too late" not in [one.text for one in provider.sent]


def test_who_asked_to_stop_gets_nothing_until_they_want_to_again(clerk, add_client, provider, queue):
    client = add_client()
    message_id = queue(client=client)
    path = f"/messages/threads/{_contact(client['phone'])}"
    clerk.submit(f"{path}/stop")
    assert stored(message_id)["state"] == "suppressed"
    assert "asked to stop" in clerk.get(path).text
    clerk.submit(f"{path}/start")
    assert thread_of(client["phone"])["opted_out_at"] is None


def _contact(phone):
    execute_query("contacts", "upsert", data={"channel": "whatsapp", "address": phone}, on_conflict="channel, address")
    return thread_of(phone)["contact_id"]


def test_the_log_narrows_by_client_state_and_address(clerk, queue, add_client):
    client = add_client(name="Leela Rao")
    message_id = queue(client=client, text="A reminder for Leela")
    assert "A reminder for Leela" in clerk.get(f"/messages/log?client_id={client['client_id']}").text
    assert "A reminder for Leela" in clerk.get("/messages/outbox").text
    assert "A reminder for Leela" in clerk.get(f"/messages/log?recipient={client['phone'][-6:]}&state=waiting").text
    assert "A reminder for Leela" not in clerk.get("/messages/log?state=delivered").text
    assert "No message matches" in clerk.get("/messages/log?client_id=NOBODY").text
    assert f"/messages/{message_id}" in clerk.get("/messages/log").text


def test_a_waiting_message_can_be_cancelled_and_a_failed_one_sent_again(clerk, queue_open, provider):
    waiting = queue_open()
    assert clerk.submit(f"/messages/{waiting}/cancellation").status_code == 303
    assert stored(waiting)["state"] == "cancelled"
    run_due_tasks()
    assert not provider.sent
    failed = queue_open()
    execute_query("tasks", "delete", filters={"state_eq": "queued"})
    execute_query("messages", "update", filters={"message_id_eq": failed}, data={"state": "failed", "reason": "Odd."})
    assert "Odd." in clerk.get(f"/messages/{failed}").text
    clerk.submit(f"/messages/{failed}/retry")
    run_due_tasks()
    assert stored(failed)["state"] == "accepted" and len(provider.sent) == 1
    assert "Sent again by a colleague" in clerk.get(f"/messages/{failed}").text


def test_a_message_that_moved_on_meanwhile_is_not_cancelled(clerk, queue_open, provider):
    message_id = queue_open()
    run_due_tasks()
    clerk.submit(f"/messages/{message_id}/cancellation")
    assert stored(message_id)["state"] == "accepted"


def test_a_reader_may_change_nothing(reader, queue):
    message_id = queue()
    for path in (f"/messages/{message_id}/cancellation", f"/messages/{message_id}/retry"):
        assert reader.submit(path).status_code == 403
    assert reader.get("/messages/channels").status_code == 403
    assert stored(message_id)["state"] == "queued"


def test_consent_to_promotions_is_noted_with_how_it_was_given_and_taken_back(clerk, add_client):
    client = add_client()
    path = f"/messages/clients/{client['client_id']}"
    assert "promotions" in clerk.get(path).text and not queries.consent_of(client["client_id"], "whatsapp").marketing
    clerk.submit(f"{path}/consent", {"channel": "whatsapp", "how": "on the phone"})
    assert queries.consent_of(client["client_id"], "whatsapp").marketing
    clerk.submit(f"{path}/withdrawal", {"channel": "whatsapp", "how": "by letter"})
    assert not queries.consent_of(client["client_id"], "whatsapp").marketing
    page = clerk.get(path).text
    assert "on the phone" in page and "by letter" in page
    assert f'href="{path}"' in clerk.get(f"/clients/{client['client_id']}").text
    assert clerk.submit(f"{path}/consent", {"channel": "whatsapp", "how": ""}).status_code == 422


def test_the_tick_boxes_of_the_client_form_leave_a_history_of_consent(add_client):
    client = add_client()
    execute_query("clients", "update", filters={"client_id_eq": client["client_id"]}, data={"whatsapp_opt_in": False})
    kept = {(row["channel"], row["withdrawn_at"] is None) for row in queries.consents(client["client_id"])}
    assert kept == {("whatsapp", False), ("email", True)}
    assert queries.consent_of(client["client_id"], "whatsapp").why_not == "There is no consent to WhatsApp messages."


def test_an_administrator_sends_a_test_message_and_ends_a_rest(administrator, provider):
    page = administrator.get("/messages/channels").text
    assert "Not set up" in page
    key = found(r'name="form_key" value="([0-9a-f]{32})"', page)
    form = {"channel": "email", "to": "asha@example.in", "form_key": key}
    provider.capabilities = type(provider.capabilities)(per_second=100_000.0)
    assert administrator.submit("/messages/channels/test", {**form, "to": "nobody"}).status_code == 422
    assert administrator.submit("/messages/channels/test", form).status_code == 303
    run_due_tasks()
    assert [one.to for one in provider.sent] == ["asha@example.in"]
    rest = {"channel": "whatsapp", "paused_until": "2099-01-01T00:00Z", "reason": "Wrong token."}
    execute_query("channel_pauses", "insert", data=rest)
    assert "Wrong token." in administrator.get("/messages/channels").text
    administrator.submit("/messages/channels/whatsapp/resume")
    assert "Wrong token." not in administrator.get("/messages/channels").text


def test_every_page_says_that_messages_are_kept_while_no_provider_is_set_up(clerk):
    for path in ("/clients", "/messages", "/account"):
        assert re.search(r"Messages are kept here and not sent", clerk.get(path).text)


def test_a_text_full_of_html_is_shown_as_text(clerk, add_client):
    client = add_client()
    wrote(client["phone"], "<script>alert(1)</script>", profile_name="<b>Eve</b>", received_at=now())
    page = clerk.get(f"/messages/threads/{thread_of(client['phone'])['contact_id']}").text
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
