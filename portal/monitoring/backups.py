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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage

from batch_file_operations import LocalStore, StoreError, batch_file_manager, put_back
from database_pool import call_function, default_pool, execute_query, migrate
from portal.errors import Refused
from portal.formats import now

STAMP = "%Y%m%dT%H%M%SZ"
HALF = ".half-"
BLOCK = 1024 * 1024
AT_ONCE = 500
SHOWN = 20   # documents that a sentence names
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


@dataclass(frozen=True)
class Restored:
    """What was put back, the newer migrations applied to it, and a sentence for each thing that was not as it was."""

    backup: Backup
    migrations: list[str]
    problems: list[str]


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


def restore(
    source: Path, *, identity: str | None = None, incomplete: bool = False, held: Callable[[], None] = lambda: None
) -> Restored:
    """Puts a backup back into the configured, empty database and the configured folders, and compares what is there.

    `identity` is the secret key (AGE-SECRET-KEY-1...) of an encrypted one. Raises DumpFailed or Refused, and leaves an
    empty database empty: for one in use, a wrong key, a damaged copy, or contents of documents that are not beside it,
    unless it may be `incomplete`. Then it calls `held`, once the database is there and before the long part, goes to
    its end and tells the `problems` that it met.
    """
    backup = _read(source)
    key = _identity(identity) if backup.encrypted else None
    described, objects = json.loads((source / "manifest.json").read_text()), source.parent / "objects"
    with tempfile.TemporaryDirectory(prefix="portal-restore-") as folder:
        listed = json.loads(_plain(source / "documents.json", key, Path(folder)).read_text())
        wanted = [row for row in listed if _belongs_here(row) and not row["missing"]]
        if not incomplete:
            _check_contents(wanted, objects, key)
        dump = _plain(source / "database.dump", key, Path(folder))
        if _digest(dump) != described["database"]["sha256"]:
            raise Refused(f"{source.name} is damaged: the checksum of its database differs. Take another backup.")
        rows = default_pool().restore(dump)
        migrations = migrate()
        held()
        problems = _differing(rows, backup.rows)
        for row in wanted:
            try:
                _put_back(row, objects, key, Path(folder))
            except (Refused, StoreError, OSError) as problem:
                problems.append(f"Document {row['document_id']}: {problem}")
    return Restored(backup, migrations, problems)


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
    if not _belongs_here(row) or target.exists():
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


def _belongs_here(row: Row) -> bool:
    """Whether a document's content lies on this machine: stored here, or on its way to Drive."""
    return bool(row["store"] == "local" or row["spool_name"] is not None)


def _check_contents(wanted: list[Row], objects: Path, key: pyrage.x25519.Identity | None) -> None:
    """Raises Refused with the documents whose contents are not there, or were cut short."""
    lacking = []
    for row in wanted:
        stored = _object(objects, row["sha256"], encrypted=key is not None)
        if not stored.is_file() or stored.stat().st_size < row["size"]:   # encrypted they are a little longer
            lacking.append(str(row["document_id"]))
    if lacking:
        named = ", ".join(lacking[:SHOWN]) + (" ..." if len(lacking) > SHOWN else "")
        raise Refused(f"The contents of {len(lacking)} documents are not whole in {objects}: {named}. Copy that folder "
                      "too, or restore what there is with --incomplete. Nothing has been changed.")


def _differing(rows: Mapping[str, int], expected: Mapping[str, int]) -> list[str]:
    differing = [name for name in sorted({*rows, *expected}) if rows.get(name) != expected.get(name)]
    return [f"Table {name}: {rows.get(name)} rows, in the backup {expected.get(name)}." for name in differing]


def _put_back(row: Row, objects: Path, key: pyrage.x25519.Identity | None, folder: Path) -> None:
    stored = _object(objects, row["sha256"], encrypted=key is not None)
    if not stored.exists():
        raise Refused(f"its content is not in {objects}.")
    try:
        content = _plain(stored, key, folder)
    except (Refused, OSError) as problem:   # the key has opened the list of documents, so it is the right one
        raise Refused("its content cannot be decrypted: it is damaged, or the disk is full.") from problem
    if _digest(content) != row["sha256"]:
        raise Refused("its content is damaged: the checksum differs.")
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
