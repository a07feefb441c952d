"""Endorsements: the term changes with them in one transaction, what was there is kept, tax follows its own day."""

from datetime import date
from decimal import Decimal

import pytest

from database_pool import execute_query
from portal.policies.endorsement import pro_rata
from tests.cast import sign_in
from tests.policies.book import add, details, errors, persons, stored, trail

D = Decimal


def endorse(browser, policy_id, kind, **typed):
    typed.setdefault("version", str(stored(policy_id)["version"]))
    typed.setdefault("effective_on", "15/11/2026")
    return browser.submit(f"/policies/{policy_id}/endorsements/new", {"kind": kind, **typed})


def endorsements(policy_id):
    return execute_query("endorsements", filters={"policy_id_eq": policy_id}, order="endorsement_id").data


def test_a_change_of_vehicle_changes_the_term_and_keeps_what_was_before(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="EN/1"))
    page = clerk.get(f"/policies/{policy_id}/endorsements/new?kind=asset")
    assert 'value="MH02DN4417"' in page.text
    answer = endorse(clerk, policy_id, "asset", vehicle_number="MH 02 ZZ 1", make_model="Kia Seltos", asset="MH02ZZ1",
                     insured_declared_value="9,50,000", endorsement_number="E-1", net_premium="1,250")
    assert answer.status_code == 303, errors(answer)
    vehicle = details("motor_details", policy_id)
    assert (vehicle["vehicle_number"], vehicle["make_model"]) == ("MH02ZZ1", "Kia Seltos")
    (row,) = endorsements(policy_id)
    assert row["before"]["vehicle_number"] == "MH02DN4417"
    assert (row["after"]["vehicle_number"], row["after"]["insured_declared_value"]) == ("MH02ZZ1", "950000.00")
    # 1250 x 0.18 = 225; 1475
    assert (row["gst_amount"], row["gross_premium"]) == (D(225), D(1475))
    # 1250 x 0.15 = 187.50 -> 188
    assert row["commission_amount"] == D(188)
    assert trail(policy_id)[-1]["action"] == "endorse"
    page = clerk.get(f"/policies/{policy_id}").text
    assert "Change of vehicle or asset" in page
    # 16008 + 1475
    assert "₹17,483.00" in page
    assert stored(policy_id)["gross_premium"] == D(16008), "what was charged first stays"


def test_another_vehicle_number_is_the_asset_too_in_lists_and_messages(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="EN/10", vehicle_number="new"))
    assert stored(policy_id)["asset"] == "NEW"
    typed = {"make_model": "Honda City", "insured_declared_value": "8,40,000"}
    endorse(clerk, policy_id, "correction", vehicle_number="MH 02 ZZ 1", asset="NEW", **typed)   # as the form has it
    assert stored(policy_id)["asset"] == "MH02ZZ1"
    assert endorsements(policy_id)[0]["after"]["asset"] == "MH02ZZ1"
    endorse(clerk, policy_id, "asset", vehicle_number="MH02ZZ1", asset="White car", **typed)
    endorse(clerk, policy_id, "asset", vehicle_number="MH02ZZ3", asset="White car", **typed)
    assert stored(policy_id)["asset"] == "White car", "a name of its own stays"
    for row in reversed(endorsements(policy_id)):
        withdraw(clerk, policy_id, row["endorsement_id"])
    assert (stored(policy_id)["asset"], details("motor_details", policy_id)["vehicle_number"]) == ("NEW", "NEW")


def test_more_sum_insured_on_retail_health_costs_no_gst(clerk, book):
    policy_id = add(clerk, book.form("health", policy_number="EN/2"))
    endorse(clerk, policy_id, "sum insured", floater_sum_insured="15 L", sum_insured="", net_premium="4000")
    assert details("health_details", policy_id)["floater_sum_insured"] == D(1500000)
    assert (endorsements(policy_id)[0]["gst_amount"], endorsements(policy_id)[0]["gross_premium"]) == (D(0), D(4000))


