"""What a list is narrowed to. A filter that cannot be read is never left out in silence: the list is then longer."""

from collections.abc import Mapping

from flask import g

from portal.errors import Refused
from portal.inputs import Form, readable


def list_filters(form: type[Form], arguments: Mapping[str, str]) -> Form:
    """The filters of a list that is shown. The page says above it which could not be read: base.html, `g.left_out`."""
    wanted, refused = readable(form, arguments)
    g.left_out = list(refused.values())
    return wanted


def exact_filters(form: type[Form], arguments: Mapping[str, str]) -> Form:
    """The filters of a list that is taken along, or whose every row is changed: Refused if one cannot be read, as it
    would be done to more than was asked for.
    """
    wanted, refused = readable(form, arguments)
    if refused:
        raise Refused(f"{' '.join(refused.values())} Nothing was done. Correct this filter or take it out.")
    return wanted
