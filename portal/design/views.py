"""The component sheet. Its examples are made up; everything on it comes from the macros and classes that pages use."""

from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, request

from portal.lists.service import Column, Preferences
from portal.paging import Page, Sort, listing
from portal.today.service import Bar
from portal.web import SubmittedForm, render, requires

blueprint = Blueprint("design", __name__)

SORTS = (Sort("name", "name", "id", letters=True), Sort("gross", "gross", "id", kind="number", descending=True))
ROWS = [
    {"id": "KI01", "name": "Kavita Iyer", "gross": Decimal("28503"), "state": "active", "chip": "ok"},
    {"id": "RM01", "name": "Rohan Mehta", "gross": Decimal("6671"), "state": "expiring soon", "chip": "warn"},
    {"id": "SK01", "name": "Sunita Kulkarni", "gross": Decimal("235935"), "state": "expired", "chip": "bad"},
]
MONTHS = ("Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb", "Mar")


@blueprint.get("/design")
@requires("settings.manage")
def sheet() -> Response:
    """Every component in every state, in light and in dark."""
    page = Page(rows=ROWS, listing=listing(request.args.to_dict(), SORTS, size=25), total=143, next_cursor="next")
    refused: SubmittedForm[Any] = SubmittedForm({"phone": "12", "kind": "b", "agreed": "on"})
    refused.add_error("phone", "Write ten digits, or the number with its country code.")
    refused.add_error("kind", "This insurer does not offer that.")
    columns = (Column("gross", "Gross", "gross"), Column("state", "Status", "state"), Column("city", "City", "city"))
    return render(
        "design/sheet.html",
        page=page,
        fresh=SubmittedForm({"kind": "a", "agreed": "on"}),
        refused=refused,
        preferences=Preferences("clients", columns, frozenset({"gross", "state"}), ()),
        pairs=[(_bar(month, 4 + number % 5), _bar(month, 5 + number % 4)) for number, month in enumerate(MONTHS)],
        examples=[_bar("Health", 21), _bar("Motor", 16), _bar("Life", 7)],
    )


def _bar(label: str, lakhs: int) -> Bar:
    return Bar(label, Decimal(lakhs * 100_000), lakhs, "#charts", f"{label} 2026")