def test_a_refund_gives_back_the_tax_that_was_charged(clerk, book):
    form = book.form("health", policy_number="EN/3", policy_from="01/09/2025")  # taxed with 18 %
    policy_id = add(clerk, form)
    assert stored(policy_id)["gst_rate"] == 18
    endorse(clerk, policy_id, "sum insured", floater_sum_insured="5 L", net_premium="-1000", effective_on="01/12/2025")
    (row,) = endorsements(policy_id)
    # -1000 x 0.18 = -180; -1180
    assert (row["gst_amount"], row["gross_premium"]) == (D(-180), D(-1180))
    # more premium after 22/09/2025 bears none
    endorse(clerk, policy_id, "sum insured", floater_sum_insured="6 L", net_premium="500", effective_on="01/12/2025")
    assert endorsements(policy_id)[1]["gst_amount"] == 0


def test_persons_are_added_corrected_and_removed(clerk, book):
    policy_id = add(clerk, book.form("health", policy_number="EN/4") | {"persons-0-member_id": str(book.head)})
    assert endorse(clerk, policy_id, "person added", person_member_id=str(book.spouse)).status_code == 303
    assert [row["name"] for row in persons(policy_id)] == ["Rohan Mehta", "Neha Mehta"]
    second = str(persons(policy_id)[1]["insured_person_id"])
    endorse(clerk, policy_id, "correction", person_id=second, person_name="Neha R Mehta")
    assert [row["name"] for row in persons(policy_id)] == ["Rohan Mehta", "Neha R Mehta"]
    endorse(clerk, policy_id, "person removed", person_id=second, net_premium="-500")
    assert [row["name"] for row in persons(policy_id)] == ["Rohan Mehta"]
    kept = [(row["kind"], row["before"], row["after"]) for row in endorsements(policy_id)]
    assert kept == [
        ("person added", {}, {"person_added": "Neha Mehta"}),
        ("correction", {"person_name": "Neha Mehta"}, {"person_name": "Neha R Mehta"}),
        ("person removed", {"person_removed": "Neha R Mehta", "person": {
            "member_id": book.spouse, "name": "Neha R Mehta", "sum_insured": None, "bonus": None, "deductible": None}},
         {"person_removed": None}),
    ]  # fmt: skip


@pytest.mark.parametrize(("line", "kind", "typed", "sentence"), [
    ("motor", "asset", {"effective_on": "31/10/2026"}, "lies outside the policy"),
    ("motor", "asset", {"effective_on": "01/11/2027"}, "lies outside the policy"),
    ("motor", "asset", {"effective_on": "31/02/2026"}, "there is no 31 February 2026"),
    ("motor", "asset", {"vehicle_number": "12"}, "vehicle number"),
    ("motor", "asset", {"net_premium": "abc"}, "amount"),
    ("health", "person added", {}, "Choose a member, or write the name"),
    ("health", "person added", {"person_member_id": "999999"}, "one of this client"),
    ("health", "person removed", {"person_id": "999999"}, "one of the insured persons"),
    ("other", "sum insured", {}, "Nothing is changed yet"),
])
def test_what_does_not_fit_is_refused_and_kept(clerk, book, line, kind, typed, sentence):
    number = f"ER/{line}/{kind}/{sorted(typed.items())}"
    policy_id = add(clerk, book.form(line, policy_number=number))
    unchanged = {"vehicle_number": "MH02DN4417", "make_model": "Honda City", "insured_declared_value": "8,40,000",
                 "asset": "MH02DN4417"} if line == "motor" else {}
    answer = endorse(clerk, policy_id, kind, **{**unchanged, "endorsement_number": "kept E-9", **typed})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "kept E-9" in answer.text
    assert endorsements(policy_id) == []
    assert stored(policy_id)["version"] == 1


def test_a_kind_that_the_line_does_not_have_is_not_found(clerk, book):
    policy_id = add(clerk, book.form("life", policy_number="EN/5"))
    assert endorse(clerk, policy_id, "person added", person_name="Aarav").status_code == 404


def test_two_colleagues_endorsing_at_once_give_one_endorsement_and_one_clear_message(clerk, colleague, book):
    policy_id = add(clerk, book.form("other", policy_number="EN/6"))
    assert endorse(colleague, policy_id, "sum insured", sum_insured="10 L", version="1").status_code == 303
    second = endorse(clerk, policy_id, "sum insured", sum_insured="20 L", version="1", description="mine")
    assert second.status_code == 409
    assert "changed by someone else" in second.text
    assert 'value="mine"' in second.text
    assert (stored(policy_id)["sum_insured"], len(endorsements(policy_id))) == (D(1000000), 1)


