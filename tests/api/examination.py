"""schemathesis on /api/openapi.json: every check, as every role.

Making an example costs more than answering it. So one colleague leads an examination, and what is sent in their name is
sent in the others' names as well, and every answer is checked.
"""

import contextlib
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import Case, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.engine import events, from_schema
from schemathesis.hooks import HookContext
from schemathesis.specs.openapi.checks import ignored_auth
from werkzeug.serving import make_server

from tests.api.colleagues import Colleagues, changes_colleagues, what_it_may_not

PHASES = ("examples", "coverage", "fuzzing", "stateful")

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
class Figures:
    """What was sent in one colleague's name, and what was wrong with the answers."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    examples: Counter[str] = field(default_factory=Counter)   # of each operation, beyond the fixed ones
    failures: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return f"{self.requests} requests ({told}), {len(self.failures)} failures"


Report = defaultdict[str, Figures]


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
    url: str, colleagues: Colleagues, lead: str, *, examples: int, phases: tuple[str, ...] = PHASES, paths: str = "",
    seed: int | None = None,
) -> Report:
    """Sends what the description allows and what it forbids, and answers by colleague what came of it.

    `paths` is a regular expression for a part of the operations, "" for all of them.
    """
    settings: dict[str, Any] = {
        "base-url": url,
        "headers": {"Authorization": f"Bearer {colleagues.tokens[lead]}"},
        "generation": {"max-examples": examples, "database": "none", "no-shrink": True},
        "checks": EXPECTED,
        "phases": {name: {"enabled": name in phases} for name in PHASES},
        "suppress-health-check": ["all"],
        "continue-on-failure": True,
        "request-timeout": 600,   # seconds: how fast it is is examined elsewhere
    }
    if seed is not None:
        settings["seed"] = seed
    config = SchemathesisConfig.from_dict(settings)
    schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json", config=config, headers=settings["headers"])
    chosen = schema.include(path_regex=paths) if paths else schema
    report: Report = defaultdict(Figures)
    chosen.hooks.register_hook_with_name(_Company(colleagues, lead, report).after_call, "after_call")
    for event in from_schema(chosen).execute():
        if isinstance(event, events.ScenarioFinished):
            _note_failures(report[lead], event.recorder)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            error = getattr(event, "value", None) or getattr(event, "exception", event)
            report[lead].failures[f"{getattr(event, 'label', 'all')}: error {type(error).__name__}"] = str(error)[:1500]
    return report


class _Company:
    """Goes along with the one who leads: sends the same, looks at every answer."""

    def __init__(self, colleagues: Colleagues, lead: str, report: Report) -> None:
        self._colleagues, self._lead, self._report = colleagues, lead, report

    def after_call(self, context: HookContext, case: Case[Any], response: Response) -> None:
        """Called by schemathesis with every answer to the one who leads."""
        self._note(self._lead, case, response)
        sent = response.request
        if sent.headers.get("Authorization") != f"Bearer {self._colleagues.tokens[self._lead]}":
            return   # sent without a token, or with a wrong one, to see that it is refused
        self._look(self._lead, case, response)
        if _phase(case) in ("examples", "coverage"):
            return   # the same ones each time: everybody sends them when it is their turn to lead
        for who in self._colleagues.tokens:
            if who != self._lead:
                self._follow(who, case, response)

    def _follow(self, who: str, case: Case[Any], response: Response) -> None:
        answer = self._colleagues.ask(who, response.request)
        self._note(who, case, answer)
        self._look(who, case, answer)
        try:
            case.validate_response(answer, excluded_checks=[ignored_auth], headers=dict(answer.request.headers))
        except FailureGroup as group:
            for failure in group.exceptions:
                note = f"{case.operation.label}: {failure.title}"
                self._report[who].failures.setdefault(note, f"{failure.message}\n{_told(case, answer)}"[:1500])

    def _look(self, who: str, case: Case[Any], response: Response) -> None:
        if wrong := what_it_may_not(who, case, response):
            self._report[who].failures.setdefault(f"{case.operation.label}: {wrong}", _told(case, response))
        if changes_colleagues(response.request, response.status_code):
            self._colleagues.restore()

    def _note(self, who: str, case: Case[Any], response: Response) -> None:
        figures = self._report[who]
        figures.requests += 1
        figures.statuses[response.status_code] += 1
        if _phase(case) == "fuzzing":
            figures.examples[case.operation.label] += 1


def _phase(case: Case[Any]) -> str:
    return case.meta.phase.name.value if case.meta else ""


def _note_failures(figures: Figures, recorder: Any) -> None:
    for case_id, nodes in recorder.checks.items():
        for node in nodes:
            if node.failure_info is not None:
                failure, case = node.failure_info.failure, recorder.cases[case_id].value
                told = _told(case, recorder.interactions[case_id].response)
                note = f"{case.operation.label}: {node.name}: {failure.title}"
                figures.failures.setdefault(note, f"{failure.message}\n{told}"[:1500])


def _told(case: Case[Any], response: Response | None) -> str:
    answer = response.text[:300] if response is not None else ""
    sent = f"query {case.query}, headers {dict(case.headers or {})}, body {str(case.body)[:300]}"
    return f"{case.method} {case.path} {sent}\n{answer}"[:1500]
