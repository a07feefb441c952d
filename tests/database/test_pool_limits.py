"""The pool at its limits: too many at once, callers that are killed, processes that fork, a replica that is away."""

import os
import threading
import time

import psycopg
import pytest

from database_pool import DatabasePool
from tests.conftest import portal_settings
from tests.database.colleagues import Colleagues
from tests.servers.processes import free_port, wait_for

pytestmark = pytest.mark.slow

FUNCTIONS = """
create function slow(seconds double precision) returns integer language plpgsql as $$
begin
  perform pg_sleep(seconds);
  return 1;
end $$;
create function wait_for_gate() returns integer language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(8);
  return 1;
end $$;
create function echo(word text) returns text language sql as $$ select word $$;
insert into clients (client_id, name) values ('PL01', 'Somebody');
select protect_schema();
"""


@pytest.fixture(scope="module")
def settings(database):
    with psycopg.connect(database.database_url, autocommit=True) as sql:
        sql.execute(FUNCTIONS)
    return database


@pytest.mark.parametrize("mode", ["gevent", "threads"])
def test_too_many_at_once_are_told_so_quickly(settings, mode):
    found = Colleagues(settings, mode, "exhausted").result()
    assert found["done"] == {"slow": 3}
    assert sum(found["errors"].values()) == 9
    assert all("PoolExhausted" in what for what in found["errors"])
    assert found["longest"] < 15  # with the usual patience it would be 45
    assert found["after"] < 15
    statistics = found["statistics"]
    assert (statistics["in_use"], statistics["waiting"], statistics["timeouts"], statistics["peak"]) == (0, 0, 9, 3)


def test_killed_and_timed_out_greenlets_leave_the_pool_as_it_was(settings):
    found = Colleagues(settings, "gevent", "interrupted").result()
    assert 20 < found["outcomes"]["answered"] < 1000
    assert (found["idle"]["in_use"], found["idle"]["waiting"]) == (0, 0)
    assert found["answers"] == 90
    assert found["seconds"] < 30
    assert (found["statistics"]["in_use"], found["statistics"]["waiting"]) == (0, 0)


@pytest.mark.parametrize("mode", ["gevent", "threads"])
def test_a_fork_gets_connections_and_ids_of_its_own(settings, mode):
    found = Colleagues(settings, mode, "forked").result()
    assert [wrong for wrong, *_ in found["answers"]] == [0, 0, 0, 0]
    ids = [number for _, *numbers in found["answers"] for number in numbers]
    assert len(ids) == len(set(ids)) == 40
    assert found["afterwards"] == 0


def test_connections_are_kept_and_not_more_than_needed(settings):
    pool = DatabasePool(3, 5, configuration=settings)
    for _ in range(50):
        pool.execute_query("clients")
    assert pool.statistics()["opened"] == 1
    threads = [threading.Thread(target=pool.call_function, args=("wait_for_gate",)) for _ in range(8)]
    with psycopg.connect(settings.database_url) as gate:
        gate.execute("select pg_advisory_xact_lock(8)")
        for thread in threads:
            thread.start()
        wait_for(lambda: pool.statistics()["in_use"] == 8, "all connections")
    for thread in threads:
        thread.join()
    statistics = pool.statistics()
    assert (statistics["peak"], statistics["opened"], statistics["in_use"]) == (8, 8, 0)
    pool.stop()


def test_a_closed_pool_opens_again_when_asked(settings):
    pool = DatabasePool(configuration=settings)
    assert pool.execute_query("clients", columns="client_id").data == [{"client_id": "PL01"}]
    pool.close()
    assert pool.execute_query("clients", columns="client_id").data == [{"client_id": "PL01"}]
    pool.stop()


def test_importing_opens_nothing():
    before = threading.active_count(), len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    DatabasePool(20, 40)
    after = threading.active_count(), len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


@pytest.fixture
def with_replica(settings, embedded_server, fresh_database, data_dir):
    """A pool whose replica holds something else than its primary, so that the two can be told apart."""
    name = fresh_database()
    with psycopg.connect(embedded_server.address(name), autocommit=True) as sql:
        sql.execute("insert into clients (client_id, name) values ('PL01', 'On the replica')")
    pool = DatabasePool(
        configuration=portal_settings(
            data_dir, DATABASE_URL=settings.database_url, DATABASE_REPLICA_URL=embedded_server.address(name)
        )
    )
    yield pool
    pool.stop()
    embedded_server.drop_database(name)


def name_found(pool, **asked):
    return pool.execute_query("clients", filters={"client_id_eq": "PL01"}, **asked).data[0]["name"]


def test_only_reads_that_may_lag_go_to_the_replica(with_replica):
    assert name_found(with_replica) == "Somebody"
    assert name_found(with_replica, may_lag=True) == "On the replica"
    assert with_replica.execute_query("clients", "update", data={"city": "Pune"}, filters={"client_id_eq": "PL01"}).data
    assert with_replica.execute_query(
        "clients", columns="city", filters={"client_id_eq": "PL01"}, may_lag=True
    ).data == [{"city": None}]


def test_a_replica_that_is_away_costs_little_and_the_primary_answers(settings, data_dir):
    gone = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    pool = DatabasePool(
        configuration=portal_settings(data_dir, DATABASE_URL=settings.database_url, DATABASE_REPLICA_URL=gone)
    )
    assert name_found(pool) == "Somebody"
    began = time.monotonic()
    assert [name_found(pool, may_lag=True) for _ in range(5)] == ["Somebody"] * 5
    assert time.monotonic() - began < 30
    pool.stop()
