"""Making, listing, putting back and clearing away backups.

A backup is a folder named by its moment in UTC: `database.dump`, `documents.json` (what each document's content is and
where it lay) and `manifest.json` (counts and checksums). Contents of documents lie once in `objects/` beside the
backups, under their checksum, so that a night costs what the day added. With a recipient all but the manifest is
encrypted for it (age, https://age-encryption.org/v1); the machine itself then cannot read its backups.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage

from batch_file_operations import LocalStore, StoreError, batch_file_manager, put_back
from database_pool import DumpFailed, call_function, default_pool, execute_query
from portal.errors import Refused
from portal.formats import now

STAMP = "%Y%m%dT%H%M%SZ"
HALF = ".half-"
BLOCK = 1024 * 1024
AT_ONCE = 500
MONTHS_KEPT = 12   # the first backup of each month stays a year
Row = dict[str, Any]


@dataclass(frozen=True)
class Backup:
    """One backup: when, how many rows and documents, bytes of the database's copy, whether it is encrypted."""

    folder: Path
    made_at: datetime
    rows: Mapping[str, int]
    documents: int
    missing: int
    size: int
    encrypted: bool


def make(target: Path, *, recipient: str | None = None) -> Backup:
    """Makes a backup in the folder `target`, while everybody goes on working.

    The database is copied first and the documents it names after it: what comes later is in the next backup. Raises
    DumpFailed, or Refused with a sentence; what was begun is cleared away by the next run.
    """
    reader = _recipient(recipient)
    _clear_halves(target)
    moment = now()
    half = target / f"{HALF}{moment.strftime(STAMP)}"
    half.mkdir(parents=True, mode=0o700)
    dump = half / "database.dump"
    rows = default_pool().dump(dump)
    checksum, size = _digest(dump), dump.stat().st_size
    _encrypt(dump, reader)
    listed = [_keep(row, target / "objects", reader) for row in _documents()]
    _write(half / "documents.json", listed, reader)
    manifest = {
        "made_at": moment.isoformat(), "rows": rows, "migrations": call_function("applied_migrations", read_only=True),
        "database": {"sha256": checksum, "bytes": size}, "documents": len(listed), "encrypted": reader is not None,
        "missing": sum(row["missing"] for row in listed),
    }  # fmt: skip
    _write(half / "manifest.json", manifest, None)
    finished = target / moment.strftime(STAMP)
    os.rename(half, finished)
    return _read(finished)


def backups(target: Path) -> list[Backup]:
    """The finished backups in a folder, the latest first."""
    found = []
    for manifest in target.glob("*/manifest.json"):
        if not manifest.parent.name.startswith("."):
            with contextlib.suppress(OSError, ValueError, KeyError):
                found.append(_read(manifest.parent))
    return sorted(found, key=lambda backup: backup.made_at, reverse=True)


def prune(target: Path, *, days: int) -> list[Path]:
    """Removes backups older than `days`, and the contents that none of the others names; answers what is gone.

    The latest backup stays however old it is, and so does the first one of each of the last twelve months.
    """
    known = backups(target)
    kept = {backup.folder for backup in known[:1]} | _firsts_of_months(known)
    gone = [backup.folder for backup in known
            if backup.folder not in kept and backup.made_at < now() - timedelta(days=days)]
    for folder in gone:
        shutil.rmtree(folder)
    if gone and not any(backup.encrypted for backup in known):
        _remove_unnamed(target)
    elif gone:
        _remove_older(target, min(backup.made_at for backup in backups(target)))
    return gone


def restore(source: Path, *, identity: str | None = None) -> Backup:
    """Puts a backup back into the configured, empty database and the configured folders, and compares what is there.

    `identity` is the secret key (AGE-SECRET-KEY-1...) of an encrypted one. Raises DumpFailed or Refused: for a database
    in use, a wrong key, a damaged file, or counts that differ.
    """
    backup = _read(source)
    key = _identity(identity) if backup.encrypted else None
    described = json.loads((source / "manifest.json").read_text())
    with tempfile.TemporaryDirectory(prefix="portal-restore-") as folder:
        dump = _plain(source / "database.dump", key, Path(folder))
        if _digest(dump) != described["database"]["sha256"]:
            raise Refused(f"{source.name} is damaged: the checksum of its database differs. Take another backup.")
        rows = default_pool().restore(dump)
        if rows != backup.rows:
            differing = {name for name, count in (*rows.items(), *backup.rows.items())
                         if rows.get(name) != count or backup.rows.get(name) != count}
            raise DumpFailed(f"the restored database differs from the backup in: {', '.join(sorted(differing))}")
        listed = json.loads(_plain(source / "documents.json", key, Path(folder)).read_text())
        for row in listed:
            if not row["missing"] and row["store"] == "local":
                _put_back(row, source.parent / "objects", key, Path(folder))
    return backup


