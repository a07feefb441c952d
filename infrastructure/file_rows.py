"""What the database says about batches, their files, and the folders of a store."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infrastructure.changes import Transaction
from infrastructure.drive_store import KnownFolder
from infrastructure.errors import Conflict
from infrastructure.file_acceptance import Named, Offer, same_record
from infrastructure.stores import StoreBusy, Transfer

Row = dict[str, Any]
OPEN = ["queued", "working"]
TO_DO = [*OPEN, "failed"]  # for a task: a file that failed has one only when somebody asked for it again
TOLD_EVERY = 1.0  # seconds between two looks at the row while a file is sent
SHOWN = "file_id, document_id, client_id, file_name, size, state, sent_bytes, error"


class FileRows:
    """Questions about files and guarded changes, asked through `query` and `call` of the data layer."""

    def __init__(self, query: Callable[..., Any], call: Callable[..., Any]) -> None:
        self._query, self._call = query, call

    def batch(self, batch_id: str) -> Row | None:
        """One batch, or None."""
        rows: list[Row] = self._query("file_batches", filters={"batch_id_eq": batch_id}, limit=1).data
        return rows[0] if rows else None

    def status(self, batch_id: str, after: int, limit: int) -> Row | None:
        """A batch with its counts and some of its files; None when there is none."""
        batch = self.batch(batch_id)
        if batch is None:
            return None
        progress = self._call("batch_progress", {"of_batch": batch_id}, read_only=True)
        filters = {"batch_id_eq": batch_id, "file_id_gt": after}
        rows = self._query("batch_files", columns=SHOWN, filters=filters, order="file_id", limit=limit).data
        return {**batch, **progress, "finished": progress["queued"] + progress["working"] == 0, "files": rows}

    def failed(self, batch_id: str, limit: int) -> list[int]:
        """The files of a batch that failed."""
        filters = {"batch_id_eq": batch_id, "state_eq": "failed"}
        rows = self._query("batch_files", columns="file_id", filters=filters, order="file_id", limit=limit).data
        return [row["file_id"] for row in rows]

    def work(self, file_id: int) -> Row | None:
        """One file with everything its task needs to know."""
        rows: list[Row] = self._query("file_work", filters={"file_id_eq": file_id}, limit=1).data
        return rows[0] if rows else None

    def claim(self, file_id: int, claim: str, key_at_hand: str | None) -> Row | None:
        """As `work`, and from now on an open file is the caller's: whoever had it finds the claim changed."""
        rows: list[Row] = self._call(
            "claim_file", {"of_file": file_id, "new_claim": claim, "proposed_key": key_at_hand}, read_only=True
        )
        return rows[0] if rows else None

    def transfer(self, work: Row) -> Transfer:
        """The upload of the claimed file, which tells the row how far it is and ends when the batch is cancelled."""
        mine = {"claim_eq": work["claim"]}
        looked = [time.monotonic(), 0.0]

        def sent(total: int) -> None:
            if total < work["size"] and time.monotonic() - looked[1] > TOLD_EVERY:
                looked[1] = time.monotonic()
                self.change(work["file_id"], {"sent_bytes": total}, mine)

        def stopped() -> bool:
            if time.monotonic() - looked[0] < TOLD_EVERY:
                return False
            looked[0] = time.monotonic()
            now = self.work(work["file_id"])
            if now is None or now["claim"] != work["claim"]:
                raise Conflict("another worker has this file by now")
            return now["cancelled_at"] is not None

        return Transfer(
            work["session_address"],
            sent=sent,
            stopped=stopped,
            remember=lambda address: self.change(work["file_id"], {"session_address": address}, mine),
        )

    def finish(self, work: Row, key: str) -> None:
        """The claimed file lies in its store under `key`. Raises Conflict where another worker has it by now."""
        said = {
            "of_file": work["file_id"], "by_claim": work["claim"], "at_key": key, "page_count": work["pages"],
            "sort": work["media_type"],
        }  # fmt: skip
        if not self._call("finish_file", said, read_only=True):
            raise Conflict("another worker has this file by now")

    def add_finish(self, tx: Transaction, work: Row, key: str) -> None:
        """As `finish`, together with the other writes of a transaction."""
        done = {"state": "done", "sent_bytes": work["size"], "error": None, "session_address": None}
        done["finished_at"] = datetime.datetime.now(datetime.UTC)
        mine = {"file_id_eq": work["file_id"], "claim_eq": work["claim"]}
        tx.update("batch_files", done, filters=mine, expect=1)
        stored = {"state": "stored", "store_key": key, "spool_name": None}
        stored |= {"pages": work["pages"], "media_type": work["media_type"]}
        tx.update("documents", stored, filters={"document_id_eq": work["document_id"]}, expect=1)

    def stored(self, document_id: int) -> Row | None:
        """One document whose content lies in a store, with what its place is made of; None when there is none."""
        filters = {"document_id_eq": document_id, "state_in": ["stored", "archived"]}
        rows: list[Row] = self._query("document_list", filters=filters, limit=1).data
        return rows[0] if rows else None

    def present(self, document_ids: Sequence[int]) -> list[Row]:
        """What a download notes of those of these documents that are not in the trash."""
        filters = {"document_id_in": list(document_ids), "deleted_at_is": None}
        columns = "document_id, client_id, stored_name, size"
        found: list[Row] = self._query("documents", columns=columns, filters=filters, order="document_id").data
        return found

    def change(self, file_id: int, changes: Row, guard: Row) -> None:
        """Changes a file that is to do. Raises Conflict where the guard does not hold: another worker has it by now."""
        filters = {"file_id_eq": file_id, "state_in": TO_DO, **guard}
        if not self._query("batch_files", "update", data=changes, filters=filters).data:
            raise Conflict("another worker has this file by now")

    def stranded(self, since: datetime.datetime, limit: int) -> list[Row]:
        """Files added before `since` that no task will take care of."""
        found: list[Row] = self._query(
            "stranded_files", filters={"created_at_lt": since}, order="file_id", limit=limit
        ).data
        return found

    def named(self, files: Sequence[Mapping[str, Any]]) -> Named:
        """The clients, members and policies that files are said to belong to, with one question each."""
        ids = {str(file.get("client_id") or "").strip().upper() for file in files}
        alive: Row = {"client_id_in": sorted(ids), "deleted_at_is": None}
        clients = self._query("clients", columns="client_id, name", filters=alive).data
        members = self._query("members", columns="member_id, client_id, name", filters=alive, order="member_id").data
        wanted = sorted({int(file["policy_id"]) for file in files if file.get("policy_id")})
        there: Row = {"policy_id_in": wanted, "deleted_at_is": None}
        columns = "policy_id, client_id, member_id"
        policies = self._query("policies", columns=columns, filters=there).data if wanted else []
        kinds = self._query("document_types", columns="key, name, retention_years").data
        return Named(
            {row["client_id"]: row for row in clients}, members, {row["policy_id"]: row for row in policies},
            {row["key"]: row for row in kinds},
        )  # fmt: skip

    def notice_repetitions(self, offers: Sequence[Offer]) -> None:
        """Refuses what is there already for the same record, or twice among these."""
        good = [offer for offer in offers if not offer.refusal]
        if not good:
            return
        rows = self._query(
            "documents",
            columns="client_id, policy_id, claim_number, sha256, file_name",
            filters={
                "sha256_in": sorted({offer.row["sha256"] for offer in good}),
                "state_in": ["waiting", "stored"],
                "client_id_in": sorted({offer.row["client_id"] for offer in good}),
                "deleted_at_is": None,
            },
        ).data
        known = {same_record(row): row["file_name"] for row in rows}
        for offer in good:
            if (there := known.get(same_record(offer.row))) is not None:
                offer.refusal = f"This file is there already, as {there[:80]!r}. It is kept once."
            known[same_record(offer.row)] = offer.name


class FolderRows:
    """Drive's folders as the database has them."""

    def __init__(self, query: Callable[..., Any], call: Callable[..., Any]) -> None:
        self._query, self._call = query, call

    def find(self, parent: str, name: str) -> KnownFolder | None:
        rows = self._query("store_folders", filters=self._which(parent, name), limit=1).data
        return KnownFolder(rows[0]["folder_key"], rows[0]["made_at"]) if rows else None

    def reserve(self, parent: str, name: str, key: str) -> KnownFolder:
        proposal = {"of_store": "drive", "under": parent, "called": name, "proposed_key": key}
        self._call("reserve_store_folder", proposal)
        found = self.find(parent, name)
        if found is None:
            raise StoreBusy("A folder was removed at the moment it was made.")
        return found

    def mark_made(self, parent: str, name: str) -> None:
        made = {"made_at": datetime.datetime.now(datetime.UTC)}
        self._query("store_folders", "update", data=made, filters=self._which(parent, name))

    def forget(self, parent: str, name: str) -> None:
        self._query("store_folders", "delete", filters=self._which(parent, name))

    def _which(self, parent: str, name: str) -> Row:
        return {"store_eq": "drive", "parent_key_eq": parent, "name_eq": name}
