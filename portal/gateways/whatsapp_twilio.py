"""WhatsApp through Twilio's Programmable Messaging."""

import ipaddress
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from config import Settings
from portal.formats import now
from portal.gateways import http
from portal.gateways.interface import Accepted, Capabilities, Kind, Outgoing, Report, SendFailed, Verdict, as_reported

logger = logging.getLogger("twilio.http_client")
logger.setLevel(logging.WARNING)   # at INFO it writes telephone numbers

API = "https://api.twilio.com"
NAMED = {"User-Agent": "insurance-portal", "Accept": "application/json"}
HOUR, DAY = 3600.0, 24 * 3600.0
MEGABYTE = 1024 * 1024
LONGEST_VALIDITY = 36_000   # seconds
MOST_FOUND = 50

NOT_OURS = "Twilio refuses the account or its settings: messages wait until an administrator has mended that."
OUR_MISTAKE = "Twilio refused the form of this message. Please report it to whoever looks after the portal."
NO_WHATSAPP = "This number is not on WhatsApp, or its WhatsApp is too old or has not accepted the terms."
WRONG_TEMPLATE = "The template and its variables do not fit the one that WhatsApp approved."
TOO_MUCH = "Too many messages at once; it is tried again by itself."

# https://www.twilio.com/docs/api/errors/<code>; what each means for a message that Twilio answered or reported.
ERRORS: Mapping[str, Verdict] = {
    "20003": Verdict(Kind.CHANNEL, NOT_OURS),
    "20429": Verdict(Kind.RETRY, TOO_MUCH, wait=2, tries=20),
    "20500": Verdict(Kind.UNCLEAR, "Twilio had an error of its own and does not say whether the message left."),
    "20503": Verdict(Kind.UNCLEAR, "Twilio was not available and does not say whether the message left."),
    "21211": Verdict(Kind.PERMANENT, "Twilio does not accept this phone number. Please check it."),
    "21217": Verdict(Kind.PERMANENT, "Twilio does not accept this phone number. Please check it."),
    "21614": Verdict(Kind.PERMANENT, "Twilio does not accept this phone number. Please check it."),
    "21408": Verdict(Kind.PERMANENT, "Twilio's account may not send to this country. Allow it in Twilio's console."),
    "21606": Verdict(Kind.CHANNEL, "TWILIO_WHATSAPP_FROM is not a sender of this Twilio account."),
    "21612": Verdict(Kind.CHANNEL, "TWILIO_WHATSAPP_FROM cannot send WhatsApp messages."),
    "63007": Verdict(Kind.CHANNEL, "TWILIO_WHATSAPP_FROM is not enabled for WhatsApp."),
    "21610": Verdict(Kind.SUPPRESS, "The recipient asked to stop.", blocks="stop"),
    "21611": Verdict(Kind.RETRY, TOO_MUCH, wait=600),
    "21617": Verdict(Kind.PERMANENT, "The text is longer than Twilio allows (1,600 characters)."),
    "21654": Verdict(Kind.PERMANENT, "Twilio does not know this template. Check its ContentSid under Settings."),
    "21656": Verdict(Kind.PERMANENT, WRONG_TEMPLATE),
    "30001": Verdict(Kind.RETRY, TOO_MUCH, wait=600),
    "30002": Verdict(Kind.CHANNEL, "The Twilio account is suspended."),
    "30003": Verdict(Kind.RETRY, "The phone could not be reached.", wait=4 * HOUR, tries=3),
    "30004": Verdict(Kind.SUPPRESS, "The recipient has blocked these messages."),
    "30005": Verdict(Kind.PERMANENT, "There is no such phone any more."),
    "30006": Verdict(Kind.PERMANENT, "This is a landline, which receives no messages."),
    "30007": Verdict(Kind.PERMANENT, "A filter on the way held the message back."),
    "30008": Verdict(Kind.RETRY, "Delivery failed for an unknown reason.", wait=600, tries=3),
    "30036": Verdict(Kind.PERMANENT, "It could not be delivered in the time in which it made sense."),
    "30500": Verdict(Kind.RETRY, "Twilio had an error of its own.", wait=600, tries=3),
    "63001": Verdict(Kind.CHANNEL, "WhatsApp refuses the sender's registration."),
    "63003": Verdict(Kind.SUPPRESS, NO_WHATSAPP),
    "63005": Verdict(Kind.PERMANENT, "WhatsApp did not accept the content."),
    "63006": Verdict(Kind.PERMANENT, "WhatsApp could not read the message's format."),
    "63012": Verdict(Kind.RETRY, "WhatsApp had an error of its own.", wait=600, tries=3),
    "63013": Verdict(Kind.PERMANENT, "The message breaks a rule of WhatsApp (more than four spaces in a row, too)."),
    "63014": Verdict(Kind.SUPPRESS, "The recipient has blocked the agency on WhatsApp."),
    "63015": Verdict(Kind.PERMANENT, "Twilio's sandbox sends only to numbers that have joined it."),
    "63016": Verdict(Kind.TEMPLATE, "The recipient has not written for 24 hours: only an approved template goes out."),
    "63017": Verdict(Kind.RETRY, TOO_MUCH, wait=60),
    "63018": Verdict(Kind.RETRY, "WhatsApp's limit for this sender or recipient is reached.", wait=HOUR, tries=6),
    "63019": Verdict(Kind.RETRY, "Twilio could not fetch the document from the portal.", wait=300, tries=2),
    "63021": Verdict(Kind.PERMANENT, WRONG_TEMPLATE),
    "63023": Verdict(Kind.RETRY, "WhatsApp had an error of its own.", wait=600, tries=3),
    "63024": Verdict(Kind.SUPPRESS, NO_WHATSAPP),
    "63027": Verdict(Kind.PERMANENT, WRONG_TEMPLATE),
    "63028": Verdict(Kind.PERMANENT, WRONG_TEMPLATE),
    "63029": Verdict(Kind.PERMANENT, WRONG_TEMPLATE),
    "63030": Verdict(Kind.PERMANENT, WRONG_TEMPLATE),
    "63032": Verdict(Kind.PERMANENT, "WhatsApp holds this kind of message back from some people as an experiment."),
    "63038": Verdict(Kind.RETRY, "The account's daily limit is reached.", wait=DAY, tries=3),
    "63049": Verdict(Kind.PERMANENT, "WhatsApp chose not to deliver this promotion."),
}
# For answers whose code the table does not know: by HTTP status.
BY_STATUS: Mapping[int, Verdict] = {
    401: Verdict(Kind.CHANNEL, NOT_OURS),
    403: Verdict(Kind.CHANNEL, NOT_OURS),
    429: Verdict(Kind.RETRY, TOO_MUCH, wait=2, tries=20),
}
SERVER_ERROR = ERRORS["20500"]
REFUSED = Verdict(Kind.PERMANENT, OUR_MISTAKE)
NO_CONNECTION = Verdict(Kind.RETRY, "Twilio could not be reached.", wait=15, tries=50)
NO_ANSWER = Verdict(Kind.UNCLEAR, "The connection to Twilio broke before its answer came.")
ODD_ANSWER = Verdict(Kind.UNCLEAR, "Twilio's answer could not be read.")

