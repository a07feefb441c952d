"""A session is asked from the database once in each process, and yet over everywhere at once."""

import datetime

import pytest

import app_multiuser
import database_pool
from cache_manager import cache_manager
from database_pool import execute_query, transaction
from portal import formats
from portal.staff import seen, sessions
from tests.cast import email_of, make_cast, sign_in
from tests.conftest import point_portal_at, portal_settings
from tests.servers import redis as redis_server
from tests.servers.processes import wait_for
from tests.servers.redis import RedisServer


@pytest.fixture(scope="module", autouse=True)
def redis():
    if reason := redis_server.missing():
        pytest.skip(reason)
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def address(embedded_server, fresh_database):
    return embedded_server.address(fresh_database())


@pytest.fixture(scope="module", params=["redis", "without"])
def app(request, redis, address, data_dir):
    extra = {"REDIS_URL": redis.url} if request.param == "redis" else {}
    settings = portal_settings(data_dir, DATABASE_URL=address, **extra)
    with point_portal_at(settings):
        make_cast()
        yield app_multiuser.create_app(settings)


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    """A process that has seen nobody yet."""
    monkeypatch.setattr(seen, "of_this_process", seen.Uses())


@pytest.fixture
def questions(monkeypatch):
    """Every question for a session's row."""
    asked = []
    real = database_pool.DatabasePool.execute_query

    def counted(pool, table, *rest, **options):
        if table == "session_users":
            asked.append(table)
        return real(pool, table, *rest, **options)

    monkeypatch.setattr(database_pool.DatabasePool, "execute_query", counted)
    return asked


@pytest.fixture
def later(monkeypatch):
    """Sets the clock forward."""
    def set_clock(**ahead):
        monkeypatch.setattr(formats, "now", lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(**ahead))

    return set_clock


def test_the_row_is_asked_once(app, questions, later):
    browser = sign_in(app, "staff")
    browser.get("/account")
    questions.clear()
    assert [browser.get("/account").status_code for _ in range(5)] == [200] * 5
    later(minutes=61)
    assert browser.get("/account").status_code == 200
    assert questions == []


def test_what_another_process_revokes_is_over_at_once(app):
    browser = sign_in(app, "staff")
    assert browser.get("/account").status_code == 200
    with transaction() as tx:
        sessions.end_all(tx, make_cast()["staff"])
    assert browser.get("/account").status_code == 303


def test_an_administrator_who_disables_a_colleague_stops_the_next_click(app):
    administrator, browser = sign_in(app, "administrator"), sign_in(app, "reader")
    assert browser.get("/account").status_code == 200
    user_id = make_cast()["reader"]
    version = execute_query("users", filters={"user_id": user_id}).data[0]["version"]
    administrator.submit(f"/users/{user_id}/disable", {"version": version})
    assert browser.get("/account").status_code == 303
    administrator.submit(f"/users/{user_id}/enable", {"version": version + 1})


def test_what_a_colleague_changes_shows_on_the_next_page(app):
    browser = sign_in(app, "manager")
    browser.get("/account")
    browser.submit("/account/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in browser.get("/account").text
    browser.submit("/account/theme", {"theme": "system"})


def test_a_session_that_lies_idle_ends_and_so_does_the_oldest_one(app, later):
    browser = sign_in(app, "accounts")
    assert browser.get("/account").status_code == 200
    with transaction() as tx:
        tx.update("sessions", {"expires_at": formats.now() - datetime.timedelta(seconds=1)},
                  filters={"user_id_eq": make_cast()["accounts"]})
    assert browser.get("/account").status_code == 303
    browser = sign_in(app, "accounts")
    assert browser.get("/account").status_code == 200
    later(seconds=sessions.LONGEST_IDLE.total_seconds() + 1)
    assert browser.get("/account").status_code == 303


def seen_of(user_id):
    """When the newest session of a colleague was last noted as used."""
    rows = execute_query("sessions", filters={"user_id": user_id, "revoked_at_is": None},
                         order="created_at desc, token_hash", limit=1).data
    return rows[0]["last_seen_at"]


def test_use_is_noted_once_a_minute_and_not_with_every_click(app, later):
    browser = sign_in(app, "accounts")
    user_id = make_cast()["accounts"]
    browser.get("/account")
    signed_in = seen_of(user_id)
    later(minutes=2)
    browser.get("/account")
    noted = seen_of(user_id)
    assert noted > signed_in + datetime.timedelta(minutes=1)
    for _ in range(3):
        browser.get("/account")
    assert seen_of(user_id) == noted


def test_what_ten_seconds_saw_is_noted_by_one_statement(app, later):
    people = {role: sign_in(app, role) for role in ("accounts", "staff", "manager")}
    before = {role: seen_of(make_cast()[role]) for role in people}

    def noted():
        return {role for role in people if seen_of(make_cast()[role]) > before[role]}

    later(minutes=2)
    people["accounts"].get("/account")
    assert noted() == {"accounts"}
    later(minutes=2, seconds=5)
    people["staff"].get("/account")
    assert noted() == {"accounts"}   # with the next ones
    later(minutes=2, seconds=11)
    people["manager"].get("/account")
    assert noted() == set(people)


def test_a_use_that_keeps_a_session_alive_is_not_put_off(app, later):
    browsers = [sign_in(app, role) for role in ("staff", "accounts")]
    later(minutes=90)
    browsers[0].get("/account")
    before = seen_of(make_cast()["accounts"])
    later(minutes=90, seconds=5)
    browsers[1].get("/account")
    assert seen_of(make_cast()["accounts"]) > before + datetime.timedelta(hours=1)


def test_somebody_who_is_seen_by_another_process_is_not_idle_here(app, later):
    browser = sign_in(app, "accounts")
    browser.get("/account")
    later(hours=3)
    with transaction() as tx:
        tx.update("sessions", {"last_seen_at": formats.now()}, filters={"user_id_eq": make_cast()["accounts"]})
    assert browser.get("/account").status_code == 200


def test_nobody_is_signed_out_when_redis_dies_or_starts_anew(app, redis):
    used = cache_manager.is_shared()
    browser = sign_in(app, "staff")
    redis.kill()
    assert browser.get("/account").status_code == 200
    with transaction() as tx:
        sessions.end_all(tx, make_cast()["staff"])
    assert browser.get("/account").status_code == 303
    again = sign_in(app, "staff")
    redis.start()
    wait_for(lambda: cache_manager.is_shared() == used, "the way back", seconds=20)
    assert again.get("/account").status_code == 200
    assert browser.get("/account").status_code == 303


def test_monitoring_knows_who_is_active(app):
    before = sessions.active_users()
    sign_in(app, "reader")
    assert 1 <= sessions.active_users() <= before + 1
    assert execute_query("users", filters={"email": email_of("reader")}).data
