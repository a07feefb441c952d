"""Each alert: when it holds, when it does not, and that the operators' guide says what to do about it."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portal.formats import now
from portal.monitoring import counting, health, journal, rules
from portal.monitoring.inputs import USUAL

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"
GIGABYTE = 1024**3
# Of each alert: the state of its service in which it holds, and one in which it does not, just beside.
# Times are told as how long ago: on a busy machine minutes pass between reading this and asking.
EDGES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "database-down": ("database", {"unreachable": "It does not answer."}, {"ping_seconds": 0.001}),
    "database-slow": ("database", {"ping_seconds": 0.6}, {"ping_seconds": 0.5}),
    "cache-down": ("cache", {"state": "degraded"}, {"state": "healthy"}),
    "no-task-workers": ("task_queue", {"processes": 0}, {"processes": 1}),
    "tasks-wait": ("task_queue", {"processes": 1, "oldest_seconds": 301}, {"processes": 1, "oldest_seconds": 300}),
    "dead-letters": ("task_queue", {"processes": 1, "states": {"dead": 1}}, {"processes": 1, "states": {"dead": 0}}),
    "schedule-late": ("schedule", {"last_run": timedelta(minutes=6)}, {"last_run": timedelta()}),
    "messages-wait": ("messaging", {"oldest_seconds": 400, "messages": {"sending": 1}},
                      {"oldest_seconds": 400, "messages": {"queued": 1}}),
    "channel-paused": ("messaging", {"paused": ["whatsapp"]}, {"paused": []}),
    "providers-fail": ("messaging", {"recent_calls": 10, "recent_failures": 3},
                       {"recent_calls": 10, "recent_failures": 2}),
    "webhooks-late": ("messaging", {"webhook_lag_seconds": 301}, {"webhook_lag_seconds": 300}),
    "pages-slow": ("web", {"recent_requests": 20, "p95": 2.5}, {"recent_requests": 19, "p95": 2.5}),
    "pages-fail": ("web", {"recent_requests": 100, "recent_errors": 2}, {"recent_requests": 100, "recent_errors": 1}),
    "memory-low": ("machine", {"memory_percent": 92.0}, {"memory_percent": 91.9}),
    "disk-full": ("disk", {"free_bytes": 100 * 1024**2}, {"free_bytes": GIGABYTE}),
    "disk-low": ("disk", {"free_bytes": GIGABYTE}, {"free_bytes": 2 * GIGABYTE}),
    "backup-old": ("backups", {"kept": 1, "last": timedelta(hours=37)}, {"kept": 1, "last": timedelta()}),
    "backup-incomplete": ("backups", {"missing": 2}, {"missing": 0}),
}  # fmt: skip


def _of_this_moment(told: dict[str, Any]) -> dict[str, Any]:
    return {key: now() - value if isinstance(value, timedelta) else value for key, value in told.items()}


def test_every_alert_has_its_edge_here():
    assert set(EDGES) == {rule.name for rule in rules.RULES}


@pytest.mark.parametrize("name", EDGES)
def test_an_alert_holds_from_its_threshold_on(name):
    service, wrong, right = EDGES[name][0], *map(_of_this_moment, EDGES[name][1:])
    assert name in {alert["name"] for alert in rules.broken({service: wrong}, USUAL)}
    assert name not in {alert["name"] for alert in rules.broken({service: right}, USUAL)}


def test_the_guide_has_a_runbook_for_each_alert_and_for_no_other():
    told = re.findall(r"^### `([a-z-]+)`", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(EDGES)


def test_a_critical_alert_makes_its_service_unhealthy_and_a_warning_degrades_it():
    told = health.judged({"disk": {"free_bytes": 1}, "machine": {"memory_percent": 99.0}, "cache": {}}, USUAL)
    assert [told[name]["status"] for name in ("disk", "machine", "cache")] == ["unhealthy", "degraded", "healthy"]
    assert [alert["name"] for alert in health.alerts(told)] == ["disk-full", "memory-low"]


def test_what_the_database_cannot_say_is_told_once():
    away = {"unreachable": "The database does not answer."}
    told = health.judged({"database": away, "task_queue": away, "messaging": away}, USUAL)
    assert {state["status"] for state in told.values()} == {"unhealthy"}
    assert [alert["name"] for alert in health.alerts(told)] == ["database-down"]


def test_counts_that_begin_anew_are_not_taken_for_less_than_nothing():
    before = {"requests": 900, "errors": 9, "calls": 0, "failures": 0, "buckets": {"0.1": 900, "+Inf": 900}, "at": 0.0}
    after = {**before, "requests": 960, "buckets": {"0.1": 910, "1.0": 960, "+Inf": 960}, "at": 60.0}
    passed = counting.since(before, after)
    assert (passed["requests"], passed["per_minute"], passed["errors"], passed["p95"]) == (60, 60.0, 0, 1.0)
    restarted = {**before, "requests": 30, "errors": 1, "buckets": {"0.1": 30, "+Inf": 30}, "at": 120.0}
    assert counting.since(after, restarted)["requests"] == 30


def test_the_last_errors_are_told_with_their_reference_and_without_what_was_typed(tmp_path):
    lines = [
        {"time": "2026-11-26T10:00:00+00:00", "level": "info", "message": "portal ready"},
        {"time": "2026-11-26T10:00:01+00:00", "level": "error", "message": "unexpected error", "request_id": "ab12",
         "method": "POST", "rule": "/clients/new", "error": "Traceback\nValueError: Kavita Iyer"},
        {"time": "2026-11-26T10:00:02+00:00", "level": "warning", "message": "slow request", "seconds": 2.5,
         "request_id": "cd34", "method": "GET", "rule": "/policies"},
    ]  # fmt: skip
    text = "\n".join(["cut off in the midd", *map(json.dumps, lines)])
    (tmp_path / "multiuser_app.log").write_text(text)
    told = journal.read(tmp_path)
    assert [(row["reference"], row["where"], row["kind"]) for row in told.errors] == [
        ("ab12", "POST /clients/new", "ValueError")]
    assert [(row["reference"], row["seconds"]) for row in told.slow] == [("cd34", 2.5)]
    assert "Kavita" not in str(told)
    assert journal.read(tmp_path / "nowhere").errors == []
