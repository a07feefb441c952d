"""What machines and administrators learn about the portal's state, and that nobody else learns it."""

from datetime import timedelta

import pytest

import database_pool
from cache_manager import reset_cache
from database_pool import execute_query, transaction
from portal import measures
from portal.formats import now
from portal.monitoring import counting, queries, rules, service, tasks
from portal.monitoring.inputs import USUAL
from tests.cast import email_of, sign_in, visitor
from tests.clients.counting import questions_of

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
    assert counting.quantile(buckets, 0.5) == 0.1
    assert counting.quantile(buckets, 0.95) == 0.5
    assert counting.quantile(buckets, 0.99) == 1.0
    assert counting.quantile({}, 0.5) is None


@pytest.mark.parametrize("metric", [
    'portal_alert{name="backup-old",severity="warning"} 1.0', 'portal_alert{name="disk-full",severity="critical"} 0.0',
    'portal_process_memory_bytes{kind="uss"}', 'portal_pool_connections{state="in_use"}', "portal_cache_shared",
    'portal_cache_lookups_total{found="misses"}', "portal_backups_kept ", "portal_users_active ",
    "portal_messaging_oldest_seconds ", "portal_schedule_seconds_ago ",
    'portal_task_oldest_seconds{name="files.store"}',
    'portal_provider_seconds_bucket{le="0.1",outcome="retry",provider="somebody"}',
])  # fmt: skip
def test_prometheus_finds_the_figure(figures_of_a_busy_day, metric):
    assert metric in figures_of_a_busy_day


@pytest.fixture(scope="module")
def figures_of_a_busy_day(app):
    """What Prometheus reads after a look, with a task that waits and a provider that failed."""
    with transaction() as tx:
        tx.insert("tasks", {"name": "files.store", "run_at": now() - timedelta(seconds=90)})
    measures.provider_answered("somebody", "retry", since=0.0)
    tasks.look()
    measures.report()
    text = visitor(app).get("/metrics?format=prometheus").text
    with transaction() as tx:
        tx.delete("tasks", filters={"name_eq": "files.store"})
    return text


def test_an_alert_is_told_once_and_so_is_its_end(app, monkeypatch):
    sign_in(app, "administrator")
    low = {"name": "disk-low", "service": "disk", "severity": "warning", "title": "Disk", "message": "1.0 GB are free."}
    moment = now()
    for minute, wrong in enumerate([[low], [low], [], [], [], [], []]):
        at = moment + timedelta(minutes=minute)
        with transaction() as tx:
            known = [row for row in queries.open_alerts() if row["name"] == "disk-low"]
            began, ended = service.note_alerts(tx, wrong, known, USUAL, moment=at)
            service.tell(tx, began, ended, {"disk-low": "Disk is filling up"}, USUAL,
                         administrators=[email_of("administrator")], portal="http://localhost")
    told = execute_query("messages", filters={"key_like": "alert:%", "body_like": "%isk%"}, order="message_id").data
    assert [row["subject"] for row in told] == ["Portal: Disk", "Portal: All clear: Disk is filling up"]
    assert {row["recipient"] for row in told} == {email_of("administrator")}
    rows = execute_query("alerts", filters={"name_eq": "disk-low"}).data
    # Seen last in the second minute; quiet for three minutes in the fifth.
    assert [row["ended_at"] - row["began_at"] for row in rows] == [timedelta(minutes=4)]


def test_every_page_of_an_administrator_shows_it_without_a_question_of_its_own(app, monkeypatch):
    tasks.look()
    browser = sign_in(app, "administrator")
    before = questions_of(browser, "/account", monkeypatch)
    assert "Backup is missing" in browser.get("/account").text
    with monkeypatch.context() as patch:
        patch.setattr(queries, "shown_alerts", lambda fresh: [])
        assert questions_of(browser, "/account", monkeypatch) == before
    assert "Backup is missing" not in sign_in(app, "staff").get("/account").text


