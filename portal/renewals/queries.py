"""Questions about renewals: the list with its views, the figures above it, what is known for a reminder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from database_pool import call_function, execute_query
from portal.formats import today as office_today
from portal.freshness import Fresh, KeptRows
from portal.inputs import LARGEST_ID, search_query
from portal.paging import Listing, Page, Sort, keep_page, read_all
from portal.renewals.inputs import RenewalFilter
from portal.settings.queries import business_rules

Row = dict[str, Any]
AHEAD = 60  # days that the usual view looks ahead
MOST_CLIENTS = 100
MOST_CHOICES = 2000
SORTS = (
    Sort("due", "due_on", "policy_id", "date", "whole"),
    Sort("gross", "gross_premium", "policy_id", "number", "whole", descending=True),
)
SUBJECTS = ("policies", "listed", "names", "masters", "renewals", "colleagues")   # what the list is made from
NOTHING: dict[str, Any] = {"policy_id_eq": 0}


@dataclass(frozen=True)
class Totals:
    """How many renewals a list holds on all its pages, and the gross premium of their present terms."""

    policies: int
    gross: Decimal


@dataclass(frozen=True)
class Retention:
    """What became of the terms that fell due in a month; `open` ones are not decided yet.

    `by_count` and `by_premium` are percentages to one decimal of the decided terms, None where none is decided; the
    premium is that of the old terms.
    """

    month: str
    renewed: int
    lost: int
    lapsed: int
    open: int
    renewed_gross: Decimal
    decided_gross: Decimal

    @property
    def decided(self) -> int:
        return self.renewed + self.lost + self.lapsed

    @property
    def by_count(self) -> Decimal | None:
        return _percent(Decimal(self.renewed), Decimal(self.decided))

    @property
    def by_premium(self) -> Decimal | None:
        return _percent(self.renewed_gross, self.decided_gross)


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part * 100 / whole).quantize(Decimal("0.1")) if whole else None


@dataclass(frozen=True)
class Month:
    """The open terms that fall due in a month ("2026-12")."""

    month: str
    policies: int
    gross: Decimal


@dataclass(frozen=True)
class Board:
    """The figures above the list."""

    overdue: int
    week: int
    month: int
    strip: list[Month]
    retention: Retention


def board(today: date, fresh: Fresh) -> Board:
    """What is open by urgency and by month, and what was kept of the terms of this month; counted anew only after some
    policy (or a rule of grace) changed.
    """
    return fresh.value("policies", ("renewal board", today), lambda: _board(today))


def _board(today: date) -> Board:
    figures = call_function("renewal_board", {"on_day": today}, read_only=True)
    strip = [Month(row["month"], row["policies"], Decimal(row["gross"])) for row in figures["strip"]]
    return Board(figures["overdue"], figures["week"], figures["month"], strip, _retention(figures["retention"][0]))


def retention(first_month: date, months: int, today: date) -> list[Retention]:
    """What became of the terms that fell due in each of `months` months from that of `first_month`."""
    asked = {"first_month": first_month, "months": months, "on_day": today}
    rows = call_function("retention_by_month", asked, read_only=True)
    return [_retention(row) for row in rows]


def _retention(row: Row) -> Retention:
    return Retention(
        **{name: row[name] for name in ("month", "renewed", "lost", "lapsed", "open")},
        renewed_gross=Decimal(row["renewed_gross"]),
        decided_gross=Decimal(row["decided_gross"]),
    )


def filters_of(wanted: RenewalFilter, today: date, me: int) -> dict[str, Any]:
    """The conditions on renewal_list that a filter stands for; `me` is the colleague whose renewals "mine" are."""
    filters = _view_filters(wanted, today, me)
    for name in ("insurer_id", "agent_id", "owner_id", "line", "stage"):
        value = getattr(wanted, name)
        if value is not None:
            filters[f"{name}_eq"] = value
    if wanted.premium_from is not None:
        filters["gross_premium_gte"] = wanted.premium_from
    if wanted.month:
        first = date.fromisoformat(f"{wanted.month}-01")
        filters |= {"due_on_gte": first, "due_on_lte": _last_day(first)}
    if wanted.q:
        words = search_query(wanted.q)
        filters["or"] = _found_by(words) if words else [NOTHING]
    return filters


def _view_filters(wanted: RenewalFilter, today: date, me: int) -> dict[str, Any]:
    if wanted.view == "calls":
        return _calls(today)
    views: dict[str, dict[str, Any]] = {
        "open": {"state_eq": "live", "is_snoozed_eq": False, "due_on_lte": today + timedelta(days=AHEAD)},
        "overdue": {"state_eq": "live", "due_on_lt": today},
        "mine": {"state_eq": "live", "owner_id_eq": me},
        "snoozed": {"state_eq": "live", "is_snoozed_eq": True},
        "all": {"state_eq": "live"},
        "renewed": {"state_eq": "renewed"},
        "lost": {"state_eq": "lost"},
    }
    # A month that was asked for is shown whole, however far away it is.
    return {"state_eq": "live"} if wanted.view == "open" and wanted.month else dict(views[wanted.view])


def _calls(today: date) -> dict[str, Any]:
    """Large premiums that fall due and about which nobody has talked to the client."""
    rules = business_rules()
    return {
        "state_eq": "live",
        "is_snoozed_eq": False,
        "stage_eq": "due",
        "due_on_gte": today,
        "due_on_lte": today + timedelta(days=rules.call_days),
        "gross_premium_gte": rules.call_premium,
    }


def _last_day(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _found_by(words: str) -> list[dict[str, Any]]:
    clients = execute_query(
        "clients",
        columns="client_id",
        filters={"search_fts": words, "deleted_at_is": None},
        order="client_id",
        limit=MOST_CLIENTS,
    ).data
    found: list[dict[str, Any]] = [{"search_fts": words}]
    if clients:
        found.append({"client_id_in": [row["client_id"] for row in clients]})
    return found


_COLUMNS = (
    "policy_id, client_id, client_name, phone, whatsapp_opt_in, email_opt_in, member_name, insurer_short, "
    "product_name, agent_name, line, asset, policy_number, state, due_on, gross_premium, quoted_premium, "
    "change_percent, no_claim_bonus, owner_name, snoozed_until, is_snoozed, stage, overdue, grace_ends, "
    "reminders_sent, reminders_planned, lost_reason"
)


def first_renewals(wanted: Listing, filters: Mapping[str, Any], total: int, fresh: Fresh) -> Page:
    """One page of the list; the first page is kept while nothing of it changes."""
    return keep_page(
        "renewal_list", wanted, filters=filters, columns=_COLUMNS, total=total, subjects=SUBJECTS, fresh=fresh
    )


def every_renewal(wanted: Listing, filters: Mapping[str, Any]) -> Iterator[Row]:
    """All renewals that the filters hold, in the order of the list."""
    return read_all("renewal_list", wanted, filters=filters, columns=_COLUMNS)


def sheet(wanted: Listing, filters: Mapping[str, Any], most: int) -> list[Row]:
    """The first `most` renewals of a list as `every_renewal` has them, with `group_name`, `subgroup` and `remarks`."""
    rows = list(islice(every_renewal(wanted, filters), most))
    named = {"policy_id_in": [row["policy_id"] for row in rows]} if rows else NOTHING
    columns = "policy_id, group_name, subgroup, remarks"
    more = {row["policy_id"]: row for row in execute_query("policies", columns=columns, filters=named).data}
    return [{**row, **more[row["policy_id"]]} for row in rows if row["policy_id"] in more]


def totals(filters: Mapping[str, Any], fresh: Fresh) -> Totals:
    """Count and gross premium of everything the filters hold, on all pages; added up again when something changed."""
    conditions = json.dumps(_conditions(filters))
    return fresh.value(SUBJECTS, ("renewal totals", conditions, office_today()), lambda: _totals(conditions))


def _totals(conditions: str) -> Totals:
    answer = call_function("renewal_totals", {"conditions": conditions}, read_only=True)
    return Totals(answer["policies"], Decimal(answer["gross"]))


def _conditions(filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The filters as the SQL function reads them; alternatives share a group."""
    conditions: list[dict[str, Any]] = []
    for name, value in filters.items():
        if name == "or":
            for branch, alternative in enumerate(value):
                conditions += [{**_condition(*one), "group": "or", "branch": branch} for one in alternative.items()]
        else:
            conditions.append({**_condition(name, value), "group": name, "branch": 0})
    return conditions


