"""Questions about what the office has settled: masters and their merges, the rules of the trade, its own name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from database_pool import call_function, execute_query
from portal.freshness import Fresh
from portal.paging import Listing, Page, read_page

Row = dict[str, Any]

# A form offers every choice at once; an agency has dozens of insurers and agents and some hundred products.
MOST_CHOICES = 2000
MOST_TWINS = 50


@dataclass(frozen=True, eq=False)
class Masters:
    """What a policy may name, by name; retired ones are there as well, marked `is_active` False. While nothing of them
    changes, `masters` answers the same object to whoever gives it a `fresh`.
    """

    insurers: list[Row]
    products: list[Row]
    agents: list[Row]

    def find(self, kind: str, record_id: int | None) -> Row | None:
        """The insurer, product or agent of that id, or None."""
        rows = {"insurer": self.insurers, "product": self.products, "agent": self.agents}[kind]
        return next((row for row in rows if row["id"] == record_id), None)


@dataclass(frozen=True)
class MergePreview:
    """How many records of which table would move, and what stands in the way ("policy OG/1", "product Optima")."""

    records: dict[str, int]
    clashes: list[str]


@dataclass(frozen=True)
class BusinessRules:
    """What the office has settled for its own work; these hold until it does."""

    papers_days: int = 3
    call_days: int = 10
    call_premium: Decimal = Decimal(50000)


RULE_KINDS = ("gst", "commission", "commission gst", "grace", "bonus", "tariff", "motor term", "tds", "retention")


@dataclass(frozen=True)
class TradeRules:
    """Rows of the view `trade_rules` by kind. They say what applies; the areas that use them decide which one fits."""

    by_kind: Mapping[str, list[Row]]

    def of(self, kind: str, on: date | None = None) -> list[Row]:
        """The rules of a kind (one of RULE_KINDS), with a day those in force on it."""
        rows = self.by_kind[kind]
        return rows if on is None else in_force(rows, on)


def in_force(rules: Iterable[Row], on: date) -> list[Row]:
    """The rules that apply on a day."""
    return [
        rule
        for rule in rules
        if rule["valid_from"] <= on and (rule["valid_to"] is None or on <= rule["valid_to"])
    ]


def masters(line: str | None = None, fresh: Fresh | None = None) -> Masters:
    """Insurers, agents and the products of one line (none without a line), in one question or, with `fresh`, none."""
    return _masters(line) if fresh is None else fresh.value("masters", ("masters", line), lambda: _masters(line))


def _masters(line: str | None) -> Masters:
    kinds: dict[str, Any] = {"kind_in": ["insurer", "agent"]}
    filters = {"or": [kinds, {"kind_eq": "product", "line_eq": line}]} if line else kinds
    rows = execute_query("master_choices", filters=filters, order="name, id", limit=MOST_CHOICES).data
    return Masters(
        insurers=[row for row in rows if row["kind"] == "insurer"],
        products=[row for row in rows if row["kind"] == "product"],
        agents=[row for row in rows if row["kind"] == "agent"],
    )


def page_of_masters(relation: str, listing: Listing, *, name_contains: str | None = None) -> Page:
    """One page of masters of one kind, retired ones too, narrowed to those whose name contains a text."""
    filters = {"name_ilike": f"%{escape_pattern(name_contains)}%"} if name_contains else None
    return read_page(relation, listing, filters=filters)


def escape_pattern(text: str) -> str:
    """A text that LIKE takes literally."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def one_master(relation: str, key: str, record_id: int) -> Row | None:
    """One master, or None."""
    rows = execute_query(relation, filters={f"{key}_eq": record_id}, limit=1).data
    return rows[0] if rows else None


def names_of(table: str) -> list[Row]:
    """Id, name and spelling of every master of one kind, by name."""
    return execute_query("master_names", filters={"kind_eq": table}, order="name, id", limit=MOST_CHOICES).data


def spelt_alike(table: str, name: str) -> Row | None:
    """A master of this kind whose name differs at most in capitals, spaces and punctuation, or None."""
    spelling = call_function("spelling", {"name": name}, read_only=True)
    rows = execute_query("master_names", filters={"kind_eq": table, "spelling_eq": spelling}, limit=1).data
    return rows[0] if rows else None


def twins(table: str) -> list[Row]:
    """Masters of one kind that are probably entered twice, as pairs."""
    return execute_query("master_twins", filters={"kind_eq": table}, order="first_name", limit=MOST_TWINS).data


