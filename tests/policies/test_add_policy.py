"""Adding a policy through its form, line by line, and what the form refuses."""

import re
from datetime import date
from decimal import Decimal

import pytest

from database_pool import execute_query, transaction
from portal.formats import now
from tests.policies.book import add, details, errors, make_book, persons, stored, trail


def test_a_health_policy_is_added_with_its_insured_persons_and_without_tax(clerk, book):
    policy_id = add(
        clerk,
        book.form("health")
        | {
            "persons-0-member_id": str(book.head),
            "persons-0-name": "",
            "persons-0-sum_insured": "5 L",
            "persons-1-member_id": "",
            "persons-1-name": "Aarav Mehta",
            "persons-1-bonus": "25000",
            "persons-2-member_id": "",
            "persons-2-name": "",
        },
    )
    row = stored(policy_id)
    assert (row["gross_premium"], row["gst_amount"], row["gst_reason"]) == (
        Decimal(23500),
        Decimal(0),
        "GST 0 %: retail health from 22/09/2025",
    )
    assert (row["policy_to"], row["due_on"], row["state"]) == (date(2027, 10, 31), date(2027, 10, 31), "live")
    assert details("health_details", policy_id)["floater_sum_insured"] == Decimal(1000000)
    assert [
        (person["name"], person["member_id"], person["sum_insured"], person["bonus"]) for person in persons(policy_id)
    ] == [("Rohan Mehta", book.head, Decimal(500000), None), ("Aarav Mehta", None, None, Decimal(25000))]


def test_a_group_health_policy_stays_taxed(clerk, book):
    policy_id = add(
        clerk, book.form("health", product_id=str(book.group_health), policy_number="GRP/1", net_premium="165000")
    )
    assert (stored(policy_id)["gross_premium"], stored(policy_id)["gst_reason"]) == (
        Decimal(194700),
        "GST 18 %: group health",
    )


def test_a_motor_policy_is_added_with_its_vehicle_and_two_taxes(clerk, book):
    policy_id = add(clerk, book.form("motor"))
    row = stored(policy_id)
    # 8900 + 1250 = 10150 x 1.18 = 11977; 3416 x 1.18 = 4030.88; together 16007.88
    assert (row["gross_premium"], row["gst_amount"]) == (Decimal(16008), Decimal("2441.88"))
    assert row["asset"] == "MH02DN4417"
    assert details("motor_details", policy_id)["vehicle_number"] == "MH02DN4417"


def test_third_party_of_a_goods_carriage_is_taxed_at_five_percent(clerk, book):
    policy_id = add(
        clerk,
        book.form(
            "motor",
            vehicle_class="goods carriage",
            policy_number="GCV/1",
            net_premium="42000",
            addon_premium="",
            tp_premium="27186",
        ),
    )
    row = stored(policy_id)
    assert (row["gst_rate"], row["gst_tp_rate"], row["gross_premium"]) == (Decimal(18), Decimal(5), Decimal(78105))


def test_a_long_term_motor_policy_is_due_at_the_earlier_end(clerk, book):
    policy_id = add(
        clerk, book.form("motor", policy_number="LONG/1", policy_to="31/10/2029", own_damage_to="31/10/2027")
    )
    assert (stored(policy_id)["policy_to"], stored(policy_id)["due_on"]) == (date(2029, 10, 31), date(2027, 10, 31))


def test_a_fire_policy_is_added_with_its_sums(clerk, book):
    policy_id = add(clerk, book.form("fire", tp_premium="950", net_premium="11800"))
    sums = details("fire_details", policy_id)
    assert (sums["building"], sums["plant_and_machinery"], sums["furniture_and_fittings"]) == (
        Decimal(5000000),
        Decimal(12000000),
        Decimal(0),
    )
    assert sums["risk_address"] == "Plot 7\nMIDC, Pune"
    assert stored(policy_id)["gross_premium"] == Decimal(15045)


def test_a_life_policy_is_added_with_its_terms(clerk, book):
    policy_id = add(clerk, book.form("life", maturity_date="31/10/2051"))
    plan = details("life_details", policy_id)
    assert (plan["policy_term_years"], plan["maturity_date"], plan["nominee"]) == (25, date(2051, 10, 31), "Neha Mehta")