def _condition(name: str, value: Any) -> dict[str, Any]:
    column, _, operator = name.rpartition("_")
    if isinstance(value, bool):
        return {"column": column, "op": "is", "value": "true" if value else "false"}
    shown = value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value
    return {"column": column, "op": operator, "value": shown}


def ids_of(filters: Mapping[str, Any], limit: int) -> list[int]:
    """The policies that a list holds on all its pages, those due first in front, at most `limit`."""
    rows = execute_query(
        "renewal_list", columns="policy_id", filters=filters, order="due_on, policy_id", limit=limit
    ).data
    return [row["policy_id"] for row in rows]


def renewal(policy_id: int) -> Row | None:
    """One term as the renewal desk sees it, or None when it is not to be renewed (one-time, pending, in the trash)."""
    if not 0 < policy_id <= LARGEST_ID:
        return None
    rows = execute_query("renewal_list", filters={"policy_id_eq": policy_id}, limit=1).data
    return rows[0] if rows else None


def renewals(policy_ids: Sequence[int]) -> list[Row]:
    """The chosen terms as the renewal desk sees them, those due first in front."""
    filters = {"policy_id_in": list(policy_ids)}
    return execute_query("renewal_list", filters=filters, order="due_on, policy_id").data


def schedule_of(policy_id: int) -> list[Row]:
    """The steps of the ladder of a term, the first in front: step, occasion, remind_on."""
    return execute_query("reminder_schedule", filters={"policy_id_eq": policy_id}, order="days").data


