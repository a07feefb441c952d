"""What staff may enter about themselves and, as administrators, about their colleagues."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator

from portal.inputs import Checkbox, EmailAddress, Input, Name, PhoneNumber, ShortText, Version

Role = Literal["administrator", "manager", "staff", "accounts", "read-only"]
Theme = Literal["system", "light", "dark"]
Density = Literal["comfortable", "compact"]
Language = Literal["en", "hi", "gu", "mr"]
Scope = Literal["clients:read", "clients:write", "policies:read", "policies:write", "documents:read",
                "documents:write", "settings:write", "users:write", "audit:read", "everything"]
LONGEST_PASSWORD = 128


def _as_list(value: object) -> object:
    """One ticked box arrives as a text, several as a list, none not at all."""
    return [value] if isinstance(value, str) else value


def _one_spelling(password: str) -> str:
    """The same key presses give the same bytes on every keyboard and system (RFC 8265 asks for NFC)."""
    return unicodedata.normalize("NFC", password)


# Spaces at the ends belong to a password; all other texts lose them.
Password = Annotated[
    str, StringConstraints(strip_whitespace=False, max_length=LONGEST_PASSWORD), AfterValidator(_one_spelling)]


class SignIn(Input):
    email: ShortText = Field(title="E-mail")
    password: Password = Field(title="Password")


class SecondStep(Input):
    code: ShortText = Field(title="Code")
    trust: Literal["", "yes"] = Field("", title="Do not ask in this browser for 30 days")


class PasswordOnly(Input):
    """One's own password, for what a borrowed open browser must not do."""

    password: Password = Field(title="Password")


class PasswordChange(Input):
    current_password: Password = Field(title="Present password")
    new_password: Password = Field(title="New password")
    new_password_again: Password = Field(title="New password, once more")


class Account(Input):
    name: Name = Field(title="Name")
    phone: PhoneNumber | None = Field(None, title="Phone")
    theme: Theme = Field("system", title="Colours")
    density: Density = Field("comfortable", title="Rows in lists")
    shortcuts: Checkbox = Field(False, title="Keys of the keyboard")
    language: Language = Field("en", title="Language of your new clients")
    version: Version


class Invitation(Input):
    name: Name = Field(title="Name")
    email: EmailAddress = Field(title="E-mail")
    role: Role = Field(title="Role")


class Colleague(Input):
    name: Name = Field(title="Name")
    phone: PhoneNumber | None = Field(None, title="Phone")
    role: Role = Field(title="Role")
    version: Version


class Guarded(Input):
    """A button on a record: only the version that the page showed."""

    version: Version


class TokenInput(Input):
    """An API token: what it is for, what it may do at most, and how many days it is good."""

    name: ShortText = Field(title="What it is for")
    scopes: Annotated[list[Scope], BeforeValidator(_as_list), Field(min_length=1)] = Field(title="What it may do")
    days: Literal[30, 90, 365] = Field(90, title="Good for")

    @field_validator("days", mode="before")
    @classmethod
    def _number(cls, days: object) -> object:
        return int(days) if isinstance(days, str) and days in ("30", "90", "365") else days


class TokenWithPassword(TokenInput, PasswordOnly):
    """The same while people sign in by password."""
