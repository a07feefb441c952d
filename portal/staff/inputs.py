"""What staff may enter about themselves and, as administrators, about their colleagues."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from portal.inputs import Checkbox, EmailAddress, Input, Name, PhoneNumber, ShortText, Version

Role = Literal["administrator", "manager", "staff", "accounts", "read-only"]
Theme = Literal["system", "light", "dark"]
Density = Literal["comfortable", "compact"]
LONGEST_PASSWORD = 128


def _one_spelling(password: str) -> str:
    """The same key presses give the same bytes on every keyboard and system (RFC 8265 asks for NFC)."""
    return unicodedata.normalize("NFC", password)


# Spaces at the ends belong to a password; all other texts lose them.
Password = Annotated[
    str, StringConstraints(strip_whitespace=False, max_length=LONGEST_PASSWORD), AfterValidator(_one_spelling)]


class SignIn(Input):
    email: ShortText = Field(title="E-mail")
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
