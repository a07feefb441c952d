"""HI, from the webhook to the phone and back: stored once, answered, sent, followed by what the provider reports."""

import itertools
from urllib.parse import urlsplit

import pytest

import app_multiuser
import config
from database_pool import execute_query, transaction
from portal.outbox import delivery
from task_queue import run_due_tasks
from tests.conftest import portal_settings
from tests.policies.book import make_book
from tests.servers.twilio_stub import ACCOUNT, NUMBER, TOKEN, TwilioStub, signature
from tests.whatsapp_bot.shelf import policy

BASE = "https://portal.example.com"
PHONE = "+919820055555"
SERIAL = itertools.count(1)


@pytest.fixture(scope="module")
def stub():
    running = TwilioStub()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def web(database, data_dir, stub):
    """The portal with Twilio set up, whose API is the stub."""
    chosen = portal_settings(
        data_dir,
        DATABASE_URL=database.database_url or "",
        APP_BASE_URL=BASE,
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_WHATSAPP_FROM=NUMBER,
        TWILIO_API_BASE_URL=stub.url,
    )
    yield app_multiuser.create_app(chosen)
    config.use_settings(database)


@pytest.fixture
def known_client(web, monkeypatch):
    """A client with two policies, one of them with its document; no quiet hours whenever the tests run."""
    monkeypatch.setattr(delivery, "end_of_quiet_hours", lambda moment: None)
    book = make_book()
    with transaction() as tx:
        values = {"phone": PHONE, "whatsapp_opt_in": True, "language": "gu"}
        tx.update("clients", values, filters={"client_id_eq": book.client})
    policy(book, book.client, due_in=20, number="TRIP/1", document=True)
    policy(book, book.client, due_in=30, number="TRIP/2")


def call(web, path, fields):
    fields = {"AccountSid": ACCOUNT, **fields}
    headers = {"X-Twilio-Signature": signature(f"{BASE}{path}", fields, TOKEN), "Host": "portal.example.com"}
    return web.test_client(use_cookies=False).post(path, data=fields, headers=headers)


def writes(web, text, sid):
    fields = {"MessageSid": sid, "From": f"whatsapp:{PHONE}", "To": NUMBER, "Body": text, "NumMedia": "0"}
    return call(web, "/twilio/whatsapp", fields)


def test_hi_is_stored_once_answered_sent_and_followed_to_the_phone(web, known_client, stub):
    for text, times in (("HI", 3), ("1", 1), ("1", 2)):
        sid = f"SMtrip{next(SERIAL)}"
        for _ in range(times):
            assert writes(web, text, sid).status_code == 200
        run_due_tasks()
    assert execute_query("inbound_messages", filters={"address_eq": PHONE}, count=True).count == 3
    sent = [message.fields for message in stub.accepted]
    assert [fields["To"] for fields in sent] == [f"whatsapp:{PHONE}"] * 3
    assert "1 મારી પૉલિસીઓ" in sent[0]["Body"]
    assert "TRIP/2" in sent[1]["Body"]
    assert "TRIP/1" in sent[2]["Body"]
    link = urlsplit(sent[2]["MediaUrl"])
    assert (link.scheme, link.netloc, link.path.split("/")[1]) == ("https", "portal.example.com", "media")
    for message in stub.accepted:
        path = message.fields["StatusCallback"].removeprefix(BASE)
        for status in ("read", "sent", "delivered", "read"):
            call(web, path, {"MessageSid": message.sid, "MessageStatus": status})
    run_due_tasks()
    rows = execute_query("messages", filters={"recipient_eq": PHONE}, order="message_id").data
    assert [(row["state"], row["template_key"], row["provider_id"]) for row in rows] == [
        ("read", "bot.menu", stub.accepted[0].sid),
        ("read", "bot.policies", stub.accepted[1].sid),
        ("read", "bot.document", stub.accepted[2].sid),
    ]


def test_a_forged_hi_leaves_nothing(web):
    fields = {"MessageSid": "SMforged", "From": f"whatsapp:{PHONE}", "Body": "HI", "AccountSid": ACCOUNT}
    headers = {"X-Twilio-Signature": "AAAA", "Host": "portal.example.com"}
    answer = web.test_client(use_cookies=False).post("/twilio/whatsapp", data=fields, headers=headers)
    assert answer.status_code == 403
    assert execute_query("inbound_messages", filters={"provider_id_eq": "SMforged"}).data == []
