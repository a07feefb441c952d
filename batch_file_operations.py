"""Many files in or out at once: accepted durably, stored one task each, counted row by row.

    batch_id = upload_multiple_policy_files([{"file": file, "client_id": "C001", "member_name": "John"}, ...])
    batch_file_manager.status(batch_id)                       # counts by state, and a row per file
    BatchFileManager(max_workers=15)

When the batch id is answered, every file lies in the spool (DATA_DIR/spool) with its checksums, is on the disk itself
and in the database; from then on no crash loses it. Workers bring it to its store: Google Drive where it is configured,
else the folder DATA_DIR/documents. Importing opens nothing.
"""

import contextlib
import datetime
import hashlib
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from config import Settings, settings
from database_pool import (
    Conflict,
    DatabaseError,
    Duplicate,
    Transaction,
    call_function,
    execute_query,
    new_ids,
    transaction,
)
from infrastructure.drive_client import DriveClient, count_drive_calls_by
from infrastructure.drive_store import DriveStore
from infrastructure.file_acceptance import LARGEST_FILE, Accepted, NothingToDo, Offer, QueueFull, describe, offers_of
from infrastructure.file_inspection import UNREADABLE, Findings, Inspectors, OutOfTime
from infrastructure.file_places import archive_place, document_place
from infrastructure.file_rows import OPEN, TO_DO, FileRows, FolderRows
from infrastructure.local_store import LocalStore, put_back
from infrastructure.native_threads import begun, elsewhere
from infrastructure.spool import SpooledFile, copied, kept_if_uncertain, make_durable, remove_older, written_at_once
from infrastructure.stores import (
    Content,
    ContentMissing,
    KeyUnusable,
    Place,
    Stopped,
    Store,
    StoreBusy,
    StoreError,
    Transfer,
)
from task_queue import PermanentFailure, TemporaryFailure, current_task, drop_dead, enqueue_many, pace, schedule, task

__all__ = [
    "ACCEPTED_AT_ONCE", "LARGEST_FILE", "Accepted", "BatchFileManager", "ContentMissing", "LocalStore", "NothingToDo",
    "QueueFull", "SpooledFile", "StoreError", "batch_file_manager", "count_drive_calls_by", "document_place",
    "download_multiple_policy_files", "put_back", "upload_multiple_policy_files",
]  # fmt: skip

Row = dict[str, Any]
MOST_FILES = 500  # in one batch
ATTEMPTS = 8
LEASE = 30.0  # seconds that a dead process keeps a file; a living one renews it
ACCEPTED_AT_ONCE = 3  # uploads that a process writes down at the same time: a page waits for no more of them than that
LEFT_BEHIND = 24 * 3600.0  # seconds after which a spooled file that no row names was left by a crash


_rows = FileRows(execute_query, call_function)


