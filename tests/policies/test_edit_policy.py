"""Changing a policy: every field, clearing, two colleagues at once, and what a role may touch."""

import re
from datetime import date
from decimal import Decimal

import pytest

from database_pool import execute_query, transaction
from portal.formats import now
from tests.cast import sign_in
from tests.policies.book import add, details, errors, make_book, persons, stored, trail

INPUT = re.compile(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"')


def change(browser, policy_id, form, **typed):
    version = typed.pop("version", str(stored(policy_id)["version"]))
    return browser.submit(f"/policies/{policy_id}/edit", {**form, "version": version, **typed})


def test_changes_are_saved_and_stand_in_the_trail_with_before_and_after(clerk, book):
    form = book.form("motor", policy_number="ED/1")
    policy_id = add(clerk, form)
    answer = change(clerk, policy_id, form, net_premium="9000", make_model="Honda City ZX")
    assert answer.status_code == 303, errors(answer)
    assert stored(policy_id)["net_premium"] == Decimal(9000)
    assert details("motor_details", policy_id)["make_model"] == "Honda City ZX"
    entry = trail(policy_id)[-1]
    assert entry["action"] == "change"
    assert (entry["before"]["net_premium"], entry["after"]["net_premium"]) == ("8900.00", "9000.00")
    assert (entry["before"]["make_model"], entry["after"]["make_model"]) == ("Honda City", "Honda City ZX")
    assert "policy_number" not in entry["after"]


def test_the_form_opens_with_everything_that_is_stored(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="ED/2", payment_date="02/11/2026", remarks="Blue & white"))
    page = clerk.get(f"/policies/{policy_id}/edit").text
    for text in (
        'value="ED/2"',
        'value="01/11/2026"',
        'value="8,900"',
        'value="3,416"',
        'value="02/11/2026"',
        "Blue &amp; white",
        'value="8,40,000"',
        'value="MH02DN4417"',
    ):
        assert text in page, text


def test_saving_the_untouched_form_changes_nothing(clerk, colleague, book):
    form = book.form(
        "health",
        policy_number="ED/3",
        gst_rate="18",
        gst_reason="Billed with tax",
        remarks="As it was",
        payment_date="02/11/2026",
    ) | {"persons-0-member_id": str(book.head), "persons-0-sum_insured": "5 L", "persons-1-name": "Aarav Mehta"}
    policy_id = add(clerk, form)
    page = clerk.get(f"/policies/{policy_id}/edit").text
    before, people = stored(policy_id), [{**row, "insured_person_id": 0} for row in persons(policy_id)]
    sent = dict(INPUT.findall(page)) | {
        "action": "save",
        "insurer_id": str(book.insurer),
        "product_id": str(book.products["health"]),
        "business_type": "new",
        "plan": "floater",
        "remarks": "As it was",
        "persons-0-member_id": str(book.head),
    }
    for unticked in ("one_time", "waiting_for"):
        sent.pop(unticked, None)
    answer = clerk.submit(f"/policies/{policy_id}/edit", sent)
    assert answer.status_code == 303, errors(answer)
    after = stored(policy_id)
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {"version", "updated_at"}
    assert [{**row, "insured_person_id": 0} for row in persons(policy_id)] == people


@pytest.mark.parametrize(("asset", "shown", "kept"), [("", "", "MH02ZZ1"), ("White car", "White car", "White car")])
def test_another_vehicle_number_is_the_asset_too_unless_it_has_a_name_of_its_own(clerk, book, asset, shown, kept):
    form = book.form("motor", policy_number=f"ED/NEW/{asset}", vehicle_number="NEW", asset=asset)
    policy_id = add(clerk, form)
    page = clerk.get(f"/policies/{policy_id}/edit").text
    assert re.search(rf'name="asset" type="text" value="{shown}"', page)
    change(clerk, policy_id, form, vehicle_number="MH 02 ZZ 1", asset=shown)
    assert stored(policy_id)["asset"] == kept


def test_every_value_that_may_be_empty_can_be_cleared(clerk, book):
    form = book.form(
        "motor",
        policy_number="ED/4",
        payment_date="02/11/2026",
        payment_details="UPI 4711",
        sum_insured="8 L",
        asset="White car",
        group_name="Mehta",
        subgroup="Cars",
        remarks="Note",
        agent_id=str(book.agent),
        member_id=str(book.spouse),
    )
    policy_id = add(clerk, form)
    empty = dict.fromkeys(
        (
            "payment_date",
            "payment_details",
            "sum_insured",
            "asset",
            "group_name",
            "subgroup",
            "remarks",
            "agent_id",
            "member_id",
            "addon_premium",
            "tp_premium",
            "vehicle_number",
            "make_model",
            "cubic_capacity",
            "insured_declared_value",
            "no_claim_bonus",
            "year_of_manufacture",
        ),
        "",
    )
    answer = change(clerk, policy_id, form, **empty)
    assert answer.status_code == 303, errors(answer)
    row, vehicle = stored(policy_id), details("motor_details", policy_id)
    for name in (
        "payment_date",
        "payment_details",
        "sum_insured",
        "asset",
        "group_name",
        "subgroup",
        "remarks",
        "agent_id",
        "member_id",
    ):
        assert row[name] is None, name
    assert (row["addon_premium"], row["tp_premium"], row["gross_premium"]) == (0, 0, Decimal(10502))
    for name in ("vehicle_number", "make_model", "cubic_capacity", "insured_declared_value", "year_of_manufacture"):
        assert vehicle[name] is None, name
    assert vehicle["no_claim_bonus"] == 0


