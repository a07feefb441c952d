"""The renewal desk, the bot and the outbox where the data lies behind Supabase's REST interface."""

import dataclasses

import pytest

import config
from database_pool import execute_query, transaction
from portal.audit import THE_PORTAL
from portal.formats import now, today
from portal.freshness import Fresh
from portal.outbox import delivery, service
from portal.renewals import queries
from task_queue import run_due_tasks
from tests.cast import sign_in
from tests.renewals.desk import hold_back_messages, messages, morning, notes, open_desk, term
from tests.servers.twilio_stub import ACCOUNT, NUMBER, TOKEN, TwilioStub, signature
from tests.whatsapp_bot.conftest import Person

pytestmark = pytest.mark.slow


def test_what_is_due_is_listed_reminded_of_and_told_to_who_asks_over_rest_as_everywhere(rest_app):
    hold_back_messages()
    book = open_desk()
    due, car = term(book, 7), term(book, -3, "motor", policy_number="T/9001")
    clerk = sign_in(rest_app, "staff")
    page = clerk.get("/renewals?q=rohan").text
    assert f'href="/renewals/{due}"' in page
    assert "Uninsured" in page
    assert "2 policies · ₹23,600 gross premium" in page
    assert queries.board(today(), Fresh()).overdue == 1
    morning()
    assert (notes(due), notes(car)) == (["D-7"], ["D+3"])
    assert {row["state"] for row in messages(due)} == {"queued"}
    lost = clerk.submit(f"/policies/{due}/loss", {"version": "1", "reason": "price"})
    assert lost.status_code == 303
    assert {row["state"] for row in messages(due)} == {"cancelled"}
    morning()
    assert notes(due) == ["D-7"]
    quoted = clerk.submit(f"/renewals/{car}", {"version": "0", "stage": "quoted", "quoted_premium": "9,900"})
    assert quoted.status_code == 303
    retained = queries.retention(today().replace(day=1), 2, today())
    assert sum(month.lost for month in retained) == 1

    # A phone number as a filter is respelled by this server (tests/database/conftest.py); a user id is not.
    client, person = execute_query("clients", filters={"client_id_eq": book.client}).data[0], Person(user_id="IN.rest")
    assert person.hears("hi") == "bot.ask_policy"
    assert person.hears("t 9001") == "bot.ask_digits"
    assert person.hears(client["phone"][-4:]) == "bot.menu"
    assert "T/9001" in person.says("2")[0]["body"]


def test_a_message_is_sent_once_and_followed_to_the_phone_over_rest(rest_app, monkeypatch):
    monkeypatch.setattr(delivery, "end_of_quiet_hours", lambda moment: None)
    stub, base, phone = TwilioStub(), "https://portal.example.com", "+919820077777"
    stub.start()
    execute_query("task_pauses", "delete", filters={"name_eq": "outbox.deliver"})   # held back by the test above
    before = config.settings()
    config.use_settings(dataclasses.replace(
        before, app_base_url=base, twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN, twilio_whatsapp_from=NUMBER,
        twilio_api_base_url=stub.url))  # fmt: skip
    try:
        execute_query("clients", "insert", data={
            "client_id": "REST1", "name": "Asha Rao", "phone": phone, "whatsapp_opt_in": True})  # fmt: skip
        execute_query("inbound_messages", "insert", data={
            "provider": "twilio", "provider_id": "SMrest", "address": phone, "phone": phone, "body": "thanks",
            "received_at": now()})  # fmt: skip
        wanted = service.NewMessage("whatsapp", "service", "rest:1", phone, text="आपका कार्ड तैयार है।",
                                    client_id="REST1", priority=1)  # fmt: skip
        for _ in range(2):
            with transaction() as tx:
                message_id = service.queue_message(tx, THE_PORTAL, wanted)
        assert message_id is None   # the second time
        run_due_tasks()
        sent = [message for message in stub.accepted if message.fields["To"] == f"whatsapp:{phone}"]
        assert [message.fields["Body"] for message in sent] == [wanted.text]
        path = sent[0].fields["StatusCallback"].removeprefix(base)
        for status in ("delivered", "sent"):
            fields = {"AccountSid": ACCOUNT, "MessageSid": sent[0].sid, "MessageStatus": status}
            headers = {"X-Twilio-Signature": signature(f"{base}{path}", fields, TOKEN)}
            told = rest_app.test_client(use_cookies=False).post(path, data=fields, headers=headers)
            assert told.status_code in (200, 204)
        row = execute_query("messages", filters={"key_eq": "rest:1"}).data[0]
        assert (row["state"], row["attempts"], row["provider_id"]) == ("delivered", 1, sent[0].sid)
    finally:
        config.use_settings(before)
        stub.stop()
