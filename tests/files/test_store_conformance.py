"""What every store promises, held against each of them."""

import random
import threading

import pytest

from infrastructure.stores import ContentMissing, Place, Stopped, StoreError, Transfer

PLACE = Place(("Rohan Mehta RM01", "Kavita Mehta"), "Rohan Mehta - Kavita Mehta - policy.pdf")
MIB = 1024 * 1024


def some_bytes(size: int) -> bytes:
    """The same for each size; ends with a carriage return, which a careless multipart body loses."""
    return random.Random(size).randbytes(size - 1) + b"\r"


def put(store, content, place=PLACE, key=None, transfer=None):
    """Stores the content and answers its key."""
    key = key or store.reserve(place, content.number)
    store.put(key, place, content, transfer or Transfer())
    return key


@pytest.mark.parametrize("size", [1, 5000, MIB, MIB + 1, 17 * MIB + 5])
def test_what_goes_in_comes_out(store, content_of, size):
    data = some_bytes(size)
    key = put(store, content_of(data))
    assert b"".join(store.read(key)) == data


@pytest.mark.parametrize(("start", "end"), [(0, 1), (5, 4000), (MIB - 3, MIB + 3), (2 * MIB, None), (0, None)])
def test_a_part_is_that_part(store, content_of, start, end):
    data = some_bytes(2 * MIB + 3)
    key = put(store, content_of(data))
    assert b"".join(store.read(key, start, end)) == data[start:end]


@pytest.mark.parametrize(
    "name", ["O'Brien's \\ paper.pdf", "ગુજરાતી પોલિસી.pdf", "मोटर बीमा.pdf", "x" * 180 + ".pdf", "no ending"]
)
def test_any_name_is_kept(store, content_of, name):
    place = Place(("D'Souza & Söhne \\ O'Neil", name), name)
    key = put(store, content_of(b"content"), place)
    assert b"".join(store.read(key)) == b"content"


def test_two_documents_of_one_name_are_two(store, content_of):
    first, second = put(store, content_of(b"one")), put(store, content_of(b"two"))
    assert [b"".join(store.read(key)) for key in (first, second)] == [b"one", b"two"]


def test_a_repeated_upload_has_its_effect_once(store, content_of):
    content = content_of(b"once")
    key = put(store, content)
    assert put(store, content, key=key) == key
    assert b"".join(store.read(key)) == b"once"


def test_a_file_that_changed_after_it_was_accepted_is_not_stored(store, content_of):
    content = content_of(b"as accepted")
    content.path.write_bytes(b"as damaged!")
    with pytest.raises(StoreError):
        put(store, content)


def test_what_is_not_there_is_missing_before_the_first_block(store):
    with pytest.raises(ContentMissing):
        store.read(store.reserve(PLACE, 987654))


def test_an_archived_document_is_read_as_before_and_archived_once(store, content_of):
    key = put(store, content_of(b"old paper"))
    place = Place(("Archive", "2026-27", *PLACE.folders), "policy (1)_ARCHIVED_20261126.pdf")
    archived = store.archive(key, place)
    assert store.archive(archived, place) == archived
    assert b"".join(store.read(archived)) == b"old paper"


def test_an_archived_name_frees_its_place(store, content_of):
    first = content_of(b"old")
    store.archive(put(store, first), Place(("Archive",), f"old ({first.number}).pdf"))
    assert b"".join(store.read(put(store, content_of(b"new")))) == b"new"


def test_a_cancelled_upload_leaves_nothing(store, content_of):
    content = content_of(some_bytes(3 * MIB))
    key = store.reserve(PLACE, content.number)
    with pytest.raises(Stopped):
        store.put(key, PLACE, content, Transfer(stopped=lambda: True))
    with pytest.raises(ContentMissing):
        store.read(key)


def test_progress_ends_at_the_size(store, content_of):
    told: list[int] = []
    put(store, content_of(some_bytes(3 * MIB)), transfer=Transfer(sent=told.append))
    assert told[-1] == 3 * MIB
    assert told == sorted(told)


def test_many_at_once_keep_their_own_contents(store, content_of):
    contents = [content_of(b"document of client %d" % number * 50) for number in range(24)]
    keys: dict[int, str] = {}

    def work(position: int) -> None:
        keys[position] = put(store, contents[position], Place((f"client {position % 3}",), f"{position}.pdf"))

    threads = [threading.Thread(target=work, args=(position,)) for position in range(len(contents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [b"".join(store.read(keys[position])) for position in range(24)] == [
        content.path.read_bytes() for content in contents
    ]


def test_a_working_store_has_no_problems(store):
    assert store.problems() == []