def test_insured_persons_are_replaced_added_and_removed(clerk, book):
    form = book.form("health", policy_number="ED/5")
    policy_id = add(clerk, form | {"persons-0-name": "Rohan Mehta", "persons-1-name": "Neha Mehta"})
    change(
        clerk, policy_id, form | {"persons-0-name": "", "persons-1-name": "Neha Mehta", "persons-2-name": "Aarav Mehta"}
    )
    assert [person["name"] for person in persons(policy_id)] == ["Neha Mehta", "Aarav Mehta"]
    entry = trail(policy_id)[-1]
    assert [person["name"] for person in entry["before"]["persons"]] == ["Rohan Mehta", "Neha Mehta"]
    change(clerk, policy_id, form)
    assert persons(policy_id) == []


def test_of_two_colleagues_the_second_sees_both_versions_and_nothing_is_lost(clerk, colleague, book):
    form = book.form("health", policy_number="ED/6") | {"persons-0-name": "Rohan Mehta"}
    policy_id = add(clerk, form)
    version = str(stored(policy_id)["version"])
    theirs = change(
        colleague,
        policy_id,
        form | {"persons-0-name": "Rohan R Mehta"},
        version=version,
        remarks="From Bharat",
        insurer_id=str(book.other_insurer),
    )
    assert theirs.status_code == 303, errors(theirs)
    mine = change(clerk, policy_id, form | {"persons-0-name": "Neha Mehta"}, version=version, remarks="From Charu")
    assert mine.status_code == 409
    for text in (
        "From Bharat",
        "From Charu",
        "Rohan R Mehta",
        "Neha Mehta",
        "New India",
        "Star Health",
        "Insured persons",
    ):
        assert text in mine.text, text
    assert stored(policy_id)["remarks"] == "From Bharat"
    assert [person["name"] for person in persons(policy_id)] == ["Rohan R Mehta"]


def test_from_the_page_of_both_versions_mine_can_be_saved_over_theirs(clerk, colleague, book):
    form = book.form("health", policy_number="ED/7") | {"persons-0-name": "Rohan Mehta", "persons-0-sum_insured": "5 L"}
    policy_id = add(clerk, form)
    version = str(stored(policy_id)["version"])
    change(colleague, policy_id, form, version=version, remarks="From Bharat")
    page = change(clerk, policy_id, form | {"persons-0-bonus": "50,000"}, version=version, remarks="From Charu").text
    held = page[page.index(f'action="/policies/{policy_id}/edit"') :]
    sent = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', held))
    answer = clerk.submit(f"/policies/{policy_id}/edit", sent)
    assert answer.status_code == 303, errors(answer)
    assert stored(policy_id)["remarks"] == "From Charu"
    (person,) = persons(policy_id)
    assert (person["sum_insured"], person["bonus"]) == (Decimal(500000), Decimal(50000))


def test_a_form_without_a_version_saves_nothing(clerk, book):
    form = book.form("other", policy_number="ED/8")
    policy_id = add(clerk, form)
    assert clerk.submit(f"/policies/{policy_id}/edit", {**form, "remarks": "late"}).status_code == 409
    assert stored(policy_id)["remarks"] is None


def test_changing_the_number_to_one_that_exists_is_refused_with_a_link(clerk, book):
    taken = add(clerk, book.form("other", policy_number="ED/9"))
    form = book.form("other", policy_number="ED/10")
    answer = change(clerk, add(clerk, form), form, policy_number="ed 9")
    assert answer.status_code == 422
    assert f'href="/policies/{taken}"' in answer.text


def test_commission_is_out_of_reach_of_those_who_may_not_see_it_and_only_follows_the_premium(app, clerk, book):
    accountant = sign_in(app, "accounts")
    form = book.form("motor", policy_number="ED/11")
    policy_id = add(accountant, {**form, "commission_rate": "19.5", "commission_received": "on"})
    assert "ommission" not in clerk.get(f"/policies/{policy_id}/edit").text
    answer = change(clerk, policy_id, form, net_premium="10000", commission_rate="0", commission_amount="0")
    assert answer.status_code == 303, errors(answer)
    row = stored(policy_id)
    assert (row["commission_rate"], row["commission_amount"], row["commission_received"]) == (
        Decimal("19.5"),
        Decimal(2279),  # (10,000 + 1,250) x 19.5 % = 2,193.75; third party 3,416 x 2.5 % = 85.40
        True,
    )


