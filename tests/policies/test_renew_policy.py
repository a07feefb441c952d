"""Renewing: a new term beside the old one, which keeps everything but its state; one of two rivals succeeds."""

import re
import threading
from datetime import date
from decimal import Decimal

import pytest

from database_pool import execute_query, transaction
from portal.formats import now
from portal.policies.motor import next_bonus
from portal.settings.queries import trade_rules
from tests.cast import sign_in
from tests.policies.book import add, details, errors, make_book, persons, stored, trail


def renew(browser, policy_id, form, **typed):
    typed.setdefault("version", str(stored(policy_id)["version"]))
    return browser.submit(f"/policies/{policy_id}/renewal", {**form, "policy_from": "01/11/2027", **typed})


def everything_of(policy_id, table):
    return {"policy": stored(policy_id), "details": details(table, policy_id), "persons": persons(policy_id)}


def test_the_form_suggests_the_next_term(clerk, book):
    policy_id = add(clerk, book.form("motor", policy_number="RN/1", third_party_to="31/10/2029", remarks="old note"))
    page = clerk.get(f"/policies/{policy_id}/renewal").text
    form = page[page.index('aria-label="The new term"') :]
    assert 'name="policy_from" type="text" value="01/11/2027"' in form
    assert 'name="policy_to" type="text" value="31/10/2028"' in form
    assert 'name="policy_number" type="text" value=""' in form
    assert 'name="net_premium" type="text" value=""' in form
    assert 'name="no_claim_bonus" type="text" value="25"' in form
    assert 'name="third_party_to" type="text" value="31/10/2029"' in form
    assert 'name="insured_declared_value" type="text" value="8,40,000"' in form
    assert '<option value="renewal" selected>' in form
    assert "RN/1" in page[: page.index('aria-label="The new term"')]


def test_the_vehicle_number_of_the_new_term_is_its_asset_too(clerk, book):
    form = book.form("motor", policy_number="RN/NEW", vehicle_number="NEW")
    policy_id = add(clerk, form)
    page = clerk.get(f"/policies/{policy_id}/renewal").text
    assert 'name="asset" type="text" value=""' in page[page.index('aria-label="The new term"') :]
    answer = renew(clerk, policy_id, form, policy_number="RN/NEW/2", vehicle_number="MH 02 ZZ 1", asset="")
    assert stored(int(answer.location.rsplit("/", 1)[1]))["asset"] == "MH02ZZ1"


def test_the_form_suggests_the_same_insured_persons_beside_those_of_the_old_term(clerk, book):
    people = {"persons-0-member_id": str(book.spouse), "persons-0-sum_insured": "5 L", "persons-1-name": "Aarav Mehta"}
    policy_id = add(clerk, book.form("health", policy_number="RN/0") | people)
    page = clerk.get(f"/policies/{policy_id}/renewal")
    assert page.status_code == 200
    assert "spouse" in page.text
    for name, value in (("persons-0-sum_insured", "5,00,000"), ("persons-1-name", "Aarav Mehta")):
        assert f'name="{name}" type="text" value="{value}"' in page.text


def test_a_long_term_policy_is_renewed_when_its_own_damage_ends(clerk, book):
    long_term = book.form("motor", policy_number="RN/LONG", policy_to="31/10/2031", own_damage_to="31/10/2027")
    policy_id = add(clerk, {**long_term, "third_party_to": "31/10/2031"})
    page = clerk.get(f"/policies/{policy_id}/renewal").text
    for name, value in (("policy_from", "01/11/2027"), ("policy_to", "31/10/2028"), ("third_party_to", "31/10/2031")):
        assert f'name="{name}" type="text" value="{value}"' in page
    assert '<option value="own damage only" selected>' in page