class BatchFileManager:
    """Takes files in and brings them to their store, at most `max_workers` at once in this process (FILE_WORKERS).

    No more than `most_waiting` files and `most_waiting_bytes` wait at once; `least_free` bytes of the disk stay free.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        most_waiting: int = 5000,
        most_waiting_bytes: int = 20 * 1024**3,
        least_free: int = 512 * 1024**2,
    ) -> None:
        self._max_workers = max_workers
        self._most_waiting, self._most_waiting_bytes, self._least_free = most_waiting, most_waiting_bytes, least_free
        self._lock, self._accepting = threading.Lock(), threading.BoundedSemaphore(ACCEPTED_AT_ONCE)
        self._stores: dict[str, tuple[Settings, Store]] = {}
        self._inspectors = Inspectors()
        self._figures = {"accepted": 0, "stored": 0, "refused": 0, "failed": 0, "bytes_stored": 0, "working": 0}

    @property
    def max_workers(self) -> int:
        """Files that this process brings to their store at once."""
        return settings().file_workers if self._max_workers is None else self._max_workers

    @property
    def tasks_at_once(self) -> int:
        """Tasks of files: more than `max_workers`, so that a free connection finds a file ready."""
        return self.max_workers + self.max_workers * 2 // 5

    def accept(
        self,
        files: Sequence[Mapping[str, Any]],
        *,
        uploaded_by: int | None = None,
        source: str = "staff",
        batch_id: str | None = None,
        also: Callable[[Transaction, list[Row]], None] = lambda tx, documents: None,
    ) -> Accepted:
        """Takes files in: each {"file", "client_id"} and, where known, "member_name" or "member_id", "policy_id",
        "claim_number", "kind", "title", "file_name", "replaces_id".

        `file` is a werkzeug FileStorage, a path, bytes or a file object; it is copied before this returns. A file that
        cannot be accepted gets a sentence and hinders no other. `batch_id` (32 hex digits) adds to one's own batch.
        `also` adds to the transaction of the new rows of `documents`. Raises QueueFull and NothingToDo.
        """
        if not 0 < len(files) <= MOST_FILES:
            raise NothingToDo(f"Choose between 1 and {MOST_FILES} files at a time.")
        batch = batch_id or secrets.token_hex(16)
        is_new = self._is_new(batch, uploaded_by) if batch_id else True
        named = begun(partial(_rows.named, files))  # while the disk is written
        with contextlib.ExitStack() as open_files:
            offers = offers_of(files, self.spool, open_files)
            open_files.enter_context(self._accepting)
            self.check_room(sum(offer.file.size for offer in offers), len(offers))
            describe(offers, named())
            _rows.notice_repetitions(offers)
            good = [offer for offer in offers if not offer.refusal]
            make_durable(self.spool, [offer.file for offer in good])
            open_files.enter_context(kept_if_uncertain([offer.file for offer in good]))
            try:
                self._write(batch, is_new, offers, uploaded_by, source, also)
            except Duplicate:  # somebody else uploaded the same, or began the same batch, at this very moment
                _rows.notice_repetitions(offers)
                is_new = self._is_new(batch, uploaded_by)
                self._write(batch, is_new, offers, uploaded_by, source, also)
            good = [offer for offer in offers if not offer.refusal]
            for offer in good:
                offer.file.keep()
        self._figures["accepted"] += len(good)
        self._figures["refused"] += len(offers) - len(good)
        refused = [(offer.name, offer.refusal) for offer in offers if offer.refusal]
        return Accepted(batch, len(good), refused, [offer.row["document_id"] for offer in good])

    def check_room(self, size: int, files: int = 1) -> None:
        """Raises QueueFull where so much more would be too much."""
        self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(self.spool).free - size < self._least_free:
            raise QueueFull(
                "The disk of the portal is nearly full. Nothing was kept; tell whoever looks after it.", 300
            )
        waiting = call_function("waiting_files", read_only=True)
        if waiting["files"] + files > self._most_waiting or waiting["bytes"] + size > self._most_waiting_bytes:
            raise QueueFull("Very many files are waiting to be stored. Nothing was kept; try again in a minute.")

    def incoming(self) -> SpooledFile:
        """An empty file in the spool, for somebody who writes an upload into it as it arrives."""
        return SpooledFile(self.spool, largest=LARGEST_FILE)

    def status(self, batch_id: str, *, after: int = 0, limit: int = 500) -> Row | None:
        """Counts of a batch by state with `total`, `bytes`, `bytes_sent`, `finished`, `cancelled_at`, `created_by`, and
        `files`: a row per file behind the file id `after`. None for a batch that does not exist.
        """
        return _rows.status(batch_id, after, limit)

    def cancel(self, batch_id: str) -> None:
        """Stops what is not done yet: those under way stop at their next block, nothing of them stays."""
        with transaction() as tx:
            tx.update(
                "file_batches", {"cancelled_at": _now()}, filters={"batch_id_eq": batch_id, "cancelled_at_is": None}
            )

    def retry_failed(self, batch_id: str) -> int:
        """Tries the failed files of a batch again, and answers how many."""
        ids, batch = _rows.failed(batch_id, MOST_FILES), _rows.batch(batch_id)
        if not ids or batch is None:
            return 0
        with transaction() as tx:
            tx.update(
                "batch_files",
                {"state": "queued", "error": None, "finished_at": None},
                expect=len(ids),
                filters={"file_id_in": ids, "state_eq": "failed"},
            )
            _ask_for(tx, batch["direction"], batch_id, ids, again=True)
        return len(ids)

    def read(self, document_id: int, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of a document from `start` up to `end`, in blocks, wherever it lies. Raises ContentMissing and
        other StoreErrors before the first block.
        """
        for attempt in (1, 2):
            rows = execute_query(
                "documents", columns="store, store_key, spool_name", limit=1, filters={"document_id_eq": document_id}
            ).data
            if not rows:
                raise ContentMissing("There is no such document.")
            row = rows[0]
            try:
                if row["spool_name"] is not None:
                    return LocalStore(self.spool).read(row["spool_name"], start, end)
                if row["store_key"] is None:
                    raise ContentMissing("The content of this document was not kept.")
                return self.store(row["store"]).read(row["store_key"], start, end)
            except ContentMissing:  # it may have been on its way from the spool to the store, or to the archive
                if attempt == 2:
                    raise
        raise AssertionError("the second attempt answers or raises")

    def picture(self, document_id: int, page: int) -> bytes:
        """A page of a PDF as a JPEG picture, kept for a day. Raises StoreError when it cannot be had or painted."""
        rows = execute_query("documents", columns="sha256", filters={"document_id_eq": document_id}, limit=1).data
        known = self.previews / f"{rows[0]['sha256']}-{page}.jpg" if rows else None
        if known is None or not known.exists():
            with copied(self.read(document_id)) as whole:
                picture = self._inspectors.paint(whole, page)
            if known is not None:
                with written_at_once(known) as file:
                    file.write(picture)
            return picture
        return elsewhere(known.read_bytes)

    def store(self, name: str) -> Store:
        """The store of that name ("local" or "drive"). Raises StoreError where it is not configured."""
        current = settings()
        with self._lock:
            known = self._stores.get(name)
            if known is None or known[0] is not current:
                known = self._stores[name] = (current, self._made(name, current))
        return known[1]

    @property
    def store_name(self) -> str:
        """Where new documents go."""
        return "drive" if settings().uses("drive") else "local"

    @property
    def spool(self) -> Path:
        """The folder of files that wait."""
        return settings().data_dir / "spool"

    @property
    def previews(self) -> Path:
        """The folder of pictures of pages."""
        return settings().data_dir / "previews"

    def problems(self) -> list[str]:
        """What hinders the store of new documents, each with its cure. Asks the store; changes nothing."""
        try:
            return self.store(self.store_name).problems()
        except StoreError as problem:
            return [str(problem)]

    def get_stats(self) -> Row:
        """Figures: of this process since it began, what waits in all processes, the disk, and Drive's connections."""
        folder = next(path for path in (self.spool, *self.spool.resolve().parents) if path.exists())
        try:
            waiting = call_function("waiting_files", read_only=True)
        except DatabaseError as problem:
            waiting = {"files": None, "bytes": None, "problem": type(problem).__name__}
        stats = {
            "store": self.store_name,
            "max_workers": self.max_workers,
            **self._figures,
            "waiting": waiting,
            "disk_free_bytes": shutil.disk_usage(folder).free,
        }
        known = self._stores.get("drive")
        if known is not None and isinstance(known[1], DriveStore):
            stats["drive"] = dict(known[1].client.figures)
        return stats

    def close(self) -> None:
        """Ends what this process has open; the next file opens it again."""
        self._inspectors.close()
        with self._lock:
            stores, self._stores = self._stores, {}
        for _, store in stores.values():
            if isinstance(store, DriveStore):
                store.client.close()

    def bring_to_store(self, file_id: int) -> Row:
        """The task of one file: inspects it, stores it, writes down where. Raises what the task queue understands."""
        work = _rows.claim(file_id, secrets.token_hex(8), self._key_at_hand())
        if work is None or work["state"] not in TO_DO:
            return {"state": work["state"] if work else "gone"}
        if work["cancelled_at"] is not None:
            return self._end(work, "cancelled", "The batch was cancelled.")
        self._figures["working"] += 1
        try:
            return self._bring(work)
        except Stopped:
            return self._end(work, "cancelled", "The batch was cancelled.")
        except StoreError as problem:
            raise self._note_failure(work, problem) from problem
        finally:
            self._figures["working"] -= 1

    def bring_from_store(self, file_id: int) -> Row:
        """The task of one file of a download: a checked copy in DATA_DIR/downloads/<batch>/<document id>."""
        work = _rows.work(file_id)
        if work is None or work["state"] not in TO_DO:
            return {"state": work["state"] if work else "gone"}
        if work["cancelled_at"] is not None:
            return self._finish(work, "cancelled")
        target = self.downloads(work["batch_id"]) / str(work["document_id"])
        try:
            blocks = self.read(work["document_id"])
            with written_at_once(target) as file:
                digest = hashlib.sha256()
                for block in blocks:
                    digest.update(block)
                    elsewhere(partial(file.write, block))
                if digest.hexdigest() != work["sha256"]:
                    raise StoreBusy("What came from the store differs from what was put there.")
        except StoreError as problem:
            raise self._note_failure(work, problem) from problem
        return self._finish(work, "done")

    def bring_to_archive(self, file_id: int) -> Row:
        """The task of one replaced document: moves its content to the archive's folders."""
        work = _rows.work(file_id)
        if work is None or work["state"] not in TO_DO:
            return {"state": work["state"] if work else "gone"}
        try:
            key = self.store(work["store"]).archive(work["store_key"], archive_place(work))
        except StoreError as problem:
            raise self._note_failure(work, problem) from problem
        with transaction() as tx:
            tx.update("documents", {"store_key": key}, filters={"document_id_eq": work["document_id"]}, expect=1)
            done = {"state": "done", "error": None, "finished_at": _now()}
            tx.update("batch_files", done, filters={"file_id_eq": file_id})
        return {"store_key": key}

    def put_into_archive(self, document_id: int) -> str:
        """Moves the content of a document to the archive's folders, and answers its key there. Raises StoreError."""
        row = _rows.stored(document_id)
        if row is None:
            raise ContentMissing("There is no such document.")
        return self.store(row["store"]).archive(row["store_key"], archive_place(row))

    def move_to_drive(self, document_id: int) -> bool:
        """Moves a document from this machine's disk to Google Drive; False where it did not lie here. May be stopped at
        any moment and repeated: its id in Drive is written down first. Raises StoreError.
        """
        row = _rows.stored(document_id)
        if row is None or row["store"] != "local":
            return False
        local, drive, place = self.store("local"), self.store("drive"), document_place(row)
        key = row["moving_key"] or drive.reserve(place, document_id)
        with transaction() as tx:
            tx.update("documents", {"moving_key": key}, filters={"document_id_eq": document_id}, expect=1)
        with copied(local.read(row["store_key"])) as path:
            content = Content(path, row["size"], row["md5"], row["sha256"], row["media_type"], document_id)
            drive.put(key, archive_place(row) if row["state"] == "archived" else place, content, Transfer())
        moved = {"store": "drive", "store_key": key, "moving_key": None}
        with transaction() as tx:
            tx.update("documents", moved, filters={"document_id_eq": document_id, "store_eq": "local"}, expect=1)
        local.remove(row["store_key"])
        return True

    def downloads(self, batch_id: str) -> Path:
        """The folder of a batch's downloads; they are kept for a day."""
        return settings().data_dir / "downloads" / batch_id

    def _is_new(self, batch_id: str, uploaded_by: int | None) -> bool:
        if len(batch_id) != 32 or not set(batch_id) <= set("0123456789abcdef"):
            raise NothingToDo("A batch is named by 32 hexadecimal digits.")
        known = _rows.batch(batch_id)
        if known and (known["created_by"] != uploaded_by or known["cancelled_at"] is not None):
            raise NothingToDo("This batch is closed or somebody else's. Begin a new one.")
        return known is None

    def _write(
        self,
        batch: str,
        is_new: bool,
        offers: list[Offer],
        uploaded_by: int | None,
        source: str,
        also: Callable[[Transaction, list[Row]], None],
    ) -> None:
        good = [offer for offer in offers if not offer.refusal]
        document_ids, file_ids = iter(new_ids("documents", len(good))), new_ids("batch_files", len(offers))
        for offer in good:
            offer.row |= {
                "document_id": next(document_ids),
                "store": self.store_name,
                "source": source,
                "uploaded_by": uploaded_by,
            }
        with transaction() as tx:
            if is_new:
                tx.insert("file_batches", {"batch_id": batch, "direction": "upload", "created_by": uploaded_by})
            tx.insert("documents", [offer.row for offer in good], returning=False)
            tx.insert(
                "batch_files",
                [
                    {
                        "file_id": file_id,
                        "batch_id": batch,
                        "document_id": None if offer.refusal else offer.row["document_id"],
                        "client_id": offer.row.get("client_id"),
                        "file_name": offer.name,
                        "size": offer.file.size,
                        "state": "refused" if offer.refusal else "queued",
                        "error": offer.refusal or None,
                        "finished_at": _now() if offer.refusal else None,
                    }
                    for file_id, offer in zip(file_ids, offers, strict=True)
                ],
                returning=False,
            )
            _ask_for(
                tx,
                "upload",
                batch,
                [file_id for file_id, offer in zip(file_ids, offers, strict=True) if not offer.refusal],
            )
            also(tx, [offer.row for offer in good])

    def _key_at_hand(self) -> str | None:
        """A key for whatever file comes next, where its store has given out more than one; None where it has not."""
        current, known = settings(), self._stores.get("drive")
        if known is None or known[0] is not current or not isinstance(known[1], DriveStore):
            return None
        return known[1].client.id_at_hand()

    def _key(self, work: Row, store: Store, place: Place) -> str:
        """The key under which the file will lie, written down before anything leaves this machine."""
        if work["reserved_key"] is None:
            work["reserved_key"] = store.reserve(place, work["document_id"])
            _rows.change(work["file_id"], {"reserved_key": work["reserved_key"]}, {"claim_eq": work["claim"]})
        return str(work["reserved_key"])

    def _bring(self, work: Row) -> Row:
        spool_path = self.spool / str(work["spool_name"])
        if work["pages"] is None:
            findings = self._findings(spool_path, work["media_type"])
            if findings.refusal:
                return self._end(work, "refused", findings.refusal)
            work |= {"pages": findings.pages or 0, "media_type": findings.media_type}
        store, place = self.store(work["store"]), document_place(work)
        key = self._key(work, store, place)
        content = Content(
            spool_path, work["size"], work["md5"], work["sha256"], work["media_type"], work["document_id"]
        )
        store.put(key, place, content, _rows.transfer(work))
        if work["replaces_id"] is None:
            _rows.finish(work, key)
        else:
            with transaction() as tx:
                _rows.add_finish(tx, work, key)
                _archive(tx, work)
        elsewhere(partial(spool_path.unlink, missing_ok=True))
        self._figures["stored"] += 1
        self._figures["bytes_stored"] += work["size"]
        return {"document_id": work["document_id"], "store": store.name}

    def _findings(self, path: Path, media_type: str) -> Findings:
        """What is in a file. What takes too long is tried again: the machine may be busy. The last attempt decides."""
        try:
            return self._inspectors.inspect(path, media_type)
        except OutOfTime:
            if not _is_last_attempt():
                raise
            return Findings(media_type, refusal=UNREADABLE)

    def _end(self, work: Row, state: str, sentence: str) -> Row:
        """Ends an upload of which nothing is kept."""
        with transaction() as tx:
            tx.update(
                "batch_files",
                {"state": state, "error": sentence, "finished_at": _now(), "session_address": None},
                filters={"file_id_eq": work["file_id"], "claim_eq" if work["claim"] else "claim_is": work["claim"]},
                expect=1,
            )
            if work["direction"] == "upload":
                tx.update(
                    "documents",
                    {"state": "refused", "spool_name": None, "deleted_at": _now()},
                    filters={"document_id_eq": work["document_id"], "state_eq": "waiting"},
                )
        if work["direction"] == "upload" and work["spool_name"]:
            (self.spool / work["spool_name"]).unlink(missing_ok=True)
        self._figures["refused"] += state == "refused"
        return {"state": state, "reason": sentence}

    def _finish(self, work: Row, state: str) -> Row:
        _rows.change(
            work["file_id"], {"state": state, "sent_bytes": work["size"], "finished_at": _now(), "error": None}, {}
        )
        return {"state": state}

    def _note_failure(self, work: Row, problem: StoreError) -> Exception:
        """Writes down what went wrong, and answers what the task queue shall do about it."""
        temporary = isinstance(problem, StoreBusy)
        last = not temporary or _is_last_attempt()
        changes: Row = {"error": str(problem), "state": "failed" if last else "queued"}
        changes["finished_at"] = _now() if last else None
        self._figures["failed"] += last
        if isinstance(problem, KeyUnusable):
            changes |= {"reserved_key": None, "session_address": None}
        with contextlib.suppress(Conflict):  # whoever has the file by now writes its state
            _rows.change(work["file_id"], changes, {"claim_eq": work["claim"]} if work["claim"] else {})
        if temporary:
            return TemporaryFailure(str(problem), retry_after=getattr(problem, "retry_after", None))
        return PermanentFailure(str(problem))

    def _made(self, name: str, current: Settings) -> Store:
        if name == "local":
            return LocalStore(current.data_dir / "documents")
        if current.google_credentials_file is None or current.root_folder_id is None:
            raise StoreError(
                "This document lies in Google Drive, which is not configured any more. Set "
                "GOOGLE_CREDENTIALS_FILE and ROOT_FOLDER_ID again."
            )
        client = DriveClient(
            current.google_credentials_file,
            base_url=current.google_api_base_url,
            connections=self.max_workers,
            pace=_pace,
        )
        return DriveStore(client, current.root_folder_id, FolderRows(execute_query, call_function))


