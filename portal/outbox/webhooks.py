"""What providers send us: is it genuine, and what does it say? Nothing is stored here, and nothing is asked for."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from twilio.request_validator import RequestValidator

from portal.formats import now

OWN_ID = re.compile(r"(\d{1,18})\.(\d{1,4})")
PHONE = re.compile(r"\+?([1-9]\d{5,14})")
LONGEST_TEXT = 5000
LONGEST_NAME = 120
MOST_MEDIA = 10
# Twilio's word for a state, and ours. What a message was before it left us says nothing new.
TWILIO_STATUSES = {
    "accepted": "accepted", "queued": "accepted", "sending": "accepted", "scheduled": "accepted", "sent": "sent",
    "delivered": "delivered", "partially_delivered": "delivered", "read": "read", "undelivered": "failed",
    "failed": "failed", "canceled": "failed",
}  # fmt: skip
META_STATUSES = {"sent": "sent", "delivered": "delivered", "read": "read", "failed": "failed"}


@dataclass(frozen=True)
class Inbound:
    """One message from outside. `address` is the phone in E.164, or the user id of a sender who shows no number."""

    provider: str
    provider_id: str
    address: str
    phone: str | None = None
    user_id: str | None = None
    profile_name: str | None = None
    user_name: str | None = None
    kind: str = "text"
    body: str = ""
    payload: str | None = None
    media: list[dict[str, str]] = field(default_factory=list)
    reply_to: str | None = None
    received_at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class Status:
    """One report about a message of ours. `message_id` and `attempt` are our own, where the report carries them."""

    provider: str
    provider_id: str
    status: str
    message_id: int | None = None
    attempt: int | None = None
    code: str | None = None
    detail: str | None = None
    happened_at: datetime = field(default_factory=now)


def is_from_meta(body: bytes, signature: str, app_secret: str | None) -> bool:
    """Whether Meta signed these bytes: X-Hub-Signature-256 is the HMAC-SHA256 of the raw body with the app secret."""
    if not app_secret:
        return False
    expected = "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def is_from_twilio(url: str, fields: Mapping[str, Any], signature: str, auth_token: str | None) -> bool:
    """Whether Twilio signed this form for this public address, empty fields and spaces included."""
    if not auth_token or not signature:
        return False
    try:
        return bool(RequestValidator(auth_token).validate(url, fields, signature))
    except ValueError:   # a port that is none
        return False


def signed_address(base_url: str, environ: Mapping[str, Any]) -> str:
    """The address that Twilio signed: our public one and the path exactly as it came.

    Flask shows the path decoded and the host as a proxy wrote it; either breaks the signature.
    """
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not raw:
        query = environ.get("QUERY_STRING", "")
        raw = environ.get("PATH_INFO", "") + (f"?{query}" if query else "")
    return f"{base_url}{raw}"


def twilio_inbound(fields: Mapping[str, str]) -> Inbound | None:
    """The message in Twilio's form; None when it names no sender or no id."""
    sender = fields.get("From", "").removeprefix("whatsapp:").strip()
    provider_id = fields.get("MessageSid") or fields.get("SmsSid") or ""
    phone = _phone(sender)
    user_id = fields.get("ExternalUserId") or (None if phone else sender) or None
    address = phone or user_id
    if not address or not provider_id:
        return None
    count = fields.get("NumMedia", "0")
    media = [{"url": fields.get(f"MediaUrl{n}", ""), "type": fields.get(f"MediaContentType{n}", "")}
             for n in range(min(int(count), MOST_MEDIA) if count.isdecimal() else 0)]  # fmt: skip
    return Inbound(
        "twilio", provider_id[:200], address[:200], phone, user_id, _name(fields.get("ProfileName")),
        _name(fields.get("ProfileUsername")), kind=_twilio_kind(fields, media), body=_text(fields.get("Body", "")),
        payload=fields.get("ButtonPayload") or fields.get("ListId") or None, media=media,
        reply_to=fields.get("OriginalRepliedMessageSid") or None,
    )  # fmt: skip


def twilio_status(fields: Mapping[str, str], own_id: str) -> Status | None:
    """The report in Twilio's form; `own_id` is what our callback address carried. None when it says nothing to us."""
    word = TWILIO_STATUSES.get(fields.get("MessageStatus") or fields.get("SmsStatus") or "")
    provider_id = fields.get("MessageSid") or fields.get("SmsSid")
    if word is None or not provider_id:
        return None
    message_id, attempt = _own(own_id)
    failed = word == "failed"
    return Status(
        "twilio", provider_id[:200], word, message_id, attempt,
        code=(fields.get("ErrorCode") or None) if failed else None,
        detail=_text(fields.get("ErrorMessage", ""))[:500] or None if failed else None,
    )  # fmt: skip


