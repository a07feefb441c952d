"""What colleagues may type on the pages of messages, and narrow their lists by."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, ValidationInfo, field_validator

from portal.formats import parse_phone
from portal.inputs import Checkbox, ClientId, EmailAddress, Input, LongText, RecordId, ShortText, Version

Channel = Literal["whatsapp", "email"]
State = Literal[
    "waiting", "sent", "delivered", "read", "failed", "unclear", "kept", "cancelled", "suppressed", "expired"
]
_email: TypeAdapter[str] = TypeAdapter(EmailAddress)
FormKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class ThreadFilter(Input):
    """What the inbox may be narrowed by."""

    show: Literal["all", "unread", "staff"] = Field("all", title="Show")
    q: ShortText | None = Field(None, title="Name or number")


class LogFilter(Input):
    """What the log may be narrowed by."""

    state: State | None = Field(None, title="State")
    channel: Channel | None = Field(None, title="Channel")
    client_id: ClientId | None = Field(None, title="Client id")
    policy_id: RecordId | None = Field(None, title="Policy")
    template: ShortText | None = Field(None, title="Template")
    recipient: ShortText | None = Field(None, title="Number or address")
    batch_id: ShortText | None = Field(None, title="Job")


class ReplyInput(Input):
    """An answer to somebody who wrote. `form_key` is the same whenever one form is sent again: one message."""

    text: LongText = Field(title="Answer")
    form_key: FormKey


class DocumentInput(Input):
    """A document to be sent. `form_key` is the same whenever one form is sent again: one message."""

    channel: Channel = Field("whatsapp", title="By")
    text: LongText | None = Field(None, title="Words with it")
    form_key: FormKey


class TestInput(Input):
    """A message to oneself, to see that a channel works."""

    channel: Channel = Field("whatsapp", title="Channel")
    to: ShortText = Field(title="To")
    form_key: FormKey

    @field_validator("to")
    @classmethod
    def _is_an_address(cls, to: str, info: ValidationInfo) -> str:
        return parse_phone(to) if info.data.get("channel") == "whatsapp" else parse_email(to)


class ConsentInput(Input):
    """What a client agreed to or took back."""

    channel: Channel = Field("whatsapp", title="Channel")
    how: ShortText = Field(title="How the client said so")


def parse_email(text: str) -> str:
    """The address in small letters. Raises ValueError with one sentence, as formats.parse_phone does."""
    try:
        return _email.validate_python(text)
    except ValidationError as error:
        raise ValueError("Write the e-mail address like name@example.com.") from error


class TemplateInput(Input):
    """The words of a message in one language, and whether it is used."""

    version: Version
    subject: ShortText | None = Field(None, title="Subject")
    body: LongText = Field(title="Text")
    html_body: Annotated[str, Field(max_length=20_000)] | None = Field(None, title="HTML")
    provider_template_id: ShortText | None = Field(None, title="The provider's template")
    is_active: Checkbox = Field(False, title="In use")
