"""What machines and administrators learn about the portal's state, and that nobody else learns it."""

import pytest

import database_pool
from portal.monitoring import exposition
from tests.cast import sign_in, visitor

ELSEWHERE = {"REMOTE_ADDR": "203.0.113.7"}
FIGURES = ("/health/detailed", "/metrics", "/api/system/status")


@pytest.mark.parametrize("path", FIGURES)
def test_this_machine_may_look(app, path):
    answer = visitor(app).get(path)
    assert answer.status_code == 200 and answer.is_json


@pytest.mark.parametrize("path", FIGURES)
def test_strangers_and_colleagues_may_not(app, path):
    assert visitor(app).get(path, environ_overrides=ELSEWHERE).status_code == 403
    assert sign_in(app, "staff").get(path, environ_overrides=ELSEWHERE).status_code == 403
    assert sign_in(app, "administrator").get(path, environ_overrides=ELSEWHERE).status_code == 200


def test_a_forged_forwarded_address_opens_nothing(app):
    answer = visitor(app).get("/metrics", environ_overrides=ELSEWHERE, headers={"X-Forwarded-For": "127.0.0.1"})
    assert answer.status_code == 403


@pytest.mark.parametrize(("header", "status"), [
    ("Bearer a-long-random-word", 200), ("bearer a-long-random-word", 200), ("Bearer a-long-random-wor", 403),
    ("Bearer ", 403), ("Basic a-long-random-word", 403), ("Bearer ü", 403),
])  # fmt: skip
def test_the_token_of_monitoring_opens_them(app, monkeypatch, header, status):
    monkeypatch.setitem(app.config, "METRICS_TOKEN", "a-long-random-word")
    answer = visitor(app).get("/metrics", environ_overrides=ELSEWHERE, headers={"Authorization": header})
    assert answer.status_code == status


def test_without_a_token_set_no_token_opens_them(app):
    answer = visitor(app).get("/metrics", environ_overrides=ELSEWHERE, headers={"Authorization": "Bearer "})
    assert answer.status_code == 403


def test_the_status_has_the_services_of_the_contract(app):
    told = visitor(app).get("/api/system/status").get_json()
    assert {"status", "timestamp", "services", "performance", "alerts"} <= told.keys()
    assert {"database", "cache", "task_queue", "file_manager"} <= told["services"].keys()
    assert told["services"]["database"]["backend"] == "postgres"


def test_the_figures_have_the_parts_of_the_contract_and_count_this_request(app):
    browser = visitor(app)
    before = browser.get("/metrics").get_json()
    browser.get("/login")
    after = browser.get("/metrics").get_json()
    assert {"system", "services", "requests", "users", "task_queue", "alerts"} <= after.keys()
    assert after["requests"]["total"] >= before["requests"]["total"] + 2
    assert after["requests"]["p95"] is not None


@pytest.mark.parametrize(("path", "accept"), [
    ("/metrics", "text/plain; version=0.0.4"), ("/metrics", "application/openmetrics-text"),
    ("/metrics?format=prometheus", "*/*"),
])  # fmt: skip
def test_prometheus_reads_the_same_figures(app, path, accept):
    answer = visitor(app).get(path, headers={"Accept": accept})
    assert answer.mimetype == "text/plain"
    assert 'portal_service_state{service="database",state="healthy"} 1.0' in answer.text
    assert 'portal_request_seconds_bucket{' in answer.text and "portal_disk_free_bytes " in answer.text


def test_curl_gets_json(app):
    assert visitor(app).get("/metrics", headers={"Accept": "*/*"}).is_json


def test_without_its_database_the_portal_says_so_and_does_not_break(app, monkeypatch):
    def away(*_args, **_options):
        raise database_pool.Unavailable("nobody answers")

    monkeypatch.setattr(database_pool.DatabasePool, "call_function", away)
    answer = visitor(app).get("/health/detailed")
    assert answer.status_code == 503
    assert answer.get_json()["services"]["database"]["status"] == "unhealthy"
    assert visitor(app).get("/metrics").get_json()["status"] == "unhealthy"
    assert visitor(app).get("/health").status_code == 200


def test_the_page_shows_every_service_to_an_administrator_and_to_nobody_below(app):
    page = sign_in(app, "administrator").get("/monitoring")
    assert page.status_code == 200
    for word in ("Database", "Task queue", "Backups", "No backup of the last night"):
        assert word in page.text
    assert sign_in(app, "staff").get("/monitoring").status_code == 403


def test_a_quantile_is_the_edge_of_the_bucket_in_which_it_is_reached():
    buckets = {0.1: 90, 0.5: 98, 1.0: 100, float("inf"): 100}
    assert exposition.quantile(buckets, 0.5) == 0.1
    assert exposition.quantile(buckets, 0.95) == 0.5
    assert exposition.quantile(buckets, 0.99) == 1.0
    assert exposition.quantile({}, 0.5) is None
