"""What may be typed into any form or sent to the API: the field types, and how a refusal reads.

An area describes its forms as subclasses of `Input`. A field left empty is None, so a value can be cleared.
Give each field a title, for the sentence that `explain` makes: `name: ShortText = Field(title="Name")`.
"""

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails
from stdnum.exceptions import InvalidChecksum
from stdnum.exceptions import ValidationError as NumberError
from stdnum.in_ import aadhaar, gstin, pan

from portal.formats import ascii_digits, compact, parse_date, parse_money, parse_phone, parse_vehicle, today

LARGEST_ID = 2**63 - 1
SHORT, LONG = 120, 5000
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))  # not the joiners, which Indian scripts and emoji need
OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
WORD_BREAKS = re.compile(r"[\s\x01-\x2f:-@\[-`{-~]+")  # as the SQL function search_vector parts words
MOST_WORDS = 8
# Twelve digits in groups as people write them, not the middle of a longer number.
LIKE_AADHAAR = re.compile(r"(?<![0-9+])[2-9][0-9]{3}[ \u00a0-]?[0-9]{4}[ \u00a0-]?[0-9]{4}(?![0-9])")


class Input(BaseModel):
    """One form. Unknown fields are ignored, spaces around texts do not count, an empty text is None."""

    model_config = ConfigDict(str_strip_whitespace=True, extra="ignore", validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {name: None if isinstance(value, str) and not value.strip() else value for name, value in values.items()}


Form = TypeVar("Form", bound=Input)


def _printable(text: str) -> str:
    text = unicodedata.normalize("NFC", text).translate(INVISIBLE)
    for character in text:
        if (character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs")) or character in OVERRIDES:
            raise ValueError("There is an invisible control character in this text. Please type it again.")
    return text


def _one_line(text: str) -> str:
    return " ".join(_printable(text.replace("\r", "\n")).split())


def _lines(text: str) -> str:
    return _printable(text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def mask_aadhaar(text: str) -> str:
    """The text with every Aadhaar number in it (12 digits with a right check digit) cut to its last four digits.

    No more may be kept: UIDAI's rule of 2018, for insurance business IRDAI's circular of 29/01/2019.
    """
    return LIKE_AADHAAR.sub(_masked, ascii_digits(text)) if LIKE_AADHAAR.search(ascii_digits(text)) else text


def _masked(found: re.Match[str]) -> str:
    digits = compact(found[0])
    return f"XXXX XXXX {digits[-4:]}" if aadhaar.is_valid(digits) else found[0]


def _has_letter(text: str) -> str:
    if not any(character.isalpha() for character in text):
        raise ValueError("There must be at least one letter.")
    return text


def _email(text: str) -> str:
    address = text.lower()
    if len(address) > 254 or not re.fullmatch(
        r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}",
        address,
    ):
        raise ValueError("Write the e-mail address like name@example.com.")
    return address


def _pan(text: str) -> str:
    try:
        return str(pan.validate(compact(text[:40])))
    except NumberError:
        raise ValueError("A PAN has five letters, four digits and a letter, for example ACUPA1234R.") from None


def _gstin(text: str) -> str:
    try:
        return str(gstin.validate(compact(text[:40])))
    except InvalidChecksum:
        raise ValueError("The last character of this GSTIN does not fit the rest. Please check it.") from None
    except NumberError:
        raise ValueError("A GSTIN has 15 characters, for example 27AAPFU0939F1ZV.") from None


def _pin(text: str) -> str:
    digits = ascii_digits(text[:40]).replace(" ", "")
    if not re.fullmatch(r"[1-9][0-9]{5}", digits):
        raise ValueError("A PIN code has 6 digits, for example 400001.")
    return digits


def _ifsc(text: str) -> str:
    code = compact(ascii_digits(text[:40]))
    if not re.fullmatch(r"[A-Z]{4}0[A-Z0-9]{6}", code):
        raise ValueError("An IFSC has four letters, a zero and six letters or digits, for example HDFC0001234.")
    return code


def _amount(value: Any) -> Any:
    if isinstance(value, float):
        value = str(Decimal(str(value)))  # from JSON, where 0.1 means 0.1
    return parse_money(value) if isinstance(value, str) else value


def _rate(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(str(value))
    if not isinstance(value, str):
        return value
    written = ascii_digits(value.strip()[:40])
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?\s*%?", written):
        raise ValueError("Write the rate as a percentage from 0 to 100, for example 18 or 2.5.")
    return Decimal(written.rstrip("% "))


def _day(value: Any) -> Any:
    return parse_date(value) if isinstance(value, str) else value


def _past(value: date) -> date:
    if value > today():
        raise ValueError("This date is in the future. Write the year with four digits.")
    return value


def _whole(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    written = ascii_digits(value.strip()[:40]).replace(",", "").replace(" ", "")
    if not re.fullmatch(r"-?[0-9]{1,18}", written):
        raise ValueError("Write a whole number.")
    return int(written)


def _ticked(value: Any) -> Any:
    return False if value is None else value


# Texts lose what may not be kept. A number of somebody's making (policy, chassis, payment) or one that is searched for
# may look like an Aadhaar number by chance, and stays as it is.
ShortText = Annotated[str, Field(max_length=SHORT), AfterValidator(_one_line), AfterValidator(mask_aadhaar)]
ReferenceText = Annotated[str, Field(max_length=SHORT), AfterValidator(_one_line)]
Name = Annotated[
    str,
    Field(max_length=SHORT),
    AfterValidator(_one_line),
    AfterValidator(_has_letter),
    AfterValidator(mask_aadhaar),
]
LongText = Annotated[str, Field(max_length=LONG), AfterValidator(_lines), AfterValidator(mask_aadhaar)]
PhoneNumber = Annotated[str, Field(max_length=SHORT), AfterValidator(parse_phone)]
EmailAddress = Annotated[str, Field(max_length=254), AfterValidator(_email)]
Pan = Annotated[str, Field(max_length=SHORT), AfterValidator(_pan)]
Gstin = Annotated[str, Field(max_length=SHORT), AfterValidator(_gstin)]
Ifsc = Annotated[str, Field(max_length=SHORT), AfterValidator(_ifsc)]
Pin = Annotated[str, Field(max_length=SHORT), AfterValidator(_pin)]
VehicleNumber = Annotated[str, Field(max_length=SHORT), AfterValidator(parse_vehicle)]
ClientId = Annotated[
    str,
    BeforeValidator(lambda text: text.upper() if isinstance(text, str) else text),
    StringConstraints(pattern=r"^[A-Z0-9-]{2,20}$"),
]
# A form takes "1,86,400" or "1.5L"; the API, whose description these schemas are, one spelling of each kind. Amounts
# are texts there as well: many programs read a JSON number as floating point.
_AMOUNT = WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$", "examples": ["18640.00"]})
_PERCENT = WithJsonSchema(
    {"type": "string", "pattern": r"^(100(\.00?)?|[0-9]{1,2}(\.[0-9]{1,2})?)$", "examples": ["18"]})
_DATE = WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-23"]})
_TRUTH = WithJsonSchema({"type": "boolean"})


def _integer(smallest: int, largest: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": smallest, "maximum": largest})


Money = Annotated[Decimal, BeforeValidator(_amount), Field(ge=0, max_digits=14, decimal_places=2), _AMOUNT]
Rate = Annotated[Decimal, BeforeValidator(_rate), Field(ge=0, le=100, max_digits=5, decimal_places=2), _PERCENT]
OfficeDate = Annotated[date, BeforeValidator(_day), _DATE]
PastDate = Annotated[date, BeforeValidator(_day), AfterValidator(_past), _DATE]
WholeNumber = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**31 - 1), _integer(0, 2**31 - 1)]
RecordId = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=LARGEST_ID), _integer(1, LARGEST_ID)]
Version = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=2**31 - 1), _integer(1, 2**31 - 1)]
Checkbox = Annotated[bool, BeforeValidator(_ticked), _TRUTH]


