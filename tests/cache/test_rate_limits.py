"""Who asks too often is told to wait: counted by colleague or address, for the machine as a whole."""

import json
import uuid

import pytest
from flask import Flask

import app_multiuser
import cache_manager as face
import config
from cache_manager import count_request, new_rate_counter, rate_limit
from database_pool import execute_query
from infrastructure.rate_limits import RateCounter
from tests.cast import make_cast, sign_in, visitor
from tests.conftest import point_portal_at, portal_settings
from tests.servers.redis import RedisServer

LIMITS = {"RATE_LIMIT_PAGES": "6/day", "RATE_LIMIT_SIGN_IN": "3 per 12 hours", "RATE_LIMIT_API": "2/hour",
          "RATE_LIMIT_EXPORTS": "2/hour"}


@pytest.fixture(scope="module")
def address(embedded_server, fresh_database):
    return embedded_server.address(fresh_database())


@pytest.fixture(scope="module", params=["redis", "table"])
def portal(request, address, data_dir):
    """The portal with narrow limits, counting in Redis or in the database."""
    redis = {"REDIS_URL": request.getfixturevalue("redis").url} if request.param == "redis" else {}
    chosen = portal_settings(data_dir, DATABASE_URL=address, **redis, **LIMITS)
    with point_portal_at(chosen):
        make_cast()
        yield app_multiuser.create_app(chosen)


@pytest.fixture(autouse=True)
def nothing_counted(request):
    """Each test begins with all allowances unspent."""
    if "portal" in request.fixturenames:
        request.getfixturevalue("portal")
        execute_query("rate_counts", "delete", filters={"hits_gt": 0})
        if config.settings().redis_url:
            request.getfixturevalue("redis").client().flushall()


def statuses(browser, how_often, path="/login", **options):
    return [browser.get(path, **options).status_code for _ in range(how_often)]


def test_too_many_pages_are_answered_429_with_when_to_come_back(portal):
    browser = visitor(portal)
    first = browser.get("/login")
    assert first.headers["RateLimit-Policy"] == '"pages";q=6;w=86400'
    assert first.headers["RateLimit"].startswith('"pages";r=5;t=')
    assert statuses(browser, 6) == [200] * 5 + [429]
    refused = browser.get("/login")
    assert 1 <= int(refused.headers["Retry-After"]) <= 86400
    assert refused.headers["RateLimit"].startswith('"pages";r=0;t=')
    assert "Too many" in refused.text
    assert "Please try again in" in refused.text
    assert refused.headers["X-Frame-Options"] == "DENY"


def test_lists_that_are_taken_out_are_counted_apart(portal):
    browser = sign_in(portal, "staff")
    assert statuses(browser, 3, "/clients/export") == [200, 200, 429]
    assert browser.get("/policies/export").status_code == 429
    assert browser.get("/account").status_code == 200


def test_programs_get_a_problem_answer(portal):
    browser = visitor(portal)
    assert statuses(browser, 2, "/api/clients") != [429, 429]
    refused = browser.get("/api/clients")
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    assert json.loads(refused.data)["status"] == 429
    assert "Retry-After" in refused.headers


def test_what_watches_the_portal_and_its_files_are_not_counted(portal):
    browser = visitor(portal)
    assert statuses(browser, 10, "/health") == [200] * 10
    assert statuses(browser, 10, "/static/icon.svg") == [200] * 10
    assert browser.get("/login").status_code == 200


def test_each_address_has_its_own_count_and_a_forged_header_changes_nothing(portal):
    browser = visitor(portal)
    stranger = {"REMOTE_ADDR": "203.0.113.9"}
    seen = [browser.get("/login", environ_base=stranger, headers={
        "X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}",
        "Forwarded": f"for=198.51.100.{number}"}).status_code for number in range(8)]
    assert seen == [200] * 6 + [429] * 2
    assert browser.get("/login", environ_base={"REMOTE_ADDR": "203.0.113.10"}).status_code == 200


def test_behind_the_proxy_its_word_counts_and_only_the_last_one(portal):
    browser = visitor(portal)

    def through_nginx(address, number):
        return browser.get("/login", environ_base={"REMOTE_ADDR": "127.0.0.1"},
                           headers={"X-Forwarded-For": f"10.0.0.{number}, {address}"}).status_code

    assert [through_nginx("203.0.113.20", number) for number in range(7)] == [200] * 6 + [429]
    assert through_nginx("203.0.113.21", 1) == 200


