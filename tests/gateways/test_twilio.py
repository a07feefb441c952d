"""What goes to Twilio, judged by Twilio's own description; and what its answers, good and bad, mean to us."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPConnection

import pytest
import trustme

import config
from portal.formats import now
from portal.gateways import http, whatsapp_twilio
from portal.gateways.interface import Accepted, Attachment, Kind, Outgoing, SendFailed, Template
from portal.gateways.whatsapp_twilio import Twilio, is_public
from tests.conftest import portal_settings
from tests.servers import prism
from tests.servers.processes import free_port
from tests.servers.twilio_stub import ACCOUNT, NUMBER, TOKEN, TwilioStub

ENDED = free_port()
TEXT = Outgoing("7.1", "+919820012345", text="नमस्ते, your policy is ready.")


@pytest.fixture(scope="module")
def stub() -> Iterator[TwilioStub]:
    running = TwilioStub()
    running.start()
    yield running
    running.stop()


def settings_for(data_dir, url, **given):
    return portal_settings(
        data_dir, APP_BASE_URL="https://portal.example.com", TWILIO_ACCOUNT_SID=ACCOUNT, TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_WHATSAPP_FROM=NUMBER, TWILIO_API_BASE_URL=url, **given)  # fmt: skip


@pytest.fixture
def gateway(stub, data_dir):
    """The gateway on the stub."""
    chosen = settings_for(data_dir, stub.url)
    config.use_settings(chosen)
    yield Twilio(chosen)
    config.use_settings(None)
    stub.answers.clear()


@pytest.fixture(scope="module")
def described(stub, data_dir):
    """The gateway on Prism, which knows Twilio's description, in front of the stub."""
    description = prism.twilio_description()
    if (reason := prism.missing()) or description is None:
        pytest.skip(reason or "Twilio's description is not here (npm ci in tests/servers)")
    server = prism.Prism(description, behind=stub.url)
    server.start()
    chosen = settings_for(data_dir, server.url)
    config.use_settings(chosen)
    yield Twilio(chosen)
    config.use_settings(None)
    server.remove()


