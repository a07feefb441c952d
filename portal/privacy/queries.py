"""Questions about a person's requests, and everything that is known about a person."""

from datetime import date
from typing import Any

from database_pool import call_function, execute_query
from portal import sealing
from portal.formats import today
from portal.paging import Listing, Page, Sort, read_page

Row = dict[str, Any]
SORTS = (Sort("asked", "asked_at", "request_id", kind="time", key_kind="whole", descending=True),)
MOST_ROWS = 10_000
# What a copy holds beside the client and the members: where it lies, and by what it belongs to the client.
OF_CLIENT = (
    (
        "consents",
        "consents",
        "consent_id",
        "channel, purpose, given_at, given_how, text_version, withdrawn_at, withdrawn_how",
    ),
    (
        "messages",
        "messages",
        "message_id",
        "message_id, channel, purpose, recipient, subject, body, state, created_at, sent_at",
    ),
    (
        "documents",
        "documents",
        "document_id",
        "document_id, policy_id, kind, title, file_name, size, sha256, state, created_at",
    ),
    (
        "policies",
        "policy_page",
        "policy_id",
        "policy_id, policy_number, line, insurer_name, product_name, member_name, state, status, business_type, "
        "policy_from, policy_to, due_on, payment_date, payment_details, net_premium, addon_premium, tp_premium, "
        "gst_amount, gross_premium, sum_insured, asset, group_name, subgroup, remarks, "
        "lost_reason, cancelled_on, created_at",
    ),
)
OF_POLICIES = (
    ("insured_persons", "health_cover", "insured_person_id"),
    ("motor", "motor_details", "policy_id"),
    ("fire", "fire_details", "policy_id"),
    ("life", "life_details", "policy_id"),
    ("travel", "travel_details", "policy_id"),
    ("payments", "payments", "payment_id"),
    ("endorsements", "endorsements", "endorsement_id"),
)
OURS = frozenset({"search", "number_key", "vehicle_key", "form_key", "created_by", "updated_by", "commission_amount"})


def page_of_requests(wanted: Listing) -> Page:
    """One page of what was asked for, the latest first."""
    return read_page("person_requests", wanted, filters={}, columns=SHOWN)


SHOWN = (
    "request_id, kind, client_id, pseudonym, state, asked_at, asked_by, done_at, review_on, report, file_size, "
    "downloads"
)


def requests_of(client_id: str) -> list[Row]:
    """What was asked for about one client, the latest first."""
    return execute_query(
        "person_requests", columns=SHOWN, filters={"client_id_eq": client_id}, order="request_id desc", limit=20
    ).data


def request(request_id: int) -> Row | None:
    """One request with the key of its file, or None."""
    rows = execute_query("person_requests", filters={"request_id_eq": request_id}, limit=1).data
    return rows[0] if rows else None


def review(client_id: str) -> Row:
    """What erasing a client would delete and keep: counts, until when, by which rules."""
    return dated(call_function("review_erasure", {"of_client": client_id}, read_only=True))


def dated(found: Row) -> Row:
    """A review with its days as dates."""
    for part in (*(value for value in found.values() if isinstance(value, dict)), *found["rules"]):
        for name in ("until", "kyc_until", "valid_from"):
            if isinstance(part.get(name), str):
                part[name] = date.fromisoformat(part[name])
    return found


def documents_to_erase(client_id: str) -> list[Row]:
    """The documents (document_id, state) that no law keeps."""
    found: list[Row] = call_function("documents_to_erase", {"of_client": client_id}, read_only=True)
    return found


def over(kind: str, before: Any) -> list[Row]:
    """Finished requests of a kind that are older than a moment."""
    return execute_query(
        "person_requests",
        columns="request_id",
        limit=1000,
        filters={"kind_eq": kind, "state_eq": "done", "done_at_lt": before},
    ).data


def to_review() -> list[Row]:
    """Erasures of which a law kept something whose time is over."""
    return execute_query(
        "person_requests",
        columns="request_id",
        limit=1000,
        filters={"kind_eq": "erasure", "state_eq": "kept", "review_on_lte": today()},
    ).data


def everything_about(client_id: str) -> dict[str, list[Row]]:
    """What is known about a client, by kind, in the order it came; without what is the agency's own, as commission."""
    found: dict[str, list[Row]] = {}
    for name, relation, key, columns in OF_CLIENT:
        found[name] = execute_query(
            relation, columns=columns, filters={"client_id_eq": client_id}, order=key, limit=MOST_ROWS
        ).data
    terms = [row["policy_id"] for row in found["policies"]]
    for name, relation, key in OF_POLICIES if terms else ():
        rows = execute_query(relation, filters={"policy_id_in": terms}, order=key, limit=MOST_ROWS).data
        found[name] = [
            {column: value for column, value in row.items() if column not in OURS} for row in sealing.all_opened(rows)
        ]
    return found