def test_commission_follows_the_premium_unless_its_amount_was_entered(app, book):
    accountant = sign_in(app, "accounts")
    form = book.form("motor", policy_number="ED/12", commission_rate="10")
    policy_id = add(accountant, form)
    page = accountant.get(f"/policies/{policy_id}/edit").text
    assert re.search(r'name="commission_amount"[^>]*value=""', page)
    change(accountant, policy_id, form, net_premium="10000")
    assert stored(policy_id)["commission_amount"] == Decimal(1210)  # 11,250 x 10 % = 1,125; 3,416 x 2.5 % = 85.40


def test_a_retired_insurer_stays_with_the_policies_that_have_it(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="ED/13"))
    with transaction() as tx:
        tx.update("policies", {"insurer_id": book.retired_insurer}, filters={"policy_id_eq": policy_id})
    form = book.form("other", policy_number="ED/13", insurer_id=str(book.retired_insurer), remarks="still fine")
    assert change(clerk, policy_id, form).status_code == 303
    assert "Old Mutual" in clerk.get(f"/policies/{policy_id}/edit").text


def test_the_tax_goes_on_following_the_rule_when_the_start_moves(clerk, book):
    form = book.form("health", policy_number="ED/14", policy_from="21/09/2025")
    policy_id = add(clerk, form)
    assert stored(policy_id)["gst_rate"] == 18
    page = clerk.get(f"/policies/{policy_id}/edit").text
    assert re.search(r'name="gst_rate"[^>]*value=""', page)
    change(clerk, policy_id, form, policy_from="22/09/2025")
    assert (stored(policy_id)["gst_rate"], stored(policy_id)["policy_to"]) == (0, date(2026, 9, 21))


def test_a_policy_that_does_not_exist_is_not_found(clerk, book):
    for path in (
        "/policies/999999",
        "/policies/999999/edit",
        "/policies/99999999999999999999999",
        "/policies/0/renewal",
    ):
        assert clerk.get(path).status_code == 404, path


def test_the_page_of_a_policy_tells_what_was_changed(clerk, book):
    form = book.form("motor", policy_number="ED/15")
    policy_id = add(clerk, form)
    change(clerk, policy_id, form, insurer_id=str(book.other_insurer), policy_to="30/11/2027")
    page = clerk.get(f"/policies/{policy_id}").text
    assert "Star Health → New India" in page
    assert "31/10/2027 → 30/11/2027" in page
    assert execute_query("policies", columns="policy_id", filters={"policy_number_eq": "ED/15"}, count=True).count == 1


def test_a_removed_member_stays_with_the_policies_that_name_them_and_is_not_given_to_others(clerk):
    own = make_book("RM77")
    form = own.form("health", policy_number="ED/77", client_id="RM77", member_id=str(own.head)) | {
        "persons-0-member_id": str(own.head),
        "persons-1-member_id": str(own.spouse),
    }
    policy_id, other = add(clerk, form), add(clerk, own.form("other", policy_number="ED/78", client_id="RM77"))
    execute_query("members", "update", data={"deleted_at": now()}, filters={"client_id_eq": "RM77"})
    page = clerk.get(f"/policies/{policy_id}/edit").text
    assert page.count(f'value="{own.spouse}" selected') == 1 and page.count(f'value="{own.head}" selected') == 2
    answer = change(clerk, policy_id, form, remarks="Still theirs")
    assert answer.status_code == 303, errors(answer)
    assert [row["member_id"] for row in persons(policy_id)] == [own.head, own.spouse]
    assert "Neha Mehta" not in clerk.get(f"/policies/{other}/edit").text
    answer = change(clerk, other, own.form("other", policy_number="ED/78"), member_id=str(own.spouse))
    assert answer.status_code == 422 and "choose one of this client" in answer.text


def test_commission_follows_a_premium_changed_by_somebody_who_may_not_see_it(clerk, colleague, book):
    form = book.form("other", policy_number="ED/COM", net_premium="10000")
    policy_id = add(colleague, {**form, "commission_rate": "15"})
    assert stored(policy_id)["commission_amount"] == Decimal(1500)
    assert change(clerk, policy_id, form, net_premium="20000").status_code == 303
    assert stored(policy_id)["commission_amount"] == Decimal(3000)


def test_a_commission_agreed_by_hand_stays_when_somebody_who_may_not_see_it_changes_the_premium(clerk, colleague, book):
    form = book.form("other", policy_number="ED/HAND", net_premium="10000")
    policy_id = add(colleague, {**form, "commission_rate": "15", "commission_amount": "1234"})
    assert change(clerk, policy_id, form, net_premium="20000").status_code == 303
    assert stored(policy_id)["commission_amount"] == Decimal(1234)
