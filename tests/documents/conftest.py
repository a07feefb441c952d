"""What the tests of documents start from: colleagues at their browsers, and a client with a policy."""

import io
import itertools
import random
from collections.abc import Callable
from typing import Any

import pikepdf
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database_pool import execute_query, transaction
from task_queue import run_due_tasks
from tests.cast import Browser, sign_in, visitor

Row = dict[str, Any]
NUMBERS = itertools.count(1)
CLIENT, POLICY = "RM01", 81
ROOM_FOR_THE_REST = 1000  # bytes of a scan beside its picture


@pytest.fixture(scope="module")
def book(app: Flask) -> None:
    """Two clients; one has a member, a live policy and a pending one."""
    with transaction() as tx:
        tx.insert("clients", [
            {"client_id": CLIENT, "name": "Rohan Mehta"}, {"client_id": "KI01", "name": "Kavita Iyer"}])
        tx.insert("members", [{"member_id": 71, "client_id": CLIENT, "name": "Kavita Mehta"}])
        tx.insert("insurers", {"insurer_id": 901, "name": "Example General"})
        tx.insert("products", {"product_id": 901, "name": "Example Health", "line": "health"})
        policy = {"client_id": CLIENT, "member_id": 71, "insurer_id": 901, "product_id": 901, "line": "health",
                  "policy_from": "2026-11-01", "policy_to": "2027-10-31", "due_on": "2027-10-31"}
        tx.insert("policies", [
            {**policy, "policy_id": POLICY, "policy_number": "EX/1", "state": "live", "waiting_for": []},
            {**policy, "policy_id": 82, "policy_number": None, "state": "pending",
             "waiting_for": ["policy document", "KYC"]}])


@pytest.fixture(scope="module")
def clerk(app: Flask, book: None) -> Browser:
    """A colleague who may upload."""
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def manager(app: Flask, book: None) -> Browser:
    """A colleague who may delete as well."""
    return sign_in(app, "manager")


@pytest.fixture(scope="module")
def reader(app: Flask, book: None) -> Browser:
    """A colleague who may only look."""
    return sign_in(app, "reader")


@pytest.fixture(scope="module")
def stranger(app: Flask, book: None) -> Browser:
    """Somebody who is not signed in."""
    return visitor(app)


def pdf(pages: int = 1) -> bytes:
    """A PDF unlike all others."""
    with pikepdf.new() as document:
        for _ in range(pages):
            document.add_blank_page()
        document.docinfo["/Title"] = f"paper {next(NUMBERS)}"
        out = io.BytesIO()
        document.save(out)
    return out.getvalue()


def scan(size: int) -> bytes:
    """A PDF of `size` bytes unlike all others: a page with as much in it as a scanner puts there."""
    with pikepdf.new() as document:
        document.add_blank_page()
        document.docinfo["/Title"] = f"scan {next(NUMBERS)}"
        document.docinfo["/Scan"] = document.make_stream(random.randbytes(size - ROOM_FOR_THE_REST))
        out = io.BytesIO()
        document.save(out)
    return out.getvalue()


def send(
    browser: Browser, files: list[tuple[str, bytes]], path: str = "/documents/upload", **fields: Any
) -> TestResponse:
    """Sends files through the form, or to the address for programs."""
    content = {"client_id": CLIENT, **fields, "files": [(io.BytesIO(data), name) for name, data in files]}
    return browser.submit(path, content, content_type="multipart/form-data")


@pytest.fixture
def uploaded(clerk: Browser) -> Callable[..., Row]:
    """Uploads a PDF through the form, waits until it is stored, and answers the row of its document."""

    def upload(data: bytes | None = None, name: str = "policy.pdf", **fields: Any) -> Row:
        answer = send(clerk, [(name, data or pdf())], **fields)
        assert answer.status_code == 303, answer.text
        run_due_tasks()
        batch_id = answer.location.rsplit("/", 1)[1]
        rows = execute_query("batch_files", filters={"batch_id_eq": batch_id}).data
        assert rows[0]["state"] == "done", rows[0]["error"]
        return stored(rows[0]["document_id"])

    return upload


def stored(document_id: int) -> Row:
    """The document as the database has it."""
    return execute_query("document_list", filters={"document_id_eq": document_id}).data[0]
