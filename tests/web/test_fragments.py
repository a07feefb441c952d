"""Pieces of pages that are rendered once and shown again."""

import datetime
from dataclasses import dataclass
from decimal import Decimal

import jinja2
import pytest
from flask import Flask
from markupsafe import Markup
from pydantic import BaseModel

from portal.freshness import KeptRows
from portal.web import fragments


class Wanted(BaseModel):
    view: str
    line: str | None = None


@dataclass
class Sum:
    amounts: list[int]


@dataclass(eq=False)
class Choices:
    names: list[str]


@pytest.fixture
def page():
    """Renders a text with the tag; `page.written` counts how often a body ran."""
    app = Flask(__name__)
    fragments.connect(app)

    class Page:
        written = 0

        def show(self, text, **values):
            def count():
                self.written += 1
                return ""

            return app.jinja_env.from_string(text).render(count=count, **values)

        def forget(self):
            app.extensions["portal.fragments"].forget_all()

    return Page()


ROW = "{% keep row %}{{ count() }}<td>{{ row.name }}</td>{% endkeep %}"


def test_the_same_facts_are_written_once(page):
    text = "{% for row in rows %}" + ROW + "{% endfor %}"
    shown = page.show(text, rows=[{"name": "Asha & Co"}, {"name": "Ravi"}, {"name": "Asha & Co"}])
    assert shown == "<td>Asha &amp; Co</td><td>Ravi</td><td>Asha &amp; Co</td>"
    assert page.written == 2


def test_other_facts_are_another_piece(page):
    assert page.show(ROW, row={"name": "Asha"}) == "<td>Asha</td>"
    assert page.show(ROW, row={"name": "Ravi"}) == "<td>Ravi</td>"


def test_what_is_forgotten_is_written_again(page):
    text = "{% keep 1 %}{{ count() }}{% endkeep %}"
    template = page.show
    template(text)
    page.forget()
    template(text)
    assert page.written == 2


@pytest.mark.parametrize("one, other", [
    ({"a": 1}, {"b": 1}), ({"a": [1]}, {"a": [2]}), ([{"a": 1}], [{"a": 2}]), ((1, [2]), (1, [3])),
    (Wanted(view="all"), Wanted(view="live")), (Wanted(view="all"), Wanted(view="all", line="motor")),
    (Sum([1]), Sum([2])),
    (datetime.date(2026, 11, 26), datetime.date(2026, 11, 27)), (Decimal("1.00"), Decimal("1.01")), ("", None),
])  # fmt: skip
def test_facts_of_every_kind_are_told_apart(page, one, other):
    text = "{% keep fact %}{{ count() }}{{ fact }}{% endkeep %}"
    template = page
    assert template.show(text, fact=one) != template.show(text, fact=other) or one == other
    assert page.written == 2


def test_equal_values_are_one_piece_and_one_object_is_one_piece(page):
    text = "{% keep fact %}{{ count() }}{% endkeep %}"
    for _ in range(2):
        page.show(text, fact=Sum([1, 2]))
    assert page.written == 1
    choices = Choices(["a"])
    for _ in range(2):
        page.show(text, fact=choices)
    assert page.written == 2


def test_kept_rows_are_a_fact_without_a_look_at_each(page):
    text = "{% keep rows %}{{ count() }}{% for row in rows %}{{ row.name }}{% endfor %}{% endkeep %}"
    rows = KeptRows([{"name": "Asha"}])
    assert [page.show(text, rows=rows) for _ in range(2)] == ["Asha"] * 2
    assert page.written == 1
    page.show(text, rows=KeptRows(rows))   # read anew: another object, although it says the same
    assert page.written == 2


def test_a_changed_row_is_written_into_a_table_of_kept_rows(page):
    text = "{% keep rows %}<table>{% for row in rows %}" + ROW + "{% endfor %}</table>{% endkeep %}"
    page.show(text, rows=[{"name": "Asha"}, {"name": "Ravi"}])
    changed = [{"name": "Asha"}, {"name": "Leela"}]
    assert page.show(text, rows=changed) == "<table><td>Asha</td><td>Leela</td></table>"
    assert page.written == 3


def test_text_of_people_stays_text_in_a_kept_piece():
    app = Flask(__name__)
    fragments.connect(app)
    app.jinja_env.loader = jinja2.DictLoader({"row.html": "{% keep name %}<td>{{ name }}</td>{% endkeep %}"})
    template = app.jinja_env.get_template("row.html")
    for _ in range(2):
        assert template.render(name="<script>") == "<td>&lt;script&gt;</td>"


def test_the_pieces_of_a_process_stay_within_their_room():
    pieces = fragments.Fragments(room=10_000)
    for number in range(100):
        pieces.show("here", (number,), lambda: Markup("x" * 500))
    assert len(pieces) == 10
    assert pieces.show("here", ("large",), lambda: Markup("x" * 20_000)) == "x" * 20_000
    assert len(pieces) == 10
