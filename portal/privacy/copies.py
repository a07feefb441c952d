"""Copies of a person's data: a ZIP with one JSON file and the documents, encrypted on the disk, for a day.

The plain ZIP is there only while it is written or sent. Its key lies sealed in the row of the request: the file alone
opens for nobody.
"""

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage

import config
from portal.clients import queries as clients
from portal.documents import service as documents
from portal.errors import Refused
from portal.formats import now
from portal.privacy import queries

Row = dict[str, Any]
PURPOSE = "copy of a person's data"
BLOCK = 256 * 1024
LONGEST_NAME = 80


def write(request_id: int, client_id: str) -> tuple[int, str]:
    """Writes the copy of a client's data; answers its size in bytes and the key that opens it."""
    folder = _folder()
    identity = pyrage.x25519.Identity.generate()
    with tempfile.TemporaryDirectory(prefix=".half-", dir=folder) as place:
        plain, sealed = Path(place) / "copy.zip", Path(place) / "copy.zip.age"
        _write_zip(plain, client_id)
        size = plain.stat().st_size
        pyrage.encrypt_file(str(plain), str(sealed), [identity.to_public()])
        os.replace(sealed, _file(request_id))
    return size, str(identity)


def read(request_id: int, key: str) -> Iterator[bytes]:
    """The copy in blocks. Raises Refused when it does not lie on this machine (any more)."""
    if not _file(request_id).exists():
        raise Refused("This copy is not on this machine any more. Ask for a new one.")
    with tempfile.TemporaryFile(dir=_folder()) as plain:
        with _file(request_id).open("rb") as sealed:
            pyrage.decrypt_io(sealed, plain, [pyrage.x25519.Identity.from_str(key)])
        plain.seek(0)
        while block := plain.read(BLOCK):
            yield block


def remove(request_id: int) -> None:
    """Deletes a copy; one that is gone already is no fault."""
    _file(request_id).unlink(missing_ok=True)


def name_of(document: Row) -> str:
    """A name inside the archive that leads nowhere else, whatever the file was called."""
    name = "".join(letter if letter.isalnum() or letter in " -_." else "_" for letter in document["file_name"])
    return f"documents/{document['document_id']} {name.strip('. ')[-LONGEST_NAME:]}"


def _write_zip(target: Path, client_id: str) -> None:
    client = clients.client(client_id)
    known: Row = {
        "made_at": now(), "about": "Everything this office knows about the person, except the commission it earns.",
        "shared_with": "The insurers named in the policies, and the providers of telephone and e-mail messages.",
        "client": client, "members": clients.members_of(client_id), **queries.everything_about(client_id),
    }
    missing = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for document in known["documents"]:
            if document["state"] in ("waiting", "stored", "archived"):
                try:
                    content = documents.open_content(document["document_id"])
                    with archive.open(name_of(document), "w") as file:
                        for block in content:
                            file.write(block)
                except Refused:
                    missing.append(document["document_id"])
        text = json.dumps({**known, "documents_not_readable": missing}, default=str, ensure_ascii=False, indent=1)
        archive.writestr("data.json", text)
    os.chmod(target, 0o600)


def _file(request_id: int) -> Path:
    return _folder() / f"{request_id}.zip.age"


def _folder() -> Path:
    folder = config.settings().data_dir / "copies"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