def test_a_household_of_ipv6_is_one_caller(portal):
    browser = visitor(portal)
    seen = [browser.get("/login", environ_base={"REMOTE_ADDR": f"2001:db8:1:2::{number:x}"}).status_code
            for number in range(1, 9)]
    assert seen == [200] * 6 + [429] * 2
    assert browser.get("/login", environ_base={"REMOTE_ADDR": "2001:db8:1:3::1"}).status_code == 200


def test_colleagues_of_one_office_are_counted_apart(portal):
    asha, charu = sign_in(portal, "administrator"), sign_in(portal, "staff")
    seen = statuses(asha, 8, "/account")
    assert seen[0] == 200
    assert seen[-1] == 429
    assert charu.get("/account").status_code == 200


def test_attempts_to_sign_in_have_a_limit_of_their_own(portal):
    browser = visitor(portal)
    token = browser.token()
    nobody = f"nobody-{uuid.uuid4().hex}@example.in"   # the pauses after wrong passwords are another matter
    wrong = {"csrf_token": token, "email": nobody, "password": "wrong wrong wrong"}
    assert [browser.post("/login", data=wrong).status_code for _ in range(4)] == [422, 422, 422, 429]


@pytest.mark.parametrize("path", ["/login/", "/login/code", "/login/code/", "/login/clerk", "/login/clerk/"])
def test_no_spelling_of_the_path_goes_around_it(portal, path):
    browser = visitor(portal)
    empty = {"csrf_token": browser.token()}
    assert [browser.post("/login", data=empty).status_code for _ in range(2)] == [422, 422]
    assert [browser.post(path, data=empty).status_code == 429 for _ in range(2)] == [False, True]
    assert browser.post("/login", data=empty).status_code == 429
    assert browser.get("/login").status_code == 200


def test_two_processes_count_together(portal):
    one, other = new_rate_counter(), new_rate_counter()
    counted = [counter.count("pages", "user-7", 100, 3600).used for counter in (one, other, one, other)]
    assert counted == [1, 2, 3, 4]
    assert one.count("pages", "user-8", 100, 3600).used == 1


def test_numbers_of_a_large_limit_are_taken_in_blocks_and_each_is_given_once(portal):
    counters = [new_rate_counter() for _ in range(3)]
    used = [counter.count("pages", "user-9", 1000, 3600).used for _ in range(25) for counter in counters]
    assert len(set(used)) == 75
    assert min(used) == 1
    assert max(used) <= 3 * 30   # blocks of ten: each process is within one of them


def test_operators_find_the_keys(portal, request):
    count_request("pages", "user-7", limit=5, window=60)
    if config.settings().redis_url:
        keys = request.getfixturevalue("redis").client().keys("rate_limit:*")
        assert any("user-7" in key for key in keys)


def test_where_nobody_counts_together_each_process_allows_its_share():
    counter = RateCounter(lambda: None, lambda error: None, None, processes=4)
    allowances = [counter.count("pages", "user-7", 8, 86400) for _ in range(3)]
    assert [one.is_spent for one in allowances] == [False, False, True]
    assert allowances[0].limit == 2


def test_when_redis_dies_the_table_goes_on(address, data_dir):
    server = RedisServer()
    server.start()
    chosen = portal_settings(data_dir, DATABASE_URL=address, REDIS_URL=server.url)
    try:
        with point_portal_at(chosen):
            assert count_request("pages", "user-7", limit=5, window=86400).used == 1
            server.kill()
            assert [count_request("pages", "user-7", limit=5, window=86400).used for _ in range(3)] == [1, 2, 3]
            assert not face.cache_manager.is_shared()
    finally:
        server.remove()


def test_the_decorator_works_on_any_view(tmp_path):
    plain = Flask("plain")

    @plain.get("/list")
    @rate_limit(limit=2, window=86400)
    def listed():
        return "list"

    with point_portal_at(portal_settings(tmp_path, SUPABASE_URL="http://127.0.0.1:1", SUPABASE_KEY="sb_secret_x",
                                         WEB_CONCURRENCY="1")):
        answers = [plain.test_client().get("/list") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"]
    assert listed.__name__ == "listed"
