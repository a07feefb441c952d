"""Answers that get lost, and answers of somebody in between: what was done is done once, what was not is said."""

import time

import psycopg
import pytest

from database_pool import DatabasePool, OutcomeUnknown, Unavailable
from tests.conftest import portal_settings
from tests.servers import supabase_lite
from tests.servers.faulty_line import LOSE_ANSWER, FaultyLine, http_answer
from tests.servers.supabase_lite import SupabaseLite

BUSY = http_answer("503 Service Unavailable", '{"code": "PGRST002", "message": "no schema cache"}')
TOO_MANY = http_answer("429 Too Many Requests", "slow down", kind="text/plain", headers="Retry-After: 1\r\n")
BAD_GATEWAY = http_answer("502 Bad Gateway", "<html>no</html>", kind="text/html")
FUNCTION_FORGOTTEN = http_answer("404 Not Found", '{"code": "PGRST202", "message": "not found in the schema cache"}')
FORGOTTEN = http_answer("404 Not Found", '{"code": "PGRST205", "message": "not found in the schema cache"}')
A_PAGE = http_answer("200 OK", "<html>Please sign in to the hotel's network</html>", kind="text/html")


@pytest.fixture(scope="module")
def name(fresh_database):
    return fresh_database()


@pytest.fixture(scope="module", params=["postgres", pytest.param("supabase", marks=pytest.mark.slow)])
def way(request, embedded_server, name, data_dir):
    """A line to the database that can fail, and the settings that lead over it."""
    if request.param == "postgres":
        line = FaultyLine(embedded_server.port)
        yield line, portal_settings(data_dir, DATABASE_URL=f"postgresql://postgres@127.0.0.1:{line.port}/{name}")
        line.close()
        return
    if reason := supabase_lite.missing():
        pytest.skip(reason)
    lite = SupabaseLite(embedded_server.folder, embedded_server.port, name)
    lite.start()
    line = FaultyLine(lite.port)
    yield line, portal_settings(data_dir, SUPABASE_URL=f"http://127.0.0.1:{line.port}", SUPABASE_KEY=lite.secret_key)
    line.close()
    lite.remove()


@pytest.fixture
def line(way, embedded_server, name):
    """The line, with nothing wrong so far and an empty book behind it."""
    with psycopg.connect(embedded_server.address(name), autocommit=True) as sql:
        sql.execute("truncate clients, client_prefixes cascade")
    way[0].faults.clear()
    return way[0]


@pytest.fixture
def pool(way, line):
    """A pool whose first connection stands and that knows the schema."""
    pool = DatabasePool(configuration=way[1])
    pool.execute_query("clients")
    yield pool
    pool.stop()


@pytest.mark.parametrize("times", [1, 2])
def test_a_write_whose_answer_is_lost_is_done_once_and_answered(line, pool, times):
    line.faults.extend([LOSE_ANSWER] * (1 if times == 1 else 2))
    with pool.transaction() as tx:
        change = tx.insert("clients", {"client_id": "LO01", "name": "Written once"})
        tx.upsert("client_prefixes", {"prefix": "LO", "last_number": 1})
    assert [row["client_id"] for row in change.rows] == ["LO01"]
    assert len(pool.execute_query("clients").data) == 1


@pytest.mark.slow
def test_a_write_whose_answer_is_lost_stays_uncertain_when_nobody_is_reached_afterwards(
    impatient, way, line, pool
):
    # Twice: head and body of a request over HTTP may come one after the other.
    line.faults.extend([LOSE_ANSWER] * 2 + [BUSY if way[1].supabase_url else b"not now"] * 1000)
    with pytest.raises(OutcomeUnknown), pool.transaction() as tx:
        tx.insert("clients", {"client_id": "LO03", "name": "Written once"})
    with pytest.raises(Unavailable):
        pool.execute_query("clients", "insert", data={"client_id": "LO04", "name": "Never sent"})
    line.faults.clear()
    assert [row["client_id"] for row in pool.execute_query("clients").data] == ["LO03"]


