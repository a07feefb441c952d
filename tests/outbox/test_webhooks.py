"""What providers call: the genuine is stored once and answered at once, the forged is refused and leaves nothing."""

import hashlib
import hmac
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

import app_multiuser
import config
from database_pool import execute_query
from portal.formats import now
from portal.gateways.interface import Kind, Verdict
from portal.outbox.webhooks import meta_events, signed_address
from task_queue import run_due_tasks
from tests.conftest import portal_settings
from tests.outbox.conftest import NUMBERS, heard, stored
from tests.servers.descriptions import shared
from tests.servers.twilio_stub import ACCOUNT, NUMBER, TOKEN, signature

BASE = "https://portal.example.com"
SECRET = "secret-of-the-app"
EXAMPLES_FILE = shared("specs/meta_webhook_examples.json")
EXAMPLES = json.loads(EXAMPLES_FILE.read_text()) if EXAMPLES_FILE else {}


@pytest.fixture(scope="module")
def web(database, data_dir):
    """The portal behind HTTPS with both providers set up, on the module's database."""
    before = config.settings()
    chosen = portal_settings(
        data_dir, DATABASE_URL=before.database_url or "", APP_BASE_URL=BASE, TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN, TWILIO_WHATSAPP_FROM=NUMBER, WHATSAPP_TOKEN="t", WHATSAPP_PHONE_ID="1",
        VERIFY_TOKEN="word of ours", WHATSAPP_APP_SECRET=SECRET)  # fmt: skip
    yield app_multiuser.create_app(chosen)
    config.use_settings(before)


@pytest.fixture
def provider_calls(web):
    """A program that calls from outside, without cookies."""
    return web.test_client(use_cookies=False)


def from_meta(client, body, secret=SECRET):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return client.post("/webhook", data=raw, headers={"X-Hub-Signature-256": made, "Host": "portal.example.com"},
                       content_type="application/json")  # fmt: skip


def from_twilio(client, path, fields, *, signed_for=None, token=TOKEN, account=ACCOUNT, **options):
    fields = {"AccountSid": account, **fields}
    made = signature(signed_for or f"{BASE}{path}", fields, token)
    return client.post(path, data=fields, headers={"X-Twilio-Signature": made, **options.pop("headers", {})}, **options)


