"""The run of the project's own checks: what failed is looked at once more, and a reason stays a failure."""

import sys
from pathlib import Path

import pytest

from deployment.checks import run_tests
from deployment.plan import Plan
from deployment.report import Report

pytestmark = pytest.mark.slow

PASSES_ALONE = """
from pathlib import Path

def test_of_luck():
    first = Path("first")
    assert first.exists() or first.write_text("")

def test_that_passes():
    pass
"""
FAILS = "def test_of_a_reason():\n    assert False\n"


def _checked(folder: Path, **tests: str) -> tuple[int, list[str]]:
    """The exit code of a project with these tests, and what the second look warned of."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --numprocesses=2\n")
    for name, text in tests.items():
        (folder / f"{name}.py").write_text(text)
    plan = Plan(root=folder, venv=Path(sys.prefix), app_dir=folder, domain=None, user="portal", port=None)
    warned: list[str] = []
    report = Report()
    report.warn = warned.append  # type: ignore[method-assign,assignment]
    return run_tests(plan, report, ["--quiet"]), warned


def test_what_failed_beside_others_and_passes_alone_is_told_by_name(tmp_path):
    code, warned = _checked(tmp_path, test_luck=PASSES_ALONE)
    assert code == 0
    assert warned == ["test_luck.py::test_of_luck failed beside other tests and passed alone."]


def test_what_fails_again_fails_the_checks(tmp_path):
    code, warned = _checked(tmp_path, test_luck=PASSES_ALONE, test_reason=FAILS)
    assert code == 1
    assert warned == ["test_luck.py::test_of_luck failed beside other tests and passed alone."]