def test_where_nobody_looks_any_more_an_administrators_page_says_so(app, monkeypatch):
    tasks.look()
    browser = sign_in(app, "administrator")
    assert "The schedule stands still" not in browser.get("/account").text
    newest = queries.latest_samples()[0]["sample_id"]
    execute_query("monitoring_samples", "delete", filters={"sample_id_neq": newest})
    execute_query("monitoring_samples", "update", data={"sampled_at": now() - timedelta(minutes=10)},
                  filters={"sample_id_eq": newest})
    later = now() + timedelta(minutes=5, seconds=1)
    for module in (queries, rules):
        monkeypatch.setattr(module, "now", lambda: later)   # what was young enough before is not any more
    assert not execute_query("alerts", filters={"name_eq": "schedule-late"}).data
    assert "The schedule stands still" in browser.get("/account").text
    assert "The schedule stands still" not in sign_in(app, "staff").get("/account").text
    asked = questions_of(browser, "/account", monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(queries, "shown_alerts", lambda fresh: [])
        patch.setattr(queries, "shown_sample_at", lambda fresh: None)
        assert questions_of(browser, "/account", monkeypatch) == asked
    for module in (queries, rules):
        monkeypatch.setattr(module, "now", lambda: later + timedelta(seconds=31))
    execute_query("monitoring_samples", "update", data={"sampled_at": later}, filters={"sample_id_eq": newest})
    assert "The schedule stands still" not in browser.get("/account").text
    execute_query("monitoring_samples", "update", data={"sampled_at": now()}, filters={"sample_id_eq": newest})


def test_the_look_is_kept_and_drawn(app):
    for minutes in (2, 1):
        with transaction() as tx:
            tx.insert("monitoring_samples", {"sampled_at": now() - timedelta(minutes=minutes), "figures": {
                "totals": {"requests": 0, "errors": 0, "calls": 0, "failures": 0, "buckets": {}, "at": 0.0},
                "per_minute": 120.0, "requests": 120, "errors": 0, "calls": 0, "failures": 0, "p95": 0.05, "queued": 3,
                "memory_bytes": 3 * 1024**2}})
    page = sign_in(app, "administrator").get("/monitoring").text
    assert page.count("<polyline") == 4 and '<td class="num">120</td>' in page


def test_the_stream_brings_the_part_of_the_page_that_changes(app):
    stream = sign_in(app, "administrator").get("/monitoring/events")
    parts = stream.iter_encoded()
    assert next(parts).decode() == "retry: 3000\n\n"
    assert next(parts).decode().startswith('event: live\ndata: {"html": "')
    stream.close()
    assert sign_in(app, "staff").get("/monitoring/events").status_code == 403


def test_sending_is_paused_and_resumed_by_who_manages_the_queue(app):
    boss = sign_in(app, "administrator")
    boss.submit("/monitoring/sending", {"wish": "pause"})
    assert execute_query("task_pauses", filters={"name_eq": "outbox.deliver"}).data
    assert "Resume sending" in boss.get("/monitoring").text
    boss.submit("/monitoring/sending", {"wish": "resume"})
    assert not execute_query("task_pauses", filters={"name_eq": "outbox.deliver"}).data
    assert sign_in(app, "manager").submit("/monitoring/sending", {"wish": "pause"}).status_code == 403


def test_what_a_restore_has_paused_is_shown_and_resumed_one_after_the_other(app):
    with transaction() as tx:
        service.hold_sending(tx)
    boss = sign_in(app, "administrator")
    page = boss.get("/monitoring").text
    assert "Resume them first" in page and "Sending is paused" in page
    boss.submit("/monitoring/sending", {"wish": "resume", "what": "reminders"})
    page = boss.get("/monitoring").text
    assert "reminders of each morning are paused" not in page and "Sending is paused" in page
    boss.submit("/monitoring/sending", {"wish": "resume"})
    assert "Sending is paused" not in boss.get("/monitoring").text
    assert not execute_query("task_pauses").data


def test_thresholds_are_settled_on_a_page_and_hold(app):
    boss = sign_in(app, "administrator")
    assert sign_in(app, "manager").get("/monitoring/alerts").status_code == 403
    values = {name: str(value) for name, value in USUAL.model_dump().items() if isinstance(value, int)}
    values |= {"by_email": "on", "emails": "a@example.in; nobody", "backup_hours": "0"}
    refused = boss.submit("/monitoring/alerts", values)
    assert refused.status_code == 422 and "write e-mail addresses" in refused.text and "nobody" in refused.text
    values |= {"emails": "a@example.in, b@example.in", "backup_hours": "48", "by_whatsapp": ""}
    assert boss.submit("/monitoring/alerts", values).status_code == 303
    reset_cache()
    assert (queries.thresholds().backup_hours, queries.thresholds().emails) == (48, "a@example.in, b@example.in")
    assert boss.submit("/monitoring/alerts", values).status_code == 409
