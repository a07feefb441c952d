"""Who looked at whose data is noted without a wait, written once, shown to who may see it, and forgotten in time."""

import threading
from datetime import timedelta

import pytest

from database_pool import Unavailable, execute_query, transaction
from portal.formats import now
from portal.privacy import tasks
from portal.web import reads
from portal.web.reads import Read, Reads
from tests.cast import make_cast, sign_in

ONE = Read(7, None, "page", "client", "RM01", "127.0.0.1")


def test_reads_of_one_record_become_one_row_with_their_number():
    written: list[dict[str, object]] = []
    noted = Reads(written.extend, every=None)
    for _ in range(3):
        noted.note(ONE, "r1")
    noted.note(Read(8, None, "page", "client", "RM01", "127.0.0.1"), "r2")
    noted.flush()
    assert [(row["user_id"], row["times"], row["request_id"]) for row in written] == [(7, 3, "r1"), (8, 1, "r2")]
    noted.flush()
    assert len(written) == 2


def test_they_are_written_without_anybody_asking():
    written = threading.Event()
    Reads(lambda rows: written.set(), every=0.01).note(ONE, None)
    assert written.wait(10)


def test_while_the_database_is_away_they_wait_and_none_is_written_twice():
    written: list[dict[str, object]] = []
    away = [True]

    def write(rows):
        if away[0]:
            raise Unavailable("away")
        written.extend(rows)

    noted = Reads(write, every=None)
    noted.note(ONE, "r1")
    noted.flush()
    noted.note(ONE, "r2")
    away[0] = False
    noted.flush()
    assert [row["times"] for row in written] == [2]


def test_their_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(reads, "MOST_WAITING", 2)
    written: list[object] = []
    noted = Reads(written.extend, every=None)
    for number in range(5):
        noted.note(Read(7, None, "page", "client", f"RM{number}", None), None)
    noted.flush()
    assert len(written) == 2


@pytest.fixture(scope="module")
def book(app):
    """A client whose page, form and list somebody looked at; answers who."""
    with transaction() as tx:
        tx.insert("clients", {"client_id": "RD01", "name": "Sarla Kothari"})
    clerk = sign_in(app, "staff")
    reads.flush()   # what modules before this one left
    with transaction() as tx:
        tx.delete("reads", filters={"read_id_gt": 0})
    for path in (
        "/clients/RD01",
        "/clients/rd01",
        "/clients/RD01/edit",
        "/clients/export",
        "/api/clients/RD01",
        "/clients/RD99",
        "/clients/RD01/documents",
    ):
        clerk.get(path)
    clerk.head("/clients/RD01")
    reads.flush()
    return make_cast()["staff"]


@pytest.mark.slow
def test_pages_forms_exports_and_programs_are_noted_and_misses_are_not(book):
    rows = execute_query("reads", filters={"user_id_eq": book}, order="read_id").data
    assert [(row["way"], row["record_type"], row["record_id"], row["times"]) for row in rows] == [
        ("page", "client", "RD01", 2),
        ("form", "client", "RD01", 1),
        ("export of clients", "", "", 1),
        ("API: show client", "client", "RD01", 1),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clients", "policies", "renewals"])
def test_what_is_taken_out_through_the_tick_boxes_is_noted_as_the_export_of_the_list_is(app, book, name):
    clerk = sign_in(app, "staff")
    reads.flush()
    of_list = {"user_id_eq": book, "way_eq": f"export of {name}"}
    execute_query("reads", "delete", filters=of_list)
    for form in ({"action": "export"}, {"action": "agent", "chosen": "RD01"}, {"action": "assign", "chosen": "1"}):
        if form["action"] != {"clients": "assign", "policies": "assign", "renewals": "agent"}[name]:
            clerk.submit(f"/{name}/bulk", form)   # nothing is ticked, or a page asks: nothing is taken out
    reads.flush()
    assert execute_query("reads", filters=of_list).data == []
    answer = clerk.submit(f"/{name}/bulk", {"action": "export", "chosen": "RD01", "everything": "1"})
    assert answer.mimetype == "text/csv"
    reads.flush()
    assert [row["times"] for row in execute_query("reads", filters=of_list).data] == [1]
    assert clerk.get(f"/{name}/export").mimetype == "text/csv"
    reads.flush()
    assert sum(row["times"] for row in execute_query("reads", filters=of_list).data) == 2


@pytest.mark.slow
def test_the_list_shows_them_to_those_who_may_read_the_trail(app, book):
    manager = sign_in(app, "manager")
    page = manager.get("/audit/reads?client_id=rd01").text
    assert page.count("/clients/RD01") >= 3 and "Charu Nair" in page
    assert "Nothing matches" in manager.get("/audit/reads?record_type=document").text
    assert sign_in(app, "staff").get("/audit/reads").status_code == 403


@pytest.mark.slow
def test_a_page_asks_nothing_more_of_the_database_for_it(app, book, monkeypatch):
    asked = []
    monkeypatch.setattr(reads, "call_function", lambda *given, **more: asked.append(given))
    assert sign_in(app, "staff").get("/clients/RD01").status_code == 200
    assert asked == []
    reads.flush()
    assert len(asked) == 1


@pytest.mark.slow
def test_they_are_forgotten_after_their_time(book, database):
    old = now() - timedelta(days=database.reads_keep_days + 1)
    with transaction() as tx:
        tx.insert("reads", {"read_at": old, "user_id": book, "way": "page", "record_id": "OLD"})
    tasks.prune_reads()
    assert not execute_query("reads", filters={"record_id_eq": "OLD"}).data
    assert execute_query("reads", limit=1).data


@pytest.mark.slow
def test_every_page_form_and_answer_about_one_person_says_that_it_shows_one(app):
    """By the addresses: what has a client, member, policy or document in its path and answers GET is marked."""
    about = {"client_id", "member_id", "policy_id", "document_id", "message_id", "contact_id"}
    quiet = {
        "clients.confirm_deletion",
        "clients.new_member",
        "documents.of_client",
        "policies.cancellation_form",
        "policies.deletion_form",
        "policies.loss_form",
        "policies.new_payment",
    }  # parts, or without personal data
    unmarked = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in rule.methods
        and about & set(rule.arguments)
        and rule.endpoint not in quiet
        and not hasattr(app.view_functions[rule.endpoint], "shows")
    }
    assert unmarked == set()
