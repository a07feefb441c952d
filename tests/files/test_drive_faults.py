"""Everything that Drive and the line to it can do wrong: the document is there once, or a sentence says why not."""

import contextlib
import hashlib
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infrastructure.drive_store import KnownFolder
from infrastructure.stores import ContentMissing, KeyUnusable, Place, StoreBusy, StoreRefuses, Transfer
from tests.files.conftest import Folders, drive_store
from tests.servers.drive import MY_DRIVE

PLACE = Place(("Rohan Mehta RM01", "Kavita"), "Rohan Mehta - Kavita - policy.pdf")
SMALL, LARGE = b"small document\r", bytes(range(256)) * 4096 * 3 + b"\r"
UPLOAD = "upload/drive/v3/files$"
# Of a small file one request goes up, of a large one the start of a session and its chunks.
FAULTS: dict[str, dict[str, Any]] = {
    "lost answer": {"action": "reset_after", "method": "POST", "path": UPLOAD},
    "lost answer of the last chunk": {"action": "reset_after", "method": "PUT", "path": UPLOAD, "skip": 3},
    "reset": {"action": "reset", "method": "POST", "path": UPLOAD},
    "reset of a chunk": {"action": "reset", "method": "PUT", "path": UPLOAD, "skip": 1},
    "cut in the middle of a chunk": {
        "action": "mid_body",
        "bytes": 300_000,
        "method": "PUT",
        "path": UPLOAD,
        "skip": 1,
    },
    "429": {"action": "status", "status": 429, "reason": "rateLimitExceeded", "path": UPLOAD},
    "403 rate": {"action": "status", "status": 403, "reason": "userRateLimitExceeded", "path": UPLOAD},
    "500": {"action": "status", "status": 500, "path": UPLOAD},
    "503 of a chunk": {"action": "status", "status": 503, "method": "PUT", "path": UPLOAD, "skip": 2},
    "502 page": {"action": "status", "status": 502, "raw": "<html>Bad gateway</html>", "path": UPLOAD},
    "early status": {"action": "early_status", "status": 503, "path": UPLOAD},
    "lost answer of a folder": {"action": "reset_after", "method": "POST", "path": "/drive/v3/files$"},
    "500 for ids": {"action": "status", "status": 500, "path": "generateIds"},
    "401": {"action": "status", "status": 401, "reason": "authError", "path": UPLOAD},
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Pauses are as many as ever, and short."""
    monkeypatch.setattr("infrastructure.drive_client.FIRST_PAUSE", 0.02)
    monkeypatch.setattr("infrastructure.drive_store.CHUNK_PAUSE", 0.02)


def put_until_there(store, content, place=PLACE, attempts=4):
    """What the task does: the same key and session until it is there, a new key where it must be."""
    key, transfer = store.reserve(place, content.number), Transfer()
    for _ in range(attempts):
        with contextlib.suppress(StoreBusy):
            try:
                store.put(key, place, content, transfer)
                return key
            except KeyUnusable:
                key, transfer = store.reserve(place, content.number), Transfer()
    raise AssertionError("not stored")


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_neither_loses_nor_doubles(drive, content_of, fault, data):
    drive.fail(**FAULTS[fault])
    put_until_there(drive_store(drive), content_of(data))
    assert [file["md5Checksum"] for file in drive.files()] == [hashlib.md5(data).hexdigest()]
    assert sorted(folder["name"] for folder in drive.folders()) == ["Kavita", "Rohan Mehta RM01"]


def test_each_call_is_counted_with_what_came_of_it(drive, content_of, monkeypatch):
    store, told = drive_store(drive), []
    monkeypatch.setattr("infrastructure.drive_client._count", lambda outcome, since: told.append(outcome))
    drive.fail("status", status=503, path="generateIds")
    key = put_until_there(store, content_of(SMALL))
    assert told.count("retry") == 1 and set(told) == {"retry", "accepted"}
    with pytest.raises(ContentMissing):
        b"".join(store.read("nowhere"))
    drive.fail("status", status=403, reason="insufficientFilePermissions", path=key)
    with pytest.raises(StoreRefuses):
        b"".join(store.read(key))
    assert told[-1] == "permanent" and set(told[:-1]) == {"retry", "accepted"}


def test_a_silent_server_is_given_up_and_asked_again(drive, content_of, monkeypatch):
    monkeypatch.setattr("infrastructure.drive_client.TIMEOUT", 1.0)
    drive.fail("hang", method="PUT", path=UPLOAD, skip=1, secs=30)
    put_until_there(drive_store(drive), content_of(LARGE))
    assert len(drive.files()) == 1


def test_an_expired_session_is_begun_anew(drive, content_of):
    store, content = drive_store(drive), content_of(LARGE)
    remembered: list[str | None] = []
    key = store.reserve(PLACE, content.number)
    drive.fail("status", status=500, method="PUT", path=UPLOAD, skip=0, times=8)
    transfer = Transfer(remember=remembered.append)
    with pytest.raises(StoreBusy):
        store.put(key, PLACE, content, transfer)
    drive.ask("clearfaults", {})
    drive.ask("expire_sessions", {})
    with pytest.raises(StoreBusy, match="expired"):
        store.put(key, PLACE, content, transfer)
    store.put(key, PLACE, content, transfer)
    assert len(drive.files()) == 1
    assert [address is None for address in remembered] == [False, True, False]


def test_a_session_kept_over_a_restart_sends_only_the_rest(drive, content_of):
    content = content_of(LARGE)
    remembered: list[str | None] = []
    key = drive_store(drive).reserve(PLACE, content.number)
    drive.fail("status", status=500, method="PUT", path=UPLOAD, skip=1, times=8)
    with pytest.raises(StoreBusy):
        drive_store(drive).put(key, PLACE, content, Transfer(remember=remembered.append))
    drive.ask("clearfaults", {})
    drive.ask("zero", {})
    drive_store(drive).put(key, PLACE, content, Transfer(remembered[-1]))
    assert drive.ask("stats")["bytes_in"] < len(LARGE) * 0.7
    assert len(drive.files()) == 1


def test_a_revoked_token_is_fetched_anew(drive, content_of):
    store = drive_store(drive)
    put_until_there(store, content_of(SMALL))
    drive.ask("revoke", {})
    put_until_there(store, content_of(LARGE))
    assert len(drive.files()) == 2


def test_a_wrong_checksum_is_noticed_and_sent_again(drive, content_of):
    store, content = drive_store(drive), content_of(b"right content")
    key = store.reserve(PLACE, content.number)
    other = content_of(b"wrong content")
    store.put(key, PLACE, other, Transfer())
    with pytest.raises(KeyUnusable):
        store.put(key, PLACE, content, Transfer())
    put_until_there(store, content)
    assert [file["trashed"] for file in drive.files()] == [True, False]


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_rival_processes_make_each_folder_once(drive, content_of, lag):
    drive.configure(list_lag=lag)
    shared = Folders()
    stores = [drive_store(drive) for _ in range(4)]
    for store in stores:
        store._registry = shared
    contents = [content_of(b"paper %d" % number) for number in range(16)]
    places = [Place((f"client {number % 2}", f"member {number % 3}"), "paper.pdf") for number in range(16)]
    threads = [
        threading.Thread(target=put_until_there, args=(stores[number % 4], contents[number], places[number]))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    paths = [drive.path_of(folder) for folder in drive.folders()]
    assert len(paths) == len(set(paths)) == 8
    assert len(drive.files()) == 16


def test_a_folder_made_by_hand_is_used(drive, content_of):
    store = drive_store(drive)
    made = store.client.execute(
        store.client.files.create(
            body={"name": "Rohan Mehta RM01", "mimeType": "application/vnd.google-apps.folder", "parents": ["SHARED"]},
            supportsAllDrives=True,
            fields="id",
        )
    )
    put_until_there(store, content_of(SMALL))
    assert [folder["id"] for folder in drive.folders() if folder["name"] == "Rohan Mehta RM01"] == [made["id"]]


@pytest.mark.parametrize("how", ["trash", "delete"])
def test_a_folder_that_somebody_removed_is_made_again(drive, content_of, how):
    store = drive_store(drive)
    put_until_there(store, content_of(b"before"))
    gone = next(folder for folder in drive.folders() if folder["name"] == "Kavita")
    if how == "trash":
        store.client.execute(
            store.client.files.update(fileId=gone["id"], body={"trashed": True}, supportsAllDrives=True)
        )
        store._known.clear()
        long_ago = datetime.now(UTC) - timedelta(days=2)
        registry = store._registry
        assert isinstance(registry, Folders)
        registry.known = {key: KnownFolder(folder.key, long_ago) for key, folder in registry.known.items()}
    else:
        store.client.execute(store.client.files.delete(fileId=gone["id"], supportsAllDrives=True))
    key = put_until_there(store, content_of(b"after"))
    file = next(file for file in drive.files() if file["id"] == key)
    assert file["parents"] != [gone["id"]]


class Interrupted(BaseException):
    """What gevent raises into a greenlet that is killed or has run out of time."""


def test_an_interrupted_call_never_hands_its_answer_to_the_next_caller(drive, content_of):
    store = drive_store(drive, connections=1)
    secret, harmless = (put_until_there(store, content_of(data)) for data in (b"client A", b"client B"))
    files = store.client.files

    def interrupted(http):
        address = files.get_media(fileId=secret, supportsAllDrives=True).uri
        for connection in http.connections.values():
            connection.request("GET", address, headers={"Authorization": f"Bearer {http.credentials.token}"})
        raise Interrupted

    with pytest.raises(Interrupted):
        store.client.repeated(interrupted, "read")
    assert b"".join(store.read(harmless)) == b"client B"
    assert store.client.figures["thrown_away"] == 1


def test_a_folder_outside_a_shared_drive_is_explained(drive, content_of):
    store = drive_store(drive, root=MY_DRIVE)
    assert "shared drive" in store.problems()[0]
    with pytest.raises(StoreBusy, match="shared drive") as refusal:
        store.put(store.reserve(PLACE, 1), PLACE, content_of(SMALL), Transfer())
    assert refusal.value.retry_after == 3600


def test_a_wrong_root_folder_is_explained(drive):
    assert "ROOT_FOLDER_ID" in drive_store(drive, root="1nowhere").problems()[0]


def test_a_key_file_that_is_none_is_explained(drive, tmp_path):
    store = drive_store(drive)
    store.client._credentials = None
    store.client._credentials_file = tmp_path / "key.json"
    store.client._credentials_file.write_text("{}")
    assert "GOOGLE_CREDENTIALS_FILE" in store.problems()[0]


def test_what_drive_forbids_is_not_repeated(drive, content_of):
    drive.fail("status", status=403, reason="insufficientFilePermissions", path=UPLOAD, times=9)
    store = drive_store(drive)
    with pytest.raises(StoreRefuses):
        store.put(store.reserve(PLACE, 1), PLACE, content_of(SMALL), Transfer())
    assert drive.ask("stats")["by"][f"POST /{UPLOAD[:-1]} multipart"] == 1


def test_retry_after_is_heeded(drive, content_of):
    drive.fail("status", status=429, reason="rateLimitExceeded", path=UPLOAD, headers={"Retry-After": "90"})
    store = drive_store(drive)
    with pytest.raises(StoreBusy) as busy:
        store.put(store.reserve(PLACE, 1), PLACE, content_of(SMALL), Transfer())
    assert busy.value.retry_after == 90
