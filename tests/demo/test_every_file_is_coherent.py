"""What must hold for each client, member and term of the demo book, whatever the dice said."""

import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import phonenumbers
import pytest
from phonenumbers import carrier
from stdnum.in_ import gstin, pan

from portal.demo.book import Book
from portal.demo.places import CITIES
from portal.demo.products import INSURER, PRODUCT
from portal.formats import parse_vehicle
from portal.policies.commission_terms import choose_commission
from portal.policies.premium import calculate, choose_tax, commission
from tests.demo.conftest import TODAY

pytestmark = pytest.mark.slow


def test_the_same_seed_and_day_give_the_same_book(rules):
    first = [vars(file) for file in Book(7, TODAY, rules).files(150)]
    again = [vars(file) for file in Book(7, TODAY, rules).files(150)]
    other = [vars(file) for file in Book(8, TODAY, rules).files(150)]
    assert first == again
    assert first != other


def test_a_larger_book_begins_like_a_smaller_one(rules):
    assert list(Book(7, TODAY, rules).files(40)) == list(Book(7, TODAY, rules).files(80))[:40]


def test_gross_is_its_parts_with_the_tax_of_the_first_day(terms, rules):
    for term in terms:
        policy = term.policy
        subtype = term.detail["vehicle_class"] if policy["line"] == "motor" else ""
        tax = choose_tax(rules.of("gst"), line=policy["line"], subtype=subtype, is_group=term.product == "group",
                         on=policy["policy_from"], has_third_party=policy["tp_premium"] > 0)
        premium = calculate(policy["net_premium"], policy["addon_premium"], policy["tp_premium"],
                            gst_rate=tax.rate, gst_tp_rate=tax.tp_rate)
        stored = (policy["gst_rate"], policy["gst_tp_rate"], policy["gst_amount"], policy["gross_premium"])
        assert stored == (tax.rate, tax.tp_rate, premium.gst, premium.gross)
        assert policy["gst_reason"] == tax.reason


def test_commission_follows_the_rules_and_nothing_else(terms, rules):
    inclusive = 0
    for term in terms:
        policy = term.policy
        subtype = term.detail["vehicle_class"] if policy["line"] == "motor" else PRODUCT[term.product].subtype
        owed = choose_commission(
            rules, insurer=INSURER[term.insurer].name, line=policy["line"], subtype=subtype,
            business_type=policy["business_type"], on=policy["policy_from"], is_exempt=policy["gst_rate"] == 0)
        stored = [policy[f"commission_{name}"] for name in ("rate", "tp_rate", "gst_rate", "reason")]
        assert stored == [owed.rate, owed.tp_rate, owed.gst_rate, owed.reason]
        assert policy["commission_amount"] == commission(
            policy["net_premium"], policy["addon_premium"], policy["tp_premium"],
            rate=owed.rate, tp_rate=owed.tp_rate, gst_rate=owed.gst_rate)
        inclusive += owed.gst_rate == 18
    assert inclusive > 300


def test_retail_health_is_free_of_tax_since_september_2025_and_group_health_is_not(terms):
    rates: Counter[tuple[bool, bool, Decimal]] = Counter()
    for term in terms:
        if term.policy["line"] == "health":
            since = term.policy["policy_from"].isoformat() >= "2025-09-22"
            rates[term.product == "group", since, term.policy["gst_rate"]] += 1
    assert {(group, since, int(rate)) for group, since, rate in rates} == {
        (False, False, 18), (False, True, 0), (True, False, 18), (True, True, 18)}


def test_dates_are_in_order(terms):
    for term in terms:
        policy = term.policy
        assert policy["policy_from"] <= policy["policy_to"]
        assert policy["policy_from"] <= policy["due_on"] <= policy["policy_to"] or policy["one_time"]
        assert policy["created_at"] <= policy["updated_at"]
        assert policy["created_at"].date() < TODAY
        if policy["payment_date"]:
            assert policy["payment_date"] <= TODAY
        if policy["cancelled_on"]:
            assert policy["policy_from"] <= policy["cancelled_on"] <= policy["policy_to"]


def test_a_motor_policy_is_due_when_the_first_of_its_covers_ends(terms):
    for term in terms:
        if term.policy["line"] == "motor":
            ends = [term.policy["policy_to"], term.detail["own_damage_to"], term.detail["third_party_to"]]
            assert term.policy["due_on"] == min(end for end in ends if end)


def test_a_new_car_keeps_its_third_party_cover_while_own_damage_is_renewed(files):
    chains = [(file.terms[term.follows], term) for file in files for term in file.terms if term.follows is not None]
    after_bundle = [(old, new) for old, new in chains if old.product == "new car"]
    assert after_bundle
    for old, new in after_bundle:
        assert new.product == "car own damage"
        assert new.policy["tp_premium"] == 0
        assert new.detail["third_party_to"] == old.detail["third_party_to"] > new.detail["own_damage_to"] or (
            new.detail["third_party_to"] == new.detail["own_damage_to"])


def test_a_term_is_renewed_at_most_once_and_says_so(files):
    for file in files:
        renewed = [term.follows for term in file.terms if term.follows is not None]
        assert len(renewed) == len(set(renewed))
        assert set(renewed) == {place for place, term in enumerate(file.terms) if term.policy["state"] == "renewed"}
        for term in file.terms:
            if term.follows is not None:
                before = file.terms[term.follows].policy
                assert term.policy["policy_from"] == before["due_on"] + timedelta(days=1)
                assert term.policy["line"] == before["line"]
                assert term.policy["business_type"] in ("renewal", "roll over")