def test_a_change_whose_answer_is_lost_counts_once(line, pool):
    pool.execute_query("clients", "insert", data={"client_id": "LO02", "name": "x"})
    line.faults.append(LOSE_ANSWER)
    with pool.transaction() as tx:
        change = tx.update("clients", {"name": "y"}, filters={"client_id_eq": "LO02", "version_eq": 1}, expect=1)
    assert change.rows[0]["version"] == 2
    assert pool.execute_query("clients").data[0]["version"] == 2


def test_a_read_whose_answer_is_lost_is_asked_again(line, pool):
    line.faults.append(LOSE_ANSWER)
    assert pool.execute_query("clients").data == []


def test_a_function_that_may_not_be_repeated_says_that_its_outcome_is_unknown(line, pool):
    line.faults.append(LOSE_ANSWER)
    with pytest.raises(OutcomeUnknown):
        pool.call_function("next_client_id", {"wanted_prefix": "LO"})
    assert pool.call_function("next_client_id", {"wanted_prefix": "LO"}) == "LO02"


@pytest.mark.slow
def test_a_line_that_stays_cut_is_an_error_within_seconds_and_heals(line, pool):
    line.faults.extend([LOSE_ANSWER] * 50)
    began = time.monotonic()
    with pytest.raises((OutcomeUnknown, Unavailable)):
        pool.execute_query("clients")
    assert time.monotonic() - began < 35
    line.faults.clear()
    assert pool.execute_query("clients").data == []


# On other ways nobody in between answers.
only_http = pytest.mark.parametrize("way", [pytest.param("supabase", marks=pytest.mark.slow)], indirect=True)


@only_http
@pytest.mark.parametrize("answer", [BUSY, TOO_MANY, BAD_GATEWAY, A_PAGE, FORGOTTEN],
                         ids=["503", "429", "502", "a page", "no schema"])
def test_an_answer_of_somebody_in_between_is_not_taken_for_the_databases(line, pool, answer):
    line.faults.append(answer)
    assert pool.execute_query("clients").data == []
    line.faults.append(answer)
    pool.execute_query("clients", "insert", data={"client_id": "LO03", "name": "x"})
    assert len(pool.execute_query("clients").data) == 1


@only_http
@pytest.mark.parametrize("answer", [BAD_GATEWAY, A_PAGE], ids=["502", "a page"])
def test_a_function_met_by_somebody_in_between_has_an_unknown_outcome(line, pool, answer):
    line.faults.append(answer)
    with pytest.raises(OutcomeUnknown):
        pool.call_function("next_client_id", {"wanted_prefix": "LO"})


@only_http
@pytest.mark.parametrize("answer", [BUSY, TOO_MANY], ids=["503", "429"])
def test_a_function_that_was_turned_away_is_asked_again(line, pool, answer):
    line.faults.append(answer)
    assert pool.call_function("next_client_id", {"wanted_prefix": "LO"}) == "LO01"


@only_http
def test_a_server_that_lost_its_schema_is_asked_again(line, pool):
    line.faults.extend([FUNCTION_FORGOTTEN] * 2)   # what was asked for, and whether it knows any function
    assert pool.call_function("next_client_id", {"wanted_prefix": "LO"}) == "LO01"


@only_http
@pytest.mark.parametrize("next_answer", [LOSE_ANSWER, BAD_GATEWAY, BUSY], ids=["lost", "502", "503"])
def test_a_server_that_lost_its_schema_and_breaks_off_is_asked_again(line, pool, next_answer):
    line.faults.extend([FUNCTION_FORGOTTEN, next_answer])
    assert pool.call_function("next_client_id", {"wanted_prefix": "LO"}) == "LO01"


@only_http
def test_overload_that_stays_is_unavailable(line, pool):
    line.faults.extend([TOO_MANY] * 10)
    with pytest.raises(Unavailable):
        pool.execute_query("clients")
