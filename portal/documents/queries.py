"""Questions about documents: the list, one of them, those of a client or policy, and what is missing."""

from collections.abc import Sequence
from typing import Any

from database_pool import Question, execute_queries, execute_query
from portal.documents.inputs import DocumentFilter, GapFilter
from portal.formats import today
from portal.inputs import LARGEST_ID
from portal.paging import Listing, Page, Sort, read_page

Row = dict[str, Any]

SORTS = (
    Sort("added", "created_at", "document_id", kind="time", key_kind="whole", descending=True),
    Sort("size", "size", "document_id", kind="whole", key_kind="whole", descending=True),
)
GAP_SORTS = (Sort("since", "since", "gap", kind="date", descending=True),)
PRESENT = ["waiting", "stored"]
MOST = 500  # documents of one client or policy on its page
MOST_GAPS = 1000  # that one action concerns


def page_of_documents(wanted: Listing, narrowed: DocumentFilter) -> Page:
    """One page of the documents that match."""
    return read_page("document_list", wanted, filters=filters_of(narrowed))


def filters_of(narrowed: DocumentFilter) -> Row:
    """The conditions on document_list that a filter stands for."""
    filters: Row = {"deleted_at_not_is" if narrowed.show == "trash" else "deleted_at_is": None}
    filters["state_in"] = {"archive": ["archived"], "trash": [*PRESENT, "archived"]}.get(narrowed.show, PRESENT)
    exact = {
        "client_id": narrowed.client_id,
        "policy_id": narrowed.policy_id,
        "kind": narrowed.kind,
        "source": narrowed.source,
    }
    filters |= {f"{column}_eq": value for column, value in exact.items() if value is not None}
    if narrowed.date_from:
        filters["created_at_gte"] = narrowed.date_from
    if narrowed.show == "overdue":
        filters["retention_until_lt"] = today()
    if narrowed.q:
        filters["file_name_ilike"] = f"%{_literal(narrowed.q)}%"
    return filters


def page_of_gaps(wanted: Listing, narrowed: GapFilter) -> Page:
    """One page of what is missing: policies without a schedule ("policy"), clients without KYC ("kyc")."""
    return read_page("missing_documents", wanted, filters=_gap_filters(narrowed))


def gaps_of(narrowed: GapFilter, *, limit: int = MOST_GAPS) -> list[str]:
    """The keys of everything that is missing and matches, the latest first."""
    filters, order = _gap_filters(narrowed), "since desc, gap"
    rows = execute_query("missing_documents", columns="gap", filters=filters, order=order, limit=limit).data
    return [row["gap"] for row in rows]


def missing_documents_of(gaps: Sequence[str]) -> list[Row]:
    """Those of these gaps ("kyc:<client id>", "policy:<policy id>") that are still there."""
    wanted = list(gaps[:MOST_GAPS])
    return execute_query("missing_documents", filters={"gap_in": wanted}, order="gap").data if wanted else []


def missing_documents(*, client_id: str | None = None, limit: int = 50) -> list[Row]:
    """What is missing of a client, or of the whole book."""
    filters = {"client_id_eq": client_id} if client_id else {}
    return execute_query("missing_documents", filters=filters, order="since desc, gap", limit=limit).data


def document(document_id: int) -> Row | None:
    """One document with the names of everything it belongs to, in the trash or not; None when there is none."""
    if not 0 < document_id <= LARGEST_ID:
        return None
    rows = execute_query("document_list", filters={"document_id_eq": document_id}, limit=1).data
    return rows[0] if rows else None


def documents_of(document_ids: list[int]) -> list[Row]:
    """Those of these documents that are there and not in the trash."""
    filters: Row = {"document_id_in": document_ids, "deleted_at_is": None}
    return execute_query("document_list", filters=filters, order="document_id").data if document_ids else []


def present_documents(narrowed: Row, *, limit: int) -> list[Row]:
    """Those of the documents that `narrowed` meets whose content can be had, and none from the trash."""
    filters: Row = {"state_in": [*PRESENT, "archived"], **narrowed, "deleted_at_is": None}
    return execute_query("document_list", filters=filters, order="client_id, document_id", limit=limit).data


def documents_of_client(client_id: str, *, kind: str | None = None, limit: int = MOST) -> list[Row]:
    """The present documents of a client, those of its policies too, the latest first."""
    [rows] = execute_queries([question({"client_id_eq": client_id}, kind=kind, limit=limit)])
    return rows


def documents_of_policy(policy_id: int, *, kind: str | None = None, limit: int = MOST) -> list[Row]:
    """The present documents of one policy term, the latest first."""
    [rows] = execute_queries([question({"policy_id_eq": policy_id}, kind=kind, limit=limit)])
    return rows


def question(filters: Row, *, kind: str | None = None, limit: int = MOST) -> Question:
    """The question for present documents, the latest first."""
    wanted: Row = {**filters, "deleted_at_is": None, "state_in": PRESENT, **({"kind_eq": kind} if kind else {})}
    return Question("document_list", filters=wanted, order="created_at desc, document_id desc", limit=limit)


def kinds(*, active_only: bool = True) -> list[Row]:
    """The kinds of documents: key, name, concerns, retention_years."""
    filters = {"is_active_eq": True} if active_only else {}
    columns = "document_type_id, key, name, concerns, retention_years, is_active"
    return execute_query("document_types", columns=columns, filters=filters, order="document_type_id").data


def to_purge(*, limit: int, document_id: int | None = None) -> list[Row]:
    """Documents that have been in the trash for 30 days, the oldest first; or the one of that number if it has."""
    filters: Row = {"document_id_eq": document_id} if document_id is not None else {}
    return execute_query("documents_to_purge", filters=filters, order="deleted_at, document_id", limit=limit).data


def on_this_machine(after: int, *, limit: int = 100) -> list[int]:
    """Documents that lie on this machine's disk, behind one of them, by number."""
    filters: Row = {"store_eq": "local", "state_in": ["stored", "archived"], "document_id_gt": after}
    rows = execute_query("documents", columns="document_id", filters=filters, order="document_id", limit=limit).data
    return [row["document_id"] for row in rows]


def fetches_of(document_id: int, *, limit: int = 20) -> list[Row]:
    """The latest fetches of a document by signed links."""
    return execute_query(
        "media_fetches", filters={"document_id_eq": document_id}, order="fetch_id desc", limit=limit
    ).data


def _gap_filters(narrowed: GapFilter) -> Row:
    exact = {"sort": narrowed.sort_of, "agent_id": narrowed.agent_id}
    return {f"{column}_eq": value for column, value in exact.items() if value is not None}


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