def meta_events(payload: Any) -> tuple[list[Inbound], list[Status]]:
    """Everything in one of Meta's payloads, which holds many entries, changes and events. What is odd is left out."""
    inbound: list[Inbound] = []
    statuses: list[Status] = []
    for value in _values(payload):
        people = {who.get("wa_id") or who.get("user_id"): who for who in _dicts(value.get("contacts"))}
        alone = next(iter(people.values())) if len(people) == 1 else None
        for message in _dicts(value.get("messages")):
            who = people.get(message.get("from")) or people.get(message.get("from_user_id")) or alone or {}
            if (found := _meta_inbound(message, who)) is not None:
                inbound.append(found)
        statuses += [one for report in _dicts(value.get("statuses")) if (one := _meta_status(report)) is not None]
    return inbound, statuses


def _values(payload: Any) -> Iterator[dict[str, Any]]:
    if isinstance(payload, dict):
        for entry in _dicts(payload.get("entry")):
            for change in _dicts(entry.get("changes")):
                value = change.get("value")
                if isinstance(value, dict):
                    yield value


def _meta_inbound(message: dict[str, Any], who: dict[str, Any]) -> Inbound | None:
    phone = _phone(str(message.get("from") or who.get("wa_id") or ""))
    user_id = message.get("from_user_id") or message.get("user_id") or who.get("user_id")
    address, provider_id = phone or user_id, message.get("id")
    if not isinstance(address, str) or not isinstance(provider_id, str) or not address or not provider_id:
        return None
    kind = str(message.get("type") or "unsupported")
    part = message.get(kind)
    content: dict[str, Any] = part if isinstance(part, dict) else {}
    body, payload = _meta_text(kind, content)
    profile = who.get("profile")
    names: dict[str, Any] = profile if isinstance(profile, dict) else {}
    context = message.get("context")
    return Inbound(
        "meta", provider_id[:200], address[:200], phone, user_id if isinstance(user_id, str) else None,
        _name(names.get("name")), _name(names.get("username")), kind=kind[:40], body=body, payload=payload,
        media=_meta_media(content), received_at=_moment(message.get("timestamp")),
        reply_to=str(context["id"])[:200] if isinstance(context, dict) and context.get("id") else None,
    )  # fmt: skip


def _meta_text(kind: str, content: dict[str, Any]) -> tuple[str, str | None]:
    """What the person wrote or chose, and what the pressed button stands for."""
    if kind == "interactive":
        reply = content.get(str(content.get("type")))
        chosen = reply if isinstance(reply, dict) else {}
        return _text(chosen.get("title", "")), _payload(chosen.get("id"))
    if kind == "button":
        return _text(content.get("text", "")), _payload(content.get("payload"))
    if kind == "reaction":
        return _text(content.get("emoji", "")), None
    if kind == "location":
        places = (content.get(name, "") for name in ("name", "address", "latitude", "longitude"))
        return _text(" ".join(map(str, places))), None
    return _text(content.get("body") or content.get("caption") or ""), None


def _meta_media(content: dict[str, Any]) -> list[dict[str, str]]:
    if not isinstance(content.get("id"), str) or not content.get("mime_type"):
        return []
    return [{"id": content["id"], "type": str(content["mime_type"]), "name": str(content.get("filename") or "")[:200]}]


def _meta_status(report: dict[str, Any]) -> Status | None:
    word, provider_id = META_STATUSES.get(str(report.get("status"))), report.get("id")
    if word is None or not isinstance(provider_id, str) or not provider_id:
        return None
    message_id, attempt = _own(str(report.get("biz_opaque_callback_data") or ""))
    error = next(iter(_dicts(report.get("errors"))), {}) if word == "failed" else {}
    data = error.get("error_data")
    detail = (data.get("details") if isinstance(data, dict) else None) or error.get("title") or error.get("message")
    return Status(
        "meta", provider_id[:200], word, message_id, attempt,
        code=str(error["code"])[:20] if error.get("code") is not None else None,
        detail=_text(detail)[:500] or None if detail else None, happened_at=_moment(report.get("timestamp")),
    )  # fmt: skip


def _twilio_kind(fields: Mapping[str, str], media: list[dict[str, str]]) -> str:
    kind = fields.get("MessageType") or ("document" if media else "text")
    return kind.lower()[:40]


def _own(own_id: str) -> tuple[int | None, int | None]:
    match = OWN_ID.fullmatch(own_id)
    return (int(match[1]), int(match[2])) if match else (None, None)


def _phone(text: str) -> str | None:
    match = PHONE.fullmatch(text)
    return f"+{match[1]}" if match else None


def _moment(timestamp: Any) -> datetime:
    """Meta's seconds since 1970; this moment where they are missing or lie in the future."""
    try:
        told = datetime.fromtimestamp(int(timestamp), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return now()
    return min(told, now())


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _payload(found: Any) -> str | None:
    return str(found)[:500] if found else None


def _name(found: Any) -> str | None:
    return _text(found)[:LONGEST_NAME] or None if isinstance(found, str) else None


def _text(found: Any) -> str:
    """A text that the database can hold: without NUL and lone surrogates."""
    text = str(found)[:LONGEST_TEXT].replace("\0", "")
    return text.encode("utf-8", "replace").decode().strip()
