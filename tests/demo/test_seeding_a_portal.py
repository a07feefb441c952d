"""Writing the demo book into a database: all of it, once, and finished by the next run when one died."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import config
import database_pool
from database_pool import execute_query
from portal import sealing
from portal.demo import BookInUse, Report, seed, seeding, writing
from portal.demo.book import Book
from portal.errors import Refused
from portal.settings.queries import setting, trade_rules
from portal.staff.service import check_sign_in
from tests.conftest import point_portal_at, portal_settings
from tests.demo.conftest import TODAY
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.slow

CLIENTS = 130
TABLES = ("clients", "members", "policies", "insured_persons", "health_details", "motor_details", "fire_details",
          "life_details", "travel_details", "client_prefixes", "users", "insurers", "products", "agents")


@pytest.fixture
def empty_portal(
    embedded_server: PostgresServer, fresh_database: Callable[[], str], tmp_path: Path
) -> Iterator[config.Settings]:
    """An empty portal for one test alone."""
    settings = portal_settings(tmp_path, DATABASE_URL=embedded_server.address(fresh_database()))
    with point_portal_at(settings):
        yield settings


@pytest.fixture(scope="module")
def seeded(database: config.Settings) -> Report:
    """A small book, written in chunks."""
    return seed(CLIENTS, 7, TODAY)


def count(table: str, **filters: Any) -> int:
    return execute_query(table, filters=filters, count=True, limit=1).count or 0


def everything(table: str) -> list[dict[str, Any]]:
    """All rows of a table without what depends on the moment of writing."""
    passing = {"updated_at", "created_at", "password_hash", "last_sign_in_at", "version"}
    key = {"clients": "client_id", "client_prefixes": "prefix", "insured_persons": "insured_person_id"}.get(
        table, "policy_id" if table.endswith("_details") or table == "policies" else f"{table[:-1]}_id")
    return [{name: value for name, value in sealing.opened(row).items() if name not in passing}
            for row in execute_query(table, order=key).data]


def die_at_chunk(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The next run dies as its chunk of that number has been prepared."""
    written = writing.write_files
    calls = iter(range(1, 1000))

    def write_files(*given: Any) -> Counter[str]:
        if next(calls) == number:
            raise KeyboardInterrupt
        return written(*given)

    monkeypatch.setattr(seeding, "write_files", write_files)


def test_the_report_counts_what_the_tables_hold(seeded):
    assert seeded.rows["clients"] == count("clients") == CLIENTS
    for table in ("members", "policies", "insured_persons", "health_details", "motor_details"):
        assert seeded.rows[table] == count(table) > 0


def test_the_tables_hold_the_generated_book(seeded, database):
    generated = list(Book(7, TODAY, trade_rules()).files(CLIENTS))
    names = Counter(row["name"] for row in execute_query("clients", columns="name", limit=1000).data)
    assert names == Counter(file.client["name"] for file in generated)
    numbers = {row["policy_number"] for row in execute_query("policies", columns="policy_number", limit=5000).data}
    assert numbers == {term.policy["policy_number"] for file in generated for term in file.terms}


def test_members_policies_and_insured_persons_are_of_one_client(seeded):
    members = {row["member_id"]: row["client_id"] for row in execute_query("members", limit=5000).data}
    policies = {row["policy_id"]: row for row in execute_query("policies", limit=5000).data}
    for row in policies.values():
        assert row["member_id"] is None or members[row["member_id"]] == row["client_id"]
        if row["renewed_from_id"]:
            assert policies[row["renewed_from_id"]]["client_id"] == row["client_id"]
            assert policies[row["renewed_from_id"]]["state"] == "renewed"
    for row in execute_query("insured_persons", limit=5000).data:
        assert members[row["member_id"]] == policies[row["policy_id"]]["client_id"]


def test_each_policy_has_the_details_of_its_line(seeded):
    lines = Counter(row["line"] for row in execute_query("policies", columns="line", limit=5000).data)
    for line in ("health", "motor", "fire", "life", "travel"):
        assert count(f"{line}_details") == lines[line]


def test_the_next_client_gets_the_next_number(seeded):
    prefix = execute_query("client_prefixes", order="last_number desc", limit=1).data[0]
    assert prefix["last_number"] > 1
    following = database_pool.call_function("next_client_id", {"wanted_prefix": prefix["prefix"]})
    assert following == f"{prefix['prefix']}{prefix['last_number'] + 1:02d}"


def test_pages_can_see_that_this_is_a_demo(seeded):
    stored = setting("demo_mode")
    assert stored is not None and stored["value"] is True


def test_there_is_a_user_of_each_role_with_a_password_of_its_own(seeded):
    assert {one.role for one in seeded.sign_ins} == {"administrator", "manager", "staff", "accounts", "read-only"}
    assert len({one.password for one in seeded.sign_ins}) == len(seeded.sign_ins)
    for one in seeded.sign_ins:
        user = check_sign_in(one.email, one.password, ip="127.0.0.1")
        assert user["role"] == one.role


def test_the_command_prints_each_sign_in_once(seeded):
    printed = "\n".join(seeded.lines())
    for one in seeded.sign_ins:
        assert printed.count(one.password) == printed.count(one.email) == 1