def test_a_travel_policy_is_added_as_one_time(clerk, book):
    policy_id = add(clerk, book.form("travel", policy_to="15/12/2026"))
    assert (stored(policy_id)["one_time"], details("travel_details", policy_id)["travellers"]) == (True, 2)


def test_a_policy_of_another_kind_needs_no_details(clerk, book):
    policy_id = add(clerk, book.form("other", sum_insured="25 L", asset="Marine, Mumbai to Jebel Ali"))
    assert (stored(policy_id)["sum_insured"], stored(policy_id)["gross_premium"]) == (Decimal(2500000), Decimal(27730))


def test_who_added_it_stands_in_the_trail_of_the_same_transaction(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="TRAIL/1"))
    (entry,) = trail(policy_id)
    assert (entry["action"], entry["client_id"], entry["before"]) == ("add", book.client, None)
    assert (entry["after"]["policy_number"], entry["after"]["insurer_name"]) == ("TRAIL/1", "Star Health")
    assert entry["user_id"] == stored(policy_id)["created_by"]


def test_an_empty_end_is_one_year_after_the_start_also_for_the_29th_of_february(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="LEAP/1", policy_from="29/02/2028"))
    assert stored(policy_id)["policy_to"] == date(2029, 2, 28)


def test_a_number_that_exists_is_refused_with_a_link_to_the_policy(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="oG-26/1905"))
    answer = clerk.submit("/policies/new", book.form("other", policy_number="OG 26 1905", remarks="keep me"))
    assert answer.status_code == 422
    assert "has this number and start date already" in answer.text
    assert f'href="/policies/{policy_id}"' in answer.text
    assert "keep me" in answer.text
    assert "OG 26 1905" in answer.text


def test_the_same_number_may_return_with_another_start_or_insurer(clerk, book):
    first = add(clerk, book.form("other", policy_number="SAME/1"))
    second = add(clerk, book.form("other", policy_number="SAME/1", policy_from="01/11/2027"))
    third = add(clerk, book.form("other", policy_number="SAME/1", insurer_id=str(book.other_insurer)))
    assert len({first, second, third}) == 3


def test_a_double_click_adds_one_policy(clerk, book):
    form = book.form("other", action="pending", policy_number="", asset="double click", form_key="0123456789abcdef" * 2)
    assert add(clerk, form) == add(clerk, form)
    assert execute_query("policies", filters={"asset_eq": "double click"}, count=True).count == 1


def test_recalculating_shows_the_premium_with_its_rule_and_saves_nothing(clerk, book):
    before = execute_query("policies", count=True, limit=1).count
    answer = clerk.submit(
        "/policies/new",
        book.form("motor", action="recalculate", policy_number="", net_premium="8900", remarks="half finished"),
    )
    assert answer.status_code == 200
    assert "Gross ₹16,008.00" in answer.text
    assert "GST 18 %: motor own damage and add-ons" in answer.text
    assert "half finished" in answer.text
    assert "Nothing is saved yet" in answer.text
    assert execute_query("policies", count=True, limit=1).count == before


def test_recalculating_with_an_amount_that_cannot_be_read_says_so(clerk, book):
    answer = clerk.submit("/policies/new", book.form("motor", action="recalculate", net_premium="8,9,0"))
    assert answer.status_code == 422
    assert "write the amount in figures" in answer.text
    assert 'value="8,9,0"' in answer.text


def test_adding_a_row_for_a_person_keeps_everything_typed(clerk, book):
    answer = clerk.submit(
        "/policies/new",
        book.form("health", action="add-person", spare="1", policy_number="", remarks="typed before")
        | {"persons-0-name": "Aarav Mehta", "persons-0-sum_insured": "abc"},
    )
    assert answer.status_code == 200
    assert "typed before" in answer.text
    assert 'value="Aarav Mehta"' in answer.text
    assert 'value="abc"' in answer.text
    assert len(re.findall(r'name="persons-\d+-name"', answer.text)) == 3