Status = Literal["accepted", "sent", "delivered", "read", "failed"]
STATUSES: Mapping[str, Status] = {
    "accepted": "accepted", "scheduled": "accepted", "queued": "accepted", "sending": "accepted", "sent": "sent",
    "delivered": "delivered", "partially_delivered": "delivered", "read": "read", "failed": "failed",
    "undelivered": "failed", "canceled": "failed",
}  # fmt: skip


class _Door(HttpClient):
    """Twilio's client, sending through ours: its own has no time limit, a small pool, and hides Retry-After."""

    def __init__(self) -> None:
        super().__init__(logger, is_async=False, timeout=http.READ_SECONDS)
        self.ahead = timedelta(0)   # that our clock is of Twilio's, by its last answer

    def request(
        self, method: str, uri: str, params: Any = None, data: Any = None, headers: Any = None, auth: Any = None,
        timeout: float | None = None, allow_redirects: bool = False,
    ) -> Response:  # fmt: skip
        answer = _answered(method, uri, query=params, form=data, headers=headers, auth=auth)
        with suppress(TypeError, ValueError):   # no Date, or none that can be read
            self.ahead = now() - parsedate_to_datetime(answer.headers.get("Date", ""))
        return Response(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)


class Twilio:
    """Sends through one WhatsApp sender or messaging service of a Twilio account."""

    name = "twilio"

    def __init__(self, chosen: Settings) -> None:
        self._door = _Door()
        self._client = Client(chosen.twilio_account_sid, chosen.twilio_auth_token, http_client=self._door)
        # Twilio's client reads these from the environment by itself, and a region alone makes a host that is gone.
        self._client.edge = self._client.region = None
        if chosen.twilio_api_base_url:
            self._client.api.base_url = chosen.twilio_api_base_url
        base = chosen.twilio_api_base_url or API
        self._messages = f"{base}/2010-04-01/Accounts/{chosen.twilio_account_sid}/Messages.json"
        self._auth = (chosen.twilio_account_sid or "", chosen.twilio_auth_token or "")
        self._from = chosen.twilio_whatsapp_from
        self._service = chosen.twilio_messaging_service_sid
        self._callback = f"{chosen.app_base_url}/twilio/status" if is_public(chosen.app_base_url) else None
        self.capabilities = Capabilities(
            window=True, echoes=self._callback is not None, asks=True, finds=True, media="link",
            largest_media=16 * MEGABYTE, per_second=chosen.messages_per_second, spacing=6.0)  # fmt: skip

    def send(self, message: Outgoing) -> Accepted:
        """Makes one attempt. Raises SendFailed."""
        # Not by Twilio's client: it costs more than the request, and a good half of a message is its sending.
        answer = _answered("POST", self._messages, headers=NAMED, form=self._form(message), auth=self._auth)
        sent = answer.json()
        if not isinstance(sent, dict):
            raise SendFailed(ODD_ANSWER, "not JSON")
        if not isinstance(sent.get("sid"), str) or not sent["sid"]:
            raise SendFailed(ODD_ANSWER, "no id")
        return Accepted(sent["sid"])

    def judge(self, code: str) -> Verdict:
        """What an error means that came in a status report."""
        unknown = Verdict(Kind.PERMANENT, f"WhatsApp reported error {code or 'without code'}.")
        return as_reported(ERRORS.get(code, unknown))

    def ask(self, provider_id: str) -> Report | None:
        """What became of a message. Raises SendFailed."""
        try:
            found = self._asked(lambda: self._client.messages(provider_id).fetch())
        except SendFailed as error:
            if error.code in ("20404", "404"):
                return None
            raise
        return _report(found)

    def find(self, to: str, since: datetime) -> list[Report]:
        """Messages to a recipient since a moment of our clock, the latest first. Raises SendFailed."""
        address = _address(to)
        listed = self._asked(lambda: self._client.messages.list(to=address, limit=MOST_FOUND, page_size=MOST_FOUND))
        # By Twilio's clock: one of ours that is wrong would find nothing, and the message would go out twice.
        begin = since - self._door.ahead - timedelta(seconds=5)
        return [_report(one) for one in listed if str(one.direction) != "inbound" and _made_at(one) >= begin]

    def _form(self, message: Outgoing) -> dict[str, Any]:
        """The fields of the request, as https://www.twilio.com/docs/messaging/api/message-resource names them."""
        fields: dict[str, Any] = {"To": _address(message.to)}
        fields |= {"MessagingServiceSid": self._service} if self._service else {"From": self._from}
        if message.template:
            fields["ContentSid"] = message.template.provider_id
            fields["ContentVariables"] = json.dumps(_content_variables(message), ensure_ascii=False)
        else:
            media = [attachment.link for attachment in message.attachments]
            fields |= {**({"Body": message.text} if message.text else {}), **({"MediaUrl": media} if media else {})}
        if self._callback:
            fields["StatusCallback"] = f"{self._callback}?oid={message.own_id}"
        if message.expires_at:
            left = int((message.expires_at - now()).total_seconds())
            fields["ValidityPeriod"] = max(1, min(left, LONGEST_VALIDITY))
        return fields

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
            # A 2xx whose body is not Twilio's: a proxy on the way, and nobody knows what it did with the request.
            raise SendFailed(ODD_ANSWER, type(error).__name__) from error