def _ask_for(tx: Transaction, direction: str, batch: str, file_ids: Sequence[int], *, again: bool = False) -> None:
    payloads = [{"file_id": file_id} for file_id in file_ids]
    keys = [f"file:{file_id}" for file_id in file_ids]
    if again:
        drop_dead(tx, keys)
    if direction == "upload":
        enqueue_many(tx, "files.upload", payloads, batch_id=batch, unique_keys=keys)
    elif direction == "download":
        enqueue_many(tx, "files.download", payloads, batch_id=batch, unique_keys=keys)
    else:
        enqueue_many(tx, "files.archive", payloads, batch_id=batch, unique_keys=keys)


def _archive(tx: Transaction, work: Row) -> None:
    """The document that was replaced goes to the archive, now that the new one is safe."""
    old, batch, file_id = work["replaces_id"], secrets.token_hex(16), new_ids("batch_files", 1)[0]
    tx.update(
        "documents",
        {"state": "archived", "replaced_by_id": work["document_id"]},
        filters={"document_id_eq": old, "state_eq": "stored"},
    )
    tx.insert("file_batches", {"batch_id": batch, "direction": "archive"}, returning=False)
    tx.insert(
        "batch_files",
        {
            "file_id": file_id,
            "batch_id": batch,
            "document_id": old,
            "client_id": work["client_id"],
            "file_name": work["file_name"],
        },
        returning=False,
    )
    _ask_for(tx, "archive", batch, [file_id])