def explain(error: ValidationError, form: type[BaseModel] | None = None) -> dict[str, str]:
    """One sentence per refused field, in the office's words: {"date_of_birth": "Date of birth: There is no ..."}.

    Fields of repeated rows are named as in the page ("persons-0-name"), what concerns the whole form is "".
    With the form's class the sentences use its titles.
    """
    sentences: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=True):
        place = detail["loc"]
        sentences.setdefault("-".join(map(str, place)), _sentence(detail, _title(place, form)))
    return sentences


def readable(form: type[Form], values: Mapping[str, Any]) -> tuple[Form, dict[str, str]]:
    """The form without the fields that cannot be read, and why each of those was left out, as `explain` says it."""
    try:
        return form.model_validate(dict(values)), {}
    except ValidationError as error:
        refused = {detail["loc"][0] for detail in error.errors(include_url=False, include_input=False) if detail["loc"]}
        kept = {name: value for name, value in values.items() if name not in refused}
        return form.model_validate(kept), explain(error, form)


def lenient(form: type[Form], values: Mapping[str, Any]) -> Form:
    """The form without the fields that cannot be read: for what an address or an unfinished form says besides.

    Not for the filters of a list: without one of them it shows more than was asked for, which must be said.
    """
    return readable(form, values)[0]


def search_query(text: str) -> str | None:
    """The text of a tsquery that finds what somebody typed, or None when there is nothing to look for.

    All words must occur, each may be a beginning; numbers are also looked for without spaces, hyphens and slashes,
    and a phone number without its country code, as the SQL function search_vector stores them. Quotes and
    backslashes part words and never survive, so nothing typed can change the meaning of the query.
    """
    words = [word for word in WORD_BREAKS.split(_searchable(text)) if word][:MOST_WORDS]
    if not words:
        return None
    ways = [" & ".join(f"'{word}':*" for word in words)]
    joined = compact("".join(words)).lower()
    if any(character.isdigit() for character in joined):
        ways.append(f"'{joined}':*")
    with suppress(ValueError):
        ways.append(f"'{parse_phone(text)[-10:]}':*")
    return " | ".join(f"({way})" for way in dict.fromkeys(ways)) if len(set(ways)) > 1 else ways[0]


