"""What the counters of all processes add up to: requests, providers, cache, the processes themselves."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from portal.formats import now

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
REQUESTS, PROVIDERS = "portal_request_seconds", "portal_provider_seconds"
SLOWEST = 10   # routes told apart
SILENT = 60.0  # seconds without a report, after which a process is gone
Figures = dict[str, Any]
Counted = Mapping[str, Metric]   # portal.measures.gathered()


def requests(counted: Counted) -> Figures:
    """Requests answered since the start: total, errors (5xx), by status, p50, p95, p99 in seconds, slowest routes."""
    buckets: dict[float, float] = {}
    by_route: dict[str, dict[float, float]] = defaultdict(dict)
    statuses: dict[str, int] = {}
    for sample in _samples(counted, REQUESTS):
        if sample.name.endswith("_bucket"):
            edge = float(sample.labels["le"])
            for each in (buckets, by_route[f"{sample.labels['method']} {sample.labels['route']}"]):
                each[edge] = each.get(edge, 0) + sample.value
        elif sample.name.endswith("_count"):
            status = sample.labels["status"]
            statuses[status] = statuses.get(status, 0) + int(sample.value)
    routes: list[Figures] = [
        {"route": route, "requests": int(max(times.values())), "p95": quantile(times, 0.95)}
        for route, times in by_route.items()]
    return {
        "total": sum(statuses.values()), "errors": _errors(statuses), "by_status": dict(sorted(statuses.items())),
        **{name: quantile(buckets, share) for name, share in QUANTILES.items()},
        "by_route": sorted(routes, key=lambda each: (-(each["p95"] or 0), -each["requests"]))[:SLOWEST],
    }  # fmt: skip


def providers(counted: Counted) -> Figures:
    """Calls of providers since the start: by provider how many, how many failed, their mean and p95 in seconds."""
    told: dict[str, Figures] = {}
    buckets: dict[str, dict[float, float]] = defaultdict(dict)
    for sample in _samples(counted, PROVIDERS):
        provider = sample.labels["provider"]
        one = told.setdefault(provider, {"calls": 0, "failures": 0, "seconds": 0.0})
        if sample.name.endswith("_bucket"):
            edge = float(sample.labels["le"])
            buckets[provider][edge] = buckets[provider].get(edge, 0) + sample.value
        elif sample.name.endswith("_count"):
            one["calls"] += int(sample.value)
            one["failures"] += int(sample.value) if sample.labels["outcome"] != "accepted" else 0
        elif sample.name.endswith("_sum"):
            one["seconds"] += sample.value
    for provider, one in told.items():
        spent = one.pop("seconds")
        one |= {"mean_seconds": round(spent / one["calls"], 4) if one["calls"] else None,
                "p95": quantile(buckets[provider], 0.95)}
    return {"by_provider": told}


def cache(counted: Counted) -> Figures:
    """Looks into the cache by all processes: hits, misses, hit_rate; `shared` of `processes` use Redis."""
    looks = {sample.labels["found"]: sample.value for sample in _samples(counted, "portal_cache_lookups")
             if sample.name.endswith("_total")}
    hits, misses = looks.get("hits", 0.0), looks.get("misses", 0.0)
    up = [sample.value for sample in _samples(counted, "portal_cache_shared")]
    return {"hits": int(hits), "misses": int(misses), "processes": len(up), "shared": int(sum(up)),
            "hit_rate": round(hits / (hits + misses), 3) if hits + misses else None}


def processes(counted: Counted) -> list[Figures]:
    """The processes that reported of late: place, pid, seconds alive, memory (pss, uss, rss), connections."""
    told: dict[str, Figures] = defaultdict(dict)
    moment = now().timestamp()
    plain = {"portal_process_id": "pid", "portal_process_started_seconds": "started",
             "portal_process_reported_seconds": "reported"}
    for metric in counted.values():
        for sample in metric.samples:
            one = told[sample.labels.get("pid", "")]
            if sample.name in plain:
                one[plain[sample.name]] = sample.value
            elif sample.name == "portal_process_memory_bytes":
                one[sample.labels["kind"]] = int(sample.value)
            elif sample.name == "portal_pool_connections":
                one[sample.labels["state"]] = int(sample.value)
    lively = {place: one for place, one in told.items() if moment - one.get("reported", 0) < SILENT and one.get("pid")}
    return [{"place": place, **one, "pid": int(one["pid"]), "alive_seconds": int(moment - one["started"])}
            for place, one in sorted(lively.items())]


def totals(counted: Counted) -> Figures:
    """What only grows, for `since`: requests by bucket, errors, calls of providers and their failures."""
    buckets: dict[str, float] = {}
    count = errors = calls = failures = 0
    for sample in _samples(counted, REQUESTS):
        if sample.name.endswith("_bucket"):
            buckets[sample.labels["le"]] = buckets.get(sample.labels["le"], 0) + sample.value
        elif sample.name.endswith("_count"):
            count += int(sample.value)
            errors += int(sample.value) if sample.labels["status"].startswith("5") else 0
    for sample in _samples(counted, PROVIDERS):
        if sample.name.endswith("_count"):
            calls += int(sample.value)
            failures += int(sample.value) if sample.labels["outcome"] != "accepted" else 0
    return {"requests": count, "errors": errors, "calls": calls, "failures": failures, "buckets": buckets,
            "at": now().timestamp()}


def since(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Figures:
    """What came between two totals: requests, errors, calls, failures, `seconds`, `per_minute`, p95 of the requests.

    After a new start everything counts from nothing; then all there is came since.
    """
    if before is None or before["requests"] > after["requests"]:
        before = {"requests": 0, "errors": 0, "calls": 0, "failures": 0, "buckets": {}, "at": after["at"] - 60}
    grown = {edge: count - before["buckets"].get(edge, 0) for edge, count in after["buckets"].items()}
    seconds = max(after["at"] - before["at"], 0.1)
    told: Figures = {name: max(after[name] - before[name], 0) for name in ("requests", "errors", "calls", "failures")}
    return {**told, "seconds": round(seconds, 1), "per_minute": round(told["requests"] * 60 / seconds, 1),
            "p95": quantile({float(edge): count for edge, count in grown.items()}, 0.95)}


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The upper edge of the bucket in which that share of the requests is reached; None where there are none."""
    edges = sorted(buckets)
    if not edges or not buckets[edges[-1]]:
        return None
    edge = next(edge for edge in edges if buckets[edge] >= share * buckets[edges[-1]])
    return edge if edge != float("inf") else edges[-2] if len(edges) > 1 else None


def _errors(statuses: Mapping[str, int]) -> int:
    return sum(count for status, count in statuses.items() if status.startswith("5"))


def _samples(counted: Counted, name: str) -> Iterator[Sample]:
    if name in counted:
        yield from counted[name].samples