def test_one_number_is_endorsed_once(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="EN/7"))
    endorse(clerk, policy_id, "sum insured", sum_insured="10 L", endorsement_number="E/1")
    answer = endorse(clerk, policy_id, "sum insured", sum_insured="20 L", endorsement_number="e-1")
    assert answer.status_code == 422
    assert "an endorsement of this number already" in answer.text


def test_a_cancellation_gives_back_premium_with_its_tax_and_can_be_taken_back(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="EN/8"))
    assert "For the days left after that day" in clerk.get(f"/policies/{policy_id}/cancellation").text
    typed = {"version": "1", "cancelled_on": "30/04/2027", "reason": "sold", "refund_premium": "10000"}
    too_much = clerk.submit(f"/policies/{policy_id}/cancellation", {**typed, "refund_premium": "23501"})
    assert too_much.status_code == 422
    assert "more than was charged" in too_much.text
    assert clerk.submit(f"/policies/{policy_id}/cancellation", typed).status_code == 303
    (row,) = endorsements(policy_id)
    # -10000 x 1.18
    assert (row["kind"], row["gross_premium"], row["withdrawn_at"]) == ("cancellation", D(-11800), None)
    assert "Premium with endorsements" in clerk.get(f"/policies/{policy_id}").text
    clerk.submit(f"/policies/{policy_id}/reopening", {"version": str(stored(policy_id)["version"])})
    assert endorsements(policy_id)[0]["withdrawn_at"] is not None
    assert "Premium with endorsements" not in clerk.get(f"/policies/{policy_id}").text


def test_what_endorsements_charged_is_given_back_too(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="EN/11", net_premium="30,000", addon_premium="6,500"))
    endorse(clerk, policy_id, "sum insured", sum_insured="10 L", net_premium="3,510", tp_premium="100")
    path = f"/policies/{policy_id}/cancellation"
    typed = {"version": "2", "cancelled_on": "30/04/2027", "reason": "sold"}
    too_much = clerk.submit(path, {**typed, "refund_premium": "40010.01", "refund_tp_premium": "3516.01"})
    assert too_much.text.count("more than was charged cannot be given back") >= 1
    # 36,500 x 184 / 365 = 18,400; of the endorsement since 15/11/2026 3,510 x 184 / 351 = 1,840
    assert "₹20,240.00" in too_much.text
    third_party = clerk.submit(path, {**typed, "refund_premium": "40010", "refund_tp_premium": "3516.01"})
    assert "Refund of third party: more than was charged" in third_party.text
    assert clerk.submit(path, {**typed, "refund_premium": "40010", "refund_tp_premium": "3516"}).status_code == 303
    assert endorsements(policy_id)[1]["net_premium"] == D(-40010)


@pytest.mark.parametrize(("amount", "start", "end", "day", "refund"), [
    # 365 days; cancelled on the last day of the first half: 184 left; 36500 x 184 / 365 = 18400
    ("36500", date(2026, 11, 1), date(2027, 10, 31), date(2027, 4, 30), "18400.00"),
    # on the first day 364 are left: 36500 x 364 / 365
    ("36500", date(2026, 11, 1), date(2027, 10, 31), date(2026, 11, 1), "36400.00"),
    ("36500", date(2026, 11, 1), date(2027, 10, 31), date(2027, 10, 31), "0"),
    # cancelled before the endorsement was to begin
    ("1000", date(2026, 12, 1), date(2027, 10, 31), date(2026, 11, 15), "1000.00"),
    # 1000 x 100 / 366 = 273.224 -> 273.22 in a leap year
    ("1000", date(2027, 3, 1), date(2028, 2, 29), date(2027, 11, 21), "273.22"),
])
def test_a_proportionate_refund_is_for_the_days_that_are_left(amount, start, end, day, refund):
    assert pro_rata(D(amount), start, end, day) == D(refund)


