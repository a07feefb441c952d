"""What is really in a file: its kind by its first bytes, and whether all of it may be kept.

Whole files are read by processes of their own with little memory and little time, because what strangers send may be
made to break readers: `Inspectors` asks them, `python -m infrastructure.file_inspection DESCRIPTOR` is one.
"""

import base64
import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
from PIL import Image

from infrastructure.stores import StoreBusy, StoreError

ROOT = Path(__file__).resolve().parents[1]
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ENDINGS = {
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    DOCX: ".docx",
    XLSX: ".xlsx",
}
KINDS = "PDF, JPEG, PNG, WebP, Word (.docx) and Excel (.xlsx)"
MOST_PAGES = 2000
MOST_PIXELS = 64_000_000
MOST_ENTRIES = 2000
MOST_UNPACKED = 200 * 1024 * 1024  # bytes
MOST_RATIO = 100  # how much larger than packed, above a MiB
LONGEST = 30.0  # seconds for one file
MEMORY = 1024 * 1024 * 1024  # bytes of address space of an inspector
AT_ONCE = 2
YIELDS_BY = 10  # nice level: on a busy machine an inspector still has a tenth of a processor
PICTURE_WIDTH = 1000  # points
ACTIVE = re.compile(rb"/(JS|JavaScript|Launch|EmbeddedFiles|EF)\b")
PROGRAMS = re.compile(r"vbaproject|activex/|\.(exe|dll|js|vbs|cmd|bat|ps1|jar)$", re.IGNORECASE)
UNREADABLE = "This file cannot be read within the limits of memory and time. Print it to a new PDF and upload that."


@dataclass(frozen=True)
class Findings:
    """What a file is, how many pages it has (None where that means nothing), or why it may not be kept."""

    media_type: str
    pages: int | None = None
    refusal: str = ""


class Refusal(StoreError):
    """The file may not be kept; the text says why and what to do."""


class OutOfTime(StoreBusy):
    """The file was not read in time: it asks for too much, or the machine is busy."""


class _Died(Exception):
    """An inspector ended before it answered."""


def sniffed(head: bytes, file_name: str) -> str:
    """The media type that the first bytes speak of, "" for what is not taken. The name alone proves nothing."""
    if b"%PDF-" in head:  # some writers put a few bytes before it
        return "application/pdf"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"PK\x03\x04"):
        return XLSX if file_name.lower().endswith(".xlsx") else DOCX
    return ""


def inspect(path: Path, media_type: str) -> Findings:
    """Reads a whole file. Only for a process that may die of it."""
    try:
        if media_type == "application/pdf":
            return Findings(media_type, _pages_of_pdf(path))
        if media_type.startswith("image/"):
            _check_image(path)
            return Findings(media_type, 1)
        return Findings(_office_type(path))
    except Refusal as refusal:
        return Findings(media_type, refusal=str(refusal))
    except MemoryError:
        return Findings(
            media_type,
            refusal="It needs far more memory than a document of this kind should. "
            "Print it to a new PDF and upload that.",
        )


def painted(path: Path, page: int) -> bytes:
    """A page of a PDF (1 is the first) as a JPEG picture. Only for a process that may die of it."""
    document = pypdfium2.PdfDocument(path)
    if not 1 <= page <= len(document):
        raise Refusal("The document has no such page.")
    sheet = document[page - 1]
    scale = min(PICTURE_WIDTH / max(sheet.get_width(), 1), PICTURE_WIDTH * 2 / max(sheet.get_height(), 1))
    out = io.BytesIO()
    sheet.render(scale=scale).to_pil().convert("RGB").save(out, "JPEG", quality=82)
    return out.getvalue()


