"""What a gateway is asked, what it answers, and the six things that an error can mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol


class Kind(StrEnum):
    """What is to be done about a failure."""

    RETRY = "retry"          # nothing reached the recipient: later again
    UNCLEAR = "unclear"      # nobody knows whether it did: ask before anything is sent again
    TEMPLATE = "template"    # WhatsApp's 24 hours are over: again as a template
    PERMANENT = "permanent"  # this message will never go out
    SUPPRESS = "suppress"    # nor will any other to this recipient on this channel
    CHANNEL = "channel"      # nor will any message at all, until somebody mends the account


@dataclass(frozen=True)
class Verdict:
    """What one error means. `wait` is in seconds before the next try, `tries` how many there may be in all.

    `blocks` says what a SUPPRESS stops: everything to an address that cannot be reached, everything because the person
    asked to stop, or promotions alone.
    """

    kind: Kind
    sentence: str
    wait: float = 30.0
    tries: int = 5
    blocks: Literal["unreachable", "stop", "promotions"] = "unreachable"


def as_reported(verdict: Verdict) -> Verdict:
    """The same error in a report about a message that was taken: its attempt is over, so nothing is unclear."""
    if verdict.kind == Kind.UNCLEAR:
        return Verdict(Kind.RETRY, verdict.sentence, wait=600, tries=3)
    return verdict


class SendFailed(Exception):
    """A message was not accepted, or nobody knows. `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, verdict: Verdict, code: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {verdict.sentence}")
        self.verdict = verdict
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True)
class Attachment:
    """One document. `link` is an address that works without signing in; `content` is there where it is uploaded."""

    file_name: str
    media_type: str
    link: str = ""
    content: bytes = b""


@dataclass(frozen=True)
class Template:
    """A template that the provider has approved, with its variables by number ("1", "2") and the language's code."""

    provider_id: str
    language: str
    variables: Mapping[str, str]
    has_document: bool = False


@dataclass(frozen=True)
class Outgoing:
    """One attempt of one message. `own_id` comes back in every report about it ("7.2": message 7, second attempt)."""

    own_id: str
    to: str
    text: str = ""
    subject: str = ""
    html: str = ""
    template: Template | None = None
    attachments: tuple[Attachment, ...] = ()
    expires_at: datetime | None = None
    may_unsubscribe: bool = False


@dataclass(frozen=True)
class Accepted:
    """The provider took it. `state` is what the message is now: accepted, sent (e-mail), or kept (local)."""

    provider_id: str
    state: Literal["accepted", "sent", "kept"] = "accepted"


@dataclass(frozen=True)
class Report:
    """What a provider says of a message when asked; `code` belongs to a failure."""

    provider_id: str
    status: Literal["accepted", "sent", "delivered", "read", "failed"]
    code: str = ""
    text: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What a way to the outside can do.

    `window`: free text is allowed for 24 hours after the recipient wrote. `echoes`: reports carry our own id. `asks`:
    the status of a message can be asked. `finds`: messages to a recipient can be looked for. `media`: how documents
    travel, up to `largest_media` bytes. `per_second` messages may go out, `spacing` seconds lie between two to one
    recipient.
    """

    window: bool = False
    echoes: bool = False
    asks: bool = False
    finds: bool = False
    media: Literal["link", "upload", "attachment", "none"] = "none"
    largest_media: int = 0
    per_second: float = 10.0
    spacing: float = 0.0


class Gateway(Protocol):
    """One way to the outside. `name` is also what its limit is kept by."""

    name: str
    capabilities: Capabilities

    def send(self, message: Outgoing) -> Accepted:
        """Makes one attempt. Raises SendFailed."""
        ...

    def judge(self, code: str) -> Verdict:
        """What an error means that was reported after the message had been accepted."""
        ...

    def ask(self, provider_id: str) -> Report | None:
        """What became of a message; None when the provider does not know it. Raises SendFailed."""
        ...

    def find(self, to: str, since: datetime) -> list[Report]:
        """Messages of ours to a recipient since a moment, the latest first. Raises SendFailed."""
        ...
