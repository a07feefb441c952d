"""Golden cases of the premium, each worked out by hand beside it, and what holds for every premium."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.policies.premium import calculate, choose_rule, choose_tax, commission

D = Decimal

RULES = [
    {"line": line, "subtype": subtype, "is_group": group, "part": part, "valid_from": start, "valid_to": end,
     "rate": D(rate), "reason": reason}
    for line, subtype, group, part, start, end, rate, reason in [
        ("health", "", False, "main", date(2017, 7, 1), date(2025, 9, 21), "18", "health insurance"),
        ("health", "", False, "main", date(2025, 9, 22), None, "0", "retail health from 22/09/2025"),
        ("health", "", True, "main", date(2017, 7, 1), None, "18", "group health"),
        ("life", "", False, "main", date(2017, 7, 1), date(2025, 9, 21), "18", "term life insurance"),
        ("life", "", False, "main", date(2025, 9, 22), None, "0", "individual life from 22/09/2025"),
        ("motor", "", False, "main", date(2017, 7, 1), None, "18", "motor own damage and add-ons"),
        ("motor", "", False, "third_party", date(2017, 7, 1), None, "18", "motor third party"),
        ("motor", "goods carriage", False, "third_party", date(2020, 1, 1), date(2025, 9, 21), "12",
         "third party of goods carriage"),
        ("motor", "goods carriage", False, "third_party", date(2025, 9, 22), None, "5",
         "third party of goods carriage from 22/09/2025"),
        ("fire", "", False, "main", date(2017, 7, 1), None, "18", "fire and property"),
    ]
]


@pytest.mark.parametrize(("net", "addon", "tp", "main", "tp_rate", "gst_main", "gst_tp", "gross", "why"), [
    # 23500 x 1.00 = 23500
    ("23500", "0", "0", "0", "0", "0", "0", "23500", "retail health after 22/09/2025"),
    # 23500 x 0.18 = 4230; 23500 + 4230 = 27730
    ("23500", "0", "0", "18", "18", "4230", "0", "27730", "the same health policy before 22/09/2025"),
    # 8900 + 1250 = 10150 x 0.18 = 1827; tp 3416 x 0.18 = 614.88; 10150 + 1827 + 3416 + 614.88 = 16007.88 -> 16008
    ("8900", "1250", "3416", "18", "18", "1827", "614.88", "16008", "private car up to 1500 cc with add-on"),
    # main 42000 x 0.18 = 7560; tp 27186 x 0.05 = 1359.30; 42000 + 7560 + 27186 + 1359.30 = 78105.30 -> 78105
    ("42000", "0", "27186", "18", "5", "7560", "1359.30", "78105", "goods carriage up to 12 t after 22/09/2025"),
    # main 42000 x 0.18 = 7560; tp 27186 x 0.12 = 3262.32; 42000 + 7560 + 27186 + 3262.32 = 80008.32 -> 80008
    ("42000", "0", "27186", "18", "12", "7560", "3262.32", "80008", "the same lorry before 22/09/2025"),
    # 16049 x 0.05 = 802.45; 16851.45 -> 16851
    ("0", "0", "16049", "18", "5", "0", "802.45", "16851", "goods carriage, third party only"),
    # 714 x 0.18 = 128.52; 842.52 -> 843
    ("0", "0", "714", "18", "18", "0", "128.52", "843", "two-wheeler up to 150 cc, third party only"),
    # (820 + 0) x 0.18 = 147.60; 1366 x 0.18 = 245.88; 820 + 147.60 + 1366 + 245.88 = 2579.48 -> 2579
    ("820", "0", "1366", "18", "18", "147.60", "245.88", "2579", "two-wheeler package up to 350 cc"),
    # 7897 x 0.18 = 1421.46; (19500 + 3300) = 22800 x 0.18 = 4104; sum 22800 + 4104 + 7897 + 1421.46 = 36222.46 -> 36222
    ("19500", "3300", "7897", "18", "18", "4104", "1421.46", "36222", "car above 1500 cc"),
    # 88000 x 0.18 = 15840; 103840
    ("88000", "0", "0", "18", "18", "15840", "0", "103840", "Laghu Udyam"),
    # 11800 x 0.18 = 2124; terrorism 950 x 0.18 = 171; 11800 + 2124 + 950 + 171 = 15045
    ("11800", "0", "950", "18", "18", "2124", "171", "15045", "Sookshma with terrorism cover"),
    # 25 x 0.18 = 4.50; 29.50 -> 30
    ("25", "0", "0", "18", "18", "4.50", "0", "30", "half a rupee goes up"),
    # 100.50 x 1.00 = 100.50 -> 101, where round() of Python gives the even 100
    ("100.50", "0", "0", "0", "0", "0", "0", "101", "half up, not half to even"),
    # 100.49 -> 100
    ("100.49", "0", "0", "0", "0", "0", "0", "100", "less than half goes down"),
    # 34000 x 0.0225 = 765; 34765
    ("34000", "0", "0", "2.25", "0", "765", "0", "34765", "endowment, second year, before the exemption"),
    # 34000 x 0.045 = 1530; 35530
    ("34000", "0", "0", "4.5", "0", "1530", "0", "35530", "endowment, first year, before the exemption"),
    # 165000 x 0.18 = 29700; 194700
    ("165000", "0", "0", "18", "18", "29700", "0", "194700", "group health stays taxed"),
    # 1234567.89 x 0.18 = 222222.2202 -> 222222.22; sum exact 1456790.1102 -> 1456790
    ("1234567.89", "0", "0", "18", "18", "222222.22", "0", "1456790", "paise in the premium"),
    ("0", "0", "0", "18", "18", "0", "0", "0", "nothing entered yet"),
])
def test_the_gross_premium_is_what_the_arithmetic_by_hand_gives(
    net, addon, tp, main, tp_rate, gst_main, gst_tp, gross, why
):
    result = calculate(D(net), D(addon), D(tp), gst_rate=D(main), gst_tp_rate=D(tp_rate))
    assert (result.gst_main, result.gst_tp, result.gross) == (D(gst_main), D(gst_tp), D(gross)), why


@pytest.mark.parametrize(("net", "addon", "rate", "amount"), [
    ("23500", "0", "15", "3525"),        # 23500 x 0.15 = 3525
    ("8900", "1250", "19.5", "1979"),    # 10150 x 0.195 = 1979.25 -> 1979
    ("8900", "1250", "17.5", "1776"),    # 10150 x 0.175 = 1776.25 -> 1776
    ("5200", "0", "12.5", "650"),        # 5200 x 0.125 = 650
    ("1350", "0", "15", "203"),          # 1350 x 0.15 = 202.50 -> 203
    ("0", "0", "15", "0"),               # third party only: no commission
    ("34000", "0", "0", "0"),
])
def test_commission_is_on_net_and_add_on_and_in_whole_rupees(net, addon, rate, amount):
    assert commission(D(net), D(addon), rate=D(rate)) == D(amount)


@pytest.mark.parametrize(("line", "subtype", "group", "part", "on", "rate", "reason"), [
    ("health", "", False, "main", date(2025, 9, 21), "18", "health insurance"),
    ("health", "", False, "main", date(2025, 9, 22), "0", "retail health from 22/09/2025"),
    ("health", "floater", False, "main", date(2026, 11, 23), "0", "retail health from 22/09/2025"),
    ("health", "", True, "main", date(2026, 11, 23), "18", "group health"),
    ("life", "term", False, "main", date(2026, 4, 1), "0", "individual life from 22/09/2025"),
    ("motor", "private car", False, "third_party", date(2026, 4, 1), "18", "motor third party"),
    ("motor", "goods carriage", False, "third_party", date(2025, 9, 21), "12", "third party of goods carriage"),
    ("motor", "goods carriage", False, "third_party", date(2025, 9, 22), "5",
     "third party of goods carriage from 22/09/2025"),
    ("motor", "goods carriage", True, "third_party", date(2026, 1, 1), "5",
     "third party of goods carriage from 22/09/2025"),
    ("motor", "goods carriage", False, "main", date(2026, 1, 1), "18", "motor own damage and add-ons"),
    ("motor", "goods carriage", False, "third_party", date(2019, 12, 31), "18", "motor third party"),
])
def test_the_rule_is_chosen_by_line_kind_group_and_the_day_cover_starts(line, subtype, group, part, on, rate, reason):
    rule = choose_rule(RULES, line=line, subtype=subtype, is_group=group, part=part, on=on)
    assert rule is not None
    assert (rule["rate"], rule["reason"]) == (D(rate), reason)


def test_no_rule_is_found_for_an_unknown_line_or_a_day_before_gst():
    assert choose_rule(RULES, line="other", subtype="", is_group=False, part="main", on=date(2026, 1, 1)) is None
    assert choose_rule(RULES, line="fire", subtype="", is_group=False, part="main", on=date(2017, 6, 30)) is None


def tax(line, on, **more):
    given_values: dict[str, Any] = {"subtype": "", "is_group": False, "has_third_party": False} | more
    return choose_tax(RULES, line=line, on=on, **given_values)


def test_the_rule_is_explained_in_the_words_of_the_office():
    assert tax("health", date(2026, 11, 1)).reason == "GST 0 %: retail health from 22/09/2025"
    lorry = tax("motor", date(2026, 11, 1), subtype="goods carriage", has_third_party=True)
    assert lorry.reason == (
        "GST 18 %: motor own damage and add-ons; 5 %: third party of goods carriage from 22/09/2025"
    )
    assert not lorry.warnings


def test_terrorism_cover_beside_fire_is_taxed_like_the_fire_premium():
    assert tax("fire", date(2026, 1, 1), has_third_party=True).tp_rate == D(18)


def test_an_unusual_rate_is_taken_with_a_warning_and_the_reason_of_the_colleague():
    found = tax("health", date(2026, 11, 1), entered_rate=D(18), entered_reason="Insurer billed tax, refund asked for")
    assert found.rate == 18
    assert found.reason == "Insurer billed tax, refund asked for"
    assert found.warnings == ("GST 18 % is not what the rule says (GST 0 %: retail health from 22/09/2025). "
                              "Check it before you save.",)


def test_entering_the_rate_of_the_rule_is_not_unusual():
    found = tax("health", date(2026, 11, 1), entered_rate=D("0.00"))
    assert found.follows_rule
    assert not found.warnings


def test_a_premium_without_any_rule_says_so():
    found = tax("fire", date(2016, 1, 1))
    assert found.rate == 0
    assert "No GST rule covers this premium on 01/01/2016" in found.warnings[0]


rupees = st.decimals(min_value=0, max_value=D("99999999.99"), places=2)
rates = st.decimals(min_value=0, max_value=28, places=2)


@given(rupees, rupees, rupees, rates, rates)
def test_the_total_of_any_premium_equals_its_parts(net, addon, tp, rate, tp_rate):
    result = calculate(net, addon, tp, gst_rate=rate, gst_tp_rate=tp_rate)
    assert result.net + result.addon + result.third_party + result.gst + result.round_off == result.gross
    assert abs(result.round_off) <= D("0.51")
    assert result.gross == result.gross.to_integral_value()


@given(rupees, rupees, rupees, rates)
def test_with_equal_rates_the_gross_is_that_of_one_rate_on_the_whole(net, addon, tp, rate):
    one = calculate(net + addon + tp, D(0), D(0), gst_rate=rate, gst_tp_rate=rate).gross
    assert calculate(net, addon, tp, gst_rate=rate, gst_tp_rate=rate).gross == one