def _pages_of_pdf(path: Path) -> int:
    try:
        with pikepdf.open(path) as pdf:
            if pdf.is_encrypted:
                raise Refusal("This PDF is protected. Save it without protection and upload that.")
            pages = len(pdf.pages)
            if pages == 0:
                raise Refusal("This PDF has no pages. Ask the sender for it again.")
            if pages > MOST_PAGES:
                raise Refusal(f"This PDF has {pages} pages; the portal keeps up to {MOST_PAGES}. Split it.")
            _refuse_active_content(pdf)
            return pages
    except pikepdf.PasswordError:
        raise Refusal("This PDF is locked with a password. Save it without one and upload that.") from None
    except (pikepdf.PdfError, ValueError, RecursionError, RuntimeError):
        raise Refusal("This PDF is damaged and cannot be opened. Ask the sender for it again.") from None


def _refuse_active_content(pdf: pikepdf.Pdf) -> None:
    """What a PDF can do beside being read: run a script, start a program, carry other files.

    It is refused and not cleaned: cleaning would break the insurer's signature on a policy.
    """
    for thing in pdf.objects:
        if isinstance(thing, pikepdf.Stream):
            thing = thing.stream_dict  # noqa: PLW2901 - of a stream its dictionary
        if ACTIVE.search(
            thing.unparse(resolved=True)
        ):  # a look at the text is quick; the words may also stand in somebody's title
            _refuse_actions(thing)


def _refuse_actions(thing: pikepdf.Object) -> None:
    waiting: list[Any] = [thing]
    while waiting:
        part = waiting.pop()
        if isinstance(part, pikepdf.Array):
            waiting += [inner for inner in part if not getattr(inner, "is_indirect", False)]
        if not isinstance(part, pikepdf.Dictionary):
            continue
        keys, action = set(part.keys()), part.get("/S")
        if keys & {"/JS", "/JavaScript"} or action == "/JavaScript":
            raise Refusal("This PDF contains a program (JavaScript). Print it to a new PDF and upload that.")
        if action == "/Launch":
            raise Refusal("This PDF starts other programs. Print it to a new PDF and upload that.")
        if keys & {"/EmbeddedFiles", "/EF"}:
            raise Refusal("This PDF carries other files inside it. Upload those one by one.")
        waiting += [inner for inner in part.values() if not getattr(inner, "is_indirect", False)]


