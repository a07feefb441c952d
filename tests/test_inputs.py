"""Form fields: what they take, what they refuse, and the sentence the colleague then reads."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as any_
from pydantic import Field, ValidationError

from portal.formats import office_date, today
from portal.inputs import (
    Checkbox,
    EmailAddress,
    Gstin,
    Input,
    LongText,
    Money,
    Name,
    OfficeDate,
    Pan,
    PastDate,
    PhoneNumber,
    Pin,
    Rate,
    RecordId,
    ShortText,
    Version,
    WholeNumber,
    explain,
    lenient,
    readable,
    search_query,
)


class Person(Input):
    name: Name = Field(title="Insured person")
    age: WholeNumber | None = Field(None, title="Age")


class Everything(Input):
    name: Name = Field("Rohan", title="Name")
    city: ShortText | None = Field(None, title="City")
    phone: PhoneNumber | None = Field(None, title="Phone")
    email: EmailAddress | None = Field(None, title="E-mail")
    pan: Pan | None = Field(None, title="PAN")
    gstin: Gstin | None = Field(None, title="GSTIN")
    pin: Pin | None = Field(None, title="PIN code")
    born: PastDate | None = Field(None, title="Date of birth")
    starts: OfficeDate | None = Field(None, title="Start")
    premium: Money = Field(Decimal(0), title="Net premium")
    rate: Rate | None = Field(None, title="GST")
    kind: Literal["health", "motor"] = Field("health", title="Line")
    agreed: Checkbox = Field(False, title="Consent")
    notes: LongText | None = Field(None, title="Notes")
    agent_id: RecordId | None = Field(None, title="Agent")
    version: Version | None = None
    persons: list[Person] = Field(default=[], max_length=3, title="Insured persons")


def read(**typed):
    return Everything.model_validate(typed).model_dump(exclude_unset=True)


def refusals(**typed):
    with pytest.raises(ValidationError) as refused:
        Everything.model_validate(typed)
    return explain(refused.value, Everything)


def test_what_is_typed_is_brought_into_one_form():
    assert read(
        name="  Rohan   Mehta ",
        phone="098200 12345",
        email=" Rohan@Example.COM ",
        pan="acupa 1234 r",
        pin="400 001",
        gstin="27aapfu0939f1zv",
        born="1/1/1985",
        starts="2026-11-23",
        premium="1.5 L",
        rate="18 %",
        agreed="1",
        notes="first\r\nsecond ",
        agent_id="7",
        version="3",
    ) == {
        "name": "Rohan Mehta",
        "phone": "+919820012345",
        "email": "rohan@example.com",
        "pan": "ACUPA1234R",
        "pin": "400001",
        "gstin": "27AAPFU0939F1ZV",
        "born": date(1985, 1, 1),
        "starts": date(2026, 11, 23),
        "premium": Decimal("150000.00"),
        "rate": Decimal(18),
        "agreed": True,
        "notes": "first\nsecond",
        "agent_id": 7,
        "version": 3,
    }


def test_an_empty_field_is_none_so_that_a_value_can_be_cleared():
    assert read(city="  ", born="", agreed="") == {"city": None, "born": None, "agreed": False}


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "", "Name is needed."),
        ("name", "12", "Name: there must be at least one letter."),
        ("name", "🙂", "Name: there must be at least one letter."),
        ("name", "x" * 121, "Name may have at most 120 characters, this has 121."),
        ("city", "x" * 10_000_000, "City may have at most 120 characters, this has 10000000."),
        ("city", "Pu\x00ne", "City: there is an invisible control character in this text. Please type it again."),
        ("city", "Pune\u202e", "City: there is an invisible control character in this text. Please type it again."),
        ("city", "\ud800", "City: there is a character in this text that cannot be stored. Please type it again."),
        ("city", ["a", "b"], "City: this cannot be used. Please enter it again."),
        ("notes", "a\x1bb", "Notes: there is an invisible control character in this text. Please type it again."),
        (
            "phone",
            "12345",
            "Phone: there is no such phone number. An Indian mobile has 10 digits and starts with 6, 7, 8 or 9.",
        ),
        ("email", "rohan@", "E-mail: write the e-mail address like name@example.com."),
        ("email", "a" * 250 + "@x.in", "E-mail may have at most 254 characters, this has 255."),
        ("pan", "ACUXA1234R", "PAN: a PAN has five letters, four digits and a letter, for example ACUPA1234R."),
        ("gstin", "27AAPFU0939F1ZX", "GSTIN: the last character of this GSTIN does not fit the rest. Please check it."),
        ("gstin", "27", "GSTIN: a GSTIN has 15 characters, for example 27AAPFU0939F1ZV."),
        ("pin", "012345", "PIN code: a PIN code has 6 digits, for example 400001."),
        ("born", "31/02/2026", "Date of birth: there is no 31 February 2026. Please check the day."),
        (
            "born",
            office_date(today() + timedelta(2)),
            "Date of birth: this date is in the future. Write the year with four digits.",
        ),
        ("premium", "-1", "Net premium: the amount cannot be negative."),
        ("premium", "", "Net premium is needed."),
        ("rate", "101", "GST must be at most 100."),
        ("rate", "1.123", "GST: write the rate as a percentage from 0 to 100, for example 18 or 2.5."),
        ("kind", "boat", "Line: please choose one of the list."),
        ("agreed", "perhaps", "Consent: this cannot be used. Please enter it again."),
        ("agent_id", "1; drop table agents", "Agent: write a whole number."),
        ("agent_id", "9" * 40, "Agent: write a whole number."),
        ("version", "0", "Version must be at least 1."),
        ("persons", "all", "Insured persons: this cannot be used. Please enter it again."),
        ("persons", [{"name": "A"}] * 4, "Insured persons: at most 3 rows are possible."),
    ],
)
def test_a_refused_field_says_what_to_change(field, typed, sentence):
    assert refusals(**{field: typed}) == {field: sentence}


def test_errors_in_repeated_rows_are_named_like_their_fields():
    assert refusals(persons=[{"name": "Neha"}, {"name": "", "age": "old"}]) == {
        "persons-1-name": "Insured person is needed.",
        "persons-1-age": "Age: write a whole number.",
    }


def test_names_in_indian_scripts_and_emoji_in_notes_are_kept():
    assert read(name="नेहा मेहता", city="સુરત", notes="call back 🙂👨‍👩‍👧") == {
        "name": "नेहा मेहता",
        "city": "સુરત",
        "notes": "call back 🙂👨‍👩‍👧",
    }


def test_numbers_from_json_mean_what_they_say():
    assert read(premium=0.1, rate=2.5, agent_id=7, agreed=True)["premium"] == Decimal("0.10")


def test_filters_that_cannot_be_read_are_left_out_and_the_others_stay():
    filters = lenient(Everything, {"city": "Pune", "agent_id": "x", "born": "31/02/2026", "kind": "boat"})
    assert (filters.city, filters.agent_id, filters.kind) == ("Pune", None, "health")


def test_what_was_left_out_is_told_with_the_reason():
    filters, refused = readable(Everything, {"city": "Pune", "agent_id": "x", "born": "31/02/2026"})
    assert (filters.city, filters.agent_id, filters.born) == ("Pune", None, None)
    assert refused == {
        "agent_id": "Agent: write a whole number.",
        "born": "Date of birth: there is no 31 February 2026. Please check the day.",
    }
    assert readable(Everything, {"city": "Pune"})[1] == {}


@settings(deadline=None)
@given(
    any_.dictionaries(
        any_.sampled_from(sorted(Everything.model_fields)),
        any_.text(max_size=200) | any_.none() | any_.integers() | any_.floats() | any_.lists(any_.text()),
    )
)
def test_whatever_is_submitted_is_read_or_refused_with_sentences(typed):
    try:
        Everything.model_validate(typed)
    except ValidationError as refused:
        assert all(sentence.endswith(".") for sentence in explain(refused, Everything).values())


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("Rohan mehta", "'rohan':* & 'mehta':*"),
        ("MH 02 DN 4417", "('mh':* & '02':* & 'dn':* & '4417':*) | ('mh02dn4417':*)"),
        ("2856/2045", "('2856':* & '2045':*) | ('28562045':*)"),
        ("+91 98200-12345", "('91':* & '98200':* & '12345':*) | ('919820012345':*) | ('9820012345':*)"),
        ("O'Brien", "'o':* & 'brien':*"),
        ("x':* | 'y \\", "'x':* & 'y':*"),
        ("a\x00b", "'a':* & 'b':*"),
        ("मेहता", "'मेहता':*"),
        ("🙂 -- '", None),
        ("", None),
    ],
)
def test_a_search_becomes_a_query_for_all_its_words_and_for_numbers_without_spaces(typed, query):
    assert search_query(typed) == query


@settings(deadline=None)
@given(any_.text(max_size=200))
def test_nothing_typed_into_a_search_can_change_its_meaning(typed):
    query = search_query(typed)
    if query is not None:
        words = query.replace("(", "").replace(")", "").replace(" | ", " & ").split(" & ")
        assert all(
            word[0] == "'" and word.endswith("':*") and not set(word[1:-3]) & set("'\\ ()&|!:*") for word in words
        )