def test_the_seeding_is_in_the_audit_trail(seeded):
    rows = execute_query("audit", filters={"action": "seeded demo book"}).data
    assert len(rows) == 1
    assert rows[0]["after"]["clients"] == CLIENTS


def test_a_book_with_clients_is_left_alone(seeded):
    before = count("clients")
    with pytest.raises(BookInUse, match="demo book already"):
        seed(10, 1, TODAY)
    assert count("clients") == before


def test_a_portal_with_real_clients_is_left_alone(empty_portal):
    execute_query("clients", "insert", data={"client_id": "RM01", "name": "Rohan Mehta"})
    with pytest.raises(BookInUse, match="clients already"):
        seed(10, 1, TODAY)
    assert count("clients") == 1
    assert setting("demo_mode") is None
    assert count("users") == 0


def test_masters_that_exist_are_used(empty_portal):
    execute_query("insurers", "insert", data={"name": "life insurance corporation of INDIA", "short_name": "LIC"})
    seed(20, 1, TODAY)
    assert count("insurers", name_ilike="life insurance corporation%") == 1


def test_a_colleague_who_has_such_an_address_keeps_the_password(empty_portal):
    execute_query("users", "insert", data={"email": "priya@example.in", "name": "Priya", "role": "read-only",
                                           "password_hash": "hers"})
    report = seed(10, 1, TODAY)
    assert "priya@example.in" not in {one.email for one in report.sign_ins}
    assert execute_query("users", filters={"email": "priya@example.in"}).data[0]["password_hash"] == "hers"


def test_a_run_that_died_is_finished_by_the_next_one(empty_portal, seeded, database, monkeypatch):
    with point_portal_at(database):
        complete = {table: everything(table) for table in TABLES}
    monkeypatch.setattr(seeding, "CLIENTS_AT_ONCE", 50)
    with monkeypatch.context() as patch:
        die_at_chunk(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            seed(CLIENTS, 7, TODAY)
    assert count("clients") == 50
    with pytest.raises(Refused, match="50 of 130"):
        seed(CLIENTS, 7, TODAY)
    monkeypatch.setattr(seeding, "SILENCE", timedelta(0))
    report = seed(999, 1, TODAY + timedelta(days=3))
    assert report.continued and (report.clients, report.today) == (CLIENTS, TODAY)
    names = Counter(row["name"] for row in everything("clients"))
    assert names == Counter(row["name"] for row in complete["clients"])
    for table in TABLES:
        assert len(everything(table)) == len(complete[table]), table
    assert len(report.sign_ins) == len(seeded.sign_ins)
    for one in report.sign_ins:
        check_sign_in(one.email, one.password, ip="127.0.0.1")


def test_a_run_that_was_overtaken_stops_at_its_next_chunk(empty_portal, monkeypatch):
    monkeypatch.setattr(seeding, "CLIENTS_AT_ONCE", 20)
    monkeypatch.setattr(seeding, "SILENCE", timedelta(0))
    heard: list[Report] = []
    written = writing.write_files

    def write_files(*given: Any) -> Counter[str]:
        if not heard and count("clients") == 20:
            heard.append(Report(0, 0, TODAY))
            heard[0] = seed(60, 7, TODAY)
        return written(*given)

    monkeypatch.setattr(seeding, "write_files", write_files)
    with pytest.raises(Refused, match="This one stops"):
        seed(60, 7, TODAY)
    assert heard[0].continued
    assert count("clients") == 60


def test_a_client_added_meanwhile_keeps_the_number(empty_portal, monkeypatch):
    written = writing.write_files
    added: list[str] = []

    def write_files(tx: Any, files: Any, ids: Any) -> Counter[str]:
        rows = written(tx, files, ids)
        if not added:
            prefix = seeding_prefix(files)
            added.append(database_pool.call_function("next_client_id", {"wanted_prefix": prefix}))
            execute_query("clients", "insert", data={"client_id": added[0], "name": "Somebody Real"})
        return rows

    def seeding_prefix(files: Any) -> str:
        return "".join(word[0] for word in files[0].client["name"].split()[:3]).upper()

    monkeypatch.setattr(seeding, "write_files", write_files)
    seed(30, 7, TODAY)
    assert count("clients") == 31
    assert execute_query("clients", filters={"client_id": added[0]}).data[0]["name"] == "Somebody Real"


def test_two_portals_seeded_alike_hold_the_same_rows(empty_portal, seeded, database):
    seed(CLIENTS, 7, TODAY)
    here = {table: everything(table) for table in TABLES}
    with point_portal_at(database):
        there = {table: everything(table) for table in TABLES}
    there["client_prefixes"] = here["client_prefixes"]   # a test above drew a number
    assert here == there


def test_a_full_book_is_there_within_thirty_seconds(empty_portal):
    report = seed(2000, seeding.DEFAULT_SEED, TODAY)
    assert report.rows["policies"] == pytest.approx(6000, rel=0.04)
    # Thirty seconds of a machine that does nothing else; others may be at work on this one.
    rivals = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert report.seconds < 30 * rivals
