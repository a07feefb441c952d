"""Lists as files: what is typed stays text, what is a number or a day stays one."""

import csv
import datetime
import io
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.tables import csv_lines, write_workbook

FORMULAS = ['=HYPERLINK("https://evil.example","Kavita")', "+919876543210", "-2+3", "@SUM(A1)", "\tcmd", "\r=1",
            "＝1+1", "\0=1", "  =1+1", "=cmd|' /C calc'!A0", "\n=1"]


def workbook_of(*rows):
    target = io.BytesIO()
    write_workbook(target, [("Clients", ["Name", "Value"], rows)])
    target.seek(0)
    return openpyxl.load_workbook(target)["Clients"]


def csv_of(*rows):
    return list(csv.reader(io.StringIO("".join(csv_lines(["Name", "Value"], rows)).removeprefix("\ufeff"))))


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_a_text_in_excel(formula):
    cell = workbook_of(["x", formula])["B2"]
    assert cell.data_type == "s"
    assert cell.quotePrefix
    assert cell.value.strip() == formula.replace("\0", "").replace("\r", "").strip() or "\r" in formula


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_a_text_in_csv(formula):
    assert csv_of([formula, 1])[1][0] == f"'{formula}"


@pytest.mark.parametrize("heading", FORMULAS[:4])
def test_a_heading_is_no_formula_either(heading):
    target = io.BytesIO()
    write_workbook(target, [("Sheet", [heading], [])])
    assert openpyxl.load_workbook(target)["Sheet"]["A1"].data_type == "s"
    assert next(csv_lines([heading], [])).removeprefix("\ufeff").lstrip('"').startswith("'")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=40))
def test_any_other_text_comes_back_as_it_was(text):
    cell = csv_of([text, ""])[1][0]
    assert cell.removeprefix("'") == text.removeprefix("'")


def test_numbers_days_and_truths_keep_their_kind():
    moment = datetime.datetime(2026, 11, 26, 20, 0, tzinfo=datetime.UTC)
    values = [Decimal("-1234567.50"), -3, datetime.date(2026, 3, 31), moment, True, None]
    row = [cell.value for cell in workbook_of(values)[2]]
    assert [*row[:2], str(row[2]), str(row[3]), row[4]] == [
        -1234567.5, -3, "2026-03-31 00:00:00", "2026-11-27 01:30:00", "yes"]
    assert csv_of(values)[1] == ["-1234567.50", "-3", "31/03/2026", "27/11/2026 01:30", "yes", ""]


def test_an_error_word_and_characters_that_excel_cannot_hold_do_no_harm():
    row = workbook_of(["#N/A", "a\x07b"], ["x" * 40_000, "00123"])
    assert [cell.data_type for cell in row[2]] == ["s", "s"]
    assert row["B2"].value == "ab"
    assert len(row["A3"].value) == 32_767
    assert row["B3"].value == "00123"


def test_a_long_list_needs_no_memory():
    lines = csv_lines(["n"], ([number] for number in range(10**9)))
    assert [next(lines) for _ in range(3)] == ["\ufeffn\r\n", "0\r\n", "1\r\n"]
