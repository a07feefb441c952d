"""How the office writes dates, money, telephone numbers and number plates, and how it may be read back.

Every `parse_...` raises ValueError with one sentence that may be shown to the colleague who typed the text.
Every `show_...` and filter answers "" for None, so that templates need no test.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

OFFICE_ZONE = ZoneInfo("Asia/Kolkata")
LAKH = Decimal(100_000)
CRORE = Decimal(10_000_000)
LARGEST_AMOUNT = Decimal("999999999999.99")
LONGEST_TOKEN = 60  # no date, amount or number plate is longer; longer text is not even looked at
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def today() -> date:
    """The office's day, which at 01:00 in Mumbai is not yet the day of UTC."""
    return datetime.now(OFFICE_ZONE).date()


def now() -> datetime:
    """This moment, aware and in UTC, as the database keeps it."""
    return datetime.now(UTC)


def midnight(day: date) -> datetime:
    """The moment at which a day begins on the office's clock, in UTC."""
    return datetime.combine(day, time.min, OFFICE_ZONE).astimezone(UTC)


def office_date(value: date | None) -> str:
    """23/11/2026."""
    return "" if value is None else f"{value.day:02d}/{value.month:02d}/{value.year:04d}"


def office_time(value: datetime | None) -> str:
    """23/11/2026 14:05 on the office's clock, whatever zone the value is in."""
    if value is None:
        return ""
    local = (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(OFFICE_ZONE)
    return f"{office_date(local.date())} {local:%H:%M}"


def iso_date(value: date | None) -> str:
    """2026-11-23, for the datetime attribute of <time>."""
    return "" if value is None else value.isoformat()


def days_away(value: date | None) -> str:
    """How far a day is from the office's today: "in 6 days", "today", "3 days ago"."""
    if value is None:
        return ""
    days = (value - today()).days
    if days in (-1, 0, 1):
        return ("yesterday", "today", "tomorrow")[days + 1]
    return f"in {days} days" if days > 0 else f"{-days} days ago"


def financial_year(value: date | None) -> str:
    """The Indian financial year (April to March) of a day: 2026-27."""
    if value is None:
        return ""
    start = value.year if value.month >= 4 else value.year - 1
    return f"{start}-{(start + 1) % 100:02d}"


def parse_date(text: str) -> date:
    """The day somebody wrote as dd/mm/yyyy, d/m/yy, dd-mm-yyyy, dd.mm.yyyy or yyyy-mm-dd; never month first.

    Two digits mean the year nearest to now that is at most 20 years ahead, so that 47 is 1947 and 26 is 2026.
    """
    written = ascii_digits(text.strip()[: LONGEST_TOKEN + 1])
    if match := re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", written):
        year, month, day = (int(part) for part in match.groups())
    elif match := re.fullmatch(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})", written):
        day, month, year = int(match[1]), int(match[3]), int(match[4])
        if len(match[4]) == 2:
            year = _century(year)
    else:
        raise ValueError("Write the date as day/month/year, for example 23/11/2026.")
    return _existing_day(day, month, year)


def _century(two_digits: int) -> int:
    horizon = today().year + 20
    year = horizon - horizon % 100 + two_digits
    return year if year <= horizon else year - 100


def _existing_day(day: int, month: int, year: int) -> date:
    if not 1900 <= year <= 2200:
        raise ValueError(f"The year {year} is out of range. Write a year from 1900 to 2200.")
    if not 1 <= month <= 12:
        raise ValueError(f"There is no month {month}. Dates are day/month/year, for example 23/11/2026.")
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError(f"There is no {day} {MONTHS[month - 1]} {year}. Please check the day.") from None


def rupees(value: Decimal | None) -> str:
    """₹18,64,000.00."""
    return "" if value is None else _with_sign(_grouped(value, 2))


