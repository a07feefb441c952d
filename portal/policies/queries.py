"""Questions about policies: the list with its views, one term with everything about it, its chain of terms."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from database_pool import Question, call_function, execute_queries, execute_query
from portal import sealing
from portal.formats import midnight
from portal.freshness import Fresh
from portal.inputs import LARGEST_ID, search_query
from portal.lists.queries import MOST_AT_ONCE
from portal.paging import Listing, Page, Sort, keep_page, read_all, read_page
from portal.policies.inputs import PendingFilter, PolicyFilter
from portal.settings.queries import business_rules

Row = dict[str, Any]
EXPIRING_DAYS = 30
WEEK = 7   # days before the end in which a renewal is today's work
# Clients whose policies a search by name looks at; who types one letter gets these and the hint to type more.
MOST_CLIENTS = 100
MOST_PERSONS = 100
MOST_ENTRIES = 500
TRAIL = 20

SORTS = {
    "end": Sort("end", "policy_to", "policy_id", "date", "whole", descending=True),
    "due": Sort("due", "due_on", "policy_id", "date", "whole"),
    "start": Sort("start", "policy_from", "policy_id", "date", "whole", descending=True),
    "gross": Sort("gross", "gross_premium", "policy_id", "number", "whole", descending=True),
    "added": Sort("added", "created_at", "policy_id", "time", "whole", descending=True),
}

DETAILS: dict[str, tuple[str, tuple[str, ...]]] = {
    "health": (
        "health_details",
        ("plan", "floater_sum_insured", "floater_bonus", "floater_deductible", "premium_mode"),
    ),
    "motor": (
        "motor_details",
        (
            "vehicle_class",
            "cover",
            "vehicle_number",
            "chassis_number",
            "engine_number",
            "make_model",
            "year_of_manufacture",
            "cubic_capacity",
            "gross_weight",
            "insured_declared_value",
            "no_claim_bonus",
            "own_damage_to",
            "third_party_to",
        ),
    ),
    "fire": (
        "fire_details",
        (
            "building",
            "plant_and_machinery",
            "furniture_and_fittings",
            "stocks",
            "electrical_installations",
            "risk_address",
            "occupancy",
        ),
    ),
    "life": ("life_details", ("premium_mode", "policy_term_years", "premium_term_years", "maturity_date", "nominee")),
    "travel": ("travel_details", ("destination", "trip_from", "trip_to", "travellers")),
}
# What a row of the list shows or is sorted by; the view knows nearly twice as much, which costs to bring over.
LISTED = (
    "policy_id, client_id, client_name, member_name, insurer_short, product_name, line, agent_name, policy_number, "
    "asset, state, waiting_for, business_type, policy_from, policy_to, due_on, one_time, payment_date, gross_premium, "
    "commission_amount, sum_insured, status, created_at"
)
SUBJECTS = ("policies", "names", "masters")   # what the list is made from
PERSON = ("member_id", "name", "sum_insured", "bonus", "deductible")


@dataclass(frozen=True)
class Totals:
    """How many policies a list holds on all its pages, and their gross premium."""

    policies: int
    gross: Decimal


# The oldest first: what has waited longest is the first to be asked for.
PENDING_SORTS = [
    Sort("age", "created_at", "policy_id", "time", "whole"),
    Sort("gross", "gross_premium", "policy_id", "number", "whole", descending=True),
]


def pending_filters(wanted: PendingFilter, user_id: int) -> dict[str, Any]:
    """The conditions of the list of pending policies; `user_id` is whose they are when somebody asks for theirs."""
    filters: dict[str, Any] = {"deleted_at_is": None, "state_eq": "pending"}
    if wanted.waiting == "nothing":
        filters["waiting_key_eq"] = ""
    elif wanted.waiting:
        filters["waiting_key_like"] = f"%{wanted.waiting}%"
    if wanted.mine:
        filters["or"] = [{"owner_id_eq": user_id}, {"owner_id_is": None, "created_by_eq": user_id}]
    return filters


def sorts_of(view: str) -> list[Sort]:
    """What a view may be ordered by, its own order first; each stands on an index."""
    first = {
        "expiring": "due",
        "overdue": "due",
        "undocumented": "due",
        "unpaid": "due",
        "commission": "due",
        "live": "due",
        "pending": "added",
        "waiting": "added",
        "week": "due",
        "issued": "start",
        "all": "start",
    }.get(view, "end")
    names = [first, *(name for name in ("end", "start", "gross") if name != first)]
    return [SORTS[name] for name in names]


def filters_of(wanted: PolicyFilter, today: date, *, with_commission: bool) -> dict[str, Any]:
    """The conditions of a list, on stored columns alone: the status that staff see is never compared as text. Who may
    not see commission finds nothing in the view that tells of it.
    """
    filters = {"deleted_at_is": None, **_view_filters(wanted.view, today)}
    if wanted.view == "commission" and not with_commission:
        filters["policy_id_eq"] = 0
    for name in ("insurer_id", "agent_id", "line", "client_id"):
        value = getattr(wanted, name)
        if value is not None:
            filters[f"{name}_eq"] = value
    if wanted.date_from:
        filters["policy_to_gte"] = wanted.date_from
    if wanted.date_to:
        filters["policy_to_lte"] = wanted.date_to
    if wanted.start_from:
        filters["policy_from_gte"] = wanted.start_from
    if wanted.start_to:
        filters["policy_from_lte"] = wanted.start_to
    if wanted.q:
        words = search_query(wanted.q)
        filters["or"] = _found_by(words) if words else [{"policy_id_eq": 0}]
    return filters


def _view_filters(view: str, today: date) -> dict[str, Any]:
    views: dict[str, dict[str, Any]] = {
        "all": {},
        "live": {"state_eq": "live", "due_on_gte": today},
        "expiring": {
            "state_eq": "live",
            "one_time_eq": False,
            "due_on_gte": today,
            "due_on_lte": today + timedelta(days=EXPIRING_DAYS),
        },
        "week": {
            "state_eq": "live",
            "one_time_eq": False,
            "due_on_gte": today,
            "due_on_lte": today + timedelta(days=WEEK),
        },
        "overdue": {"state_eq": "live", "one_time_eq": False, "due_on_lt": today},
        "undocumented": {"state_eq": "live", "has_document_eq": False},
        "unpaid": {"state_eq": "live", "payment_date_is": None},
        "commission": {"state_in": ["live", "renewed"], "commission_received_eq": False, "commission_amount_gt": 0},
        "pending": {"state_eq": "pending"},
        "issued": {"state_in": ["live", "renewed", "lost", "cancelled"]},
        "ended": {"state_in": ["renewed", "lost", "cancelled"]},
    }
    if view == "waiting":
        return {"state_eq": "pending", "created_at_lt": midnight(today - timedelta(days=business_rules().papers_days))}
    return views[view]


def _found_by(words: str) -> list[dict[str, Any]]:
    """Policies found by their own number or asset, by the client's name or number, or by the vehicle."""
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


