"""PostgreSQL is restarted, killed or gone: the portal heals itself, loses nothing acknowledged and doubles nothing."""

import contextlib
import os
import re
import signal
import tempfile
import time
from functools import partial
from pathlib import Path

import psycopg
import pytest

import database_pool
from database_pool import DatabasePool, Unavailable
from tests.conftest import portal_settings
from tests.database.colleagues import Colleagues
from tests.database.load import CLIENT, COLLEAGUES
from tests.servers import pgbouncer
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import PostgresServer
from tests.servers.processes import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def durable_server():
    """A server that keeps what it acknowledged, as the portal's own does."""
    server = PostgresServer(durable=True)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def name(durable_server, request):
    """A database of the test's own on that server."""
    name = re.sub(r"\W+", "_", request.node.name)[-50:]
    durable_server.create_database(name)
    return name


@contextlib.contextmanager
def pool_on(settings):
    pool = DatabasePool(configuration=settings)
    try:
        yield pool
    finally:
        pool.stop()


def notes_stored(connect):
    try:
        with connect() as sql:
            return sql.execute("select count(*) from audit where action = 'note'").fetchone()[0]
    except psycopg.Error:   # not back yet
        return 0


def has_notes(connect, least):
    return notes_stored(connect) >= least


def kill_amid_writes(connect, kill):
    """Kills the server twice, each time once as many notes as there are writers were stored since; answers how many
    were stored before the second time.
    """
    stored = 0
    for _ in range(2):
        wait_for(partial(has_notes, connect, stored + COLLEAGUES), f"note {stored + COLLEAGUES}")
        stored = notes_stored(connect)
        kill()
    return stored


def nothing_is_lost_or_doubled(found, sql, before_the_last_kill):
    """What was acknowledged is stored once; what was not may be stored, but not twice. And it went on after the last
    kill: more was acknowledged than had been stored before it.
    """
    stored = [token for (token,) in sql.execute("select record_id from audit where action = 'note'").fetchall()]
    members = [name for (name,) in sql.execute("select name from members").fetchall()]
    assert len(found["given"]) > before_the_last_kill
    assert set(found["given"]) - set(stored) == set()
    assert len(stored) == len(set(stored))
    assert sorted(members) == sorted(stored)
    failed = sum(count for what, count in found["errors"].items() if what.startswith("write"))
    assert len(stored) <= len(found["given"]) + failed
    notes, version = sql.execute("select notes, version from clients where client_id = %s", (CLIENT,)).fetchone()
    failed_edits = sum(count for what, count in found["errors"].items() if what.startswith("edit"))
    assert found["done"]["edit"] <= int(notes) == version - 1 <= found["done"]["edit"] + failed_edits


def test_the_embedded_server_killed_under_load_comes_back_by_itself():
    with tempfile.TemporaryDirectory(prefix="portal-killed-") as folder:
        Path(folder).chmod(0o755)
        settings = portal_settings(Path(folder))
        with pool_on(settings) as pool:
            pool.start()
            pool.execute_query("clients", "insert", data={"client_id": CLIENT, "name": "Written to", "notes": "0"})
            writers = Colleagues(settings, "gevent", "writing", seconds=12)
            status = Path(folder) / "postgres" / "postmaster.pid"

            def connect():
                lines = status.read_text().splitlines() if status.exists() else []
                if len(lines) < 5:
                    raise psycopg.OperationalError("it is starting")
                return psycopg.connect(host=lines[4], port=lines[3], user="postgres", dbname="postgres")

            def kill():
                os.kill(int(status.read_text().split()[0]), signal.SIGKILL)

            before = kill_amid_writes(connect, kill)
            found = writers.result()
            assert found["errors"] == {}
            assert found["statistics"]["in_use"] == 0
            pool.execute_query("clients", limit=1)
            with connect() as sql:
                nothing_is_lost_or_doubled(found, sql, before)


@pytest.mark.parametrize("way", ["direct", "pooler"])
def test_a_server_killed_under_load_loses_and_doubles_nothing(durable_server, name, data_dir, way):
    if way == "pooler" and pgbouncer.find_pgbouncer() is None:
        pytest.skip(pgbouncer.MISSING)
    direct = portal_settings(data_dir, DATABASE_URL=durable_server.tcp_address(name))
    with pool_on(direct) as pool:
        pool.migrate()
        pool.execute_query("clients", "insert", data={"client_id": CLIENT, "name": "Written to", "notes": "0"})
    pooler = Pgbouncer(durable_server.port)
    settings = direct
    if way == "pooler":
        pooler.start()
        settings = portal_settings(data_dir, DATABASE_URL=pooler.address(name))
    writers = Colleagues(settings, "gevent", "writing", seconds=12)

    def connect():
        return psycopg.connect(durable_server.address(name))

    def kill():
        durable_server.kill()
        time.sleep(0.5)
        durable_server.come_back()

    before = kill_amid_writes(connect, kill)
    found = writers.result()
    pooler.remove()
    with connect() as sql:
        nothing_is_lost_or_doubled(found, sql, before)
    assert found["errors"] == {}
    assert found["statistics"]["in_use"] == 0


def test_a_restart_while_idle_is_not_noticed(durable_server, name, data_dir):
    with pool_on(portal_settings(data_dir, DATABASE_URL=durable_server.tcp_address(name))) as pool:
        pool.migrate()
        pool.execute_query("clients", "insert", data={"client_id": CLIENT, "name": "x", "notes": "0"})
        durable_server.stop()
        durable_server.start()
        assert pool.execute_query("clients", columns="client_id").data == [{"client_id": CLIENT}]
        durable_server.stop()
        durable_server.start()
        with pool.transaction() as tx:
            tx.update("clients", {"notes": "1"}, filters={"client_id_eq": CLIENT}, expect=1)
        assert pool.execute_query("clients", columns="version").data == [{"version": 2}]


def test_sessions_ended_by_an_administrator_are_not_noticed(durable_server, name, data_dir):
    with pool_on(portal_settings(data_dir, DATABASE_URL=durable_server.tcp_address(name))) as pool:
        pool.migrate()
        with psycopg.connect(durable_server.address(name), autocommit=True) as sql:
            for number in range(5):
                pool.execute_query("clients", "insert", data={"client_id": f"S{number}X", "name": "x"})
                sql.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and backend_type = 'client backend'"
                )
        assert len(pool.execute_query("clients").data) == 5


def test_a_server_that_is_away_is_unavailable_in_seconds_and_back_at_once(
    durable_server, name, data_dir, monkeypatch
):
    monkeypatch.setattr(database_pool, "UNREACHABLE_AFTER", 1.0)   # one connection's patience, not two
    with pool_on(portal_settings(data_dir, DATABASE_URL=durable_server.tcp_address(name))) as pool:
        pool.migrate()
        pool.execute_query("clients")
        durable_server.stop()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            pool.execute_query("clients")
        assert time.monotonic() - began < 40
        durable_server.start()
        began = time.monotonic()
        assert pool.execute_query("clients").data == []
        assert time.monotonic() - began < 15