ATTACHED = Attachment("Policy.pdf", "application/pdf", link="https://portal.example.com/media/token/policy-7.pdf")
APPROVED = Template("HX" + "a" * 32, "hi", {"1": "नेहा", "2": "31/12/2026"})
FORMS = {
    "text": TEXT,
    "document with text": replace(TEXT, attachments=(ATTACHED,)),
    "document alone": Outgoing("7.2", "+919820012345", attachments=(ATTACHED,)),
    "template": replace(TEXT, template=APPROVED),
    "template with a document": replace(TEXT, template=replace(APPROVED, has_document=True), attachments=(ATTACHED,)),
    "limited in time": replace(TEXT, expires_at=now() + timedelta(hours=2)),
    "somebody without a number": replace(TEXT, to="IN.1349870"),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_twilios_own_description_accepts_what_we_send_and_what_the_stub_answers(described, stub, form):
    accepted = described.send(FORMS[form])
    assert accepted == Accepted(stub.accepted[-1].sid)


@pytest.mark.slow
def test_twilios_own_description_refuses_what_is_wrong(described):
    for odd in (replace(APPROVED, provider_id="welcome"), replace(APPROVED, provider_id="HX1")):
        with pytest.raises(SendFailed) as refused:
            described.send(replace(TEXT, template=odd))
        assert refused.value.verdict.kind == Kind.PERMANENT


@pytest.mark.slow
def test_what_became_of_messages_is_asked_as_twilio_describes_it(described, stub):
    sid = described.send(replace(TEXT, own_id="9.1", to="+919820054321")).provider_id
    report = described.ask(sid)
    assert report is not None and (report.provider_id, report.status) == (sid, "sent")
    found = described.find("+919820054321", now() - timedelta(minutes=1))
    assert [(one.provider_id, one.text) for one in found] == [(sid, TEXT.text)]


@pytest.mark.parametrize(("hours", "to"), [(1, "+919820077771"), (-1, "+919820077772")])
def test_a_message_is_found_although_our_clock_is_wrong(gateway, monkeypatch, hours, to):
    def wrong():
        return now() + timedelta(hours=hours)

    monkeypatch.setattr(whatsapp_twilio, "now", wrong)
    claimed_at = wrong()
    sid = gateway.send(replace(TEXT, to=to)).provider_id
    assert [one.provider_id for one in gateway.find(to, claimed_at)] == [sid]
    assert gateway.find(to, claimed_at + timedelta(minutes=1)) == []


def test_a_text_names_sender_recipient_and_where_reports_go(gateway, stub):
    gateway.send(replace(TEXT, expires_at=now() + timedelta(seconds=90)))
    fields = stub.accepted[-1].fields
    assert fields["To"] == "whatsapp:+919820012345" and fields["From"] == NUMBER and fields["Body"] == TEXT.text
    assert fields["StatusCallback"] == "https://portal.example.com/twilio/status?oid=7.1"
    assert 60 <= int(fields["ValidityPeriod"]) <= 90


def test_a_template_goes_without_text_and_media_with_its_variables_as_json(gateway, stub):
    gateway.send(FORMS["template with a document"])
    fields = stub.accepted[-1].fields
    assert "Body" not in fields and "MediaUrl" not in fields
    assert json.loads(fields["ContentVariables"]) == {"1": "नेहा", "2": "31/12/2026", "3": "media/token/policy-7.pdf"}


def test_a_messaging_service_stands_in_for_the_sender(stub, data_dir):
    chosen = settings_for(data_dir, stub.url, TWILIO_MESSAGING_SERVICE_SID="MG" + "0" * 32)
    config.use_settings(chosen)
    Twilio(chosen).send(TEXT)
    assert stub.accepted[-1].fields["MessagingServiceSid"] == "MG" + "0" * 32 and "From" not in stub.accepted[-1].fields
    config.use_settings(None)


def test_an_address_that_twilio_cannot_reach_is_not_given_as_callback(stub, data_dir):
    chosen = replace(settings_for(data_dir, stub.url), app_base_url="http://localhost:5050")
    config.use_settings(chosen)
    gateway = Twilio(chosen)
    gateway.send(TEXT)
    assert "StatusCallback" not in stub.accepted[-1].fields and not gateway.capabilities.echoes
    config.use_settings(None)
    assert [is_public(url) for url in ("https://portal.example.com", "http://10.0.0.1", "http://portal.local")] == [
        True, False, False]  # fmt: skip


def problem(code, status, **more):
    return (status, {"code": code, "message": "x", "status": status, **more}, {})


ANSWERS = {
    "refused number": (problem(21211, 400), Kind.PERMANENT, "21211"),
    "too many requests": ((429, {"code": 20429}, {"Retry-After": "9"}), Kind.RETRY, "20429"),
    "wrong token": (problem(20003, 401), Kind.CHANNEL, "20003"),
    "outside the window": (problem(63016, 400), Kind.TEMPLATE, "63016"),
    "server error": (problem(20500, 500), Kind.UNCLEAR, "20500"),
    "RFC 9457": ((400, {"type": "x", "title": "t", "detail": "d", "code": 21610}, {}), Kind.SUPPRESS, "21610"),
    "unknown code": (problem(99999, 400), Kind.PERMANENT, "99999"),
    "a proxy's page": ((502, {}, {}), Kind.UNCLEAR, "502"),
    "an answer without an id": ((201, {"status": "queued"}, {}), Kind.UNCLEAR, "no id"),
    "an answer that is no message": ((200, {"messages": []}, {}), Kind.UNCLEAR, "no id"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_kind_of_answer_is_sorted(gateway, stub, name):
    answer, kind, code = ANSWERS[name]
    stub.answers.append(answer)
    with pytest.raises(SendFailed) as failure:
        gateway.send(TEXT)
    assert (failure.value.verdict.kind, failure.value.code) == (kind, code)
    assert failure.value.retry_after == (9.0 if code == "20429" else None)


def test_an_answer_in_html_leaves_the_outcome_open(data_dir):
    with pytest.raises(SendFailed) as failure:
        one_answer(data_dir, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html")
    assert failure.value.verdict.kind == Kind.UNCLEAR


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"])
def test_a_connection_that_breaks_after_the_request_leaves_the_outcome_open(data_dir, answer):
    with pytest.raises(SendFailed) as failure:
        one_answer(data_dir, answer)
    assert failure.value.verdict.kind == Kind.UNCLEAR


def test_a_silent_server_leaves_the_outcome_open(data_dir, monkeypatch):
    monkeypatch.setattr(http, "READ_SECONDS", 0.2)
    with pytest.raises(SendFailed) as failure:
        one_answer(data_dir, None)
    assert failure.value.verdict.kind == Kind.UNCLEAR


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid"], ids=["refused", "unknown"])
def test_without_a_connection_nothing_was_sent(data_dir, url):
    chosen = settings_for(data_dir, url)
    config.use_settings(chosen)
    with pytest.raises(SendFailed) as failure:
        Twilio(chosen).send(TEXT)
    config.use_settings(None)
    assert failure.value.verdict.kind == Kind.RETRY


def one_answer(data_dir, answer: bytes | None, port: int = 0) -> None:
    """Sends a message to a server that reads the request and then answers so, or not at all (None)."""
    listener = socket.create_server(("127.0.0.1", port))
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        if answer is None:
            over.wait(10)
        else:
            connection.sendall(answer)
        connection.close()

    server = threading.Thread(target=serve)
    server.start()
    chosen = settings_for(data_dir, f"http://127.0.0.1:{listener.getsockname()[1]}")
    config.use_settings(chosen)
    try:
        Twilio(chosen).send(TEXT)
    finally:
        over.set()
        server.join()
        listener.close()
        config.use_settings(None)


def test_a_worker_sends_message_after_message_over_one_connection(gateway, stub, monkeypatch):
    opened = []
    connect = HTTPConnection.connect

    def counted(connection: HTTPConnection) -> None:
        opened.append(connection)
        connect(connection)

    monkeypatch.setattr(HTTPConnection, "connect", counted)
    for _ in range(3):
        gateway.send(TEXT)
    assert len(opened) <= 1


def test_many_workers_keep_a_connection_each(gateway, stub):
    stub.latency = 0.2
    senders = [threading.Thread(target=gateway.send, args=(TEXT,)) for _ in range(15)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    stub.latency = 0.0
    kept = http._shared()
    assert kept.most_kept >= 15 and len(kept._idle["http", stub.url.removeprefix("http://")]) >= 15


def test_a_connection_that_the_other_side_has_ended_is_not_used_again(data_dir):
    answer = b'HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{"sid": "SM1"}'
    for _ in range(2):   # each to a server that answers once and goes, without a word that it will
        one_answer(data_dir, answer, port=ENDED)


def test_a_server_whose_certificate_nobody_signed_is_not_told_anything(data_dir):
    certificate = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    heard = []

    def serve() -> None:
        connection, _ = listener.accept()
        with contextlib.suppress(ssl.SSLError, OSError), context.wrap_socket(connection, server_side=True) as inner:
            heard.append(inner.recv(100))

    server = threading.Thread(target=serve)
    server.start()
    with pytest.raises(http.NotReached):
        http.ask("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/")
    server.join()
    listener.close()
    assert heard in ([], [b""])


def test_a_message_that_twilio_does_not_know_is_none(gateway):
    assert gateway.ask("SM" + "f" * 32) is None
