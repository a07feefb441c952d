"""Whether a file may come in, and what its document's row then says."""

import contextlib
import datetime
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infrastructure.file_inspection import ENDINGS, KINDS, sniffed
from infrastructure.file_names import shown_name, stored_name
from infrastructure.spool import SpooledFile, spooled

Row = dict[str, Any]
LARGEST_FILE = 50 * 1024 * 1024  # bytes


class QueueFull(Exception):
    """There is no room for more at the moment: nothing was kept. `retry_after` is in seconds."""

    def __init__(self, sentence: str, retry_after: int = 30) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class NothingToDo(Exception):
    """The call names no file, too many, or somebody else's batch."""


@dataclass(frozen=True)
class Accepted:
    """What became of a batch: `files` are accepted; `refused` are (file name, sentence)."""

    batch_id: str
    files: int
    refused: list[tuple[str, str]]
    document_ids: list[int]


@dataclass
class Offer:
    """One file on its way in. `refusal` is why it is not accepted, "" while nothing speaks against it."""

    wanted: Mapping[str, Any]
    file: SpooledFile
    name: str
    media_type: str = ""
    refusal: str = ""
    row: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """The records that the files of one call name, by their ids; of members all that their clients have."""

    clients: Mapping[str, Row]
    members: Sequence[Row]
    policies: Mapping[int, Row]
    kinds: Mapping[str, Row]


def offers_of(
    files: Sequence[Mapping[str, Any]], spool: Path, open_files: contextlib.ExitStack
) -> list[Offer]:
    """Each file in the spool, with what its size and its first bytes say against it. `open_files` closes them."""
    opened = [_opened(wanted, open_files) for wanted in files]
    to_copy = [stream for _, stream in opened if not isinstance(stream, SpooledFile)]
    copies = iter(spooled(spool, to_copy, largest=LARGEST_FILE))
    offers = []
    for wanted, (name, stream) in zip(files, opened, strict=True):
        file = stream if isinstance(stream, SpooledFile) else next(copies)
        open_files.callback(file.close)
        offers.append(offered(wanted, file, name))
    return offers


def _opened(wanted: Mapping[str, Any], open_files: contextlib.ExitStack) -> tuple[str, Any]:
    """The name and the stream of a file, in whatever shape it came."""
    source = wanted["file"]
    stream = getattr(source, "stream", source)  # werkzeug's FileStorage keeps the file in `stream`
    given = wanted.get("file_name") or getattr(source, "filename", None) or getattr(source, "name", None)
    if isinstance(stream, str | os.PathLike):
        given = given or os.fspath(stream)
        stream = open_files.enter_context(Path(stream).open("rb"))  # noqa: SIM115 - closed by the stack
    if isinstance(stream, bytes | bytearray | memoryview):
        stream = io.BytesIO(stream)
    return str(given or "document"), stream


def offered(wanted: Mapping[str, Any], file: SpooledFile, called: str) -> Offer:
    """The offer of a file, refused where its size or its first bytes say so."""
    name = shown_name(called)
    offer = Offer(wanted, file, name, sniffed(file.head, name))
    if file.size == 0:
        offer.refusal = "This file is empty. Choose it again, or ask the sender for it."
    elif file.size > LARGEST_FILE:
        offer.refusal = (
            f"This file has {file.size / 1024**2:.0f} MB; the largest possible is "
            f"{LARGEST_FILE // 1024**2} MB. Make it smaller or split it."
        )
    elif not offer.media_type:
        offer.refusal = f"This is no document, whatever its name says. The portal keeps {KINDS}."
    return offer


def describe(offers: Iterable[Offer], named: Named) -> None:
    """Gives each offer the row of its document, or the reason why there is none."""
    for offer in offers:
        if not offer.refusal:
            _describe(offer, named)


def _describe(offer: Offer, named: Named) -> None:
    wanted = offer.wanted
    client = named.clients.get(str(wanted.get("client_id") or "").strip().upper())
    policy = named.policies.get(int(wanted["policy_id"])) if wanted.get("policy_id") else None
    kind = named.kinds.get(wanted.get("kind") or "other")
    if client is None:
        offer.refusal = f"There is no client {str(wanted.get('client_id'))[:40]!r}. Check the client's id."
    elif wanted.get("policy_id") and (policy is None or policy["client_id"] != client["client_id"]):
        offer.refusal = f"{client['name']} has no such policy. Choose the policy again."
    elif kind is None:
        offer.refusal = "This type of document does not exist. Choose one of the list."
    else:
        member = _member(wanted, [row for row in named.members if row["client_id"] == client["client_id"]], policy)
        if isinstance(member, str):
            offer.refusal = f"{client['name']} has no member {member!r}. Add the member first, or choose another."
        else:
            offer.row = _row(offer, client, member, kind)


def _member(wanted: Mapping[str, Any], members: list[Row], policy: Row | None) -> Row | str | None:
    """The member meant; the name asked for where there is none of it."""
    name = " ".join(str(wanted.get("member_name") or "").split())
    number = wanted.get("member_id") or (policy or {}).get("member_id") if not name else None
    if not name and not number:
        return None
    found = [row for row in members if row["member_id"] == number or row["name"].casefold() == name.casefold()]
    return found[0] if found else name[:80] or str(number)


def _row(offer: Offer, client: Row, member: Row | None, kind: Row) -> Row:
    called = member["name"] if member else None
    ending = ENDINGS[offer.media_type]
    return {
        "client_id": client["client_id"], "member_id": member["member_id"] if member else None,
        "policy_id": int(offer.wanted["policy_id"]) if offer.wanted.get("policy_id") else None,
        "claim_number": offer.wanted.get("claim_number") or None, "kind": kind["key"],
        "title": offer.wanted.get("title") or "", "file_name": offer.name,
        "stored_name": stored_name(client["name"], called, offer.name, ending), "size": offer.file.size,
        "sha256": offer.file.sha256, "md5": offer.file.md5, "media_type": offer.media_type,
        "spool_name": offer.file.name, "replaces_id": offer.wanted.get("replaces_id"),
        "retention_until": _years_from_now(kind["retention_years"]),
    }  # fmt: skip


def same_record(row: Row) -> tuple[Any, ...]:
    """What two documents that are one have in common."""
    return row["client_id"], row["policy_id"], row["claim_number"], row["sha256"]


def _years_from_now(years: int) -> datetime.date:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=round(365.25 * years))).date()
