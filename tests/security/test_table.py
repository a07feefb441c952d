"""docs/security.md names a test for every abuse case and every item of the standard, and each of them is there."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (T\d\d|A\d\d) \|(.*)\|$", TEXT, re.MULTILINE))
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", TEXT)))


def test_every_abuse_case_and_every_item_has_its_row():
    wanted = {*(f"T{number:02}" for number in range(1, 36)), *(f"A{number:02}" for number in range(1, 63))}
    assert set(ROWS) == wanted


@pytest.mark.parametrize("row", sorted(ROWS))
def test_each_row_names_a_test_or_says_why_there_is_none(row):
    assert re.search(r"tests/[\w/]+\.py::test_\w+|no test: \w+", ROWS[row])


@pytest.mark.parametrize("path, name", NAMED)
def test_each_named_test_is_there(path, name):
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
