"""The brake on guessing: each attempt is counted before anybody looks, and after some the pauses double."""

import datetime
import hashlib
import ipaddress
import math
from collections.abc import Mapping

from database_pool import call_function
from portal import formats
from portal.errors import TooManyAttempts

# One person at one place, one place (an office has one address for all), one account from all over the world.
FREE_FAILURES = {"pair": 5, "ip": 30, "email": 30}


def count(counted: Mapping[str, int]) -> None:
    """Counts an attempt for each subject; the value is how many are free.

    Raises TooManyAttempts, and counts nothing, while one of the subjects has to wait.
    """
    wait = call_function("reserve_sign_in_attempt", _attempt(counted))
    if wait:
        raise _must_wait(wait)


def take_back(counted: Mapping[str, int]) -> None:
    """The attempt was right, or nobody looked at it."""
    call_function("undo_sign_in_attempt", _attempt(counted))


def subjects(email: str, ip: str | None, device: str = "") -> dict[str, str]:
    """What failures are counted by: of an e-mail address its hash, of an IPv6 address the household's /64."""
    digest = hashlib.sha256(email.encode("utf-8", "replace")).hexdigest()
    if device:
        return {"pair": f"pair:{digest}:{hashlib.sha256(device.encode()).hexdigest()}"}
    place = _place(ip)
    return {"pair": f"pair:{digest}:{place}", "ip": f"ip:{place}", "email": f"email:{digest}"}


def _attempt(counted: Mapping[str, int]) -> dict[str, list[str] | list[int]]:
    return {"subjects": list(counted), "free_failures": list(counted.values())}


def _place(ip: str | None) -> str:
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _must_wait(seconds: int) -> TooManyAttempts:
    again = formats.office_time(formats.now() + datetime.timedelta(seconds=seconds + 59))[-5:]
    wait = f"{seconds} seconds" if seconds < 90 else f"{math.ceil(seconds / 60)} minutes"
    return TooManyAttempts(
        f"Too many failed attempts. For safety you can try again in {wait} (at {again}).", seconds=max(1, seconds))
