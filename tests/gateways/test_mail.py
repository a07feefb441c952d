"""Mails in a real SMTP server: byte for byte, encrypted, signed in; and what each way of failing means."""

import email
import email.policy
import hashlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from portal.gateways.interface import Attachment, Kind, Outgoing, SendFailed
from portal.gateways.mail import Mail
from tests.conftest import portal_settings
from tests.servers.processes import free_port

PDF = b"%PDF-1.7\n" + hashlib.sha256(b"policy").digest() * 3200 + b"\r\n.\r\n..\nlone\rends\x00\xff%%EOF"
NAME = "पॉलिसी नेहा मेहता.pdf"
MAIL = Outgoing(
    "7.1", "neha@example.in", text="Dear नेहा,\n\n.your policy\nis attached. ₹18,64,000\n",
    subject="आपकी पॉलिसी / your policy", html="<p>Dear नेहा, ₹18,64,000</p>",
    attachments=(Attachment(NAME, "application/pdf", content=PDF),))  # fmt: skip


@dataclass
class Mailbox:
    """Takes mails; `replies` are what it says instead, by command ("RCPT", "DATA")."""

    received: list[Any] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    cut_off: bool = False

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if "RCPT" in self.replies:
            return self.replies["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        self.received.append(envelope)
        if self.cut_off:
            server.transport.abort()
        return self.replies.get("DATA", "250 kept")


def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """One colleague may send."""
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"office", b"right")
    return AuthResult(success=right, handled=False) if not right else AuthResult(success=True)


@pytest.fixture
def serve(tmp_path, monkeypatch) -> Iterator[Callable[..., tuple[Mailbox, dict[str, str]]]]:
    """Starts a mail server and answers its mailbox and the settings that name it."""
    running: list[Controller] = []

    def start(*, tls: bool = False, **options: Any) -> tuple[Mailbox, dict[str, str]]:
        mailbox, port = Mailbox(), free_port()
        if tls:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert("localhost").configure_cert(context)
            options |= {"tls_context": context, "require_starttls": True, "authenticator": check, "auth_required": True}
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
        controller.start()
        running.append(controller)
        named = {
            "SMTP_HOST": "localhost" if tls else "127.0.0.1", "SMTP_PORT": str(port),
            "SMTP_FROM": "office@example.com", "SMTP_TLS": "starttls" if tls else "none",
        }  # fmt: skip
        return mailbox, named

    yield start
    for controller in running:
        controller.stop()


def send(data_dir, named, message=MAIL):
    return Mail(portal_settings(data_dir, **named)).send(message)


def refused(data_dir, named, message=MAIL) -> SendFailed:
    with pytest.raises(SendFailed) as failure:
        send(data_dir, named, message)
    return failure.value


def read(envelope):
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def test_a_mail_arrives_byte_for_byte_with_its_pdf_and_a_devanagari_name(serve, data_dir):
    mailbox, named = serve()
    accepted = send(data_dir, named)
    mail = read(mailbox.received[0])
    assert (accepted.state, accepted.provider_id) == ("sent", "<message-7@example.com>")
    assert mail["Subject"] == MAIL.subject and mail["From"] == "office@example.com" and mail["To"] == "neha@example.in"
    assert mail["Message-ID"] == "<message-7@example.com>"
    attachment = next(mail.iter_attachments())
    assert attachment.get_filename() == NAME and attachment.get_content_type() == "application/pdf"
    assert attachment.get_payload(decode=True) == PDF
    assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n") == MAIL.text
    assert mail.get_body(("html",)).get_content().strip() == MAIL.html
    assert mailbox.received[0].rcpt_tos == ["neha@example.in"]


def test_a_second_attempt_has_the_same_message_id(serve, data_dir):
    mailbox, named = serve()
    send(data_dir, named)
    send(data_dir, named, Outgoing("7.2", "neha@example.in", text="again"))
    assert len({read(envelope)["Message-ID"] for envelope in mailbox.received}) == 1


