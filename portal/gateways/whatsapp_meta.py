"""WhatsApp through Meta's Cloud API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from config import Settings
from portal.gateways import http
from portal.gateways.interface import (
    Accepted,
    Attachment,
    Capabilities,
    Kind,
    Outgoing,
    Report,
    SendFailed,
    Template,
    Verdict,
    as_reported,
)

GRAPH = "https://graph.facebook.com"
MEGABYTE = 1024 * 1024
HOUR, DAY = 3600.0, 24 * 3600.0

NOT_OURS = "Meta refuses the access token or its rights: messages wait until an administrator has mended that."
HELD_BACK = "Meta has restricted the account: messages wait until an administrator has settled that with Meta."
OUR_MISTAKE = "Meta refused the form of this message. Please report it to whoever looks after the portal."
WRONG_TEMPLATE = "The template and its variables do not fit the one that WhatsApp approved, or it is paused."
THEIR_ERROR = "Meta had an error of its own and does not say whether the message left."
TOO_MUCH = "Too many messages at once; it is tried again by itself."
NOT_BILLED = "Meta's account is not set up for sending (payment or registration of the number)."
PROMOTION = "WhatsApp chose not to deliver this promotion."

_CHANNEL = Verdict(Kind.CHANNEL, NOT_OURS)
_HELD = Verdict(Kind.CHANNEL, HELD_BACK)
_BILLED = Verdict(Kind.CHANNEL, NOT_BILLED)
_MISTAKE = Verdict(Kind.PERMANENT, OUR_MISTAKE)
_TEMPLATE = Verdict(Kind.PERMANENT, WRONG_TEMPLATE)
_SERVER = Verdict(Kind.UNCLEAR, THEIR_ERROR)
_RATE = Verdict(Kind.RETRY, TOO_MUCH, wait=60, tries=20)
_MEDIA = Verdict(Kind.RETRY, "WhatsApp could not take the document.", wait=300, tries=2)

# https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
ERRORS: Mapping[str, Verdict] = {
    "0": _CHANNEL, "3": _CHANNEL, "10": _CHANNEL, "190": _CHANNEL,
    **{str(code): _CHANNEL for code in range(200, 300)},
    "4": _RATE, "80007": _RATE, "130429": Verdict(Kind.RETRY, TOO_MUCH, wait=5, tries=20),
    "131056": Verdict(Kind.RETRY, "Too many messages to this recipient in a short time.", wait=64, tries=6),
    "131047": Verdict(Kind.TEMPLATE, "The recipient has not written for 24 hours: only an approved template goes out."),
    "131026": Verdict(Kind.SUPPRESS, "This number is not on WhatsApp, has blocked us, or its WhatsApp is too old."),
    "131049": Verdict(Kind.PERMANENT, PROMOTION), "130472": Verdict(Kind.PERMANENT, PROMOTION),
    "131050": Verdict(Kind.SUPPRESS, "The recipient has stopped promotions.", blocks="promotions"),
    "131048": _HELD, "368": _HELD, "131031": _HELD,
    "130497": Verdict(Kind.PERMANENT, "WhatsApp does not let this account write to people in the recipient's country."),
    "131042": _BILLED, "131045": _BILLED, "133010": _BILLED,
    "1": _SERVER, "2": _SERVER, "131000": _SERVER, "131016": _SERVER, "133004": _SERVER,
    "131057": Verdict(Kind.RETRY, "Meta's account is in maintenance.", wait=600, tries=12),
    "100": _MISTAKE, "33": _MISTAKE, "131008": _MISTAKE, "131009": _MISTAKE, "131021": _MISTAKE, "131051": _MISTAKE,
    "131052": _MEDIA, "131053": _MEDIA,
    "132000": _TEMPLATE, "132001": _TEMPLATE, "132005": _TEMPLATE, "132007": _TEMPLATE, "132012": _TEMPLATE,
    "132015": _TEMPLATE, "132016": _TEMPLATE, "132068": _TEMPLATE, "132069": _TEMPLATE,
}  # fmt: skip
BY_STATUS: Mapping[int, Verdict] = {401: _CHANNEL, 403: _CHANNEL, 429: _RATE}
NO_CONNECTION = Verdict(Kind.RETRY, "Meta could not be reached.", wait=15, tries=50)
NO_ANSWER = Verdict(Kind.UNCLEAR, "The connection to Meta broke before its answer came.")
ODD_ANSWER = Verdict(Kind.UNCLEAR, "Meta's answer could not be read.")


class Meta:
    """Sends from one phone number of a WhatsApp Business account."""

    name = "meta"

    def __init__(self, chosen: Settings) -> None:
        base = chosen.whatsapp_api_base_url or GRAPH
        self._url = f"{base}/{chosen.whatsapp_api_version}/{chosen.whatsapp_phone_id}"
        self._headers = {"Authorization": f"Bearer {chosen.whatsapp_token}"}
        self.capabilities = Capabilities(
            window=True, echoes=chosen.whatsapp_app_secret is not None, media="upload",
            largest_media=100 * MEGABYTE, per_second=chosen.messages_per_second, spacing=6.0)  # fmt: skip

    def send(self, message: Outgoing) -> Accepted:
        """Makes one attempt; a document is uploaded first, since Meta accepts links that it can never fetch.

        Raises SendFailed.
        """
        document = self._uploaded(message.attachments[0]) if message.attachments else None
        content = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.to.removeprefix("+"),
            **_content(message, document),
            "biz_opaque_callback_data": message.own_id,
        }
        answer = self._asked("messages", content=content)
        try:
            provider_id = answer["messages"][0]["id"]
        except (KeyError, IndexError, TypeError) as error:
            raise SendFailed(ODD_ANSWER, "no id") from error
        return Accepted(str(provider_id))

    def judge(self, code: str) -> Verdict:
        """What an error means that came in a status report."""
        unknown = Verdict(Kind.PERMANENT, f"WhatsApp reported error {code or 'without code'}.")
        return as_reported(ERRORS.get(code, unknown))

    def ask(self, provider_id: str) -> Report | None:
        """Meta cannot be asked."""
        return None

    def find(self, to: str, since: datetime) -> list[Report]:
        """Meta cannot be asked."""
        return []

    def _uploaded(self, attachment: Attachment) -> dict[str, str]:
        """The document as a message names it. An upload sends nothing to anybody: any failure may be repeated."""
        files = {
            "messaging_product": "whatsapp",
            "type": attachment.media_type,
            "file": (attachment.file_name, attachment.content, attachment.media_type),
        }
        try:
            answer = self._asked("media", files=files)
            return {"id": str(answer["id"]), "filename": attachment.file_name}
        except (KeyError, TypeError) as error:
            raise SendFailed(_MEDIA, "no media id") from error
        except SendFailed as error:
            if error.verdict.kind == Kind.UNCLEAR:
                raise SendFailed(_MEDIA, error.code, retry_after=error.retry_after) from error
            raise

    def _asked(self, place: str, **request: Any) -> Any:
        try:
            answer = http.ask("POST", f"{self._url}/{place}", headers=self._headers, **request)
        except http.NotReached as error:
            raise SendFailed(NO_CONNECTION, "no connection") from error
        except http.OutcomeUnknown as error:
            raise SendFailed(NO_ANSWER, "no answer") from error
        body = answer.json()
        if answer.status >= 400:
            code = _code(body) or str(answer.status)
            raise SendFailed(judge_answer(code, answer.status), code, retry_after=answer.retry_after)
        if not isinstance(body, dict):
            raise SendFailed(ODD_ANSWER, "not JSON")
        return body


def judge_answer(code: str, status: int) -> Verdict:
    """What an error in the answer to a request means: by its code, else by its HTTP status."""
    return ERRORS.get(code) or BY_STATUS.get(status) or (_SERVER if status >= 500 else _MISTAKE)


def _code(body: Any) -> str:
    try:
        return str(body["error"]["code"])
    except (KeyError, TypeError):
        return ""


def _content(message: Outgoing, document: dict[str, str] | None) -> dict[str, Any]:
    if message.template:
        return {"type": "template", "template": _template(message.template, document)}
    if document:
        caption = {"caption": message.text} if message.text else {}
        return {"type": "document", "document": {**document, **caption}}
    return {"type": "text", "text": {"body": message.text, "preview_url": False}}


def _template(template: Template, document: dict[str, str] | None) -> dict[str, Any]:
    components: list[dict[str, Any]] = []
    if document:
        components.append({"type": "header", "parameters": [{"type": "document", "document": document}]})
    if template.variables:
        texts = [{"type": "text", "text": text} for text in template.variables.values()]
        components.append({"type": "body", "parameters": texts})
    language = {"code": template.language, "policy": "deterministic"}
    return {"name": template.provider_id, "language": language, **({"components": components} if components else {})}
