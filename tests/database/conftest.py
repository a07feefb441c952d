"""The three ways to the data, each with a database of its own per test module."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from config import Settings
from tests.conftest import point_portal_at, portal_settings
from tests.servers import pgbouncer, supabase_lite
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import PostgresServer
from tests.servers.supabase_lite import SupabaseLite

# @supabase/lite is a server of its own making, not PostgREST: where it is known to differ, the suite says so by name.
# A fault that a later version has mended makes its test fail (xfail is strict): then it leaves this table.
KNOWN_FAULTS_OF_LITE: dict[str, str] = {
    "large numbers": "whole numbers above 2^53 are rounded on their way through JavaScript",
    "null and true": "the words null and true in a filter are not taken for text, in text columns too",
    "numbers in text": "a filter's value that reads as a number (+91..., 1.50) is respelled, in text columns too",
    "spaces at the ends": "a filter's value loses the spaces and line breaks at its ends",
    "quoted in or": "inside or=(...) a quoted value keeps its backslashes, and a closing bracket in it ends the group",
    "patterns in or": "inside or=(...) a quoted pattern of like and ilike keeps its quotes",
    "truth values": "any word is accepted as a truth value in a filter",
    "check violations": "SQLSTATE 23514 arrives as an unnamed error of the server (code SUP)",
}


@dataclass(frozen=True)
class Backend:
    """One way to the data: what a test may ask of it beside the data layer itself."""

    name: str
    settings: Settings
    sql: psycopg.Connection  # straight to the same database, past the data layer
    postgres: PostgresServer
    lite: SupabaseLite | None = None


@pytest.fixture(scope="session")
def pooler(embedded_server: PostgresServer) -> Iterator[Pgbouncer]:
    """A transaction pooler before the tests' PostgreSQL."""
    if pgbouncer.find_pgbouncer() is None:
        pytest.skip(pgbouncer.MISSING)
    server = Pgbouncer(embedded_server.port)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module", params=[
    "embedded", pytest.param("pooler", marks=pytest.mark.slow), pytest.param("supabase", marks=pytest.mark.slow)])
def backend(
    request: pytest.FixtureRequest, embedded_server: PostgresServer, fresh_database: Callable[[], str], data_dir: Path
) -> Iterator[Backend]:
    """The default pool, on each of the three ways in turn."""
    if request.param == "supabase" and (reason := supabase_lite.missing()):
        pytest.skip(reason)
    name = fresh_database()
    lite = None
    if request.param == "embedded":
        settings = portal_settings(data_dir, DATABASE_URL=embedded_server.address(name))
    elif request.param == "pooler":
        settings = portal_settings(data_dir, DATABASE_URL=request.getfixturevalue("pooler").address(name))
    else:
        lite = SupabaseLite(embedded_server.folder, embedded_server.port, name)
        lite.start()
        settings = portal_settings(data_dir, SUPABASE_URL=lite.url, SUPABASE_KEY=lite.secret_key)
    with point_portal_at(settings), psycopg.connect(embedded_server.address(name), autocommit=True) as sql:
        yield Backend(request.param, settings, sql, embedded_server, lite)
    if lite is not None:
        lite.remove()


@pytest.fixture
def known_fault_of_lite(request: pytest.FixtureRequest, backend: Backend) -> Callable[[str | None], None]:
    """Expects the test to fail on @supabase/lite alone, for a reason in the table above; None expects nothing."""

    def expect(name: str | None) -> None:
        if name is not None and backend.name == "supabase":
            request.applymarker(pytest.mark.xfail(reason=f"@supabase/lite: {KNOWN_FAULTS_OF_LITE[name]}", strict=True))

    return expect
