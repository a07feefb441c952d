"""Dates, money, telephone numbers, number plates: what is shown can be read back, what cannot be is refused kindly."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel.numbers import format_decimal
from hypothesis import given, settings
from hypothesis import strategies as any_

from portal import formats
from portal.formats import (
    for_editing,
    office_date,
    office_time,
    parse_date,
    parse_money,
    parse_phone,
    parse_vehicle,
    short_rupees,
    show_phone,
    show_vehicle,
)

amounts = any_.decimals(min_value=0, max_value=formats.LARGEST_AMOUNT, places=2)
days = any_.dates(min_value=date(1900, 1, 1), max_value=date(2200, 12, 31))
anything = any_.text(max_size=80)


@pytest.fixture
def on_23_november_2026(monkeypatch):
    monkeypatch.setattr(formats, "today", lambda: date(2026, 11, 23))


@settings(deadline=None)
@given(any_.decimals(min_value=-formats.LARGEST_AMOUNT, max_value=formats.LARGEST_AMOUNT, places=2))
def test_amounts_are_grouped_as_the_unicode_locale_of_india_does(amount):
    assert formats.rupees(amount).replace("₹", "") == format_decimal(amount, format="#,##,##0.00", locale="en_IN")
    assert formats.grouped(int(amount)) == format_decimal(int(amount), format="#,##,##0", locale="en_IN")
    assert formats.percent(amount) == format_decimal(amount, format="#,##,##0.##", locale="en_IN") + " %"


@settings(deadline=None)
@given(days)
def test_a_date_as_shown_reads_back_as_the_same_day(day):
    assert parse_date(office_date(day)) == day
    assert parse_date(day.isoformat()) == day
    assert parse_date(f"{day.day}-{day.month}-{day.year}") == day


@settings(deadline=None)
@given(amounts)
def test_an_amount_as_shown_reads_back_as_the_same_amount(amount):
    assert parse_money(formats.rupees(amount)) == amount
    assert parse_money(for_editing(amount)) == amount
    assert parse_money(str(amount)) == amount


@settings(deadline=None)
@given(amounts)
def test_a_negative_amount_is_shown_and_read_back_where_it_is_allowed(amount):
    assert parse_money(formats.rupees(-amount), negative=True) == -amount


@settings(deadline=None)
@given(anything)
def test_whatever_is_typed_is_read_or_refused_with_a_sentence(text):
    for parse in (parse_date, parse_money, parse_phone, parse_vehicle):
        try:
            parse(text)
        except ValueError as refusal:
            assert str(refusal).endswith(".") and len(str(refusal)) < 120


@settings(deadline=None)
@given(any_.from_regex(r"\A[6-9][0-9]{9}\Z"))
def test_a_phone_number_as_shown_reads_back_as_the_same_number(digits):
    try:
        number = parse_phone(digits)
    except ValueError:
        return  # the numbering plan does not give out every series
    assert number == f"+91{digits}"
    assert parse_phone(show_phone(number)) == number


@settings(deadline=None)
@given(any_.from_regex(r"\A[A-Z]{2}[0-9]{2}[A-Z]{1,3}[0-9]{4}\Z|\A[0-9]{2}BH[0-9]{4}[A-Z]{1,2}\Z"))
def test_a_number_plate_as_shown_reads_back_as_the_same_plate(plate):
    assert parse_vehicle(show_vehicle(plate)) == plate


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("1/2/26", date(2026, 2, 1)),
        ("23-11-2026", date(2026, 11, 23)),
        ("2026-11-23", date(2026, 11, 23)),
        ("5.1.2027", date(2027, 1, 5)),
        (" 29/02/2024 ", date(2024, 2, 29)),
        ("15/8/47", date(1947, 8, 15)),
        ("१/२/२०२६", date(2026, 2, 1)),
    ],
)
def test_usual_ways_to_write_a_date_are_read_day_first(typed, day, on_23_november_2026):
    assert parse_date(typed) == day


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("31/02/2026", "There is no 31 February 2026. Please check the day."),
        ("29/02/2026", "There is no 29 February 2026. Please check the day."),
        ("02/13/2026", "There is no month 13. Dates are day/month/year, for example 23/11/2026."),
        ("0/1/2026", "There is no 0 January 2026. Please check the day."),
        ("1/1/1066", "The year 1066 is out of range. Write a year from 1900 to 2200."),
        ("23 November", "Write the date as day/month/year, for example 23/11/2026."),
        ("1/2-2026", "Write the date as day/month/year, for example 23/11/2026."),
        ("9" * 100, "Write the date as day/month/year, for example 23/11/2026."),
    ],
)
def test_an_impossible_date_is_refused_with_a_sentence(typed, sentence):
    with pytest.raises(ValueError, match=sentence.split(".")[0]) as refusal:
        parse_date(typed)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("186400", "186400.00"),
        ("1,86,400", "186400.00"),
        ("186,400.50", "186400.50"),
        ("₹ 1,86,400/-", "186400.00"),
        ("Rs. 500", "500.00"),
        ("1.5L", "150000.00"),
        ("1.5 lakh", "150000.00"),
        ("2 Cr", "20000000.00"),
        (".5", "0.50"),
        ("12k", "12000.00"),
        ("१,००,०००", "100000.00"),
        ("0", "0.00"),
    ],
)
def test_usual_ways_to_write_an_amount_are_read(typed, amount):
    assert parse_money(typed) == Decimal(amount)


@pytest.mark.parametrize(
    "typed", ["-5", "₹-5", "1,5", "1e5", "NaN", "Infinity", "0.005", "", "five", "1" * 13, "1 2", ".", "--5"]
)
def test_a_doubtful_or_negative_amount_is_refused(typed):
    with pytest.raises(ValueError, match=r"\.$"):
        parse_money(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "98200 12345",
        "098200-12345",
        "+91 98200 12345",
        "0091 9820012345",
        "919820012345",
        "(98200) 12345",
        "९८२००१२३४५",
    ],
)
def test_every_spelling_of_a_mobile_number_is_one_number(typed):
    assert parse_phone(typed) == "+919820012345"


@pytest.mark.parametrize(
    "typed", ["12345", "0000000000", "98200 12345 ext 2", "call me", "+", "98200\x0012345", "9" * 200]
)
def test_what_is_no_phone_number_is_refused(typed):
    with pytest.raises(ValueError, match=r"phone number"):
        parse_phone(typed)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("3840000", "₹38.4 L"),
        ("67400000", "₹6.74 Cr"),
        ("99999", "₹99,999"),
        ("100000", "₹1 L"),
        ("9996000", "₹1 Cr"),
        ("-150000", "-₹1.5 L"),
        ("0", "₹0"),
        ("99999.50", "₹1,00,000"),
    ],
)
def test_short_amounts_keep_three_digits_that_matter(value, shown):
    assert short_rupees(Decimal(value)) == shown


def test_amounts_are_grouped_in_lakhs_and_crores():
    assert formats.rupees(Decimal("1864000")) == "₹18,64,000.00"
    assert formats.whole_rupees(Decimal("1864000.50")) == "₹18,64,001"


def test_a_moment_is_shown_on_the_offices_clock():
    assert office_time(datetime(2026, 11, 22, 19, 30, tzinfo=UTC)) == "23/11/2026 01:00"


@pytest.mark.parametrize(
    ("day", "year"), [(date(2026, 3, 31), "2025-26"), (date(2026, 4, 1), "2026-27"), (date(1999, 5, 1), "1999-00")]
)
def test_the_financial_year_begins_in_april(day, year):
    assert formats.financial_year(day) == year


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 29), "in 6 days"),
        (date(2026, 11, 23), "today"),
        (date(2026, 11, 24), "tomorrow"),
        (date(2026, 11, 22), "yesterday"),
        (date(2026, 11, 20), "3 days ago"),
    ],
)
def test_near_days_are_said_in_words(day, words, on_23_november_2026):
    assert formats.days_away(day) == words


def test_number_plates_of_all_series_are_shown_in_their_groups():
    assert [show_vehicle(plate) for plate in ("mh-02 dn4417", "22BH1234AA", "NEW", "MA3ERLF1S00123456", None)] == [
        "MH 02 DN 4417",
        "22 BH 1234 AA",
        "NEW",
        "MA3ERLF1S00123456",
        "",
    ]


def test_a_pan_is_shown_without_its_digits():
    assert formats.mask_pan("ACUPA1234R") == "ACUPAXXXXR"


def test_a_gstin_is_shown_without_the_pan_and_what_gives_it_away():
    assert formats.mask_gstin("27ACUPA1234R1ZM") == "27ACUPAXXXXR1ZX"
    assert formats.mask_gstin("ACUPA1234R") == "X" * 10


def test_every_filter_shows_nothing_for_no_value():
    assert {name: shown(None) for name, shown in formats.FILTERS.items() if shown(None) != ""} == {}
