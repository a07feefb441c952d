"""Links that work without signing in: for one document, for a time."""

import time
from urllib.parse import urlsplit

import pytest
from itsdangerous import URLSafeTimedSerializer

from config import settings
from database_pool import execute_query
from portal.documents.links import media_link, signed
from tests.documents.conftest import pdf


@pytest.fixture
def document(uploaded):
    return uploaded(pdf(2), "Policy of Rohan.pdf")


def path_of(document_id: int, **options) -> str:
    return urlsplit(media_link(document_id, **options)).path


def test_it_serves_the_document_to_anybody(stranger, document):
    path = path_of(document["document_id"])
    answer = stranger.get(path)
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF")
    assert answer.headers["Content-Disposition"].startswith("inline; filename=")
    assert answer.headers["X-Robots-Tag"].startswith("noindex")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert len(path.rsplit("/", 1)[1]) <= 20


def test_a_provider_asks_for_the_headers_first(stranger, document):
    path = path_of(document["document_id"])
    answer = stranger.head(path)
    assert (answer.status_code, answer.content_type, answer.data) == (200, "application/pdf", b"")
    assert answer.headers["Content-Length"] == str(document["size"])
    assert stranger.get(path, headers={"Range": "bytes=0-3"}).data == b"%PDF"


def test_each_fetch_is_written_down_without_the_address(stranger, document):
    path = path_of(document["document_id"], purpose="email")
    stranger.get(path, environ_base={"REMOTE_ADDR": "203.0.113.77"})
    row = execute_query("media_fetches", filters={"document_id_eq": document["document_id"]}).data[0]
    assert (row["purpose"], row["method"], row["network"], row["sent_bytes"]) == (
        "email", "GET", "203.0.113.0/24", document["size"])


def test_it_holds_no_name_and_the_public_address(document):
    link = media_link(document["document_id"])
    assert link.startswith(settings().app_base_url + "/media/")
    assert "rohan" not in link.lower()


def test_it_ends(stranger, document):
    path = path_of(document["document_id"], valid_seconds=0)
    time.sleep(1.1)   # tokens count whole seconds
    assert stranger.get(path).status_code == 404


def test_the_trash_ends_it(stranger, manager, document):
    path = path_of(document["document_id"])
    manager.submit(f"/documents/{document['document_id']}/trash", {"version": document["version"]})
    assert stranger.get(path).status_code == 404
    with pytest.raises(LookupError):
        media_link(document["document_id"])


def test_whatever_is_wrong_gets_the_same_answer(stranger, document):
    good = signed(document["document_id"], valid_seconds=100, purpose="whatsapp")
    other_purpose = URLSafeTimedSerializer(settings().secret_key, salt="known device").dumps([1, 100, "x"])
    other_key = URLSafeTimedSerializer("another key", salt="document link").dumps([1, 100, "x"])
    odd = URLSafeTimedSerializer(settings().secret_key, salt="document link")
    tokens = [good[:-1], good + "x", good.swapcase(), "x", ".", "a.b.c", other_purpose, other_key, "é" * 400,
              signed(999999, valid_seconds=100, purpose="x"), odd.dumps("x"), odd.dumps([1]), odd.dumps({"a": 1}),
              odd.dumps(["x", 100, "y"]), odd.dumps([1, "x", "y"])]
    answers = {(answer.status_code, answer.headers["Content-Type"]) for answer in (
        stranger.get(f"/media/{token}/a.pdf") for token in tokens)}
    assert answers == {(404, "text/html; charset=utf-8")}
    assert stranger.post(f"/media/{good}/a.pdf").status_code in (400, 405)
