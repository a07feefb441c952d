"""schemathesis on /api/openapi.json: every check, as the colleague whose token is given."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from werkzeug.serving import make_server

# What the checks expect beyond their own defaults. A body may fit its description and still be refused by a rule that
# JSON Schema cannot say (a PAN's check character, an end before the start): 422. A record must be named by the version
# that was read: 412 for another one, 428 for none (RFC 6585).
EXPECTED = {
    "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "412", "422"]},
    "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "405", "406", "412", "413", "415",
                                                      "422", "428"]},
    "missing_required_header": {"expected-statuses": ["401", "403", "404", "428"]},
}  # fmt: skip


@dataclass
class Report:
    """What an examination did and found."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return f"{self.requests} requests ({told}), {sum(self.checks.values())} checks, {len(self.failures)} failures"


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of the application on a port of its own, over real HTTP."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def examine(
    url: str, token: str, *, examples: int, phases: tuple[str, ...], paths: str = "", seed: int | None = None
) -> Report:
    """Sends what the description allows and what it forbids, and answers what was wrong with the answers.

    `paths` is a regular expression for a part of the operations, "" for all of them.
    """
    settings: dict[str, Any] = {
        "base-url": url,
        "headers": {"Authorization": f"Bearer {token}"},
        "generation": {"max-examples": examples, "database": "none", "no-shrink": True},
        "checks": EXPECTED,
        "phases": {name: {"enabled": name in phases} for name in ("examples", "coverage", "fuzzing", "stateful")},
        "suppress-health-check": ["all"],
    }
    if seed is not None:
        settings["seed"] = seed
    config = SchemathesisConfig.from_dict(settings)
    schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json", config=config, headers=settings["headers"])
    chosen = schema.include(path_regex=paths) if paths else schema
    report = Report()
    for event in from_schema(chosen).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(report, event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            report.failures[f"error {event}"[:200]] = str(getattr(event, "value", event))
    return report


def _note(report: Report, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    for interaction in recorder.interactions.values():
        report.requests += 1
        if interaction.response is not None:
            report.statuses[interaction.response.status_code] += 1
    for case_id, nodes in recorder.checks.items():
        for node in nodes:
            report.checks[node.name] += 1
            if node.failure_info is not None:
                _note_failure(report, recorder, case_id, node.name, node.failure_info.failure)


def _note_failure(report: Report, recorder: Any, case_id: str, check: str, failure: Failure) -> None:
    case = recorder.cases[case_id].value
    response = recorder.interactions[case_id].response
    answer = response.text[:300] if response is not None else ""
    sent = f"query {case.query}, headers {dict(case.headers or {})}, body {str(case.body)[:300]}"
    report.failures.setdefault(
        f"{case.operation.label}: {check}: {failure.title}", f"{failure.message}\n{case.path} {sent}\n{answer}"[:1500])
