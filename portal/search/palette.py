"""What the command palette offers: pages, actions and the records that global search finds."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from portal.formats import show_phone, show_vehicle
from portal.search.service import Findings

Row = dict[str, Any]


@dataclass(frozen=True)
class Option:
    """One line: where it leads, or the selector of the button of the page that it presses."""

    label: str
    href: str = ""
    press: str = ""
    note: str = ""


@dataclass(frozen=True)
class Place:
    """A page of the portal: its area must exist, and the colleague's role must have `permission` ("" for everybody)."""

    label: str
    href: str
    area: str
    permission: str = ""


OWN_PASSWORDS = "own passwords"   # stands among the areas while people sign in with one
PAGES = (
    Place("Today", "/", "today"),
    Place("Business figures", "/business", "today", "policies.read"),
    Place("Clients", "/clients", "clients", "clients.read"),
    Place("Policies", "/policies", "policies", "policies.read"),
    Place("Pending policies", "/policies?view=pending", "policies", "policies.read"),
    Place("Policies with payment pending", "/policies?view=unpaid", "policies", "policies.read"),
    Place("Renewals", "/renewals", "renewals", "policies.read"),
    Place("Documents", "/documents", "documents", "documents.read"),
    Place("Messages", "/messages", "outbox", "messages.read"),
    Place("Jobs", "/jobs", "jobs"),
    Place("Settings", "/settings", "settings", "settings.manage"),
    Place("Component sheet", "/design", "design", "settings.manage"),
    Place("Users", "/users", "staff", "staff.manage"),
    Place("Trash", "/trash", "trash", "clients.delete"),
    Place("Audit trail", "/audit", "trail", "audit.read"),
    Place("Your account", "/account", "staff"),
    Place("Change password", "/account/password", OWN_PASSWORDS),
    Place("Keys", "/account/keys", "staff"),
)
ACTIONS = (
    (Place("Add client", "/clients/new", "clients", "clients.write"), ""),
    (Place("Add policy", "/policies/new", "policies", "policies.write"), ""),
    (Place("Light colours", "", "staff"), "[name=theme][value=light]"),
    (Place("Dark colours", "", "staff"), "[name=theme][value=dark]"),
    (Place("Sign out", "", "staff"), "[action='/logout'] button"),
)


def options(
    typed: str, findings: Findings, areas: Collection[str], may: Callable[[str], bool]
) -> list[tuple[str, list[Option]]]:
    """The groups of lines for what was typed, records first once there are any; empty groups are left out."""

    def fits(place: Place) -> bool:
        return place.area in areas and (not place.permission or may(place.permission)) and _fits(place.label, typed)

    pages = [Option(place.label, place.href) for place in PAGES if fits(place)]
    actions = [Option(place.label, place.href, press) for place, press in ACTIONS if fits(place)]
    records = [
        ("Clients", [_client(row) for row in findings.rows.get("clients", [])]),
        ("Members", [_member(row) for row in findings.rows.get("members", [])]),
        ("Policies", [_policy(row) for row in findings.rows.get("policies", [])]),
        ("Vehicles", [_vehicle(row) for row in findings.rows.get("vehicles", [])]),
    ]
    everything = [("Pages", pages), ("Actions", actions), *records]
    if typed:
        search = Option(f"Search for “{typed}”", f"/search?{urlencode({'q': typed})}", note="on a page of its own")
        everything.append(("Search", [search]))
    return [(group, lines) for group, lines in everything if lines]


def _fits(label: str, typed: str) -> bool:
    """Whether every word typed begins a word of the label."""
    words = label.lower().split()
    return all(any(word.startswith(part) for word in words) for part in typed.lower().split())


def _client(row: Row) -> Option:
    note = " · ".join(filter(None, [row["client_id"], show_phone(row["phone"]), row["city"]]))
    return Option(row["name"], f"/clients/{row['client_id']}", note=note)


def _member(row: Row) -> Option:
    return Option(row["name"], f"/clients/{row['client_id']}", note=f"{row['relation']}, {row['client_name']}")


def _policy(row: Row) -> Option:
    number = row["policy_number"] or "number awaited"
    return Option(number, f"/policies/{row['policy_id']}", note=f"{row['client_name']} · {row['product_name']}")


def _vehicle(row: Row) -> Option:
    plate = show_vehicle(row["vehicle_number"]) or "not registered yet"
    return Option(plate, f"/policies/{row['policy_id']}", note=row["client_name"])
