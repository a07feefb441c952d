"""Questions about what the office has settled: masters, tax rules, its own name."""

from dataclasses import dataclass
from typing import Any

from database_pool import execute_query
from portal.paging import Listing, Page, read_page

Row = dict[str, Any]

# A form offers every choice at once; an agency has dozens of insurers and agents and some hundred products.
MOST_CHOICES = 2000


@dataclass(frozen=True)
class Masters:
    """What a policy may name, by name; retired ones are there as well, marked `is_active` False."""

    insurers: list[Row]
    products: list[Row]
    agents: list[Row]

    def find(self, kind: str, record_id: int | None) -> Row | None:
        """The insurer, product or agent of that id, or None."""
        rows = {"insurer": self.insurers, "product": self.products, "agent": self.agents}[kind]
        return next((row for row in rows if row["id"] == record_id), None)


def masters(line: str | None = None) -> Masters:
    """Insurers, agents and the products of one line (none without a line), in one question."""
    kinds: dict[str, Any] = {"kind_in": ["insurer", "agent"]}
    filters = {"or": [kinds, {"kind_eq": "product", "line_eq": line}]} if line else kinds
    rows = execute_query("master_choices", filters=filters, order="name, id", limit=MOST_CHOICES).data
    return Masters(
        insurers=[row for row in rows if row["kind"] == "insurer"],
        products=[row for row in rows if row["kind"] == "product"],
        agents=[row for row in rows if row["kind"] == "agent"],
    )


def page_of_masters(relation: str, listing: Listing, *, name_contains: str | None = None) -> Page:
    """One page of insurers, products or agents, retired ones too, narrowed to those whose name contains a text."""
    filters = {"name_ilike": f"%{escape_pattern(name_contains)}%"} if name_contains else None
    return read_page(relation, listing, filters=filters)


def escape_pattern(text: str) -> str:
    """A text that LIKE takes literally."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def one_master(relation: str, key: str, record_id: int) -> Row | None:
    """One insurer, product or agent, or None."""
    rows = execute_query(relation, filters={f"{key}_eq": record_id}, limit=1).data
    return rows[0] if rows else None


def gst_rules() -> list[Row]:
    """Every dated tax rule, in the order of a table to read: line, part, kind, and the newest first."""
    return execute_query("gst_rules", order="line, is_group, part, subtype, valid_from desc", limit=MOST_CHOICES).data


def setting(key: str) -> Row | None:
    """One setting with its version ({"key", "value", "version", ...}), or None when it was never saved."""
    rows = execute_query("settings", filters={"key_eq": key}, limit=1).data
    return rows[0] if rows else None