def test_another_insurer_makes_it_a_roll_over(files):
    for file in files:
        for term in file.terms:
            if term.follows is not None:
                switched = term.insurer != file.terms[term.follows].insurer
                assert (term.policy["business_type"] == "roll over") == switched


def test_policy_numbers_are_unique_for_insurer_and_start(terms):
    numbers = Counter((term.insurer, re.sub(r"\W", "", term.policy["policy_number"]), term.policy["policy_from"])
                      for term in terms if term.policy["policy_number"])
    assert max(numbers.values()) == 1
    assert all("DEMO" in number for _, number, _ in numbers)
    assert all((term.policy["policy_number"] is None) == (term.policy["state"] == "pending") for term in terms)


def test_who_is_named_on_a_policy_belongs_to_the_client(files):
    for file in files:
        places = range(len(file.members))
        for term in file.terms:
            assert term.member is None or term.member in places
            for person in term.persons:
                assert file.members[person["member"]]["name"] == person["name"]
            if term.policy["line"] == "health" and term.product != "group":
                assert term.persons, f"{term.product} insures nobody"


def test_a_floater_covers_a_family_and_no_grown_children(files):
    for file in files:
        for term in file.terms:
            if term.product == "floater":
                for person in term.persons:
                    member = file.members[person["member"]]
                    assert member["relation"] in ("self", "spouse", "son", "daughter")


def test_a_family_has_one_surname(files):
    for file in files:
        if not file.is_firm and file.members[0]["name"] == file.client["name"]:
            surnames = {member["name"].split()[-1] for member in file.members[1:]}
            assert len(surnames) <= 1


def test_nobody_in_a_family_has_the_same_name_as_another(files):
    doubles = sum(len({member["name"] for member in file.members}) < len(file.members) for file in files)
    assert doubles <= 2


def test_consent_to_whatsapp_needs_a_telephone(files):
    for file in files:
        client = file.client
        assert client["phone"] or not client["whatsapp_opt_in"]
        assert (client["whatsapp_opt_in_at"] is not None) == client["whatsapp_opt_in"]
        assert client["email"] or not client["email_opt_in"]


def test_life_policies_are_never_rolled_over(terms):
    assert "roll over" not in {term.policy["business_type"] for term in terms if term.policy["line"] == "life"}


def test_children_are_a_generation_younger_and_parents_older(files):
    for file in files:
        born = file.client["date_of_birth"]
        for member in file.members[1:] if born else []:
            years = (member["date_of_birth"] - born).days / 365.25
            assert member["date_of_birth"] < TODAY
            if member["relation"] in ("son", "daughter"):
                assert years >= 23
            if member["relation"] in ("father", "mother"):
                assert -30 <= years <= -20


def test_telephone_numbers_pass_the_checks_and_belong_to_no_operator(files):
    numbers = {file.client[name] for file in files for name in ("phone", "other_phone") if file.client[name]}
    numbers |= {member["phone"] for file in files for member in file.members if member["phone"]}
    assert len(numbers) > 2000
    for number in numbers:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed)
        assert carrier.name_for_number(parsed, "en") == ""


def test_mail_goes_to_example_in_alone(files):
    addresses = [file.client["email"] for file in files if file.client["email"]]
    assert len(addresses) == len(set(addresses))
    assert all(re.fullmatch(r"[a-z0-9.]+@example\.in", address) for address in addresses)


def test_tax_numbers_are_well_formed_and_from_the_end_of_the_series(files):
    for file in files:
        client = file.client
        if client["pan"] is not None:
            assert pan.is_valid(client["pan"]) and client["pan"].startswith("ZZZ")
        if client["gstin"]:
            assert gstin.is_valid(client["gstin"]) and client["gstin"][2:12] == client["pan"]


def test_number_plates_are_of_the_city_and_of_a_series_never_issued(files):
    offices = {city.name: city.rto for city in CITIES}
    for file in files:
        for term in file.terms:
            if term.policy["line"] == "motor":
                plate = term.detail["vehicle_number"]
                assert parse_vehicle(plate) == plate
                assert plate[:4] in offices[file.client["city"]]
                assert plate[4] in "IO"


def test_pin_codes_are_of_the_city(files):
    prefixes = {"Mumbai": ("400",), "Thane": ("4006",), "Navi Mumbai": ("4007", "4006", "4102"), "Pune": ("411",),
                "Surat": ("395",), "Ahmedabad": ("380",), "Vadodara": ("390",)}
    for file in files:
        assert file.client["pin"].startswith(prefixes[file.client["city"]])


@pytest.mark.parametrize("forbidden", ["aadhaar", "religion", "community", "caste"])
def test_nothing_stored_speaks_of_what_nobody_needs_to_know(files, forbidden):
    for file in files:
        columns = {*file.client, *(name for member in file.members for name in member)}
        assert forbidden not in " ".join(columns).lower()
        texts = " ".join(str(value) for value in file.client.values())
        assert forbidden not in texts.lower()
        assert not re.search(r"(?<![+\d])\d{4} ?\d{4} ?\d{4}(?!\d)", texts), "looks like an Aadhaar number"


def test_nobody_is_of_a_legal_form_that_tells_the_faith(files):
    assert {file.client["client_type"] for file in files} == {"individual", "firm", "company"}
