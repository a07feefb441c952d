"""The figures of /metrics: one dict for JSON, and the same numbers as Prometheus reads them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from portal.monitoring import counting, health
from portal.monitoring.rules import RULES

PROMETHEUS = CONTENT_TYPE_LATEST
STATES = ("healthy", "degraded", "unhealthy")
SERVICES = ("database", "cache", "task_queue", "file_manager", "messaging", "schedule", "web", "machine", "disk",
            "backups")
# Of a process or with a label of their own; they are told by their own metrics.
TOLD_APART = ("names", "messages", "by_status", "task_ages", "by_process", "by_route", "by_provider", "alerts")


def figures(counted: counting.Counted) -> dict[str, Any]:
    """status, system, services, requests, users, task_queue, providers, processes, alerts and each service's figures.

    `counted` is what all processes counted (portal.measures.gathered).
    """
    found = health.services()
    return {
        "status": health.overall(found),
        "system": system(),
        "services": {name: state["status"] for name, state in found.items()},
        "requests": counting.requests(counted),
        "users": {"active": found["messaging"].get("active_users")},
        **{name: found[name] for name in SERVICES},
        "providers": counting.providers(counted),
        "cache_over_all": counting.cache(counted),
        "processes": {"by_process": counting.processes(counted)},
        "alerts": health.alerts(found),
    }


def system() -> dict[str, Any]:
    """This machine: cpu_percent since the last look, memory and the processes of the portal, in bytes."""
    memory, process = psutil.virtual_memory(), psutil.Process()
    return {
        "cpu_percent": psutil.cpu_percent(None), "load": [round(part, 2) for part in psutil.getloadavg()],
        "memory_percent": memory.percent, "memory_available_bytes": memory.available,
        "process_memory_bytes": process.memory_info().rss,
    }  # fmt: skip


def sample(
    found: Mapping[str, health.State], counted: counting.Counted, before: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is kept of this moment: figures as they are, and what happened since the sample before (`before[0]`)."""
    last = before[0]["figures"]["totals"] if before else None
    totals = counting.totals(counted)
    passed = counting.since(last, totals)
    queue, states = found["task_queue"], found["task_queue"].get("states", {})
    processes = counting.processes(counted)
    return {
        "totals": totals, **passed, "queued": states.get("queued", 0), "running": states.get("running", 0),
        "dead": states.get("dead", 0), "done_per_minute": queue.get("per_minute", 0),
        "waiting_messages": found["messaging"].get("messages", {}).get("queued", 0),
        "active_users": found["messaging"].get("active_users"), "cpu_percent": psutil.cpu_percent(None),
        "memory_percent": found["machine"]["memory_percent"],
        "memory_bytes": sum(int(each.get("pss") or each.get("rss") or 0) for each in processes),
        "connections": sum(each.get("in_use", 0) for each in processes),
    }  # fmt: skip


def as_prometheus(told: Mapping[str, Any], counted: counting.Counted) -> bytes:
    """The same figures, and what all processes counted, in Prometheus' text format."""
    mine = CollectorRegistry()
    mine.register(_Told(told))
    mine.register(_Counted(counted))
    return generate_latest(mine)


class _Counted:
    """What was gathered, as a collector."""

    def __init__(self, counted: counting.Counted) -> None:
        self._counted = counted

    def collect(self) -> Iterable[Metric]:
        return self._counted.values()


class _Told:
    """Gauges from the numbers of the JSON answer, named by their path in it."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "portal_service_state", "1 for the state a service is in.", labels=["service", "state"])
        for service, current in self._told["services"].items():
            for name in STATES:
                state.add_metric([service, name], float(current == name))
        yield state
        yield self._alerts()
        tasks = GaugeMetricFamily("portal_tasks", "Tasks by name and state.", labels=["name", "state"])
        for name, states in self._told["task_queue"].get("names", {}).items():
            for word, number in states.items():
                tasks.add_metric([name, word], number)
        yield tasks
        yield self._labelled("portal_task_oldest_seconds", "How long the oldest task waits, by name.", "name",
                             self._told["messaging"].get("task_ages", {}))
        yield self._labelled("portal_messages", "Messages of the last day by state.", "state",
                             self._told["messaging"].get("messages", {}))
        for path, number in _numbers(self._told):
            yield GaugeMetricFamily(f"portal_{path}", f"{path.replace('_', ' ')}.", value=number)

    def _alerts(self) -> Metric:
        open_now = {alert["name"] for alert in self._told["alerts"]}
        family = GaugeMetricFamily("portal_alert", "1 while an alert holds.", labels=["name", "severity"])
        for rule in RULES:
            family.add_metric([rule.name, rule.severity], float(rule.name in open_now))
        return family

    def _labelled(self, name: str, meaning: str, label: str, numbers: Mapping[str, float]) -> Metric:
        family = GaugeMetricFamily(name, meaning, labels=[label])
        for word, number in numbers.items():
            family.add_metric([word], number)
        return family


def _numbers(told: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    for name, value in told.items():
        if name in TOLD_APART or not name.isidentifier():
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, (*path, name))
        elif isinstance(value, int | float):
            yield "_".join((*path, name)), float(value)
