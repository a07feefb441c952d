"""The words of a message: what stands between {{ and }} in a template is replaced by the message's own facts."""

import html
import re
from collections.abc import Mapping

from portal.errors import Refused

PLACE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")
# Meta and Twilio refuse a variable with a line end, a tab or more than four spaces in a row (63013, 132012).
GAPS = re.compile(r"\s+")


def places_of(text: str) -> list[str]:
    """The names of a template's variables in the order of their first use."""
    return list(dict.fromkeys(PLACE.findall(text)))


def fill(text: str, variables: Mapping[str, str], *, as_html: bool = False) -> str:
    """The text with every variable in its place. Raises Refused with the names of those that are missing or empty."""
    missing = [name for name in places_of(text) if not variables.get(name, "").strip()]
    if missing:
        raise Refused(f"The template needs {', '.join(missing)}, which this message does not have.")

    def put(match: re.Match[str]) -> str:
        value = variables[match[1]]
        return html.escape(value) if as_html else value

    return PLACE.sub(put, text)


def provider_variables(names: list[str], variables: Mapping[str, str]) -> dict[str, str]:
    """The variables as a provider's template wants them: numbered from 1, on one line, none of them empty.

    Raises Refused with the names of those that are missing.
    """
    missing = [name for name in names if not variables.get(name, "").strip()]
    if missing:
        raise Refused(f"The template needs {', '.join(missing)}, which this message does not have.")
    return {str(number): GAPS.sub(" ", variables[name]).strip() for number, name in enumerate(names, 1)}
