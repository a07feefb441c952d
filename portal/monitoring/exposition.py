"""The figures of /metrics: one dict for JSON, and the same numbers as Prometheus reads them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from portal.monitoring import health
from portal.monitoring.queries import office_figures

PROMETHEUS = CONTENT_TYPE_LATEST
REQUESTS = "portal_request_seconds"
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
STATES = ("healthy", "degraded", "unhealthy")


def figures(requests: CollectorRegistry) -> dict[str, Any]:
    """system, services, requests, users, task_queue, alerts. `requests` is where answered requests are counted."""
    found = health.services()
    reachable = found["database"]["status"] != "unhealthy"
    return {
        "status": health.overall(found),
        "system": system(),
        "services": {name: state["status"] for name, state in found.items()},
        "requests": request_figures(requests),
        "users": {"active": office_figures()["active_users"] if reachable else None},
        "task_queue": found["task_queue"],
        "database": found["database"],
        "cache": found["cache"],
        "file_manager": found["file_manager"],
        "messaging": found["messaging"],
        "disk": found["disk"],
        "backups": found["backups"],
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


def request_figures(registry: CollectorRegistry) -> dict[str, Any]:
    """Requests answered since the start: total, errors (5xx), by status, and p50, p95, p99 in seconds."""
    buckets: dict[float, float] = {}
    statuses: dict[str, int] = {}
    for metric in registry.collect():
        if metric.name != REQUESTS:
            continue
        for sample in metric.samples:
            if sample.name.endswith("_bucket"):
                edge = float(sample.labels["le"])
                buckets[edge] = buckets.get(edge, 0) + sample.value
            elif sample.name.endswith("_count"):
                status = sample.labels["status"]
                statuses[status] = statuses.get(status, 0) + int(sample.value)
    total = sum(statuses.values())
    return {
        "total": total, "errors": sum(count for status, count in statuses.items() if status.startswith("5")),
        "by_status": dict(sorted(statuses.items())),
        **{name: quantile(buckets, share) for name, share in QUANTILES.items()},
    }  # fmt: skip


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The upper edge of the bucket in which that share of the requests is reached; None where there are none."""
    edges = sorted(buckets)
    if not edges or not buckets[edges[-1]]:
        return None
    edge = next(edge for edge in edges if buckets[edge] >= share * buckets[edges[-1]])
    return edge if edge != float("inf") else edges[-2] if len(edges) > 1 else None


def as_prometheus(told: Mapping[str, Any], requests: CollectorRegistry) -> bytes:
    """The same figures and the histograms of requests in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Told(told))
    return generate_latest(registry) + generate_latest(_Only(requests, REQUESTS))


class _Only:
    """A registry seen through one name: the interpreter's own metrics are of one process and mislead."""

    def __init__(self, registry: CollectorRegistry, name: str) -> None:
        self._registry, self._name = registry, name

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in self._registry.collect() if metric.name == self._name)


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
        tasks = GaugeMetricFamily("portal_tasks", "Tasks by name and state.", labels=["name", "state"])
        for name, states in self._told["task_queue"].get("names", {}).items():
            for word, number in states.items():
                tasks.add_metric([name, word], number)
        yield tasks
        messages = GaugeMetricFamily("portal_messages", "Messages of the last day by state.", labels=["state"])
        for word, number in self._told["messaging"].get("messages", {}).items():
            messages.add_metric([word], number)
        yield messages
        for path, number in _numbers(self._told):
            yield GaugeMetricFamily(f"portal_{path}", f"{path.replace('_', ' ')}.", value=number)


def _numbers(told: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    for name, value in told.items():
        if name in ("names", "messages", "by_status") or not name.isidentifier():
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, (*path, name))
        elif isinstance(value, int | float):
            yield "_".join((*path, name)), float(value)