def text_from(phone, text="HI", **given):
    message = {"from": phone, "id": f"wamid.T{next(NUMBERS)}", "timestamp": "1764100000", "type": "text",
               "text": {"body": text}, **given}  # fmt: skip
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}, "messages": [message],
             "contacts": [{"wa_id": phone, "profile": {"name": "Neha"}}]}  # fmt: skip
    changes = [{"field": "messages", "value": value}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


def inbound(provider_id):
    return execute_query("inbound_messages", filters={"provider_id_eq": provider_id}).data


def message_id_of(payload):
    return payload["entry"][0]["changes"][0]["value"]["messages"][0]["id"]


def everything_stored():
    return (execute_query("inbound_messages", columns="inbound_id", limit=1, count=True).count,
            execute_query("message_events", columns="event_id", limit=1, count=True).count)  # fmt: skip


def test_meta_verifies_the_address_with_the_word_that_only_we_know(provider_calls):
    asked = {"hub.mode": "subscribe", "hub.verify_token": "word of ours", "hub.challenge": "<b>1158201444</b>"}
    answer = provider_calls.get("/webhook", query_string=asked)
    assert (answer.status_code, answer.text) == (200, "<b>1158201444</b>")
    assert answer.content_type.startswith("text/plain")
    odd = ("hub.verify_token", "guess"), ("hub.verify_token", ""), ("hub.mode", "unsubscribe"), ("hub.challenge", "")
    for wrong in (dict([pair]) for pair in odd):
        assert provider_calls.get("/webhook", query_string={**asked, **wrong}).status_code == 403


def test_nothing_is_verified_or_believed_while_the_secrets_are_not_set(database):
    before = config.settings()
    app = app_multiuser.create_app(replace(before, app_base_url=BASE))
    caller = app.test_client()
    asked = {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}
    assert caller.get("/webhook", query_string=asked).status_code == 403
    assert from_meta(caller, text_from("919820111111"), secret="").status_code == 403
    assert from_twilio(caller, "/twilio/whatsapp", {"MessageSid": "SM1"}, token="").status_code == 403
    config.use_settings(before)


@pytest.mark.parametrize("name", EXAMPLES or [pytest.param("", marks=pytest.mark.skip("Meta's examples are not here"))])
def test_metas_published_examples_are_accepted_signed_and_refused_with_one_byte_changed(provider_calls, name):
    raw = json.dumps(EXAMPLES[name], ensure_ascii=True).encode()
    good = from_meta(provider_calls, raw)
    assert good.status_code == 200
    before = everything_stored()
    made = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    for place in (0, len(raw) // 2, len(raw) - 1):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        answer = provider_calls.post("/webhook", data=changed, headers={"X-Hub-Signature-256": made})
        assert answer.status_code == 403
    assert everything_stored() == before


def test_the_signature_is_over_the_bytes_as_they_came(provider_calls):
    r"""Meta writes é as \u00e9: a body that is read and written again has another signature."""
    payload = text_from("919820222222", "caf\u00e9 🙂")
    raw = json.dumps(payload, ensure_ascii=True, separators=(",", ":")).encode()
    assert from_meta(provider_calls, raw).status_code == 200
    assert inbound(message_id_of(payload))[0]["body"] == "caf\u00e9 🙂"


@pytest.mark.parametrize("header", ["", "sha256=", "sha1=abc", "sha256=é", "sha256=" + "0" * 64])
def test_a_missing_or_odd_signature_of_meta_is_refused(provider_calls, header):
    sent = {"X-Hub-Signature-256": header.encode().decode("latin-1")}
    answer = provider_calls.post("/webhook", data=b"{}", headers=sent)
    assert answer.status_code == 403


def test_every_message_of_every_change_of_every_entry_is_stored(provider_calls):
    payloads = [text_from(f"91982033333{number}") for number in range(4)]
    pairs = payloads[:2], payloads[2:]
    entries = [{"changes": [change for one in pair for change in one["entry"][0]["changes"]]} for pair in pairs]
    assert from_meta(provider_calls, {"entry": entries}).status_code == 200
    assert all(inbound(message_id_of(payload)) for payload in payloads)


def test_a_sender_who_shows_no_number_is_known_by_the_user_id(provider_calls):
    payload = text_from("IN.1349")
    message = payload["entry"][0]["changes"][0]["value"]["messages"][0]
    del message["from"]
    value = payload["entry"][0]["changes"][0]["value"]
    value["contacts"] = [{"user_id": "IN.13491208655302741918", "profile": {"name": "Neha", "username": "neha.k"}}]
    assert from_meta(provider_calls, payload).status_code == 200
    row = inbound(message["id"])[0]
    assert (row["address"], row["phone"], row["user_name"]) == ("IN.13491208655302741918", None, "neha.k")


@pytest.mark.parametrize("body", [
    b"[]", b"null", b"{}", b'{"entry": 7}', b'{"entry": [7, {"changes": "x"}]}',
    b'{"entry":[{"changes":[{"value":[]}]}]}',
    b'{"entry":[{"changes":[{"value":{"messages":[{"id":"x"}, 7], "statuses":[{"id":"y","status":"flying"}]}}]}]}',
])  # fmt: skip
def test_a_genuine_body_that_is_odd_is_answered_and_stores_nothing(provider_calls, body):
    before = everything_stored()
    assert from_meta(provider_calls, body).status_code == 200
    assert everything_stored() == before


def test_a_body_that_is_no_json_or_too_large_is_the_senders_fault(provider_calls):
    assert from_meta(provider_calls, b"{not json").status_code == 400
    assert from_meta(provider_calls, b"[" * 100_000).status_code == 400
    assert from_meta(provider_calls, b"x" * (4 * 1024 * 1024 + 1)).status_code == 413


def test_one_event_sent_many_times_at_once_is_stored_once(web):
    payload = text_from("919820444444")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: from_meta(web.test_client(), payload).status_code, range(24)))
    assert set(answers) == {200}
    assert len(inbound(message_id_of(payload))) == 1
    contact = execute_query("contacts", filters={"address_eq": "+919820444444"}).data[0]
    assert contact["unread"] == 1