def _searchable(text: str) -> str:
    written = ascii_digits(unicodedata.normalize("NFC", text[:SHORT]).translate(INVISIBLE)).lower()
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Cf", "So", "Sk") else c for c in written)


def _title(location: tuple[int | str, ...], form: type[BaseModel] | None) -> str:
    title = ""
    for step in location:
        field = form.model_fields.get(str(step)) if form is not None else None
        if isinstance(step, str):
            title = (field.title if field else None) or step.replace("_", " ").capitalize()
            form = _inner_form(field.annotation) if field else None
    return title


def _inner_form(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for inner in map(_inner_form, get_args(annotation)) if inner), None)


def _sentence(detail: ErrorDetails, title: str) -> str:
    context = detail.get("ctx") or {}
    kind = detail["type"]
    if kind == "missing" or detail.get("input") is None:
        return f"{title} is needed."
    if kind == "value_error":
        sentence = str(context["error"])
        return f"{title}: {sentence[0].lower()}{sentence[1:]}" if title else sentence
    if kind == "string_too_long":
        return f"{title} may have at most {context['max_length']} characters, this has {len(detail['input'])}."
    if kind == "string_too_short":
        return f"{title} needs at least {context['min_length']} characters."
    if kind == "too_long":
        return f"{title}: at most {context['max_length']} rows are possible."
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{title} must be {'at least' if 'ge' in context else 'at most'} {context.get('ge', context.get('le'))}."
    if kind in ("literal_error", "enum"):
        return f"{title}: please choose one of the list."
    if kind.startswith("string_unicode"):
        return f"{title}: there is a character in this text that cannot be stored. Please type it again."
    return f"{title}: this cannot be used. Please enter it again."