def page_of_policies(wanted: Listing, filters: Mapping[str, Any]) -> Page:
    """One page of the list, without how many policies match."""
    return read_page("policy_list", wanted, filters=filters, count=False)


def first_policies(wanted: Listing, filters: Mapping[str, Any], total: int, fresh: Fresh) -> Page:
    """One page of the list with the columns it shows; the first page is kept while nothing of it changes."""
    subjects = _with_documents(SUBJECTS, filters)
    return keep_page(
        "policy_list", wanted, filters=filters, columns=LISTED, total=total, subjects=subjects, fresh=fresh
    )


def _with_documents(subjects: tuple[str, ...], filters: Mapping[str, Any]) -> tuple[str, ...]:
    """The subjects of a list, and the documents where it is narrowed by them."""
    return (*subjects, "documents") if "has_document_eq" in filters else subjects


def every_policy(wanted: Listing, filters: Mapping[str, Any]) -> Iterator[Row]:
    """All policies that the filters hold, in the order of the list."""
    return read_all("policy_list", wanted, filters=filters)


def all_policies(filters: Mapping[str, Any]) -> list[Row]:
    """Id, number, client and agent of the policies that the filters hold, at most one more than may change at once."""
    columns = "policy_id, policy_number, client_id, client_name, agent_id"
    return execute_query(
        "policy_list", columns=columns, filters=filters, order="policy_id", limit=MOST_AT_ONCE + 1
    ).data