def new_key() -> tuple[str, str]:
    """A new key pair for encrypted backups: the recipient and the secret identity."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity.to_public()), str(identity)


def _documents() -> Iterator[Row]:
    columns = "document_id, store, store_key, spool_name, sha256, size"
    after = 0
    while True:
        found = execute_query("documents", columns=columns, order="document_id", limit=AT_ONCE,
                              filters={"document_id_gt": after, "state_in": ["waiting", "stored", "archived"]}).data
        yield from found
        if len(found) < AT_ONCE:
            return
        after = found[-1]["document_id"]


def _keep(row: Row, objects: Path, reader: pyrage.x25519.Recipient | None) -> Row:
    """Puts a document's content among the objects if it is not there yet. Drive's documents stay in Drive."""
    kept = {**row, "missing": False}
    target = _object(objects, row["sha256"], encrypted=reader is not None)
    if (row["store"] != "local" and row["spool_name"] is None) or target.exists():
        if target.exists():
            target.touch()
        return kept
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = target.with_name(f"{HALF}{row['sha256']}")
    digest = hashlib.sha256()
    try:
        with half.open("wb") as file:
            for block in batch_file_manager.read(row["document_id"]):
                digest.update(block)
                file.write(block)
            os.fsync(file.fileno())
    except StoreError:
        half.unlink(missing_ok=True)
        return {**kept, "missing": True}
    if digest.hexdigest() != row["sha256"]:
        half.unlink()
        return {**kept, "missing": True}
    _encrypt(half, reader)
    os.replace(half, target)
    return kept


def _put_back(row: Row, objects: Path, key: pyrage.x25519.Identity | None, folder: Path) -> None:
    stored = _object(objects, row["sha256"], encrypted=key is not None)
    if not stored.exists():
        raise Refused(f"The content of document {row['document_id']} is not in {objects}. Copy that folder too.")
    content = _plain(stored, key, folder)
    if _digest(content) != row["sha256"]:
        raise Refused(f"The content of document {row['document_id']} is damaged: its checksum differs.")
    waits = row["spool_name"] is not None
    put_back(LocalStore(batch_file_manager.spool) if waits else batch_file_manager.store("local"), row, content)
    if content.parent == folder:
        content.unlink()


def _object(objects: Path, sha256: str, *, encrypted: bool) -> Path:
    return objects / sha256[:2] / f"{sha256}{'.age' if encrypted else ''}"


def _write(path: Path, value: object, reader: pyrage.x25519.Recipient | None) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    _encrypt(path, reader)


def _encrypt(path: Path, reader: pyrage.x25519.Recipient | None) -> None:
    if reader is not None:
        secret = path.with_name(f"{path.name}.secret")
        pyrage.encrypt_file(str(path), str(secret), [reader])
        os.replace(secret, path)


def _plain(path: Path, key: pyrage.x25519.Identity | None, folder: Path) -> Path:
    if key is None:
        return path
    plain = folder / path.name
    try:
        pyrage.decrypt_file(str(path), str(plain), [key])
    except pyrage.DecryptError as problem:
        raise Refused("This key does not open the backup. Use the one that belongs to its recipient.") from problem
    return plain


def _recipient(text: str | None) -> pyrage.x25519.Recipient | None:
    return pyrage.x25519.Recipient.from_str(text) if text else None


def _identity(text: str | None) -> pyrage.x25519.Identity:
    if not text:
        raise Refused("This backup is encrypted: name the file with its secret key (--identity FILE).")
    keys = [line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
    try:
        return pyrage.x25519.Identity.from_str(keys[0])
    except (IndexError, pyrage.IdentityError) as problem:
        raise Refused("The key file holds no line AGE-SECRET-KEY-1...") from problem


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> Backup:
    try:
        found = json.loads((folder / "manifest.json").read_text())
    except OSError as problem:
        raise Refused(f"{folder} is no backup: it has no manifest.json.") from problem
    return Backup(
        folder=folder, made_at=datetime.fromisoformat(found["made_at"]), rows=found["rows"],
        documents=found["documents"], missing=found["missing"], size=found["database"]["bytes"],
        encrypted=found["encrypted"],
    )  # fmt: skip


def _clear_halves(target: Path) -> None:
    for half in target.glob(f"{HALF}*"):
        shutil.rmtree(half, ignore_errors=True)


def _firsts_of_months(known: list[Backup]) -> set[Path]:
    firsts: dict[date, Path] = {}
    for backup in known:   # the latest first, so that the earliest of a month is what remains
        firsts[backup.made_at.date().replace(day=1)] = backup.folder
    return {firsts[month] for month in sorted(firsts, reverse=True)[:MONTHS_KEPT]}


def _remove_unnamed(target: Path) -> None:
    named = {row["sha256"] for backup in backups(target)
             for row in json.loads((backup.folder / "documents.json").read_text())}
    for content in (target / "objects").glob("*/*"):
        if content.name not in named and content.stat().st_mtime < now().timestamp() - 3600:
            content.unlink()


def _remove_older(target: Path, oldest: datetime) -> None:
    """Encrypted lists cannot be read here; each backup touches the contents it names, so older ones are nobody's."""
    for content in (target / "objects").glob("*/*"):
        if datetime.fromtimestamp(content.stat().st_mtime, UTC) < oldest - timedelta(hours=1):
            content.unlink()