def test_the_same_id_with_another_text_changes_nothing(provider_calls):
    payload = text_from("919820555555", "first")
    from_meta(provider_calls, payload)
    payload["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] = "second"
    assert from_meta(provider_calls, payload).status_code == 200
    assert [row["body"] for row in inbound(message_id_of(payload))] == ["first"]


def test_a_message_through_twilio_is_stored_with_its_media(provider_calls):
    fields = {
        "MessageSid": f"SM{next(NUMBERS)}", "From": "whatsapp:+919820666666", "To": NUMBER, "Body": "  two spaces  ",
        "NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x", "MediaContentType0": "application/pdf", "Empty": "",
        "ProfileName": "Neha"}  # fmt: skip
    answer = from_twilio(provider_calls, "/twilio/whatsapp", fields)
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert answer.content_type.startswith("text/xml")
    row = inbound(fields["MessageSid"])[0]
    assert row["phone"] == "+919820666666" and row["kind"] == "document" and row["body"] == "two spaces"
    assert row["media"] == [{"url": "https://api.twilio.com/x", "type": "application/pdf"}]
    from_twilio(provider_calls, "/twilio/whatsapp", fields)
    assert len(inbound(fields["MessageSid"])) == 1


def test_a_twilio_sender_without_a_number_is_known_by_the_user_id(provider_calls):
    sid = f"SM{next(NUMBERS)}"
    fields = {"MessageSid": sid, "From": "whatsapp:IN.1349", "ExternalUserId": "IN.1349", "ProfileUsername": "neha.k"}
    assert from_twilio(provider_calls, "/twilio/whatsapp", fields).status_code == 200
    assert (inbound(sid)[0]["address"], inbound(sid)[0]["phone"]) == ("IN.1349", None)


# Signatures hold for the public address and the path exactly as it came, whatever a proxy or Flask makes of it.
@pytest.mark.parametrize(("path", "host"), [
    ("/twilio/whatsapp", "portal.example.com"),
    ("/twilio/whatsapp?u=%C3%A9", "portal.example.com"),
    ("/twilio/whatsapp?u=%7Ba%7D", "portal.example.com"),
    ("/twilio/whatsapp?u=a+b%20c", "portal.example.com"),
    ("/twilio/whatsapp", "127.0.0.1:5050"),
    ("/twilio/whatsapp", "localhost"),
])  # fmt: skip
def test_a_genuine_call_is_believed_however_it_came_in(provider_calls, path, host):
    fields = {"MessageSid": f"SM{next(NUMBERS)}", "From": "whatsapp:+919820777777", "Body": "HI"}
    made = signature(f"{BASE}{path}", {"AccountSid": ACCOUNT, **fields})
    answer = provider_calls.post(
        path.partition("?")[0], query_string=path.partition("?")[2], data={"AccountSid": ACCOUNT, **fields},
        headers={"X-Twilio-Signature": made, "Host": host}, environ_overrides={"RAW_URI": path, "REQUEST_URI": path})
    assert answer.status_code == 200, answer.text
    assert inbound(fields["MessageSid"])


def test_without_the_raw_path_the_decoded_one_is_all_there_is():
    environ = {"PATH_INFO": "/twilio/status", "QUERY_STRING": "oid=7.1"}
    assert signed_address(BASE, environ) == f"{BASE}/twilio/status?oid=7.1"


FORGED: dict[str, dict[str, Any]] = {
    "no signature": {"headers": {"X-Twilio-Signature": ""}},
    "another's token": {"token": "another"},
    "another address": {"signed_for": f"{BASE}/twilio/status"},
    "http for https": {"signed_for": "http://portal.example.com/twilio/whatsapp"},
    "a slash more": {"signed_for": f"{BASE}/twilio/whatsapp/"},
    "a port that is none": {"signed_for": "https://portal.example.com:99999/twilio/whatsapp"},
    "another account": {"account": "AC" + "1" * 32},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_call_is_refused_and_leaves_nothing(provider_calls, how):
    before = everything_stored()
    fields = {"MessageSid": "SM-forged", "From": "whatsapp:+919820888888", "Body": "HI"}
    assert from_twilio(provider_calls, "/twilio/whatsapp", fields, **FORGED[how]).status_code == 403
    assert everything_stored() == before


@pytest.mark.parametrize("change", [{"Body": "HI"}, {"Body": " HI"}, {"Empty": None}, {"Added": "1"}])
def test_a_form_that_was_changed_on_the_way_is_refused(provider_calls, change):
    fields = {"AccountSid": ACCOUNT, "MessageSid": "SM-changed", "From": "whatsapp:+919820888888", "Body": " HI ",
              "Empty": ""}  # fmt: skip
    made = signature(f"{BASE}/twilio/whatsapp", fields)
    sent = {name: value for name, value in {**fields, **change}.items() if value is not None}
    answer = provider_calls.post("/twilio/whatsapp", data=sent, headers={"X-Twilio-Signature": made})
    assert answer.status_code == 403 and not inbound("SM-changed")


def test_json_with_the_signature_of_a_form_is_refused(provider_calls):
    made = signature(f"{BASE}/twilio/whatsapp", {})
    answer = provider_calls.post("/twilio/whatsapp", json={"AccountSid": ACCOUNT}, headers={"X-Twilio-Signature": made})
    assert answer.status_code == 403


def test_no_report_says_a_lie_about_who_may_call(provider_calls):
    """A browser's page cannot call these: there is no token to steal, and a signature it does not have."""
    assert provider_calls.post("/twilio/status", data={"MessageStatus": "delivered"}).status_code == 403
    assert provider_calls.get("/twilio/status").status_code in (303, 404, 405)


# Statuses: forward only, in whatever order and number they arrive.
ORDERS = list(itertools.permutations(["sent", "delivered", "read", "failed"]))


def test_reports_in_every_order_end_where_the_furthest_one_says(provider_calls, provider, queue_open):
    ids = {order: queue_open() for order in ORDERS[::4]}
    run_due_tasks()
    for order, message_id in ids.items():
        for status in (*order, *order):
            report = {"MessageSid": f"SM{message_id}.1", "MessageStatus": status, "ErrorCode": "63024"}
            answer = from_twilio(provider_calls, f"/twilio/status?oid={message_id}.1", report)
            assert answer.status_code == 200
        message = stored(message_id)
        assert message["state"] == "read", order
        assert message["delivered_at"] and message["read_at"]
    run_due_tasks()
    assert len(provider.sent) == len(ids)


def test_a_report_may_come_before_the_answer_to_the_send(provider_calls, provider, queue_open):
    message_id = queue_open()
    deliver = provider.send

    def send(outgoing):
        report = {"MessageSid": "SM-early", "MessageStatus": "delivered"}
        assert from_twilio(provider_calls, f"/twilio/status?oid={outgoing.own_id}", report).status_code == 200
        return replace(deliver(outgoing), provider_id="SM-early")

    provider.send = send
    run_due_tasks()
    message = stored(message_id)
    assert (message["state"], message["provider_id"]) == ("delivered", "SM-early")


def test_a_report_without_our_id_that_comes_before_the_answer_is_caught_up_with(provider, queue_open):
    message_id = queue_open()
    heard(None, None, f"SM{message_id}.1", "delivered")
    run_due_tasks()
    assert stored(message_id)["state"] == "delivered"


def test_metas_statuses_move_messages_and_carry_our_own_id(provider_calls, provider, queue_open):
    provider.name = "meta"
    message_id = queue_open()
    run_due_tasks()
    for status in ("read", "sent"):
        report = {"id": f"SM{message_id}.1", "status": status, "timestamp": "1764100000", "recipient_id": "91982",
                  "biz_opaque_callback_data": f"{message_id}.1"}  # fmt: skip
        payload = {"entry": [{"changes": [{"value": {"statuses": [report, report]}}]}]}
        assert from_meta(provider_calls, payload).status_code == 200
    assert stored(message_id)["state"] == "read"


def test_a_failure_of_an_attempt_that_was_repeated_does_not_touch_the_next_one(provider_calls, provider, queue_open):
    provider.verdicts = {"63018": Verdict(Kind.RETRY, "Limit reached.", wait=0.0)}
    message_id = queue_open()
    run_due_tasks()
    report = {"MessageSid": f"SM{message_id}.1", "MessageStatus": "failed", "ErrorCode": "63018"}
    from_twilio(provider_calls, f"/twilio/status?oid={message_id}.1", report)
    for _ in range(3):
        run_due_tasks()
    execute_query("tasks", "update", filters={"state_eq": "queued"}, data={"run_at": "2026-01-01T00:00Z"})
    execute_query("messages", "update", filters={"message_id_eq": message_id}, data={"not_before": "2026-01-01T00:00Z"})
    run_due_tasks()
    assert len(provider.sent) == 2
    for status in ("undelivered", "sent"):
        late = {**report, "MessageStatus": status}
        from_twilio(provider_calls, f"/twilio/status?oid={message_id}.1", late)
    message = stored(message_id)
    assert (message["state"], message["provider_id"]) == ("accepted", f"SM{message_id}.2")


@pytest.mark.parametrize("status", ["delivered", "read"])
def test_a_report_about_an_attempt_that_was_never_made_moves_nothing(queue, status):
    """A restored backup, or a test system on the same number: the numbers of messages are used a second time."""
    message_id = queue(not_before=now() + timedelta(days=1))
    heard(message_id, 1, f"SM-old{message_id}", status)
    message = stored(message_id)
    assert (message["state"], message["provider_id"], message["sent_at"]) == ("queued", None, None)


def test_a_report_about_a_message_of_another_system_is_kept_and_moves_nothing(provider_calls):
    report = {"MessageSid": "SM-elsewhere", "MessageStatus": "delivered"}
    assert from_twilio(provider_calls, "/twilio/status?oid=999999999.1", report).status_code == 200
    events = execute_query("message_events", filters={"provider_id_eq": "SM-elsewhere"}).data
    assert [event["message_id"] for event in events] == [None]


def test_while_the_database_is_away_a_webhook_asks_to_come_back(web, monkeypatch):
    import database_pool

    def away(*_args, **_options):
        raise database_pool.Unavailable("away")

    monkeypatch.setattr("portal.outbox.arrivals.news", away)
    answer = from_meta(web.test_client(), text_from("919820999999"))
    assert answer.status_code == 503 and answer.headers["Retry-After"]


def test_nothing_of_a_message_or_number_stands_in_the_log(provider_calls, caplog):
    from_meta(provider_calls, text_from("919820121212", "my secret illness"))
    from_meta(provider_calls, text_from("919820121212", "my secret illness"), secret="wrong")
    assert "illness" not in caplog.text and "9820121212" not in caplog.text


def test_unreadable_characters_are_stored_without_harm(provider_calls):
    payload = text_from("919820131313", "a\0b\ud800c")
    assert from_meta(provider_calls, json.dumps(payload).encode()).status_code == 200
    assert inbound(message_id_of(payload))[0]["body"] == "ab?c"


def test_a_form_with_thousands_of_fields_is_refused_before_anything_is_worked_out(provider_calls):
    many = urlencode({f"f{number}": "x" for number in range(60_000)})
    answer = provider_calls.post("/twilio/whatsapp", data=many, content_type="application/x-www-form-urlencoded",
                                 headers={"X-Twilio-Signature": "x"})  # fmt: skip
    assert answer.status_code in (403, 413)


def test_meta_events_never_fail_on_junk():
    odd: list[Any] = [None, 7, "x", [], {"entry": {}}, {"entry": [{"changes": [{"value": {"messages": [{"id": 7}]}}]}]}]
    for junk in odd:
        assert meta_events(junk) == ([], [])
