"""The rules of a person's rights: a copy of the data, and erasure of what no law demands to be kept."""

import json
from typing import Any

from database_pool import Transaction, call_function, new_id
from portal import audit, sealing
from portal.documents import service as documents
from portal.errors import Refused
from portal.formats import compact, now
from portal.privacy import copies, queries
from portal.privacy.inputs import ErasureInput
from portal.staff.queries import colleague
from portal.staff.service import permissions_of
from task_queue import TemporaryFailure, enqueue

Row = dict[str, Any]


def ask_for_copy(tx: Transaction, actor: audit.Actor, client_id: str) -> int:
    """Asks for a copy of all that is known about a client; the end of `tx` raises Duplicate while one is being made."""
    return _ask(tx, actor, "export", client_id, "privacy.export")


def ask_for_erasure(tx: Transaction, actor: audit.Actor, client: Row, data: ErasureInput) -> int:
    """Asks for the erasure of a client. Refused while policies are open, or when another number was typed."""
    if compact(data.number) != compact(client["client_id"]):
        raise Refused(f"Type {client['client_id']}, the number of the client to be erased.", field="number")
    if queries.review(client["client_id"])["open_policies"]:
        raise Refused("This client has live or pending policies: the data is still needed for them. End them first.")
    return _ask(tx, actor, "erasure", client["client_id"], "privacy.erase")


def make_copy(request_id: int) -> Row | None:
    """Makes the copy that was asked for and answers what to store about it; None when there is nothing to do.

    Whoever asked must still have the right to it.
    """
    asked = queries.request(request_id)
    if asked is None or asked["kind"] != "export" or asked["state"] != "waiting":
        return None
    asker = colleague(asked["asked_by"])
    if asker is None or not asker["is_active"] or "privacy.export" not in permissions_of(asker["role"]):
        return {"state": "gone", "done_at": now()}
    size, key = copies.write(request_id, asked["client_id"])
    return {"state": "done", "done_at": now(), "file_key": sealing.seal(key, copies.PURPOSE), "file_size": size}


def erase(request_id: int) -> Row:
    """Erases what was asked for: contents of documents first, then all rows at once. May be stopped and repeated.

    Raises TemporaryFailure when a document is on its way into its store, or came in meanwhile.
    """
    asked = queries.request(request_id)
    if asked is None or asked["kind"] != "erasure" or asked["state"] != "waiting":
        return {"erased": False}
    going = queries.documents_to_erase(asked["client_id"])
    if any(document["state"] == "waiting" for document in going):
        raise TemporaryFailure("A document of this client is still on its way into its store.", retry_after=60.0)
    for document in going:
        try:
            documents.remove_content(document["document_id"])
        except Refused as problem:
            raise TemporaryFailure(problem.sentence) from problem
    removed = [document["document_id"] for document in going]
    report = call_function("erase_person", {"wanted": request_id, "removed": json.dumps(removed)})
    if report and report.get("again"):
        raise TemporaryFailure("A document came in while this client was being erased.", retry_after=5.0)
    for copy in queries.requests_of(asked["client_id"]):
        copies.remove(copy["request_id"])
    return {"erased": report is not None}


def _ask(tx: Transaction, actor: audit.Actor, kind: str, client_id: str, task: str) -> int:
    request_id = new_id("person_requests")
    pseudonym = f"Person {sealing.indexes(client_id, 'pseudonym')[0][:8].upper()}"
    known = [row["pseudonym"] for row in queries.requests_of(client_id)]   # stays the same when the key does not
    tx.insert("person_requests", {"request_id": request_id, "kind": kind, "client_id": client_id,
                                  "pseudonym": known[-1] if known else pseudonym, "asked_by": actor.user_id})
    audit.record(tx, actor, f"ask for {kind}", "client", client_id, client_id=client_id, after={"request": request_id})
    enqueue(tx, task, request_id=request_id, unique_key=f"{task} {request_id}")
    return request_id
