"""What colleagues may enter about a renewal, its reminders, and the ladder."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from portal.formats import today
from portal.inputs import (
    Input,
    LongText,
    Money,
    OfficeDate,
    RecordId,
    ShortText,
    Version,
    WholeNumber,
)

View = Literal["open", "overdue", "calls", "mine", "snoozed", "all", "renewed", "lost"]
Stage = Literal["due", "contacted", "quoted", "payment awaited"]
Line = Literal["health", "motor", "fire", "life", "travel", "other"]
Language = Literal["en", "hi", "gu", "mr"]
Channel = Literal["whatsapp", "email"]
Occasion = Literal["before", "grace", "expired", "uninsured", "bonus"]
Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
FormKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

MOST_AT_ONCE = 5000  # policies in one bulk job
FURTHEST = 120  # days before or after the due date that a step of the ladder may lie


class RenewalFilter(Input):
    """What the list of renewals may be narrowed by."""

    view: View = Field("open", title="View")
    month: Month | None = Field(None, title="Month")
    q: ShortText | None = Field(None, title="Number, asset or client")
    insurer_id: RecordId | None = Field(None, title="Insurer")
    agent_id: RecordId | None = Field(None, title="Agent")
    owner_id: RecordId | None = Field(None, title="Looked after by")
    line: Line | None = Field(None, title="Line")
    stage: Stage | None = Field(None, title="Stage")
    premium_from: Money | None = Field(None, title="Premium from")


def _later(day: date) -> date:
    if day <= today():
        raise ValueError("Choose a day after today, or leave it empty.")
    return day


class RenewalInput(Input):
    """Where a renewal stands. `version` is 0 as long as nobody has noted anything."""

    version: Annotated[WholeNumber, Field(ge=0)] = 0
    stage: Stage = Field("due", title="Stage")
    owner_id: RecordId | None = Field(None, title="Looked after by")
    quoted_premium: Money | None = Field(None, title="Quoted premium")
    snoozed_until: OfficeDate | None = Field(None, title="Snoozed until")
    note: LongText | None = Field(None, title="Note")

    @field_validator("snoozed_until")
    @classmethod
    def _is_to_come(cls, day: date | None) -> date | None:
        return None if day is None else _later(day)


def _as_list(value: Any) -> Any:
    """One ticked box arrives as a text, several as a list, none not at all."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


class ReminderInput(Input):
    """A reminder for one policy: on which channels, in which language, now or on a later day."""

    channels: Annotated[list[Channel], BeforeValidator(_as_list)] = Field([], title="Send by")
    language: Language = Field("en", title="Language")
    send_on: OfficeDate | None = Field(None, title="Send on")

    @field_validator("send_on")
    @classmethod
    def _is_to_come(cls, day: date | None) -> date | None:
        return None if day is None else _later(day)


def _ids(value: Any) -> Any:
    if isinstance(value, str):
        return [part for part in value.replace(",", " ").split() if part]
    return value


class BulkInput(Input):
    """A confirmed bulk action: the policies of its preview and the preview's own key."""

    policy_ids: Annotated[list[RecordId], BeforeValidator(_ids), Field(min_length=1, max_length=MOST_AT_ONCE)] = Field(
        title="Policies"
    )
    key: FormKey


class AssignmentInput(BulkInput):
    """Who looks after the chosen renewals from now on."""

    owner_id: RecordId | None = Field(None, title="Looked after by")


class BulkRequest(Input):
    """A bulk action asked for by a program; the same `key` twice is one job."""

    policy_ids: Annotated[list[RecordId], Field(min_length=1, max_length=MOST_AT_ONCE)] = Field(title="policy_ids")
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{8,80}$")] | None = None


def _offset(value: Any) -> Any:
    text = str(value).strip().replace("−", "-").removeprefix("D").removeprefix("+")
    return text if text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 6 else value


class StepInput(Input):
    """A step of the ladder: so many days after (negative: before) the day a policy of a line is due."""

    line: Line = Field(title="Line")
    days: Annotated[int, BeforeValidator(_offset), Field(ge=-FURTHEST, le=FURTHEST)] = Field(title="Days")
    occasion: Occasion = Field(title="Message")
    valid_from: OfficeDate = Field(title="From")

    @field_validator("occasion")
    @classmethod
    def _fits_the_days(cls, occasion: str, info: ValidationInfo) -> str:
        days = info.data.get("days")
        if days is not None and (days <= 0) != (occasion == "before"):
            raise ValueError("This message does not fit the day: before the policy ends, or after it has ended.")
        return occasion


class StepEndInput(Input):
    """The last day that a step of the ladder is used."""

    version: Version
    valid_to: OfficeDate = Field(title="Until")