def reminders_of(policy_id: int, due_on: date) -> list[Row]:
    """The reminders noted for a term and its due date, the latest first."""
    filters = {"policy_id_eq": policy_id, "due_on_eq": due_on}
    return execute_query("reminders", filters=filters, order="reminder_id desc", limit=100).data


def reminders_due(on_day: date, *, good_for: int, after: int = 0, limit: int = 500) -> list[Row]:
    """The next reminders that the ladder asks for on a day, as JSON has them (days as "2026-11-26").

    Each has policy_id, due_on, step, occasion, good_until.
    """
    asked = {"on_day": on_day, "good_for": good_for, "after": after, "how_many": limit}
    rows: list[Row] = call_function("reminders_due", asked, read_only=True)
    return rows


def ladder(today: date | None = None) -> list[Row]:
    """Every step of the ladder, ended ones too, by line and days, the newest of each first."""
    day = today or office_today()
    rows = execute_query("reminder_steps", order="line, days, valid_from desc", limit=MOST_CHOICES).data
    return [{**row, "is_over": row["valid_to"] is not None and row["valid_to"] < day} for row in rows]


def step(reminder_step_id: int) -> Row | None:
    """One step of the ladder."""
    if not 0 < reminder_step_id <= LARGEST_ID:
        return None
    rows = execute_query("reminder_steps", filters={"reminder_step_id_eq": reminder_step_id}, limit=1).data
    return rows[0] if rows else None


def colleagues(fresh: Fresh | None = None) -> list[Row]:
    """Who may look after renewals: colleagues with access, by name. One question, with `fresh` mostly none."""
    return _colleagues() if fresh is None else fresh.value("colleagues", "names", _colleagues)


def _colleagues() -> list[Row]:
    filters = {"is_active_eq": True}
    rows = execute_query("users", columns="user_id, name", filters=filters, order="name", limit=MOST_CHOICES).data
    return KeptRows(rows)
