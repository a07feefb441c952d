"""Telephone numbers, e-mail addresses and tax numbers that pass every check and reach nobody.

Telephone: India reserves no mobile range for fiction, so every number that looks right could one day be somebody's.
All numbers here lie in +91 695xx, inside the longest stretch of mobile series (+91 692-699) for which the numbering
data of `phonenumbers` 9.0.43 knows no operator. That is the safest choice there is, and no promise: in demo mode
nothing may be sent.

E-mail: @example.in and nothing else.

PAN and GSTIN: the three letters in front are a series that runs from AAA to ZZZ; ZZZ is its very end.
There is no Aadhaar number anywhere in the demo book, masked or not.
"""

import string
from random import Random

from stdnum import luhn

PHONE_SERIES = "+91695"
EMAIL_DOMAIN = "example.in"
PAN_SERIES = "ZZZ"
_PAN_HOLDER = {"individual": "P", "firm": "F", "company": "C"}
_GSTIN_ALPHABET = string.digits + string.ascii_uppercase


def phone(rng: Random) -> str:
    return f"{PHONE_SERIES}{rng.randrange(10_000_000):07d}"


def email(name: str, number: int) -> str:
    """rakesh.shah17@example.in"""
    words = ["".join(c for c in word if c.isascii() and c.isalnum()).lower() for word in name.split()]
    return f"{'.'.join(word for word in (words[0], words[-1]) if word)}{number}@{EMAIL_DOMAIN}"


def pan(rng: Random, client_type: str, name: str) -> str:
    """The fifth letter is the first of the surname, or of the firm's name, as on a real card."""
    named_after = name.split()[-1] if client_type == "individual" else name
    return (
        f"{PAN_SERIES}{_PAN_HOLDER[client_type]}{named_after[0].upper()}"
        f"{rng.randint(1, 9999):04d}{rng.choice(string.ascii_uppercase)}"
    )


def gstin(gst_state: str, pan_number: str) -> str:
    number = f"{gst_state}{pan_number}1Z"
    return number + luhn.calc_check_digit(number, _GSTIN_ALPHABET)
