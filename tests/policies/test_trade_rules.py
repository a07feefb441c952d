"""Golden cases of the rules of the trade, on the rows the migrations bring; arithmetic and source stand beside each."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.formats import financial_year
from portal.policies.clock import clock, grace_rule
from portal.policies.commission_terms import choose_commission
from portal.policies.motor import last_day, long_term, next_bonus, tariff_premium
from portal.policies.premium import calculate, choose_tax, commission
from portal.policies.tds import deducted, tds_rule
from portal.settings.queries import retention_rule, trade_rules

D = Decimal
BEFORE, AFTER = date(2025, 9, 21), date(2025, 9, 22)


@pytest.fixture(scope="module")
def rules(database):
    return trade_rules()


# Notification 16/2025-Central Tax (Rate) of 17/09/2025: individual health, life, travel and accident cover is exempt
# from 22/09/2025, group business is not; third party of goods carriages went from 12 to 5 % then (56th GST Council).
@pytest.mark.parametrize(("line", "subtype", "group", "on", "rate", "tp_rate"), [
    ("health", "floater", False, BEFORE, "18", "18"),
    ("health", "floater", False, AFTER, "0", "0"),
    ("health", "individual", False, date(2026, 11, 23), "0", "0"),
    ("health", "top-up", False, date(2026, 4, 1), "0", "0"),
    ("health", "personal accident", False, BEFORE, "18", "18"),
    ("health", "personal accident", False, AFTER, "0", "0"),
    ("health", "group", True, BEFORE, "18", "18"),
    ("health", "group", True, AFTER, "18", "18"),
    ("life", "term", False, BEFORE, "18", "18"),
    ("life", "term", False, AFTER, "0", "0"),
    ("life", "", True, AFTER, "18", "18"),
    ("travel", "", False, BEFORE, "18", "18"),
    ("travel", "", False, AFTER, "0", "0"),
    ("travel", "", True, AFTER, "18", "18"),
    ("motor", "private car", False, BEFORE, "18", "18"),
    ("motor", "private car", False, AFTER, "18", "18"),
    ("motor", "two-wheeler", False, AFTER, "18", "18"),
    ("motor", "passenger carriage", False, AFTER, "18", "18"),
    ("motor", "goods carriage", False, BEFORE, "18", "12"),
    ("motor", "goods carriage", False, AFTER, "18", "5"),
    ("motor", "goods carriage", False, date(2019, 12, 31), "18", "18"),
    ("fire", "small business", False, AFTER, "18", "18"),
    ("fire", "dwelling", False, AFTER, "18", "18"),
    ("other", "marine", False, AFTER, "18", "18"),
    ("other", "liability", False, AFTER, "18", "18"),
])
def test_both_rates_of_gst_follow_from_line_kind_and_the_first_day_of_cover(
    rules, line, subtype, group, on, rate, tp_rate
):
    tax = choose_tax(rules.of("gst"), line=line, subtype=subtype, is_group=group, on=on, has_third_party=True)
    assert (tax.rate, tax.tp_rate, tax.warnings) == (D(rate), D(tp_rate), ())


def test_18_percent_on_retail_health_after_the_exemption_is_a_warning_and_no_refusal(rules):
    tax = choose_tax(rules.of("gst"), line="health", subtype="", is_group=False, on=AFTER, has_third_party=False,
                     entered_rate=D(18), entered_reason="billed so")
    assert tax.rate == 18
    assert "retail health from 22/09/2025" in tax.warnings[0]


# net, add-on and third party with the rates of the day, worked out by hand
@pytest.mark.parametrize(("line", "subtype", "on", "parts", "gross"), [
    # 24000 x 1.18 = 28320
    ("health", "floater", BEFORE, ("24000", "0", "0"), "28320"),
    # 24000 x 1 = 24000
    ("health", "floater", AFTER, ("24000", "0", "0"), "24000"),
    # (6100 + 1900) x 1.18 = 9440; 3416 x 1.18 = 4030.88; 13470.88 -> 13471
    ("motor", "private car", AFTER, ("6100", "1900", "3416"), "13471"),
    # 15500 x 1.18 = 18290; 16049 x 1.12 = 17974.88; 36264.88 -> 36265
    ("motor", "goods carriage", BEFORE, ("15500", "0", "16049"), "36265"),
    # 15500 x 1.18 = 18290; 16049 x 1.05 = 16851.45; 35141.45 -> 35141
    ("motor", "goods carriage", AFTER, ("15500", "0", "16049"), "35141"),
    # 12000 x 1.18 = 14160; three years of third party 10640 x 1.18 = 12555.20; 26715.20 -> 26715
    ("motor", "private car", date(2026, 11, 1), ("12000", "0", "10640"), "26715"),
    # 1300 x 1.18 = 1534; five years of third party 3851 x 1.18 = 4544.18; 6078.18 -> 6078
    ("motor", "two-wheeler", date(2026, 11, 1), ("1300", "0", "3851"), "6078"),
    # 4300 x 1.18 = 5074
    ("fire", "dwelling", AFTER, ("4300", "0", "0"), "5074"),
    # 19500 x 1 = 19500
    ("life", "term", AFTER, ("19500", "0", "0"), "19500"),
    # 2600 x 1.18 = 3068
    ("travel", "", BEFORE, ("2600", "0", "0"), "3068"),
    # 21000 x 1.18 = 24780
    ("other", "marine", AFTER, ("21000", "0", "0"), "24780"),
])
def test_gross_is_worked_out_by_the_rules_of_the_day(rules, line, subtype, on, parts, gross):
    tax = choose_tax(rules.of("gst"), line=line, subtype=subtype, is_group=False, on=on, has_third_party=True)
    net, addon, third_party = map(D, parts)
    assert calculate(net, addon, third_party, gst_rate=tax.rate, gst_tp_rate=tax.tp_rate).gross == D(gross)


# Since 01/10/2025 seven insurers mean commission on exempt business inclusive of GST (business-standard.com 01/10/2025
# and 03/10/2025): it is worked out on the premium / 1.18. LIC and the public insurers kept theirs.
STAR, NEW_INDIA = "Star Health and Allied Insurance Company Limited", "The New India Assurance Company Limited"
SEVEN = ("ICICI Lombard General Insurance Company Limited", "Care Health Insurance Limited",
         "Aditya Birla Health Insurance Company Limited", "HDFC ERGO General Insurance Company Limited",
         "Tata AIG General Insurance Company Limited", "Niva Bupa Health Insurance Company Limited", STAR)


@pytest.mark.parametrize(("insurer", "line", "business", "on", "parts", "exempt", "amount"), [
    # 23600 x 0.15 = 3540
    (STAR, "health", "new", date(2025, 9, 30), ("23600", "0", "0"), True, "3540"),
    # 23600 / 1.18 = 20000; x 0.15 = 3000
    (STAR, "health", "new", date(2025, 10, 1), ("23600", "0", "0"), True, "3000"),
    # 10000 / 1.18 = 8474.576...; x 0.15 = 1271.186... -> 1271
    (STAR, "health", "renewal", date(2026, 11, 1), ("10000", "0", "0"), True, "1271"),
    # 10000 x 0.15 = 1500: a public insurer
    (NEW_INDIA, "health", "renewal", date(2026, 11, 1), ("10000", "0", "0"), True, "1500"),
    # (8900 + 1250) x 0.15 = 1522.50; 3416 x 0.025 = 85.40; 1607.90 -> 1608: motor is taxed, so nothing is cleared
    ("HDFC ERGO General Insurance Company Limited", "motor", "new", date(2026, 11, 1), ("8900", "1250", "3416"),
     False, "1608"),
    # third party alone: 3416 x 0.025 = 85.40 -> 85
    (NEW_INDIA, "motor", "new", date(2026, 11, 1), ("0", "0", "3416"), False, "85"),
    # 34000 x 0.25 = 8500 in the first year
    ("Life Insurance Corporation of India", "life", "new", date(2026, 11, 1), ("34000", "0", "0"), True, "8500"),
    # 34000 x 0.05 = 1700 later
    ("Life Insurance Corporation of India", "life", "renewal", date(2026, 11, 1), ("34000", "0", "0"), True, "1700"),
    # 88000 x 0.15 = 13200
    (NEW_INDIA, "fire", "new", date(2026, 11, 1), ("88000", "0", "950"), False, "13200"),
    # 2600 x 0.15 = 390
    (NEW_INDIA, "travel", "new", date(2026, 11, 1), ("2600", "0", "0"), True, "390"),
])
def test_commission_by_insurer_line_and_year(rules, insurer, line, business, on, parts, exempt, amount):
    terms = choose_commission(rules, insurer=insurer, line=line, subtype="", business_type=business, on=on,
                              is_exempt=exempt)
    earned = commission(*map(D, parts), rate=terms.rate, tp_rate=terms.tp_rate, gst_rate=terms.gst_rate)
    assert earned == D(amount)


@pytest.mark.parametrize("insurer", SEVEN)
def test_seven_insurers_mean_their_commission_inclusive_of_gst_since_october_2025(rules, insurer):
    def gst_rate(on, exempt):
        return choose_commission(rules, insurer=insurer, line="health", subtype="", business_type="new", on=on,
                                 is_exempt=exempt).gst_rate

    assert (gst_rate(date(2025, 9, 30), True), gst_rate(date(2025, 10, 1), True)) == (0, 18)
    assert gst_rate(date(2026, 11, 1), False) == 0, "group business bears GST, so nothing is cleared"


def test_group_health_has_its_own_rate_of_commission(rules):
    # 165000 x 0.075 = 12375
    terms = choose_commission(rules, insurer=NEW_INDIA, line="health", subtype="group", business_type="new", on=AFTER,
                              is_exempt=False)
    assert commission(D(165000), D(0), rate=terms.rate) == 12375


def test_the_words_say_why_the_commission_is_what_it_is(rules):
    terms = choose_commission(rules, insurer=STAR, line="health", subtype="", business_type="new", on=AFTER.replace(
        year=2026), is_exempt=True)
    assert terms.reason == (
        "Commission 15 %: health from 01/07/2017; meant inclusive of GST 18 %, so on the premium ÷ 1.18")


amounts = st.decimals(min_value=0, max_value=D("99999999.99"), places=2)
rates = st.decimals(min_value=0, max_value=40, places=2)


@given(amounts, amounts, amounts, rates, rates, st.sampled_from([D(0), D(5), D(12), D(18)]))
def test_commission_is_never_on_gst(net, addon, third_party, rate, tp_rate, gst):
    """Whatever the tax, the commission is that of the bare premium, or less where it is meant inclusive."""
    taxed = calculate(net, addon, third_party, gst_rate=gst, gst_tp_rate=gst)
    bare = commission(net, addon, third_party, rate=rate, tp_rate=tp_rate)
    assert commission(taxed.net, taxed.addon, taxed.third_party, rate=rate, tp_rate=tp_rate) == bare
    assert commission(net, addon, third_party, rate=rate, tp_rate=tp_rate, gst_rate=gst) <= bare
    assert bare <= (net + addon) * rate / 100 + third_party * tp_rate / 100 + D("0.5")


# India Motor Tariff, General Regulation 27: 20, 25, 35, 45, 50 % after 1 to 5 years; nil after a claim; lost 90 days
# after the end. 31/10/2026 + 90 days = 29/01/2027.
DUE = date(2026, 10, 31)


@pytest.mark.parametrize(("now", "start", "claimed", "following"), [
    ("0", date(2026, 11, 1), False, "20"), ("20", date(2026, 11, 1), False, "25"),
    ("25", date(2026, 11, 1), False, "35"), ("35", date(2026, 11, 1), False, "45"),
    ("45", date(2026, 11, 1), False, "50"), ("50", date(2026, 11, 1), False, "50"),
    ("55", date(2026, 11, 1), False, "55"),   # an old bonus above the ladder is not lowered by it
    ("50", date(2026, 11, 1), True, "0"), ("0", date(2026, 11, 1), True, "0"),
    ("35", date(2027, 1, 29), False, "45"), ("35", date(2027, 1, 30), False, "0"),
])
def test_the_no_claim_bonus_of_the_next_term(rules, now, start, claimed, following):
    assert next_bonus(rules, D(now), DUE, start, claimed=claimed) == D(following)


# New from 01/09/2018: a car three years of third party, a two-wheeler five, own damage one (IRDAI circular 28/08/2018).
@pytest.mark.parametrize(("vehicle", "start", "ends"), [
    ("private car", date(2026, 11, 1), (date(2027, 10, 31), date(2029, 10, 31))),
    ("two-wheeler", date(2026, 11, 1), (date(2027, 10, 31), date(2031, 10, 31))),
    ("private car", date(2018, 9, 1), (date(2019, 8, 31), date(2021, 8, 31))),
    ("private car", date(2018, 8, 31), None),
    ("goods carriage", date(2026, 11, 1), None),
    ("private car", date(2028, 2, 29), (date(2029, 2, 28), date(2031, 2, 28))),
])
def test_the_ends_of_both_covers_of_a_new_vehicle(rules, vehicle, start, ends):
    found = long_term(rules, vehicle, start)
    assert (found and (found.own_damage_to, found.third_party_to)) == ends


# The tariff as at bajajallianz.com and todaystrend.in.
@pytest.mark.parametrize(("vehicle", "size", "years", "premium"), [
    ("private car", 998, 1, 2094), ("private car", 1000, 1, 2094), ("private car", 1001, 1, 3416),
    ("private car", 1500, 1, 3416), ("private car", 2755, 1, 7897),
    ("private car", 998, 3, 6521), ("private car", 1498, 3, 10640), ("private car", 1501, 3, 24596),
    ("two-wheeler", 75, 1, 538), ("two-wheeler", 110, 1, 714), ("two-wheeler", 350, 1, 1366),
    ("two-wheeler", 373, 1, 2804), ("goods carriage", 7490, 1, 16049), ("goods carriage", 11990, 1, 27186),
    ("goods carriage", 16100, 1, 35313), ("goods carriage", 25000, 1, None), ("private car", None, 1, None),
])
def test_the_third_party_tariff_is_suggested_by_class_size_and_years(rules, vehicle, size, years, premium):
    assert tariff_premium(rules, vehicle, size, date(2026, 11, 1), years=years) == premium


def of(line, due_on, today, rules, **details):
    policy = {"state": "live", "line": line, "due_on": due_on, "one_time": details.pop("one_time", False)}
    return clock(policy, details, grace_rule(rules, line, details.get("premium_mode"), due_on), today)


# Grace: health 30 days, 15 where the premium is monthly, cover in them only where it is by instalments (IRDAI master
# circular 29/05/2024); life 30 and 15; motor, fire and the rest none. 31/10/2026 + 30 = 30/11/2026, + 15 = 15/11/2026.
@pytest.mark.parametrize(("line", "mode", "today", "kind", "words"), [
    ("health", "yearly", date(2026, 10, 31), "running", "the last day is today"),
    ("health", "yearly", date(2026, 10, 1), "running", "in grace until 30/11/2026, without cover"),
    ("health", "yearly", date(2026, 11, 1), "in grace", "What happens meanwhile is not covered."),
    ("health", "yearly", date(2026, 11, 30), "in grace", "In grace until 30/11/2026, the last day is today."),
    ("health", "yearly", date(2026, 12, 1), "over", "waiting periods begin again"),
    ("health", "quarterly", date(2026, 11, 30), "in grace", "Cover goes on meanwhile."),
    ("health", "monthly", date(2026, 11, 15), "in grace", "In grace until 15/11/2026"),
    ("health", "monthly", date(2026, 11, 16), "over", "The grace ended on 15/11/2026."),
    ("life", "yearly", date(2026, 11, 30), "in grace", "Cover goes on meanwhile."),
    ("life", "yearly", date(2026, 12, 1), "over", "lapsed"),
    ("life", "monthly", date(2026, 11, 16), "over", "The grace ended on 15/11/2026."),
    ("motor", None, date(2026, 11, 1), "over", "Uninsured since 01/11/2026: the vehicle may not be driven."),
    ("fire", None, date(2026, 11, 1), "over", "Uninsured since 01/11/2026."),
    ("other", None, date(2026, 10, 31), "running", "There is no grace"),
])
def test_the_clock_after_expiry_of_each_line(rules, line, mode, today, kind, words):
    found = of(line, DUE, today, rules, premium_mode=mode)
    assert found.kind == kind
    assert words in " ".join(found.sentences)


# Own damage of one year beside third party of three, compulsory for new cars since 01/09/2018.
@pytest.mark.parametrize(("third_party_to", "today", "words"), [
    (date(2028, 10, 31), date(2026, 10, 31), "own damage is not insured, third party runs until 31/10/2028"),
    (date(2028, 10, 31), date(2026, 11, 1), "Own damage ended on 31/10/2026; third party runs until 31/10/2028."),
    (date(2028, 10, 31), date(2028, 10, 31), "Own damage ended on 31/10/2026; third party runs until 31/10/2028."),
    (date(2028, 10, 31), date(2028, 11, 1), "Uninsured since 01/11/2028: the vehicle may not be driven."),
    (DUE, DUE, "the vehicle may not be driven"),
])
def test_a_vehicle_is_driven_as_long_as_its_third_party_cover_runs(rules, third_party_to, today, words):
    said = " ".join(of("motor", DUE, today, rules, third_party_to=third_party_to).sentences)
    assert words in said
    assert ("driven" in said) == ("driven" in words)
    assert "inspect" in said


@pytest.mark.parametrize(("today", "words"), [
    (date(2026, 11, 1), "The no-claim bonus of 35 % is lost unless it is renewed by 29/01/2027."),
    (date(2027, 1, 29), "The no-claim bonus of 35 % is lost unless it is renewed by 29/01/2027."),
    (date(2027, 1, 30), "The no-claim bonus of 35 % was lost after 29/01/2027."),
])
def test_the_clock_of_a_motor_policy_tells_when_the_bonus_is_lost_and_that_the_insurer_inspects(rules, today, words):
    found = of("motor", DUE, today, rules, no_claim_bonus=D(35))
    assert words in found.sentences
    assert "The insurer will inspect it before it is insured again." in found.sentences


def test_a_trip_has_no_clock_but_its_end(rules):
    assert of("travel", DUE, date(2026, 11, 9), rules, one_time=True).sentences == (
        "It ended on 31/10/2026. A one-time policy is not renewed.",)


# 2 % for agents who are no company, 10 % for companies, above 20,000 a year from 01/04/2025 (Finance Act 2025).
@pytest.mark.parametrize(("payee", "commission_of_year", "on", "tax"), [
    ("other", "20000", date(2026, 11, 1), "0"),        # not above the threshold
    ("other", "20001", date(2026, 11, 1), "400"),      # 20001 x 0.02 = 400.02 -> 400
    ("other", "100000", date(2026, 11, 1), "2000"),    # 100000 x 0.02
    ("company", "100000", date(2026, 11, 1), "10000"), # 100000 x 0.10
    ("other", "16000", date(2025, 3, 31), "800"),      # 16000 x 0.05 = 800, threshold 15,000 until then
    ("other", "16000", date(2025, 4, 1), "0"),
])
def test_tax_deducted_from_commission(rules, payee, commission_of_year, on, tax):
    rate, threshold = tds_rule(rules, payee, on)
    assert deducted(D(commission_of_year), rate, threshold) == D(tax)


# Policy data up to 10 years (IRDAI regulations 2020), KYC 5 years (PMLA s. 12).
@pytest.mark.parametrize(("subject", "years"), [
    ("policy", 10), ("claim", 10), ("kyc", 5), ("message", 2), ("audit", 8)])
def test_how_long_records_are_kept(rules, subject, years):
    rule = retention_rule(subject, date(2026, 11, 23))
    assert rule is not None
    assert rule["years"] == years


@pytest.mark.parametrize(("day", "year"), [
    (date(2026, 3, 31), "2025-26"), (date(2026, 4, 1), "2026-27"), (date(2026, 11, 23), "2026-27"),
    (date(2027, 3, 31), "2026-27"), (date(2000, 1, 1), "1999-00"),
])
def test_the_financial_year_runs_from_april_to_march(day, year):
    assert financial_year(day) == year


@pytest.mark.parametrize(("start", "years", "end"), [
    (date(2026, 11, 23), 1, date(2027, 11, 22)), (date(2024, 2, 29), 1, date(2025, 2, 28)),
    (date(2027, 3, 1), 1, date(2028, 2, 29)), (date(2026, 4, 1), 3, date(2029, 3, 31)),
])
def test_so_many_years_of_cover_end_on_the_day_before(start, years, end):
    assert last_day(start, years) == end


@pytest.mark.parametrize("kind", ["gst", "commission", "commission gst", "grace", "bonus", "tariff", "tds"])
def test_every_rule_names_its_source(rules, kind):
    assert rules.of(kind)
    assert all(len(rule["source"]) >= 10 for rule in rules.of(kind))