def test_an_unusual_tax_rate_needs_a_reason(clerk, book):
    answer = clerk.submit("/policies/new", book.form("health", policy_number="TAX/1", gst_rate="18"))
    assert answer.status_code == 422
    assert "Say why the GST differs. The rule says: GST 0 %: retail health from 22/09/2025." in answer.text


def test_an_unusual_tax_rate_with_a_reason_is_saved_with_a_warning(clerk, book):
    answer = clerk.submit(
        "/policies/new",
        book.form("health", policy_number="TAX/2", gst_rate="18", gst_reason="Billed with tax"),
        follow_redirects=True,
    )
    assert "GST 18 % is not what the rule says" in answer.text
    row = execute_query("policies", filters={"policy_number_eq": "TAX/2"}).data[0]
    assert (row["gst_rate"], row["gst_reason"], row["gross_premium"]) == (
        Decimal(18),
        "Billed with tax",
        Decimal(27730),
    )


def test_without_a_number_it_cannot_be_saved_as_live(clerk, book):
    answer = clerk.submit("/policies/new", book.form("other", policy_number=""))
    assert answer.status_code == 422
    assert "Without it the policy can be saved as pending" in answer.text
    assert "<title>Error: " in answer.text


def test_an_end_before_the_start_is_refused(clerk, book):
    answer = clerk.submit("/policies/new", book.form("other", policy_to="31/10/2026"))
    assert answer.status_code == 422
    assert "the end lies before the start" in answer.text


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("insurer_id", "Insurer: please choose one of the list"),
        ("product_id", "Product: please choose one of the list"),
        ("agent_id", "Agent: please choose one of the list"),
        ("member_id", "Member: please choose one of this client"),
    ],
)
@pytest.mark.parametrize("chosen", ["999999", "999999999999999999"])
def test_what_is_not_in_the_list_cannot_be_chosen(clerk, book, field, sentence, chosen):
    answer = clerk.submit("/policies/new", book.form("other", **{field: chosen}))
    assert answer.status_code == 422
    assert sentence in answer.text


def test_a_product_of_another_line_cannot_be_chosen(clerk, book):
    answer = clerk.submit("/policies/new", book.form("motor", product_id=str(book.products["life"])))
    assert answer.status_code == 422


def test_a_retired_insurer_is_not_given_to_a_new_policy(clerk, book):
    assert "Old Mutual" not in clerk.get(f"/policies/new?client_id={book.client}&line=other").text
    answer = clerk.submit("/policies/new", book.form("other", insurer_id=str(book.retired_insurer)))
    assert answer.status_code == 422


def test_an_insured_person_of_another_client_cannot_be_chosen(clerk, book):
    stranger = make_book("ST01")
    answer = clerk.submit(
        "/policies/new", book.form("health", policy_number="X/9") | {"persons-0-member_id": str(stranger.head)}
    )
    assert answer.status_code == 422
    assert "Person 1: please choose one of this client" in answer.text


def test_an_insured_person_needs_a_name(clerk, book):
    answer = clerk.submit("/policies/new", book.form("health", policy_number="X/10") | {"persons-0-sum_insured": "5 L"})
    assert answer.status_code == 422
    assert "Person 1: the name is needed" in answer.text


def test_commission_is_worked_out_when_its_amount_is_left_empty(accountant, book):
    policy_id = add(accountant, book.form("motor", policy_number="COM/1", commission_rate="19.5", commission_amount=""))
    # (8900 + 1250) x 0.195 = 1979.25; third party 3416 x 0.025 = 85.40; together 2064.65
    assert stored(policy_id)["commission_amount"] == Decimal(2065)


def test_a_commission_that_was_entered_is_kept(accountant, book):
    policy_id = add(
        accountant,
        book.form(
            "motor", policy_number="COM/2", commission_rate="19.5", commission_amount="1,500", commission_received="on"
        ),
    )
    row = stored(policy_id)
    assert (row["commission_amount"], row["commission_received"]) == (Decimal(1500), True)