def totals(filters: Mapping[str, Any], fresh: Fresh | None = None) -> Totals:
    """Count and gross premium of everything the filters hold, on all pages; with `fresh` added up again only after
    some policy changed.
    """
    conditions = json.dumps(_conditions(filters))
    if fresh is None:
        return _totals(conditions)
    return fresh.value(_with_documents(("policies",), filters), ("totals", conditions), lambda: _totals(conditions))


def _totals(conditions: str) -> Totals:
    answer = call_function("policy_totals", {"conditions": conditions}, read_only=True)
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
    return {"column": column, "op": operator, "value": value.isoformat() if isinstance(value, date) else value}


def policy(policy_id: int) -> Row | None:
    """One term with the names of everything it names, its derived `status` and days of grace; deleted ones too."""
    if not 0 < policy_id <= LARGEST_ID:
        return None
    rows = execute_query("policy_page", filters={"policy_id_eq": policy_id}, limit=1).data
    return rows[0] if rows else None


def is_there(policy_id: int) -> bool:
    """Whether there is such a term outside the trash."""
    filters = {"policy_id_eq": policy_id, "deleted_at_is": None}
    return bool(execute_query("policies", columns="policy_id", filters=filters, limit=1).data)


@dataclass(frozen=True)
class Parts:
    """What a policy's page shows besides its chain: `details` of its line as `in_full` has them, endorsements and
    payments oldest first, its latest changes newest first, and papers.
    """

    details: Row
    ledger: list[Row]
    activity: list[Row]
    papers: list[Row]


def parts_of(policy: Row, papers: Question) -> Parts:
    """The parts of a policy's page, in one trip; `papers` is the question for its documents."""
    policy_id, line = policy["policy_id"], policy["line"]
    trail = Question("audit_trail", filters={"record_type_eq": "policy", "record_id_eq": str(policy_id)},
                     order="audit_id desc", limit=TRAIL)
    questions = [_ledger(policy_id), trail, papers, *_details(policy_id, line)]
    ledger, activity, documents, *details = execute_queries(questions)
    return Parts(_read_details(line, details), ledger, activity, documents)


def _details(policy_id: int, line: str) -> list[Question]:
    """The question for what the line adds to a policy; none for a line that adds nothing."""
    if line not in DETAILS:
        return []
    table, columns = DETAILS[line]
    filters = {"policy_id_eq": policy_id}
    if line == "health":
        return [Question("health_cover", filters=filters, order="insured_person_id", limit=MOST_PERSONS)]
    return [Question(table, columns, filters, limit=1)]


def _read_details(line: str, answers: list[list[Row]]) -> Row:
    """What the line adds, for health with its `persons`; empty where nothing was entered."""
    if not answers:
        return {}
    [rows] = answers
    if line != "health":
        return rows[0] if rows else {}
    rows = sealing.all_opened(rows)
    cover = {name: rows[0][name] for name in DETAILS[line][1]} if rows else {}
    return {**cover, "persons": [row for row in rows if row["insured_person_id"] is not None]}


def in_full(policy_id: int) -> Row | None:
    """One term and the details of its line as one flat record; None when there is none."""
    found = policy(policy_id)
    if found is None:
        return None
    return {**found, **_read_details(found["line"], execute_queries(_details(policy_id, found["line"])))}


def as_entered(record: Mapping[str, Any]) -> Row:
    """A record of `in_full` with the insured persons as the form has them, without what is known of the members."""
    if "persons" not in record:
        return dict(record)
    return {**record, "persons": [{name: person[name] for name in PERSON} for person in record["persons"]]}