@pytest.mark.parametrize(
    ("line", "table"), [("health", "health_details"), ("motor", "motor_details"), ("fire", "fire_details")]
)
def test_the_old_term_keeps_everything_but_its_state(clerk, book, line, table):
    form = book.form(line, policy_number=f"KEEP/{line}", remarks="as it was", payment_date="02/11/2026")
    if line == "health":
        form |= {"persons-0-name": "Rohan Mehta", "persons-0-sum_insured": "5 L", "persons-1-name": "Neha Mehta"}
    policy_id = add(clerk, form)
    before = everything_of(policy_id, table)
    answer = renew(clerk, policy_id, form, policy_number=f"KEEP/{line}/2", business_type="renewal", net_premium="30000")
    assert answer.status_code == 303, errors(answer)
    after = everything_of(policy_id, table)
    assert (after["policy"].pop("state"), before["policy"].pop("state")) == ("renewed", "live")
    for moved_by_the_database in ("version", "updated_at"):
        assert after["policy"].pop(moved_by_the_database) != before["policy"].pop(moved_by_the_database)
    assert after == before


def test_the_new_term_points_to_the_old_one_and_holds_what_was_entered(clerk, book):
    form = book.form("health", policy_number="RN/2") | {"persons-0-name": "Rohan Mehta"}
    old_id = add(clerk, form)
    answer = renew(clerk, old_id, form, policy_number="RN/2/27", business_type="renewal", net_premium="25,000")
    new_id = int(answer.location.rsplit("/", 1)[1])
    row = stored(new_id)
    assert (row["renewed_from_id"], row["policy_from"], row["policy_to"], row["state"]) == (
        old_id,
        date(2027, 11, 1),
        date(2028, 10, 31),
        "live",
    )
    assert (row["business_type"], row["gross_premium"]) == ("renewal", Decimal(25000))
    assert [person["name"] for person in persons(new_id)] == ["Rohan Mehta"]
    assert [entry["action"] for entry in trail(new_id)] == ["renew"]
    assert trail(old_id)[-1]["after"] == {"state": "renewed", "renewed_by_id": new_id}


def test_another_insurer_makes_it_a_roll_over(clerk, book):
    form = book.form("other", policy_number="RN/3")
    old_id = add(clerk, form)
    answer = renew(
        clerk, old_id, form, policy_number="NI/3", business_type="renewal", insurer_id=str(book.other_insurer)
    )
    assert stored(int(answer.location.rsplit("/", 1)[1]))["business_type"] == "roll over"


def test_a_renewal_may_wait_for_its_papers(clerk, book):
    form = book.form("other", policy_number="RN/4")
    old_id = add(clerk, form)
    answer = renew(clerk, old_id, form, policy_number="", action="pending", waiting_for="policy document")
    row = stored(int(answer.location.rsplit("/", 1)[1]))
    assert (row["state"], row["waiting_for"], stored(old_id)["state"]) == ("pending", ["policy document"], "renewed")


def test_two_colleagues_renewing_one_after_the_other_give_one_term_and_one_clear_message(clerk, colleague, book):
    form = book.form("other", policy_number="RN/5")
    old_id = add(clerk, form)
    version = str(stored(old_id)["version"])
    assert renew(colleague, old_id, form, policy_number="RN/5/A", version=version).status_code == 303
    second = renew(clerk, old_id, form, policy_number="RN/5/B", version=version, remarks="typed by Charu")
    assert second.status_code == 409
    assert "changed by someone else" in second.text
    assert "RN/5/A" in second.text
    assert "typed by Charu" in second.text
    assert execute_query("policies", filters={"renewed_from_id_eq": old_id}, count=True).count == 1


