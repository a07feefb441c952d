"""E-mail over SMTP: one connection per mail, a stable Message-ID, and errors sorted by the moment they happened at."""

import contextlib
import smtplib
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from config import Settings
from portal.formats import now
from portal.gateways.interface import Accepted, Capabilities, Kind, Outgoing, Report, SendFailed, Verdict

SECONDS = 30.0
LARGEST_MAIL = 20 * 1024 * 1024   # most servers take 25 MB, and base64 adds a third

NO_MAILBOX = "There is no such mailbox at the recipient's mail server."
LATER = "The mail server asks us to try again later."
TOO_LARGE = "The mail server does not take a mail of this size."
REFUSED = "The mail server refused the mail."
WRONG_LOGIN = "The mail server refuses SMTP_USERNAME and SMTP_PASSWORD: mails wait until somebody has mended that."
NO_SERVER = "The mail server could not be reached."
NO_TLS = "The mail server offers no encryption. Set SMTP_TLS to what it has."

# Reply codes of RFC 5321 §4.2.3 (550 with RFC 3463's 5.1.1: no such mailbox). What is not here goes by its first digit.
REPLIES: Mapping[int, Verdict] = {
    421: Verdict(Kind.RETRY, LATER, wait=60, tries=12),
    450: Verdict(Kind.RETRY, LATER, wait=300, tries=12),
    451: Verdict(Kind.RETRY, LATER, wait=300, tries=12),
    452: Verdict(Kind.RETRY, LATER, wait=300, tries=12),
    454: Verdict(Kind.RETRY, LATER, wait=300, tries=12),
    530: Verdict(Kind.CHANNEL, "The mail server wants SMTP_USERNAME and SMTP_PASSWORD."),
    534: Verdict(Kind.CHANNEL, WRONG_LOGIN),
    535: Verdict(Kind.CHANNEL, WRONG_LOGIN),
    538: Verdict(Kind.CHANNEL, NO_TLS),
    552: Verdict(Kind.PERMANENT, TOO_LARGE),
    554: Verdict(Kind.PERMANENT, REFUSED),
}
UNKNOWN_MAILBOX = Verdict(Kind.SUPPRESS, NO_MAILBOX)
BY_FIRST_DIGIT = {4: Verdict(Kind.RETRY, LATER, wait=300, tries=12), 5: Verdict(Kind.PERMANENT, REFUSED)}
NO_CONNECTION = Verdict(Kind.RETRY, NO_SERVER, wait=30, tries=50)
WITHOUT_TLS = Verdict(Kind.CHANNEL, NO_TLS)
UNWRITABLE = Verdict(Kind.PERMANENT, "No mail can be written to this address. Please check it.")
CUT_OFF = Verdict(Kind.UNCLEAR, "The connection to the mail server broke after the mail was handed over.")