def test_staff_cannot_set_commission_even_by_a_forged_form(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="COM/3", commission_rate="99", commission_amount="99999"))
    # By the rule: (8900 + 1250) x 0.15 = 1522.50; third party 3416 x 0.025 = 85.40; together 1607.90
    row = stored(policy_id)
    assert (row["commission_rate"], row["commission_amount"]) == (Decimal(15), Decimal(1608))


def test_without_a_client_the_first_step_finds_one(clerk, book):
    assert "Whose policy is it?" in clerk.get("/policies/new").text
    found = clerk.get("/policies/new?q=meh").text
    assert f"/policies/new?client_id={book.client}" in found
    assert "What does it insure?" in clerk.get(f"/policies/new?client_id={book.client}").text
    assert "No client matches" in clerk.get("/policies/new?q=zzzz").text
    assert "There is no client NOPE" in clerk.get("/policies/new?client_id=NOPE").text


def test_a_policy_for_a_client_that_is_gone_is_not_added(clerk, book):
    answer = clerk.submit("/policies/new", book.form("other", client_id="NOPE99"))
    assert answer.status_code == 404


def test_every_form_of_a_line_opens_for_the_client(clerk, book):
    for line in ("health", "motor", "fire", "life", "travel", "other"):
        answer = clerk.get(f"/policies/new?client_id={book.client}&line={line}")
        assert answer.status_code == 200, errors(answer)


def test_adding_at_the_moment_the_client_is_deleted_keeps_the_form(clerk):
    book = make_book("AD01")
    clerk.get("/policies/new?client_id=AD01&line=other")
    with transaction() as tx:
        tx.update("clients", {"deleted_at": now()}, filters={"client_id_eq": "AD01"}, expect=1)
    answer = clerk.submit("/policies/new", book.form("other", policy_number="AD/1", remarks="kept text"))
    assert answer.status_code == 422
    assert "This client is in the trash. Restore the client first." in answer.text
    assert "kept text" in answer.text


def test_a_form_that_was_saved_and_whose_policy_was_deleted_can_be_saved_anew(clerk, manager, book):
    form = book.form("other", policy_number="TWICE/1", form_key="a" * 32)
    policy_id = add(clerk, form)
    manager.submit(f"/policies/{policy_id}/deletion", {"version": "1"})
    again = clerk.submit("/policies/new", form)
    assert again.status_code == 422
    assert "the policy has been deleted since" in again.text
    fresh = re.search(r'name="form_key" value="([0-9a-f]{32})"', again.text)[1]
    assert fresh != "a" * 32
    assert add(clerk, {**form, "form_key": fresh}) != policy_id


def test_the_premium_is_worked_out_while_the_form_is_typed(clerk, accountant, book):
    form = book.form("motor", cubic_capacity="1498", tp_premium="")
    piece = clerk.submit("/policies/premium?line=motor", form).text
    # 8900 + 1250 = 10150 x 1.18 = 11977
    assert "Gross ₹11,977.00" in piece
    assert "The tariff has ₹3,416 of third party" in piece
    assert "ommission" not in piece
    assert "<html" not in piece
    assert "Commission ₹1,523" in accountant.submit("/policies/premium?line=motor", form).text
    assert clerk.submit("/policies/premium?line=boats", form).status_code == 404


def test_a_new_car_gets_the_ends_of_both_covers_and_is_due_at_the_first(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="NEWCAR/1", is_new="on", tp_premium="10640"))
    row, vehicle = stored(policy_id), details("motor_details", policy_id)
    assert (vehicle["own_damage_to"], vehicle["third_party_to"]) == (date(2027, 10, 31), date(2029, 10, 31))
    assert (row["policy_to"], row["due_on"]) == (date(2029, 10, 31), date(2027, 10, 31))


def test_saving_and_adding_another_leads_to_an_empty_form_of_the_same_client(clerk, book):
    form = book.form("motor", policy_number="AN/1", action="another")
    answer = clerk.submit("/policies/new", form, follow_redirects=True)
    assert answer.request.path == "/policies/new"
    assert "AN/1" in answer.text, "the message says what was saved"
    assert f'name="client_id" value="{book.client}"' in answer.text
    assert 'name="policy_number" type="text" value=""' in answer.text