def _is_last_attempt() -> bool:
    running = current_task()
    return running is not None and running.attempt >= ATTEMPTS


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _pace(kind: str) -> None:
    """Google takes 3 writes a second from one account in the long run; bursts are forgiven. Chunks are not counted."""
    if kind == "write":
        pace("drive.write", per_second=settings().drive_writes_per_second, burst=60, together=5)
    elif kind == "read":
        pace("drive.read", per_second=20, burst=100, together=5)


batch_file_manager = BatchFileManager()


def upload_multiple_policy_files(
    files: Sequence[Mapping[str, Any]], *, uploaded_by: int | None = None, source: str = "staff"
) -> str:
    """Takes files in as BatchFileManager.accept describes and answers the batch's id once nothing can be lost."""
    return batch_file_manager.accept(files, uploaded_by=uploaded_by, source=source).batch_id


def download_multiple_policy_files(document_ids: Iterable[int], *, created_by: int | None = None) -> str:
    """Fetches documents from their stores into batch_file_manager.downloads(batch id), and answers the id at once."""
    ids = list(dict.fromkeys(document_ids))
    if not 0 < len(ids) <= MOST_FILES:
        raise NothingToDo(f"Choose between 1 and {MOST_FILES} documents at a time.")
    rows = _rows.present(ids)
    if not rows:
        raise NothingToDo("None of these documents is there any more.")
    batch, file_ids = secrets.token_hex(16), new_ids("batch_files", len(rows))
    with transaction() as tx:
        tx.insert("file_batches", {"batch_id": batch, "direction": "download", "created_by": created_by})
        tx.insert(
            "batch_files",
            [
                {
                    "file_id": file_id,
                    "batch_id": batch,
                    "document_id": row["document_id"],
                    "client_id": row["client_id"],
                    "file_name": row["stored_name"],
                    "size": row["size"],
                }
                for file_id, row in zip(file_ids, rows, strict=True)
            ],
            returning=False,
        )
        _ask_for(tx, "download", batch, file_ids)
    return batch