def judge_answer(code: str, status: int) -> Verdict:
    """What an error in the answer to a request means: by its code, else by its HTTP status."""
    if code in ERRORS:
        return ERRORS[code]
    return BY_STATUS.get(status) or (SERVER_ERROR if status >= 500 else REFUSED)


def is_public(base_url: str) -> bool:
    """Whether the provider can reach this address: it refuses a message whose callback names this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal"))


def _answered(method: str, url: str, **request: Any) -> http.Answer:
    """What Twilio answers when it does not refuse. Raises SendFailed."""
    try:
        answer = http.ask(method, url, **request)
    except http.NotReached as error:
        raise SendFailed(NO_CONNECTION, "no connection") from error
    except http.OutcomeUnknown as error:
        raise SendFailed(NO_ANSWER, "no answer") from error
    if answer.status >= 400:
        raise _refusal(answer)
    return answer


def _refusal(answer: http.Answer) -> SendFailed:
    body = answer.json()
    code = str(body.get("code") or answer.status) if isinstance(body, dict) else str(answer.status)
    return SendFailed(judge_answer(code, answer.status), code, retry_after=answer.retry_after)


def _address(to: str) -> str:
    return f"whatsapp:{to}"


def _content_variables(message: Outgoing) -> dict[str, str]:
    """The variables; a document's link follows them, as the path behind the domain of the approved template."""
    template = message.template
    variables = dict(template.variables) if template else {}
    if template and template.has_document and message.attachments:
        variables[str(len(variables) + 1)] = urlsplit(message.attachments[0].link).path.lstrip("/")
    return variables


def _report(found: Any) -> Report:
    status = STATUSES.get(str(found.status), "accepted")
    code = str(found.error_code or "") if status == "failed" else ""
    return Report(cast(str, found.sid), status, code, text=str(found.body or ""))


def _made_at(found: Any) -> datetime:
    made = found.date_created
    if not isinstance(made, datetime):
        return datetime.min.replace(tzinfo=UTC)
    return made if made.tzinfo else made.replace(tzinfo=UTC)
