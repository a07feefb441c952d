"""What is only read: who one is, search, today's counts, the trail."""

from typing import Any

from flask import Response, jsonify

from portal.api import queries as api_queries
from portal.api.operations import Operation
from portal.api.records import AUDIT_ENTRY, COUNTS, FOUND, WHO
from portal.api.shapes import of_query
from portal.api.views.lists import listed, parameters
from portal.api.views.routes import Asked, operation, page_of, record, seen
from portal.inputs import LARGEST_ID
from portal.search import service as search
from portal.search.inputs import SearchInput
from portal.trail import queries, words
from portal.trail.inputs import TrailFilter
from portal.web import current_user, may, not_found

Row = dict[str, Any]
KINDS: dict[search.Kind, str] = {
    "clients": "clients.read", "members": "clients.read", "policies": "policies.read", "vehicles": "policies.read"}


@operation(Operation("who_am_i", "GET", "/me", "", "For whom this request acts, and what it may do", "Account", WHO))
def who_am_i(asked: Asked) -> Response:
    user = current_user()
    told = {name: getattr(user, name) for name in ("user_id", "name", "email", "role")}
    return record(asked.operation, {**told, "permissions": sorted(user.permissions)})


@operation(Operation(
    "search", "GET", "/search", "", "Clients, members, policies and vehicles that fit a text; only those one may read",
    "Search", FOUND, query=of_query(SearchInput)))  # fmt: skip
def find(asked: Asked) -> Response:
    wanted = asked.filter(SearchInput)
    kinds = tuple(kind for kind, permission in KINDS.items() if may(permission) and wanted.kind in (None, kind))
    findings = search.find(wanted.q or "", kinds)
    found: Row = {kind: findings.rows.get(kind, []) for kind in KINDS}
    return jsonify(seen(asked.operation, {**found, "more": sorted(findings.more)}))


@operation(Operation(
    "today", "GET", "/today", "policies.read", "How many policies stand where", "Today", COUNTS))
def today(asked: Asked) -> Response:
    return record(asked.operation, api_queries.policy_counts())


@operation(Operation(
    "list_audit", "GET", "/audit", "audit.read", "The trail of changes, the latest first", "Audit", AUDIT_ENTRY,
    many=True, query=parameters(TrailFilter, queries.SORTS)))  # fmt: skip
def list_audit(asked: Asked) -> Response:
    wanted = listed(asked, queries.SORTS)
    page = queries.page_of_trail(wanted, asked.filter(TrailFilter))
    page.rows[:] = [_shown(row) for row in page.rows]
    return page_of(asked.operation, page, wanted)


@operation(Operation(
    "show_audit", "GET", "/audit/<int:audit_id>", "audit.read", "One change", "Audit", AUDIT_ENTRY))
def show_audit(asked: Asked, audit_id: int) -> Response:
    found = queries.entry(audit_id) if audit_id <= LARGEST_ID else None
    if found is None:
        not_found("There is no such entry.")
    return record(asked.operation, _shown(found))


def _shown(row: Row) -> Row:
    before, after = words.shown_fields(row, personal=may("audit.personal"), commission=may("commission.read"))
    return {**row, "before": before, "after": after}