def _check_image(path: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Refusal(
                        f"This picture has {image.width} x {image.height} points, more than the portal "
                        "keeps. Make it smaller and upload it again."
                    )
                image.draft("RGB", (1024, 1024))  # a JPEG is then read at an eighth of its size
                image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refusal("This picture is damaged or not a picture. Take or scan it again.") from None


def _office_type(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            unpacked = sum(entry.file_size for entry in entries)
            packed = max(1, sum(entry.compress_size for entry in entries))
            if (
                len(entries) > MOST_ENTRIES
                or unpacked > MOST_UNPACKED
                or (unpacked > 1024 * 1024 and unpacked / packed > MOST_RATIO)
            ):
                raise Refusal("This file unpacks to far more than a document holds. Print it to PDF and upload that.")
            if any(entry.flag_bits & 1 for entry in entries):
                raise Refusal("This file is locked with a password. Save it without one and upload that.")
            if any(PROGRAMS.search(name) for name in names):
                raise Refusal("This file contains macros or programs. Save it without them and upload that.")
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise Refusal("This file is damaged and cannot be opened. Ask the sender for it again.") from None
    if "[Content_Types].xml" in names and "word/document.xml" in names:
        return DOCX
    if "[Content_Types].xml" in names and "xl/workbook.xml" in names:
        return XLSX
    raise Refusal(f"This is a ZIP file. The portal keeps {KINDS}: unpack it and upload what is inside.")


class Inspectors:
    """A few processes that read files for this one; each is started at its first file and again after it died."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._idle: list[_Inspector] = []
        self._process = os.getpid()

    def inspect(self, path: Path, media_type: str) -> Findings:
        """The findings about a file; one that inspectors die of is refused. Raises OutOfTime and StoreBusy."""
        if os.name == "nt":  # no limits there, and one office's own machine
            return inspect(path, media_type)
        try:
            return Findings(**self._ask({"path": str(path), "media_type": media_type}))
        except _Died:
            return Findings(media_type, refusal=UNREADABLE)

    def paint(self, path: Path, page: int) -> bytes:
        """A page of a PDF as a JPEG picture. Raises Refusal, OutOfTime and StoreBusy."""
        if os.name == "nt":
            return painted(path, page)
        try:
            answer = self._ask({"path": str(path), "page": page})
        except _Died:
            raise Refusal("The page cannot be painted within the limits of memory.") from None
        if answer.get("refusal"):
            raise Refusal(answer["refusal"])
        return base64.b64decode(answer["picture"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """What an inspector answers. One that had waited may have been killed long before, for want of memory: the file
        is to blame only when a fresh one dies of it too.
        """
        with self._free:
            try:
                return self._answer_of(self._take(), question)
            except _Died:
                return self._answer_of(_fresh_inspector(), question)

    def _answer_of(self, inspector: "_Inspector", question: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = inspector.ask(question)
        except BaseException:
            inspector.end()  # its answer would go to whoever asks next
            raise
        with self._lock:
            self._idle.append(inspector)
        return answer

    def close(self) -> None:
        """Ends the processes; the next file starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for inspector in idle:
            inspector.end()

    def _take(self) -> "_Inspector":
        with self._lock:
            if self._process != os.getpid():  # sockets of the process that forked us
                self._idle, self._process = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return _fresh_inspector()


def _fresh_inspector() -> "_Inspector":
    """One that has begun. Raises StoreBusy where the machine has no room for it, which is no file's fault."""
    try:
        return _Inspector()
    except OSError as problem:
        raise StoreBusy("This machine is too busy to look into files at the moment.") from problem


class _Inspector:
    """One process, spoken to over a socket: it ends by itself when we do, and not by Ctrl-C, which a task outlives."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(LONGEST)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._child: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", __name__, str(theirs.fileno())],
                    cwd=ROOT,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
                    start_new_session=True,
                )
            with contextlib.suppress(OSError):  # where it died at once: it does not greet
                os.setpriority(os.PRIO_PROCESS, self._child.pid, YIELDS_BY)  # pages come first
            if not self._lines.readline():
                raise ChildProcessError("an inspector ended before it began")
        except BaseException:
            self.end()
            raise

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises OutOfTime and _Died."""
        try:
            self._socket.sendall(json.dumps(question).encode() + b"\n")
            answer: dict[str, Any] = json.loads(self._lines.readline())
        except TimeoutError as problem:
            raise OutOfTime(f"This file was not read within {LONGEST:.0f} seconds.") from problem
        except (OSError, ValueError) as problem:
            raise _Died from problem
        return answer

    def end(self) -> None:
        self._lines.close()
        self._socket.close()
        if self._child is not None:
            with contextlib.suppress(OSError):
                self._child.kill()
            self._child.wait()


def _serve(descriptor: int) -> None:
    """Answers questions until the one who asks has gone."""
    _limit_ourselves()
    os.set_blocking(descriptor, True)  # gevent's sockets do not block, and a pause would look like the end
    with socket.socket(fileno=descriptor) as asked, asked.makefile("r", encoding="utf-8") as lines:
        asked.sendall(b"{}\n")  # the greeting
        for line in lines:
            asked.sendall(json.dumps(_answer(json.loads(line))).encode() + b"\n")


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    path = Path(question["path"])
    if "page" not in question:
        return dict(inspect(path, question["media_type"]).__dict__)
    try:
        return {"picture": base64.b64encode(painted(path, question["page"])).decode()}
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    except (pypdfium2.PdfiumError, MemoryError, OSError, ValueError):
        return {"refusal": "The page cannot be painted."}


def _limit_ourselves() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
