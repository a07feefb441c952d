"""Several documents as one ZIP archive."""

import io
import itertools
import tracemalloc
import zipfile

import pytest

from batch_file_operations import batch_file_manager
from database_pool import execute_query
from portal.documents.zip_stream import LEFT_OUT, zip_stream
from portal.errors import Refused
from portal.formats import now
from tests.documents.conftest import CLIENT, POLICY, pdf, stored

BLOCK, BLOCKS = 1024 * 1024, 50


def opened(answer):
    assert (answer.status_code, answer.mimetype) == (200, "application/zip"), answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    return archive


def row(number, name="quote.pdf"):
    return {"document_id": number, "client_id": "RM01", "client_name": "Rohan Mehta", "member_name": None,
            "claim_number": None, "kind_name": "Quote", "stored_name": name, "created_at": now()}


def test_ticked_documents_come_as_one_archive_and_those_in_the_trash_do_not(clerk, manager, uploaded):
    contents = [pdf(), pdf()]
    seen = uploaded(contents[0], "पॉलिसी.pdf", policy_id=POLICY)["document_id"]
    claim = uploaded(contents[1], "bill.pdf", claim_number="CL-9")["document_id"]
    deleted = uploaded(name="wrong.pdf")["document_id"]
    manager.submit(f"/documents/{deleted}/trash", {"version": str(stored(deleted)["version"])})
    assert f'name="chosen" value="{seen}"' in clerk.get("/documents").text
    numbers = [str(number) for number in (seen, claim, deleted)]
    archive = opened(clerk.submit("/documents/bulk", {"chosen": numbers, "action": "zip"}))
    names = {document: stored(document)["stored_name"] for document in (seen, claim)}
    assert {name: archive.read(name) for name in archive.namelist()} == {
        f"Rohan Mehta RM01/Kavita Mehta/{names[seen]}": contents[0],
        f"Rohan Mehta RM01/Claims/Claim_CL-9/Other/{names[claim]}": contents[1],
    }
    trail = execute_query("audit", filters={"record_type_eq": "document", "action_eq": "open"}).data
    noted = {entry["record_id"] for entry in trail if entry["after"] == {"in": "ZIP"}}
    assert {str(seen), str(claim)} <= noted and str(deleted) not in noted


def test_everything_that_matches_and_all_of_a_client(clerk, uploaded):
    document = uploaded(name="photo of the car.pdf", kind="photos")
    form = {"everything": "1", "query": "q=photo+of+the+car", "action": "zip"}
    assert len(opened(clerk.submit("/documents/bulk", form)).namelist()) == 1
    assert f"/documents/of/{CLIENT}/zip" in clerk.get(f"/documents/of/{CLIENT}").text
    every = opened(clerk.get(f"/documents/of/{CLIENT}/zip")).namelist()
    assert any(name.endswith(document["stored_name"]) for name in every)
    assert len(set(every)) == len(every)


def test_who_may_not_see_documents_gets_none(stranger, clerk):
    assert stranger.get(f"/documents/of/{CLIENT}/zip").status_code in (303, 401)
    assert clerk.get("/documents/of/ZZ99/zip").status_code == 404
    assert clerk.submit("/documents/bulk", {"action": "zip"}).status_code == 303


def test_more_than_fits_is_refused_with_a_sentence(clerk, uploaded, monkeypatch):
    uploaded(), uploaded()
    monkeypatch.setattr("portal.documents.queries.MOST", 1)
    answer = clerk.get(f"/documents/of/{CLIENT}/zip")
    assert answer.status_code == 422
    assert "Narrow the list" in answer.text


def test_a_document_that_cannot_be_had_is_named_and_the_others_come():
    def content(number):
        if number == 2:
            raise Refused("Google Drive does not answer.")
        return iter([b"a" * number])

    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_stream([row(1), row(2), row(3)], content))))
    assert archive.namelist() == ["Rohan Mehta RM01/quote.pdf", "Rohan Mehta RM01/quote (3).pdf", LEFT_OUT]
    assert archive.read(LEFT_OUT).decode() == "Rohan Mehta RM01/quote (2).pdf: Google Drive does not answer."


def test_memory_holds_no_more_than_a_few_blocks():
    tracemalloc.start()
    try:
        stream = zip_stream([row(1), row(2)], lambda number: itertools.repeat(bytes(BLOCK), BLOCKS))
        total = sum(len(block) for block in stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 2 * BLOCK * BLOCKS
    assert peak < 8 * BLOCK


def test_what_breaks_off_is_never_taken_for_whole(uploaded, clerk, monkeypatch):
    uploaded()

    def torn(document_id, start=0, end=None):
        yield b"half"
        raise ConnectionError("the store went away")

    monkeypatch.setattr(batch_file_manager, "read", torn)
    answer = clerk.get(f"/documents/of/{CLIENT}/zip")
    with pytest.raises(ConnectionError):
        _ = answer.data
