"""The rules for documents. Callers open the transaction; what refuses raises portal.errors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from batch_file_operations import Accepted, LocalStore, NothingToDo, StoreError, batch_file_manager
from database_pool import Transaction
from portal import audit
from portal.clients import queries as clients
from portal.documents import queries
from portal.documents.inputs import DetailsInput, UploadInput
from portal.errors import Refused
from portal.formats import now

Row = dict[str, Any]


def open_content(document_id: int, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a document, or those from `start` up to `end`, in blocks, wherever it lies.

    Raises Refused with a sentence when it cannot be had, before the first block.
    """
    try:
        return batch_file_manager.read(document_id, start, end)
    except StoreError as problem:
        raise Refused(f"This document cannot be opened now. {problem}") from problem


def take_in(
    files: Sequence[Any],
    described: Sequence[UploadInput],
    actor: audit.Actor,
    *,
    source: str = "staff",
    replaces: Row | None = None,
) -> Accepted:
    """Accepts uploaded files (werkzeug FileStorage), each with its description; what cannot be is told per file.

    It writes by itself, because accepting is more than rows: see batch_file_operations. Raises Refused when there is
    nothing to accept, and QueueFull when there is no room.
    """
    wanted = [
        {"file": file, **what.model_dump(exclude={"batch_id"}, exclude_none=True)}
        for file, what in zip(files, described, strict=True)
    ]
    if replaces is not None:
        wanted = [{**one, "replaces_id": replaces["document_id"]} for one in wanted]

    def note(tx: Transaction, documents: list[Row]) -> None:
        for row in documents:
            after = {name: row[name] for name in ("file_name", "kind", "policy_id", "member_id", "size", "replaces_id")}
            audit.record(tx, actor, "add", "document", row["document_id"], client_id=row["client_id"], after=after)

    try:
        return batch_file_manager.accept(
            wanted, uploaded_by=actor.user_id, source=source, batch_id=described[0].batch_id, also=note
        )
    except NothingToDo as refusal:
        raise Refused(str(refusal), field="files") from refusal


def remove_content(document_id: int) -> None:
    """Deletes what a document contains from its store, pictures of its pages too; what is gone already is no fault.

    The row stays: who asks for this removes it afterwards. Raises Refused with the reason when it cannot be.
    """
    document = queries.document(document_id)
    if document is None:
        return
    try:
        if document["spool_name"] is not None:
            LocalStore(batch_file_manager.spool).remove(document["spool_name"])
        if document["store_key"] is not None:
            store = batch_file_manager.store(document["store"])
            store.remove(document["store_key"])
            if isinstance(store, LocalStore):
                store.remove_empty_folders(document["store_key"])
    except StoreError as problem:
        raise Refused(str(problem)) from problem
    _forget_pictures(document["sha256"])


def picture_of(document: Mapping[str, Any], page: int) -> bytes:
    """A page of a PDF as a JPEG picture. Raises Refused when it cannot be painted."""
    try:
        return batch_file_manager.picture(document["document_id"], page)
    except StoreError as problem:
        raise Refused(f"This page cannot be shown. {problem}") from problem


def move_to_drive(document_id: int) -> bool:
    """Moves one document from this machine's disk to Google Drive. Raises Refused with the reason when it cannot be."""
    try:
        return batch_file_manager.move_to_drive(document_id)
    except StoreError as problem:
        raise Refused(str(problem)) from problem


def change_details(tx: Transaction, actor: audit.Actor, stored: Row, data: DetailsInput) -> None:
    """Files a document under another kind, member or policy. Conflict when somebody else saved since `data.version`."""
    if data.policy_id is not None and data.policy_id not in {
        policy["policy_id"] for policy in clients.policies_of(stored["client_id"])
    }:
        raise Refused("This policy is not one of the client's. Choose it again.", field="policy_id")
    if data.member_id is not None and clients.member(stored["client_id"], data.member_id) is None:
        raise Refused("This member is not one of the client's. Choose again.", field="member_id")
    values = data.model_dump(exclude={"version"})
    values["title"] = values["title"] or ""
    _write(tx, actor, stored, data.version, "change", values)


def put_into_trash(tx: Transaction, actor: audit.Actor, stored: Row, version: int) -> None:
    """Moves a document to the trash; its links answer 404 from that moment."""
    _write(tx, actor, stored, version, "delete", {"deleted_at": now()})


def restore(tx: Transaction, actor: audit.Actor, stored: Row, version: int) -> None:
    """Takes a document out of the trash. The end of `tx` raises Duplicate when the same file is there again."""
    _write(tx, actor, stored, version, "restore", {"deleted_at": None})


def move_to_archive(document_id: int) -> str:
    """Moves what a document contains to the archive of its store, and answers its key there. May be repeated: what lies
    there already is found. Raises Refused with the reason when the store cannot do it.
    """
    try:
        return batch_file_manager.put_into_archive(document_id)
    except StoreError as problem:
        raise Refused(str(problem)) from problem


def purge(tx: Transaction, due: Row, key: str) -> None:
    """Takes a document, whose content lies in the archive under `key` by now, out of the trash for good. If somebody
    restored it meanwhile, it is found in the archive again.
    """
    number = due["document_id"]
    tx.update("documents", {"store_key": key, "state": "archived"}, filters={"document_id_eq": number}, expect=1)
    in_trash: Row = {"document_id_eq": number, "deleted_at_lte": due["deleted_at"]}
    tx.update("documents", {"purged_at": now()}, filters=in_trash)
    audit.record(tx, audit.THE_PORTAL, "archive", "document", number, client_id=due["client_id"],
                 after={"reason": "30 days in the trash"})  # fmt: skip
    _forget_pictures(due["sha256"])


def note_fetch(tx: Transaction, document_id: int, *, purpose: str, method: str, network: str | None, sent: int) -> None:
    """Writes down that somebody fetched a document by a link."""
    tx.insert(
        "media_fetches",
        {"document_id": document_id, "purpose": purpose, "method": method, "network": network, "sent_bytes": sent},
        returning=False,
    )


def checklist(policy: Mapping[str, Any], kept: Iterable[Row]) -> list[tuple[str, bool]]:
    """What a pending policy waits for, and whether one of the client's documents (`kept`) settles it."""
    there = {row["kind"] for row in kept if row["policy_id"] == policy["policy_id"] or row["kind"] in KYC}
    return [(waiting, bool(SETTLES.get(waiting, frozenset()) & there)) for waiting in policy["waiting_for"]]


KYC = frozenset({"pan-card", "masked-aadhaar", "gst-certificate", "address-proof"})
SETTLES = {
    "payment": frozenset({"premium-receipt", "cheque-copy"}),
    "policy document": frozenset({"policy-schedule"}),
    "inspection": frozenset({"inspection-report", "photos"}),
    "KYC": KYC,
    "proposal": frozenset({"proposal-form"}),
}


def _forget_pictures(sha256: str) -> None:
    for picture in batch_file_manager.previews.glob(f"{sha256}-*.jpg"):
        picture.unlink(missing_ok=True)


def _write(tx: Transaction, actor: audit.Actor, stored: Row, version: int, action: str, values: Row) -> None:
    number = stored["document_id"]
    tx.update(
        "documents",
        {**values, "updated_by": actor.user_id},
        expect=1,
        filters={"document_id_eq": number, "version_eq": version},
    )
    audit.record(
        tx,
        actor,
        action,
        "document",
        number,
        client_id=stored["client_id"],
        before={name: stored[name] for name in values},
        after=values,
    )
