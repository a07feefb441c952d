"""The component sheet: every component that pages are made of, for administrators."""

import re
from pathlib import Path

import pytest

from tests.cast import sign_in

TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.mark.parametrize(("role", "status"), [("administrator", 200), ("manager", 403), ("staff", 403)])
def test_it_is_for_administrators(app, role, status):
    assert sign_in(app, role).get("/design").status_code == status


def test_it_shows_every_macro_of_fields_lists_and_charts(app):
    sheet = (TEMPLATES / "design/sheet.html").read_text()
    # These show nothing by themselves.
    elsewhere = {"asks_before_leaving", "csrf", "error_summary", "show_password", "saved_tabs", "bulk_start"}
    for name in ("_forms.html", "_paging.html", "_charts.html", "lists/_tools.html"):
        for macro in re.findall(r"\{% macro ([a-z]\w*)\(", (TEMPLATES / name).read_text()):
            assert macro in elsewhere or f"{macro}(" in sheet, f"{name}: {macro}"


def test_it_shows_each_state(app):
    page = sign_in(app, "administrator").get("/design").text
    for shown in ('class="btn primary"', 'class="btn danger"', 'aria-invalid="true"', "readonly", 'class="chip bad"',
                  "toast still warn", 'class="card empty"', "data-bulk", "<progress", "<svg class=\"plot", "<dialog"):
        assert shown in page, shown