def withdraw(browser, policy_id, endorsement_id, version=None):
    return browser.submit(f"/policies/{policy_id}/endorsements/{endorsement_id}/withdrawal",
                          {"version": version or str(stored(policy_id)["version"])})  # fmt: skip


def test_an_endorsement_taken_back_leaves_the_term_as_it_was(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="EW/1"))
    vehicle, before = details("motor_details", policy_id), stored(policy_id)
    endorse(clerk, policy_id, "asset", vehicle_number="MH 02 ZZ 1", make_model="Kia Seltos", asset="MH02ZZ1",
            insured_declared_value="9,50,000", net_premium="1,250")  # fmt: skip
    (row,) = endorsements(policy_id)
    assert withdraw(clerk, policy_id, row["endorsement_id"]).status_code == 303
    assert details("motor_details", policy_id) == vehicle
    assert stored(policy_id)["asset"] == before["asset"]
    assert endorsements(policy_id)[0]["withdrawn_at"] is not None
    assert trail(policy_id)[-1]["action"] == "withdraw"
    page = clerk.get(f"/policies/{policy_id}").text
    assert "Change of vehicle or asset" not in page
    assert "₹17,483.00" not in page, "its premium does not count any more"
    assert withdraw(clerk, policy_id, row["endorsement_id"]).status_code == 404


def test_persons_come_back_as_they_were(clerk, book):
    policy_id = add(clerk, book.form("health", policy_number="EW/2") | {"persons-0-member_id": str(book.head)})
    endorse(clerk, policy_id, "person added", person_member_id=str(book.spouse), person_sum_insured="3 L")
    everybody = [{name: row[name] for name in row if name != "insured_person_id"} for row in persons(policy_id)]
    second = str(persons(policy_id)[1]["insured_person_id"])
    endorse(clerk, policy_id, "correction", person_id=second, person_name="Neha R Mehta")
    endorse(clerk, policy_id, "person removed", person_id=second)
    added, renamed, removed = [row["endorsement_id"] for row in endorsements(policy_id)]
    page = clerk.submit(f"/policies/{policy_id}/endorsements/{renamed}/withdrawal",
                        {"version": str(stored(policy_id)["version"])})  # fmt: skip
    assert "changed again since" in clerk.get(page.location).text, "nobody is called so any more"
    for number in (removed, renamed):
        withdraw(clerk, policy_id, number)
    again = [{name: row[name] for name in row if name != "insured_person_id"} for row in persons(policy_id)]
    assert again == everybody
    withdraw(clerk, policy_id, added)
    assert [row["name"] for row in persons(policy_id)] == ["Rohan Mehta"]


def test_only_the_last_change_of_a_value_is_taken_back_and_only_by_who_saw_it(app, clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="EW/3"))
    endorse(clerk, policy_id, "sum insured", sum_insured="10 L")
    endorse(clerk, policy_id, "sum insured", sum_insured="20 L")
    first, second = [row["endorsement_id"] for row in endorsements(policy_id)]
    path = f"/policies/{policy_id}/endorsements/{second}/withdrawal"
    assert sign_in(app, "reader").submit(path).status_code == 403
    withdraw(clerk, policy_id, first)
    withdraw(clerk, policy_id, second, version="1")
    assert stored(policy_id)["sum_insured"] == D(2000000), "a later endorsement stands on it; the page was an old one"
    withdraw(clerk, policy_id, second)
    withdraw(clerk, policy_id, first)
    assert stored(policy_id)["sum_insured"] is None or stored(policy_id)["sum_insured"] < D(1000000)
    assert all(row["withdrawn_at"] for row in endorsements(policy_id))


def test_a_cancellation_is_taken_back_by_opening_the_policy(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="EW/4"))
    clerk.submit(f"/policies/{policy_id}/cancellation", {
        "version": "1", "cancelled_on": "20/11/2026", "reason": "sold", "refund_premium": "100"})  # fmt: skip
    (row,) = endorsements(policy_id)
    withdraw(clerk, policy_id, row["endorsement_id"])
    assert (stored(policy_id)["state"], endorsements(policy_id)[0]["withdrawn_at"]) == ("cancelled", None)
