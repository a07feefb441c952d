"""From where on somebody should look, and who is told: what administrators settle for the alerts."""

from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from portal.formats import parse_phone
from portal.inputs import Checkbox, EmailAddress, Input, LongText, Version, WholeNumber

_email: TypeAdapter[str] = TypeAdapter(EmailAddress)
MOST_RECIPIENTS = 20
Percent = Annotated[WholeNumber, Field(ge=1, le=100)]
Positive = Annotated[WholeNumber, Field(ge=1, le=1_000_000)]


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in text.replace("\n", ",").replace(";", ",").split(",") if part.strip()]
    if len(parts) > MOST_RECIPIENTS:
        raise ValueError(f"At most {MOST_RECIPIENTS} can be told.")
    return parts


def _emails(text: str) -> str:
    try:
        return ", ".join(_email.validate_python(part) for part in _parts(text))
    except ValidationError as error:
        raise ValueError("Write e-mail addresses, with commas between them.") from error


def _phones(text: str) -> str:
    return ", ".join(parse_phone(part) for part in _parts(text))


class AlertsInput(Input):
    """Thresholds of the alerts, and who hears of them. Every field has the value that fits most offices."""

    version: Version | None = None
    slow_database_ms: Positive = Field(500, title="Smallest question, milliseconds")
    oldest_task_minutes: Positive = Field(5, title="A task waits, minutes")
    dead_tasks: WholeNumber = Field(0, title="Tasks failed for good")
    oldest_message_minutes: Positive = Field(5, title="A message waits, minutes")
    slow_pages_ms: Positive = Field(1000, title="95 of 100 pages within, milliseconds")
    page_errors_percent: Percent = Field(2, title="Requests with an error of ours, percent")
    provider_errors_percent: Percent = Field(30, title="Calls of providers that fail, percent")
    webhook_minutes: Positive = Field(5, title="Reports of providers come late, minutes")
    memory_percent: Percent = Field(92, title="Memory of the machine in use, percent")
    disk_free_gb: Positive = Field(2, title="Room on the disk, GB")
    backup_hours: Positive = Field(36, title="Last backup, hours ago")
    quiet_minutes: Positive = Field(3, title="All clear after, minutes")
    by_email: Checkbox = Field(False, title="Tell by e-mail")
    emails: Annotated[LongText, AfterValidator(_emails)] | None = Field(None, title="E-mail addresses")
    by_whatsapp: Checkbox = Field(False, title="Tell by WhatsApp")
    phones: Annotated[LongText, AfterValidator(_phones)] | None = Field(None, title="WhatsApp numbers")


# Nobody has to open a page before alerts reach somebody.
USUAL = AlertsInput.model_validate({"by_email": True})