def merged_into(table: str, record_id: int) -> int | None:
    """Where the id of a master that was merged leads today; None when it never was."""
    filters: Row = {"kind_eq": table, "from_id_eq": record_id, "undone_at_is": None}
    rows = execute_query("master_merges", columns="now_id", filters=filters, limit=1).data
    return rows[0]["now_id"] if rows else None


def merges(table: str) -> list[Row]:
    """The latest merges of one kind, those taken back too."""
    return execute_query("merge_list", filters={"kind_eq": table}, order="merge_id desc", limit=MOST_TWINS).data


def merge(table: str, merge_id: int) -> Row | None:
    """One merge of this kind, or None."""
    rows = execute_query("merge_list", filters={"kind_eq": table, "merge_id_eq": merge_id}, limit=1).data
    return rows[0] if rows else None


def merge_preview(table: str, from_id: int, into_id: int) -> MergePreview:
    """What merging one master into another would do."""
    asked = {"kind": table, "from_id": from_id, "into_id": into_id}
    answer = call_function("merge_preview", asked, read_only=True)
    return MergePreview({name: count for name, count in answer["records"].items() if count}, answer["clashes"])


def lost_reason(name: str) -> Row | None:
    """The reason of that name that is in use, whatever its capitals; None when there is none."""
    filters: Row = {"name_ilike": escape_pattern(name), "is_active_eq": True}
    rows = execute_query("lost_reasons", filters=filters, limit=1).data
    return rows[0] if rows else None


def lost_reasons() -> list[str]:
    """The reasons to choose from, by name, "Other" last."""
    filters = {"is_active_eq": True}
    rows = execute_query("lost_reasons", columns="name", filters=filters, order="name", limit=MOST_CHOICES).data
    return sorted((row["name"] for row in rows), key=lambda name: (name == "Other", name.lower()))


def document_types() -> list[Row]:
    """The kinds of documents in use, by what they concern and by name."""
    columns = "document_type_id, key, name, concerns"
    return execute_query(
        "document_types", columns=columns, filters={"is_active_eq": True}, order="concerns, name", limit=MOST_CHOICES
    ).data


def trade_rules(line: str | None = None) -> TradeRules:
    """Every dated rule of the trade, or what concerns one line, in one question."""
    filters = {"or": [{"line_eq": line}, {"line_is": None}]} if line else None
    rows = execute_query("trade_rules", filters=filters, order="kind, rule_id", limit=MOST_CHOICES).data
    return TradeRules({kind: [row for row in rows if row["kind"] == kind] for kind in RULE_KINDS})


def dated_rows(table: str, scope: tuple[str, ...]) -> list[Row]:
    """Every row of one table of rules, ended ones too, in the order of a table to read: the newest of each first."""
    return execute_query(table, order=", ".join((*scope, "valid_from desc")), limit=MOST_CHOICES).data


def retention_rule(subject: str, on: date) -> Row | None:
    """How long records of a subject ("policy", "claim", "kyc", "message", "audit") are kept, by the rule of a day."""
    rows = execute_query("retention_rules", filters={"subject_eq": subject}, order="valid_from", limit=100).data
    return next(iter(in_force(rows, on)), None)


def company() -> Row:
    """The agency's own data as it prints them: name, address, phone, e-mail, GSTIN and the name of its logo."""
    stored = setting("company")
    return stored["value"] if stored else {}


def logo(sha256: str) -> str | None:
    """The content of a logo in base64, or None."""
    rows = execute_query("company_logos", columns="content", filters={"sha256_eq": sha256}, limit=1).data
    return rows[0]["content"] if rows else None


def business_rules(stored: Row | None = None) -> BusinessRules:
    """The office's own rules, of the setting that was read already or of the one that holds now."""
    found = stored or setting("business")
    if found is None:
        return BusinessRules()
    value = found["value"]
    return BusinessRules(value["papers_days"], value["call_days"], Decimal(value["call_premium"]))


def history_of(key: str) -> list[Row]:
    """Who changed a setting, the latest first: at most 50 entries of the trail."""
    filters: Row = {"record_type_eq": "setting", "record_id_eq": key}
    return execute_query("audit_trail", filters=filters, order="audit_id desc", limit=MOST_TWINS).data


def setting(key: str) -> Row | None:
    """One setting with its version ({"key", "value", "version", ...}), or None when it was never saved."""
    rows = execute_query("settings", filters={"key_eq": key}, limit=1).data
    return rows[0] if rows else None