def whole_rupees(value: Decimal | None) -> str:
    """₹18,64,000, rounded half up: for lists, where paise only widen the column."""
    if value is None:
        return ""
    return _with_sign(_grouped(value.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


def short_rupees(value: Decimal | None) -> str:
    """₹38.4 L, ₹6.74 Cr (three digits that matter); below one lakh the whole amount."""
    if value is None:
        return ""
    lakhs, crores = _three_digits(abs(value) / LAKH), _three_digits(abs(value) / CRORE)
    if abs(value) < LAKH:
        return whole_rupees(value)
    shown, unit = (lakhs, "L") if lakhs < 100 else (crores, "Cr")
    return f"{'-' if value < 0 else ''}₹{_without_zeros(_grouped(shown, 2))} {unit}"


def _three_digits(value: Decimal) -> Decimal:
    places = 2 if value < 10 else 1 if value < 100 else 0
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _grouped(value: Decimal | int, places: int = 0) -> str:
    """Digits in groups of two before the last three: 18,64,000.00.

    By hand, because a list shows a hundred amounts: babel takes 0.1 ms for each, a third of a page's whole time.
    """
    whole, point, part = f"{value:.{places}f}".partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    if len(digits) > 3:
        digits = re.sub(r"(?<=\d)(?=(?:\d\d)+$)", ",", digits[:-3]) + "," + digits[-3:]
    return f"{sign}{digits}{point}{part}"


def _without_zeros(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _with_sign(number: str) -> str:
    return f"-₹{number[1:]}" if number.startswith("-") else f"₹{number}"


def parse_money(text: str, *, negative: bool = False) -> Decimal:
    """The amount in rupees somebody wrote as 186400, 1,86,400.50, ₹ 1,86,400/-, 1.5L, 1.5 lakh or 2 Cr.

    A comma parts groups of digits and never the paise, so 1,5 is refused instead of being read as 15.
    """
    written = ascii_digits(text.strip()[: LONGEST_TOKEN + 1])
    match = re.fullmatch(
        r"(?i)(?P<sign>[-−]?)\s*(?:₹|rs\.?|inr)?\s*(?P<minus>[-−]?)"
        r"(?P<whole>\d{1,3}(?:,\d{2,3})*,\d{3}|\d+)?(?P<part>\.\d*)?\s*(?:/-)?\s*"
        r"(?P<unit>l|lac|lacs|lakh|lakhs|cr|crore|crores|k)?\.?",
        written,
    )
    if match is None or not (match["whole"] or (match["part"] or "").strip(".")):
        raise ValueError("Write the amount in figures, for example 1,86,400 or 1.5 L.")
    unit = (match["unit"] or "").lower()[:1]
    amount = Decimal((match["whole"] or "0").replace(",", "") + (match["part"] or "").rstrip("."))
    amount *= {"": Decimal(1), "k": Decimal(1000), "l": LAKH, "c": CRORE}[unit]
    return _acceptable_amount(-amount if match["sign"] or match["minus"] else amount, negative)


def _acceptable_amount(amount: Decimal, negative: bool) -> Decimal:
    if amount < 0 and not negative:
        raise ValueError("The amount cannot be negative.")
    if abs(amount) > LARGEST_AMOUNT:
        raise ValueError("The amount is too large. The most that can be stored is ₹99,999 crore.")
    paise = amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    if paise != amount:
        raise ValueError("Write at most two digits after the decimal point.")
    return paise + 0  # -0.00 becomes 0.00


def parse_phone(text: str) -> str:
    """The number as E.164 (+919820012345); a number without country code is Indian.

    Whether such a number can exist is decided by the numbering plans in `phonenumbers`.
    """
    written = ascii_digits(text.strip()[: LONGEST_TOKEN + 1])
    if not re.fullmatch(r"\+?[0-9 ()./\u00a0\u2010-\u2013-]+", written):
        raise ValueError("Write the phone number in digits, for example 98200 12345.")
    try:
        number = phonenumbers.parse(written, "IN")
    except phonenumbers.NumberParseException:
        raise ValueError("Write the phone number in digits, for example 98200 12345.") from None
    if not phonenumbers.is_valid_number(number):
        raise ValueError("There is no such phone number. An Indian mobile has 10 digits and starts with 6, 7, 8 or 9.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def show_phone(value: str | None) -> str:
    """+91 98200 12345."""
    if not value:
        return ""
    if re.fullmatch(r"\+91[6-9][0-9]{9}", value):  # nearly all of them, without the numbering plans
        return f"+91 {value[3:8]} {value[8:]}"
    try:
        number = phonenumbers.parse(value, "IN")
    except phonenumbers.NumberParseException:
        return value
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def compact(text: str | None) -> str:
    """Letters and digits alone, in capitals: "oG-26/1905 " and "OG261905" are one number (as the SQL function)."""
    return "".join(character for character in (text or "") if character.isalnum()).upper()


def parse_vehicle(text: str) -> str:
    """The registration without spaces (MH02DN4417, 22BH1234AA), or NEW for a vehicle not yet registered."""
    if len(text) > LONGEST_TOKEN:
        raise ValueError("Write the vehicle number like MH 02 DN 4417.")
    plate = compact(ascii_digits(text))
    if plate == "NEW" or _plate_parts(plate):
        return plate
    raise ValueError("Write the vehicle number like MH 02 DN 4417 or 22 BH 1234 AA, or NEW before registration.")


def show_vehicle(value: str | None) -> str:
    """MH 02 DN 4417; whatever is no number plate stays as it is."""
    parts = _plate_parts(compact(value))
    return " ".join(part for part in parts if part) if parts else value or ""


def _plate_parts(plate: str) -> tuple[str, ...] | None:
    match = re.fullmatch(r"([0-9]{2})(BH)([0-9]{4})([A-Z]{1,2})", plate) or re.fullmatch(
        r"([A-Z]{2})([0-9]{1,2})([A-Z]{0,3})([0-9]{1,4})", plate
    )
    return match.groups() if match else None


def mask_pan(value: str | None) -> str:
    """ACUPAXXXXR: enough to recognise, not enough to use."""
    return "" if not value else f"{value[:5]}XXXX{value[9:]}" if len(value) == 10 else "X" * len(value)


def mask_gstin(value: str | None) -> str:
    """27ACUPAXXXXR1ZX: the PAN inside is masked, and the last character, which is worked out from the digits before."""
    if not value:
        return ""
    return f"{value[:2]}{mask_pan(value[2:12])}{value[12:14]}X" if len(value) == 15 else "X" * len(value)


def percent(value: Decimal | None) -> str:
    """18 %, 2.5 %."""
    return "" if value is None else f"{_without_zeros(_grouped(value, 2))} %"


def grouped(value: int | None) -> str:
    """A number of things: 2,957, and 1,23,456."""
    return "" if value is None else _grouped(value)


def file_size(value: int | None) -> str:
    """A number of bytes for people: 640 bytes, 12 KB, 3.4 MB."""
    if value is None:
        return ""
    if value < 1024:
        return f"{value} bytes"
    return f"{value / 1024:.0f} KB" if value < 1024**2 else f"{value / 1024**2:.1f} MB"


def for_editing(value: Any) -> str:
    """A value as it stands in a form field, such that the field's parser reads the same value back."""
    if value is None or value is False:
        return ""
    if value is True:
        return "on"
    if isinstance(value, datetime):
        return office_time(value)
    if isinstance(value, date):
        return office_date(value)
    if isinstance(value, Decimal):
        return _grouped(value, 2 if value % 1 else 0)
    return str(value)


def ascii_digits(text: str) -> str:
    """Digits of any script as 0-9, so that ९८२०० reads like 98200."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)


FILTERS: dict[str, Callable[..., str]] = {
    function.__name__: function
    for function in (
        rupees,
        whole_rupees,
        short_rupees,
        office_date,
        office_time,
        iso_date,
        days_away,
        financial_year,
        show_phone,
        show_vehicle,
        mask_pan,
        mask_gstin,
        percent,
        grouped,
        file_size,
        for_editing,
    )
}
