"""The project's own checks: ruff, mypy and pytest, each to its end."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from deployment.plan import Plan
from deployment.report import Report

TESTS_FAILED = 1   # pytest's exit code for that, and for nothing else
MOST_AGAIN = 20    # failed tests that get a second look; more of them are no accident


def run_checks(plan: Plan, report: Report, pytest_options: list[str]) -> int:
    """Answers the worst exit code."""
    worst = 0
    checks: dict[str, Callable[[], int]] = {
        "ruff": lambda: _run(plan, ["ruff", "check", "."]),
        "mypy": lambda: _run(plan, ["mypy"]),
        "pytest": lambda: run_tests(plan, report, pytest_options),
    }
    for name, check in checks.items():
        report.title(name)
        if report.dry_run:
            report.would(f"run {name}")
        else:
            worst = max(worst, abs(check()))
    return worst


def run_tests(plan: Plan, report: Report, pytest_options: list[str]) -> int:
    """Runs the tests, and what failed once more without others beside it. Answers pytest's exit code.

    The tests kill servers and wait for real ones while a browser or another server takes both processors, so that
    one of thousands may run out of its time. What fails for a reason fails again; what does not is told by name.
    """
    code = _run(plan, ["pytest", *pytest_options])
    failed = _failed_tests(plan) if code == TESTS_FAILED else []
    if not 0 < len(failed) <= MOST_AGAIN:
        return code
    report.title(f"pytest, once more for the {len(failed)} that failed")
    code = _run(plan, ["pytest", "--last-failed", "--last-failed-no-failures=none", "--numprocesses=0"])
    for name in sorted(set(failed) - set(_failed_tests(plan))):
        report.warn(f"{name} failed beside other tests and passed alone.")
    return code


def _failed_tests(plan: Plan) -> list[str]:
    try:
        return list(json.loads((plan.root / ".pytest_cache/v/cache/lastfailed").read_bytes()))
    except (OSError, ValueError):
        return []


def _run(plan: Plan, command: list[str]) -> int:
    ended = subprocess.run([str(plan.python), "-m", *command], cwd=plan.root, env=plan.environment(), check=False)
    return ended.returncode
