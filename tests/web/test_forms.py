"""Forms keep what was typed, say what is wrong beside the field, and gather repeated rows."""

from decimal import Decimal

import pytest
from flask import render_template_string
from pydantic import Field
from werkzeug.datastructures import MultiDict

from portal import web
from portal.inputs import Input, Money, OfficeDate, ShortText


class Person(Input):
    name: ShortText = Field(title="Name")
    sum_insured: Money | None = Field(None, title="Sum insured")


class Sample(Input):
    name: ShortText = Field(title="Name")
    starts: OfficeDate | None = Field(None, title="Start")
    persons: list[Person] = Field(default_factory=list, title="Persons")


@pytest.fixture
def send(app):
    def submit(fields):
        with app.test_request_context("/x", method="POST", data=MultiDict(fields)):
            return web.submitted(Sample)

    return submit


def test_a_good_form_gives_the_model(send):
    form = send([("name", " Rohan "), ("starts", "1/2/2026")])
    assert form.ok
    assert form.data.name == "Rohan"
    assert form.data.starts.isoformat() == "2026-02-01"


def test_what_was_typed_stays_as_it_was_typed(send):
    form = send([("name", "Rohan"), ("starts", "31/02/2026")])
    assert not form.ok
    assert form.value("starts") == "31/02/2026"
    assert "There is no 31 February" in form.error("starts") or "there is no 31 February" in form.error("starts")


def test_rows_are_gathered_in_order_and_empty_ones_fall_away(send):
    form = send(
        [
            ("name", "X"),
            ("persons-0-name", "A"),
            ("persons-2-name", " "),
            ("persons-7-name", "B"),
            ("persons-7-sum_insured", "5 L"),
        ]
    )
    assert [person.name for person in form.data.persons] == ["A", "B"]
    assert form.data.persons[1].sum_insured == Decimal(500_000)
    assert form.value("persons-1-name") == "B"
    assert form.rows("persons", spare=1) == ["persons-0", "persons-1", "persons-2"]


def test_an_error_in_a_row_stands_beside_its_field(send):
    form = send([("name", "X"), ("persons-3-name", "A"), ("persons-5-name", "B"), ("persons-5-sum_insured", "-5")])
    assert list(form.errors) == ["persons-1-sum_insured"]


def test_more_rows_than_fit_are_refused(send):
    form = send([("name", "X"), *((f"persons-{number}-name", "A") for number in range(101))])
    assert not form.ok
    assert "At most 100 rows" in form.error("")


@pytest.mark.parametrize("name", ["persons-x-name", "persons-99999-name", "__class__", "persons--name", "a-0-b-0-c"])
def test_odd_field_names_do_no_harm(send, name):
    assert send([("name", "X"), (name, "y")]).ok


def test_several_texts_under_one_name_are_no_crash(send):
    assert not send([("name", "X"), ("name", "Y")]).ok


def test_a_stored_record_is_shown_as_it_is_edited():
    form = web.prefilled(
        {
            "name": "X",
            "premium": Decimal("186400.00"),
            "persons": [{"name": "A", "sum": Decimal("5.50")}],
            "active": True,
            "none": None,
        }
    )
    assert form.value("premium") == "1,86,400"
    assert form.value("persons-0-name") == "A"
    assert form.value("persons-0-sum") == "5.50"
    assert form.value("none") == ""
    assert form.chosen("active") == ["on"]


def test_every_kind_of_field_is_labelled_and_tied_to_its_error(app):
    form = web.prefilled({"a": "<b>", "kind": "2"})
    form.add_error("a", "Not <this>.")
    with app.test_request_context("/x"):
        page = render_template_string(
            """
            {% from "_forms.html" import field, select, textarea, checkbox, radios, error_summary %}
            {{ error_summary(form) }}{{ field(form, "a", "A", hint="How") }}{{ textarea(form, "t", "T") }}
            {{ select(form, "kind", "Kind", [("1", "One"), (2, "Two")], required=True) }}{{ checkbox(form, "c", "C") }}
            {{ radios(form, "r", "R", [("x", "X"), ("y", "Y", "why")]) }}""",
            form=form,
        )
    for expected in (
        'label for="f-a"',
        'aria-describedby="f-a-hint f-a-error"',
        'aria-invalid="true"',
        'href="#f-a"',
        '<option value="2" selected>',
        'label for="f-t"',
        'label for="f-c"',
        "<legend>R</legend>",
    ):
        assert expected in page
    assert "<b>" not in page
    assert "<this>" not in page