def chain(policy_id: int) -> list[Row]:
    """The terms of the chain that this one belongs to, as `policy` has each, oldest first; none when there is no such.

    Those in the trash are left out, but for the asked one.
    """
    if not 0 < policy_id <= LARGEST_ID:
        return []
    rows = call_function("policy_chain", {"of_policy": policy_id}, read_only=True)
    return [row for row in rows if row["deleted_at"] is None or row["policy_id"] == policy_id]


def ledger(policy_id: int) -> list[Row]:
    """Endorsements and payments of a term, oldest first; what was taken back is left out."""
    [entries] = execute_queries([_ledger(policy_id)])
    return entries


def _ledger(policy_id: int) -> Question:
    return Question("policy_ledger", filters={"policy_id_eq": policy_id}, order="on_day, entry, entry_id",
                    limit=MOST_ENTRIES)


def endorsements_of(policy_id: int) -> list[Row]:
    """The endorsements of a term as the insurer numbered them, oldest first, withdrawn ones too."""
    filters = {"policy_id_eq": policy_id}
    return execute_query("endorsements", filters=filters, order="effective_on, endorsement_id", limit=MOST_ENTRIES).data


def payments_of(policy_id: int) -> list[Row]:
    """The payments of a term, oldest first, without those that were taken back."""
    filters: Row = {"policy_id_eq": policy_id, "removed_at_is": None}
    return execute_query("payments", filters=filters, order="paid_on, payment_id", limit=MOST_ENTRIES).data


def same_number(insurer_id: int, number_key: str, policy_from: date) -> Row | None:
    """The policy that already has this number with this insurer and start, if one has."""
    rows = execute_query(
        "policy_list",
        filters={
            "insurer_id_eq": insurer_id,
            "number_key_eq": number_key,
            "policy_from_eq": policy_from,
            "deleted_at_is": None,
        },
        limit=1,
    ).data
    return rows[0] if rows else None


def renewal_of(policy_id: int) -> Row | None:
    """The term that renewed this one, if one did."""
    rows = execute_query("policy_list", filters={"renewed_from_id_eq": policy_id, "deleted_at_is": None}, limit=1).data
    return rows[0] if rows else None


def notice_facts(policy_id: int) -> Row | None:
    """What a message to the client of a term may say and where it may go, whatever state the term is in."""
    if not 0 < policy_id <= LARGEST_ID:
        return None
    # By one number and not by a list of one: planning the view takes six times as long as reading it, and only for the
    # number does PostgreSQL keep the plan.
    rows = execute_query("notice_facts", filters={"policy_id_eq": policy_id}, limit=1).data
    return rows[0] if rows else None


def notice_facts_of(policy_ids: Sequence[int]) -> list[Row]:
    """`notice_facts` of several terms, by policy_id."""
    return execute_query("notice_facts", filters={"policy_id_in": list(policy_ids)}, order="policy_id").data


def members_of(client_id: str) -> list[Row]:
    """The members of a client in the order they were added, removed ones too: older terms may name them."""
    rows = execute_query(
        "members",
        columns="member_id, name, relation, date_of_birth, date_of_birth_sealed, deleted_at",
        filters={"client_id_eq": client_id},
        order="member_id",
        limit=500,
    ).data
    return sealing.all_opened(rows)


def client(client_id: str, *, or_deleted: bool = False) -> Row | None:
    """The client of that number; one in the trash only `or_deleted`."""
    rows = execute_query(
        "clients",
        columns="client_id, name, client_type, city, group_name, subgroup, agent_id",
        filters={"client_id_eq": client_id} if or_deleted else {"client_id_eq": client_id, "deleted_at_is": None},
        limit=1,
    ).data
    return rows[0] if rows else None


def clients_like(text: str) -> list[Row]:
    """The first clients that a search text finds, by name: to choose whose policy it is."""
    words = search_query(text)
    if words is None:
        return []
    return execute_query(
        "client_list",
        columns="client_id, name, city, phone, live_policies",
        filters={"search_fts": words, "deleted_at_is": None},
        order="name_key, client_id",
        limit=25,
    ).data