@task("files.upload", priority=2, attempts=ATTEMPTS, lease=LEASE, limit=lambda: batch_file_manager.tasks_at_once)
def bring_file_to_store(file_id: int) -> Row:
    """Stores one accepted file."""
    return batch_file_manager.bring_to_store(file_id)


@task("files.download", priority=2, attempts=ATTEMPTS, lease=LEASE, limit=lambda: batch_file_manager.tasks_at_once)
def bring_file_from_store(file_id: int) -> Row:
    """Fetches one document."""
    return batch_file_manager.bring_from_store(file_id)


@task("files.archive", priority=3, attempts=ATTEMPTS, lease=LEASE, limit=lambda: batch_file_manager.tasks_at_once)
def bring_file_to_archive(file_id: int) -> Row:
    """Moves one replaced document to the archive."""
    return batch_file_manager.bring_to_archive(file_id)


@task("files.sweep", priority=3, attempts=1, lease=LEASE)
def sweep_files() -> Row:
    """Takes care of files that no task takes care of any more, and removes what crashes and downloads left behind."""
    stranded = _rows.stranded(_now() - datetime.timedelta(minutes=10), MOST_FILES)
    with transaction() as tx:
        for row in stranded:
            tx.update("batch_files", {"state": "queued"}, filters={"file_id_eq": row["file_id"], "state_in": OPEN})
            _ask_for(tx, row["direction"], row["batch_id"], [row["file_id"]], again=True)
    ended = call_function("end_deleted_files", {"most": MOST_FILES}, read_only=True)
    named = execute_query("documents", columns="spool_name", filters={"spool_name_not_is": None}).data
    waiting = [row["spool_name"] for row in named]
    folders = (batch_file_manager.spool, settings().data_dir / "downloads", settings().data_dir / "previews")
    removed = elsewhere(lambda: sum(remove_older(folder, LEFT_BEHIND, waiting) for folder in folders))
    return {"asked_again": len(stranded), "ended": ended, "removed": removed}


schedule("files.sweep", every=600)