def test_promotions_say_how_to_unsubscribe_and_others_do_not(serve, data_dir):
    mailbox, named = serve()
    for promotion in (True, False):
        send(data_dir, named, Outgoing("8.1", "a@example.in", text="x", may_unsubscribe=promotion))
    assert ["List-Unsubscribe" in read(envelope) for envelope in mailbox.received] == [True, False]


def test_over_starttls_and_signed_in(serve, data_dir):
    mailbox, named = serve(tls=True)
    send(data_dir, {**named, "SMTP_USERNAME": "office", "SMTP_PASSWORD": "right"})
    assert len(mailbox.received) == 1


def test_a_wrong_password_stops_the_channel_and_shows_no_secret(serve, data_dir):
    _, named = serve(tls=True)
    failure = refused(data_dir, {**named, "SMTP_USERNAME": "office", "SMTP_PASSWORD": "wrong-secret"})
    assert (failure.verdict.kind, failure.code) == (Kind.CHANNEL, "535") and "wrong-secret" not in str(failure)


def test_no_password_is_sent_where_the_server_offers_no_encryption(serve, data_dir):
    mailbox, named = serve()
    failure = refused(data_dir, {**named, "SMTP_TLS": "starttls"})
    assert failure.verdict.kind == Kind.CHANNEL and not mailbox.received


def test_a_certificate_that_nobody_vouches_for_is_not_believed(serve, data_dir, monkeypatch):
    mailbox, named = serve(tls=True)
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    assert refused(data_dir, named).verdict.kind == Kind.CHANNEL
    assert not mailbox.received


@pytest.mark.parametrize(("command", "reply", "kind"), [
    ("RCPT", "550 5.1.1 no such user", Kind.SUPPRESS),
    ("RCPT", "550 5.7.1 refused", Kind.PERMANENT),
    ("RCPT", "450 4.2.0 greylisted", Kind.RETRY),
    ("DATA", "554 5.6.0 refused", Kind.PERMANENT),
    ("DATA", "451 4.3.0 later", Kind.RETRY),
])  # fmt: skip
def test_each_refusal_has_its_meaning(serve, data_dir, command, reply, kind):
    mailbox, named = serve()
    mailbox.replies = {command: reply}
    assert refused(data_dir, named).verdict.kind == kind


def test_a_mail_that_is_too_large_is_refused_before_it_travels(serve, data_dir):
    mailbox, named = serve(data_size_limit=50_000)
    failure = refused(data_dir, named)
    assert (failure.verdict.kind, failure.code) == (Kind.PERMANENT, "552") and not mailbox.received


def test_a_connection_cut_after_the_mail_was_handed_over_leaves_the_outcome_open(serve, data_dir):
    mailbox, named = serve()
    mailbox.cut_off = True
    assert refused(data_dir, named).verdict.kind == Kind.UNCLEAR
    assert len(mailbox.received) == 1   # the server had kept it


def test_without_a_server_nothing_was_sent(data_dir):
    named = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(free_port()), "SMTP_FROM": "office@example.com"}
    assert refused(data_dir, {**named, "SMTP_TLS": "none"}).verdict.kind == Kind.RETRY


@pytest.mark.parametrize("to", ["IN.1349", "two words@example.in", "a@b@c", ""])
def test_an_address_that_is_none_fails_this_message_alone(data_dir, to):
    named = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(free_port()), "SMTP_FROM": "office@example.com"}
    assert refused(data_dir, named, Outgoing("9.1", to, text="x")).verdict.kind in (Kind.PERMANENT, Kind.RETRY)


@pytest.mark.parametrize("subject", ["Two\r\nBcc: everybody@example.com", "Two\nlines"])
def test_a_subject_cannot_smuggle_a_header(serve, data_dir, subject):
    mailbox, named = serve()
    send(data_dir, named, Outgoing("9.1", "neha@example.in", text="x", subject=subject))
    assert "Bcc" not in read(mailbox.received[0]) and mailbox.received[0].rcpt_tos == ["neha@example.in"]
