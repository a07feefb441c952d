"""What staff may enter about a client and its members."""

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from portal.inputs import (
    Checkbox,
    EmailAddress,
    Gstin,
    Input,
    LongText,
    Name,
    Pan,
    PastDate,
    PhoneNumber,
    Pin,
    RecordId,
    ReferenceText,
    ShortText,
    Version,
)

ClientType = Literal["individual", "huf", "firm", "company"]
Language = Literal["en", "hi", "gu", "mr"]
Relation = Literal[
    "self",
    "spouse",
    "son",
    "daughter",
    "father",
    "mother",
    "father-in-law",
    "mother-in-law",
    "brother",
    "sister",
    "employee",
    "partner",
    "other",
]
Gender = Literal["female", "male", "other"]
Show = Literal["all", "no-phone", "no-email", "no-consent", "trash"]
CLIENT_TYPES = {"individual": "Individual", "huf": "Hindu undivided family", "firm": "Firm", "company": "Company"}
LANGUAGES = {"en": "English", "hi": "Hindi", "gu": "Gujarati", "mr": "Marathi"}
RELATIONS: tuple[Relation, ...] = get_args(Relation)

FormKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
ClientId = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{2,20}$")]


def _prefix(value: object) -> object:
    if not isinstance(value, str):
        return value
    letters = value.strip()[:20].upper()
    if not (2 <= len(letters) <= 3 and letters.isascii() and letters.isalpha()):
        raise ValueError("The prefix of a client id is two or three letters, for example RM.")
    return letters


class ClientInput(Input):
    """A client: a person, a family, a firm or a company.

    `same_as_known` are the ids of similar clients that were shown to the colleague, who said it is somebody else.
    """

    client_type: ClientType = Field("individual", title="Type")
    name: Name = Field(title="Name")
    phone: PhoneNumber | None = Field(None, title="Phone")
    other_phone: PhoneNumber | None = Field(None, title="Other phone")
    email: EmailAddress | None = Field(None, title="E-mail")
    date_of_birth: PastDate | None = Field(None, title="Date of birth")
    pan: Pan | None = Field(None, title="PAN")
    gstin: Gstin | None = Field(None, title="GSTIN")
    address: LongText | None = Field(None, title="Address")
    city: ShortText | None = Field(None, title="City")
    state: ShortText | None = Field(None, title="State")
    pin: Pin | None = Field(None, title="PIN code")
    group_name: ShortText | None = Field(None, title="Group")
    subgroup: ShortText | None = Field(None, title="Sub-group")
    agent_id: RecordId | None = Field(None, title="Agent")
    language: Language = Field("en", title="Language")
    whatsapp_opt_in: Checkbox = Field(False, title="Consent to WhatsApp messages")
    email_opt_in: Checkbox = Field(False, title="Consent to e-mails")
    notes: LongText | None = Field(None, title="Notes")
    same_as_known: Annotated[str, Field(max_length=20_000)] | None = None

    @field_validator("client_type", "language", mode="before")
    @classmethod
    def _usual_when_empty(cls, value: object, info: ValidationInfo) -> object:
        return {"client_type": "individual", "language": "en"}[info.field_name or ""] if value is None else value

    @field_validator("pan")
    @classmethod
    def _fits_the_type(cls, pan: str | None, info: ValidationInfo) -> str | None:
        letter = {"individual": "P", "huf": "H"}.get(info.data.get("client_type", ""))
        if pan and letter and pan[3] != letter:
            raise ValueError(f"The fourth letter of this PAN is {pan[3]}, but for this type of client it is {letter}.")
        return pan

    @field_validator("gstin")
    @classmethod
    def _contains_the_pan(cls, gstin: str | None, info: ValidationInfo) -> str | None:
        pan = info.data.get("pan")
        if gstin and pan and gstin[2:12] != pan:
            raise ValueError("This GSTIN belongs to another PAN. Its characters 3 to 12 are the PAN.")
        return gstin


class NewClientInput(ClientInput):
    """A client to be added. Without a prefix the id starts with the initials of the name.

    `form_key` is the same whenever one form is sent again, so that a double click adds one client.
    """

    prefix: Annotated[str, BeforeValidator(_prefix)] | None = Field(None, title="Prefix")
    form_key: FormKey | None = None


class ChangedClientInput(ClientInput):
    """A client as edited by somebody who saw `version`."""

    version: Version


class MemberInput(Input):
    """Somebody of a client's family or staff."""

    version: Version | None = None
    name: Name = Field(title="Name")
    relation: Relation = Field(title="Relation")
    date_of_birth: PastDate | None = Field(None, title="Date of birth")
    gender: Gender | None = Field(None, title="Gender")
    phone: PhoneNumber | None = Field(None, title="Phone")
    nominee: ShortText | None = Field(None, title="Nominee")
    health_notes: LongText | None = Field(None, title="Health notes")

    @field_validator("date_of_birth")
    @classmethod
    def _nobody_is_older(cls, day: date | None) -> date | None:
        if day is not None and day.year < 1905:
            raise ValueError("This date is too long ago. Write the year with four digits.")
        return day


class NewMemberInput(MemberInput):
    """A member to be added. `form_key` is the same whenever one form is sent again: a double click adds one member."""

    form_key: FormKey | None = None


class VersionInput(Input):
    """The version of the record that somebody saw when pressing a button."""

    version: Version


class ClientFilter(Input):
    """What the list of clients may be narrowed by."""

    show: Show = Field("all", title="View")
    q: ReferenceText | None = Field(None, title="Name, phone or id")
    agent_id: RecordId | None = Field(None, title="Agent")
    city: ShortText | None = Field(None, title="City")
    group: ShortText | None = Field(None, title="Group")
    client_type: ClientType | None = Field(None, title="Type")