class Mail:
    """Sends through one SMTP server."""

    name = "smtp"
    capabilities = Capabilities(media="attachment", largest_media=LARGEST_MAIL, per_second=10.0)

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._sender = chosen.smtp_from or ""

    def send(self, message: Outgoing) -> Accepted:
        """Hands one mail to the server. Raises SendFailed."""
        try:
            mail = self.written(message)
        except (ValueError, IndexError, MessageError) as error:
            raise SendFailed(UNWRITABLE, type(error).__name__) from error
        try:
            with self._connected() as server:
                _answered(server.mail(self._sender, _mail_options(server, mail)))
                _answered(server.rcpt(message.to), recipient=True)
                _handed_over(server, mail)
        except smtplib.SMTPAuthenticationError as error:
            raise SendFailed(REPLIES[535], str(error.smtp_code)) from error
        except smtplib.SMTPNotSupportedError as error:
            raise SendFailed(WITHOUT_TLS, "no TLS") from error
        except smtplib.SMTPResponseException as error:
            raise SendFailed(judge_reply(error.smtp_code), str(error.smtp_code)) from error
        except ssl.SSLError as error:
            raise SendFailed(WITHOUT_TLS, "TLS") from error
        except (smtplib.SMTPException, OSError) as error:
            raise SendFailed(NO_CONNECTION, type(error).__name__) from error
        return Accepted(str(mail["Message-ID"]), state="sent")

    def written(self, message: Outgoing) -> EmailMessage:
        """The mail as it goes out. Its Message-ID is the same at each attempt: a mailbox can hide a second copy."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = Address(addr_spec=message.to)
        # A line end in a subject would begin another header.
        mail["Subject"] = " ".join(message.subject.split()) or "Message from your insurance agency"
        mail["Date"] = format_datetime(now())
        mail["Message-ID"] = f"<message-{message.own_id.split('.')[0]}@{self._sender.rpartition('@')[2]}>"
        if message.may_unsubscribe:
            mail["List-Unsubscribe"] = f"<mailto:{self._sender}?subject=unsubscribe>"
        mail.set_content(message.text)
        if message.html:
            mail.add_alternative(message.html, subtype="html")
        for attachment in message.attachments:
            main, _, sub = attachment.media_type.partition("/")
            mail.add_attachment(attachment.content, maintype=main, subtype=sub or "octet-stream",
                                filename=attachment.file_name)  # fmt: skip
        return mail

    def judge(self, code: str) -> Verdict:
        """SMTP reports nothing later."""
        return Verdict(Kind.PERMANENT, REFUSED)

    def ask(self, provider_id: str) -> Report | None:
        """SMTP cannot be asked."""
        return None

    def find(self, to: str, since: datetime) -> list[Report]:
        """SMTP cannot be asked."""
        return []

    @contextlib.contextmanager
    def _connected(self):  # type: ignore[no-untyped-def]
        """A connection, encrypted and signed in as the settings say, closed politely or not at the end."""
        chosen = self._settings
        host, port = chosen.smtp_host or "", chosen.smtp_port
        context = ssl.create_default_context()
        server = (smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context) if chosen.smtp_tls == "tls"
                  else smtplib.SMTP(host, port, timeout=SECONDS))  # fmt: skip
        try:
            server.ehlo_or_helo_if_needed()
            if chosen.smtp_tls == "starttls":
                server.starttls(context=context)
                server.ehlo()
            if chosen.smtp_username and chosen.smtp_password:
                server.login(chosen.smtp_username, chosen.smtp_password)
            yield server
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()


def judge_reply(code: int, text: bytes = b"", *, recipient: bool = False) -> Verdict:
    """What a server's reply means; `recipient` when it is about the address."""
    if recipient and code in (550, 551, 553) and ((code == 550 and b"5.1.1" in text) or code in (551, 553)):
        return UNKNOWN_MAILBOX
    return REPLIES.get(code) or BY_FIRST_DIGIT.get(code // 100, BY_FIRST_DIGIT[5])


def _answered(reply: tuple[int, bytes], *, recipient: bool = False) -> None:
    code, text = reply
    if code not in (250, 251):
        raise SendFailed(judge_reply(code, text, recipient=recipient), str(code))


def _mail_options(server: smtplib.SMTP, mail: EmailMessage) -> list[str]:
    """SIZE, where the server knows it (RFC 1870): a mail that is too large is refused before it travels."""
    return [f"size={len(mail.as_bytes())}"] if server.has_extn("size") else []


def _handed_over(server: smtplib.SMTP, mail: EmailMessage) -> None:
    """Sends the mail's content. Whoever is cut off here does not know whether the server kept it."""
    try:
        code, text = server.data(mail.as_bytes())
    except (TimeoutError, smtplib.SMTPServerDisconnected, OSError) as error:
        if isinstance(error, smtplib.SMTPResponseException):
            raise
        raise SendFailed(CUT_OFF, type(error).__name__) from error
    if code != 250:
        raise SendFailed(judge_reply(code, text), str(code))