def test_two_colleagues_renewing_at_once_give_one_term_and_one_clear_message(app, clerk, colleague, book):
    form = book.form("other", policy_number="RN/6")
    old_id = add(clerk, form)
    version = str(stored(old_id)["version"])
    rivals, answers, ready = (
        [clerk, colleague, *(sign_in(app, who) for who in ("administrator", "accounts"))],
        [],
        threading.Barrier(4),
    )
    tokens = [rival.token() for rival in rivals]

    def press(number):
        ready.wait()
        answers.append(
            rivals[number].post(
                f"/policies/{old_id}/renewal",
                data={
                    **form,
                    "csrf_token": tokens[number],
                    "policy_from": "01/11/2027",
                    "policy_number": f"RN/6/{number}",
                    "version": version,
                },
            )
        )

    threads = [threading.Thread(target=press, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    assert all("changed by someone else" in answer.text for answer in answers if answer.status_code == 409)
    assert execute_query("policies", filters={"renewed_from_id_eq": old_id}, count=True).count == 1


def test_renewing_a_term_that_was_edited_meanwhile_asks_to_look_again_and_then_works(clerk, colleague, book):
    form = book.form("other", policy_number="RN/7")
    old_id = add(clerk, form)
    version = str(stored(old_id)["version"])
    colleague.submit(f"/policies/{old_id}/edit", {**form, "version": version, "remarks": "new remark"})
    answer = renew(clerk, old_id, form, policy_number="RN/7/2", version=version)
    assert answer.status_code == 409
    assert "new remark" in answer.text
    fresh = re.findall(r'name="version" value="(\d+)"', answer.text)[0]
    assert renew(clerk, old_id, form, policy_number="RN/7/2", version=fresh).status_code == 303


def test_the_terms_of_a_policy_are_shown_as_a_chain(clerk, book):
    form = book.form("other", policy_number="CH/1")
    first = add(clerk, form)
    second = int(renew(clerk, first, form, policy_number="CH/2").location.rsplit("/", 1)[1])
    third = int(renew(clerk, second, form, policy_number="CH/3", policy_from="01/11/2028").location.rsplit("/", 1)[1])
    page = clerk.get(f"/policies/{second}").text
    assert "Term 2 of 3" in page
    assert f'href="/policies/{first}"' in page
    assert f'href="/policies/{third}"' in page


def test_a_renewed_term_cannot_be_renewed_again_and_leads_to_the_one_that_followed(clerk, book):
    form = book.form("other", policy_number="RN/8")
    old_id = add(clerk, form)
    new = renew(clerk, old_id, form, policy_number="RN/8/2").location
    assert clerk.get(f"/policies/{old_id}/renewal").location == new
    assert renew(clerk, old_id, form, policy_number="RN/8/3").status_code == 409


def test_the_number_of_another_policy_is_refused_and_the_old_term_stays_live(clerk, book):
    taken = add(clerk, book.form("other", policy_number="RN/9", policy_from="01/11/2027"))
    form = book.form("other", policy_number="RN/10")
    old_id = add(clerk, form)
    answer = renew(clerk, old_id, form, policy_number="RN/9")
    assert answer.status_code == 422
    assert f'href="/policies/{taken}"' in answer.text
    assert stored(old_id)["state"] == "live"


def test_the_new_term_must_start_after_the_old_one(clerk, book):
    form = book.form("other", policy_number="RN/11")
    old_id = add(clerk, form)
    answer = renew(clerk, old_id, form, policy_number="RN/11/2", policy_from="01/11/2026")
    assert answer.status_code == 422
    assert "must start after the old one" in answer.text


def test_the_commission_rate_goes_on_though_the_colleague_may_not_see_it(app, clerk, book):
    accountant = sign_in(app, "accounts")
    form = book.form("motor", policy_number="RN/12", commission_rate="19.5")
    old_id = add(accountant, form)
    new_id = int(
        renew(clerk, old_id, form, policy_number="RN/12/2", net_premium="10000", commission_rate="1").location.rsplit(
            "/", 1
        )[1]
    )
    row = stored(new_id)
    # (10000 + 1250) x 0.195 = 2193.75; third party 3416 x 0.025 = 85.40; together 2279.15
    assert (row["commission_rate"], row["commission_amount"], row["commission_received"]) == (
        Decimal("19.5"),
        Decimal(2279),
        False,
    )


@pytest.mark.parametrize(
    ("now", "due", "today", "following"),
    [
        ("0", date(2026, 11, 30), date(2026, 11, 23), "20"),
        ("20", date(2026, 11, 30), date(2026, 11, 23), "25"),
        ("25", date(2026, 11, 30), date(2026, 11, 23), "35"),
        ("35", date(2026, 11, 30), date(2026, 11, 23), "45"),
        ("45", date(2026, 11, 30), date(2026, 11, 23), "50"),
        ("50", date(2026, 11, 30), date(2026, 11, 23), "50"),
        ("50", date(2026, 8, 25), date(2026, 11, 23), "50"),  # 90 days after expiry: still kept
        ("50", date(2026, 8, 24), date(2026, 11, 23), "0"),  # 91 days: lost
    ],
)
def test_the_no_claim_bonus_climbs_its_ladder_and_is_lost_after_90_days(app, now, due, today, following):
    assert next_bonus(trade_rules("motor"), Decimal(now), due, today) == Decimal(following)


def test_a_double_click_on_renew_leads_twice_to_the_one_new_term(clerk, colleague, book):
    form = book.form("other", policy_number="RN/20")
    old_id = add(clerk, form)
    version = str(stored(old_id)["version"])
    first, second = (renew(clerk, old_id, form, policy_number="RN/20/2", version=version) for _ in range(2))
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location
    # Another premium is another wish, and somebody else's.
    assert renew(clerk, old_id, form, policy_number="RN/20/2", version=version, net_premium="1").status_code == 409
    assert renew(colleague, old_id, form, policy_number="RN/20/2", version=version).status_code == 409
    assert execute_query("policies", filters={"renewed_from_id_eq": old_id}, count=True).count == 1


def test_renewing_at_the_moment_the_client_is_deleted_keeps_the_form(app, manager):
    book = make_book("RD01")
    form = book.form("other", policy_number="RD/1")
    old_id = add(manager, form)
    manager.submit(f"/policies/{old_id}/loss", {"reason": "price", "version": "1"})
    with transaction() as tx:
        tx.update("clients", {"deleted_at": now()}, filters={"client_id_eq": "RD01"}, expect=1)
    answer = renew(manager, old_id, form, policy_number="RD/2", remarks="kept text")
    assert answer.status_code == 422
    assert "This client is in the trash. Restore the client first." in answer.text
    assert "kept text" in answer.text
    assert stored(old_id)["state"] == "lost"


def test_after_a_claim_the_bonus_is_nothing(clerk, book):
    form = book.form("motor", policy_number="RN/30", no_claim_bonus="35")
    old_id = add(clerk, form)
    page = clerk.get(f"/policies/{old_id}/renewal").text
    assert 'name="no_claim_bonus" type="text" value="45"' in page
    again = renew(clerk, old_id, form, policy_number="RN/30/2", claimed="on", action="recalculate").text
    assert 'name="no_claim_bonus" type="text" value="0"' in again
    refused = renew(clerk, old_id, form, policy_number="RN/30/2", claimed="on", no_claim_bonus="45")
    assert refused.status_code == 422
    assert "After a claim the no-claim bonus is 0." in refused.text
    assert renew(clerk, old_id, form, policy_number="RN/30/2", claimed="on", no_claim_bonus="0").status_code == 303


def test_a_gap_and_a_bonus_that_the_rule_does_not_give_are_said_before_saving(clerk, book):
    form = book.form("motor", policy_number="RN/31", no_claim_bonus="35")
    old_id = add(clerk, form)   # ends on 31/10/2027; 90 days later is 29/01/2028
    typed = {"policy_number": "RN/31/2", "action": "recalculate", "no_claim_bonus": "45"}
    page = renew(clerk, old_id, form, policy_from="01/02/2028", **typed).text
    assert "there is a gap of 92 days without cover" in page
    assert "The rule gives a no-claim bonus of 0 % after this gap." in page
    assert "there is a gap" not in renew(clerk, old_id, form, **typed).text


def test_what_differs_from_the_old_term_is_named(clerk, book):
    form = book.form("motor", policy_number="RN/32")
    old_id = add(clerk, form)
    page = renew(clerk, old_id, form, policy_number="RN/32/2", make_model="Kia Seltos", action="recalculate").text
    changed = page[page.index("Changed</span>") :][:400]
    assert "Make and model" in changed
    assert "Vehicle number" not in changed
