"""What the system we replace got wrong about policies, each by its name: ours does not."""

from datetime import timedelta

import pytest

from portal.formats import office_date, today
from tests.cast import sign_in
from tests.clients.counting import questions_of
from tests.policies.book import add, days_from_today, details, stored, trail
from tests.policies.test_renew_policy import renew


def test_completing_a_pending_policy_lost_the_sum_insured_the_add_on_the_gst_rate_and_the_floater(accountant, book):
    captured = {"sum_insured": "12,50,000", "addon_premium": "1,100", "gst_rate": "18", "gst_reason": "billed so",
                "commission_amount": "777", "floater_sum_insured": "12,50,000", "floater_bonus": "50,000",
                "floater_deductible": "25,000"}
    rows = {"persons-0-name": "Aarav Mehta", "persons-0-deductible": "5,000"}
    form = book.form("health", policy_number="", action="pending", **captured) | rows
    policy_id = add(accountant, form)
    kept = ("sum_insured", "addon_premium", "gst_rate", "gst_reason", "commission_amount", "gross_premium")
    before, cover = stored(policy_id), details("health_details", policy_id)
    done = {**form, "action": "save", "policy_number": "GAP/1", "version": "1"}
    assert accountant.submit(f"/policies/{policy_id}/completion", done).status_code == 303
    assert [stored(policy_id)[name] for name in kept] == [before[name] for name in kept]
    assert details("health_details", policy_id) == cover
    assert cover["floater_deductible"] == 25000


def test_a_value_could_not_be_cleared_by_editing(clerk, book):
    form = book.form("fire", policy_number="GAP/2", remarks="to be cleared", sum_insured="10 L", group_name="Mehta")
    policy_id = add(clerk, form)
    cleared = dict.fromkeys(("remarks", "sum_insured", "group_name", "building", "risk_address"), "")
    clerk.submit(f"/policies/{policy_id}/edit", {**form, **cleared, "version": "1"})
    row, sums = stored(policy_id), details("fire_details", policy_id)
    assert (row["remarks"], row["sum_insured"], row["group_name"]) == (None, None, None)
    assert (sums["building"], sums["risk_address"]) == (0, None)


def test_expired_policies_vanished_from_the_dashboard(clerk, book):
    start = days_from_today(-400)
    policy_id = add(clerk, book.form("other", policy_number="GAP/3", policy_from=start, payment_date=start))
    assert f"/policies/{policy_id}" in clerk.get("/policies?view=overdue").text
    assert "Uninsured since" in clerk.get(f"/policies/{policy_id}").text


def test_one_time_insurance_was_never_left_out_of_what_is_due(clerk, book):
    ended = {"policy_from": days_from_today(-30), "policy_to": days_from_today(-2), "trip_from": "", "trip_to": ""}
    trip = add(clerk, book.form("travel", policy_number="GAP/4", **ended))
    assert f"/policies/{trip}" not in clerk.get("/policies?view=overdue").text


def test_insurers_products_and_agents_lived_in_each_browser(app, clerk, colleague, book):
    clerk.submit("/settings/insurers", {"name": "A new insurer"})
    assert "A new insurer" in colleague.get(f"/policies/new?client_id={book.client}&line=motor").text


def test_a_policy_number_was_not_unique_so_that_looking_it_up_failed(clerk, book):
    first = add(clerk, book.form("other", policy_number="OG-26/1905"))
    again = clerk.submit("/policies/new", book.form("other", policy_number="og 26 1905"))
    assert again.status_code == 422
    assert f'href="/policies/{first}"' in again.text
    assert f"/policies/{first}" in clerk.get("/policies?q=OG261905").text


def test_everything_was_taxed_with_18_percent_also_health_after_the_22nd_of_september_2025(clerk, book):
    before = add(clerk, book.form("health", policy_number="GAP/5", policy_from="21/09/2025"))
    after = add(clerk, book.form("health", policy_number="GAP/6", policy_from="22/09/2025"))
    assert (stored(before)["gst_rate"], stored(after)["gst_rate"]) == (18, 0)


def test_renewing_wrote_over_the_old_term(clerk, book):
    form = book.form("other", policy_number="GAP/7")
    old_id = add(clerk, form)
    before = stored(old_id)
    renew(clerk, old_id, form, policy_number="GAP/8", net_premium="99,000")
    moved = {"state", "version", "updated_at"}
    assert {k: v for k, v in stored(old_id).items() if k not in moved} == {
        k: v for k, v in before.items() if k not in moved}


def test_there_was_no_view_of_who_changed_what(clerk, book):
    form = book.form("other", policy_number="GAP/9", remarks="first words")
    policy_id = add(clerk, form)
    clerk.submit(f"/policies/{policy_id}/edit", {**form, "remarks": "second words", "version": "1"})
    page = clerk.get(f"/policies/{policy_id}").text
    assert "first words → second words" in page
    assert trail(policy_id)[-1]["before"] == {"remarks": "first words"}


def test_there_were_no_endorsements(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="GAP/10"))
    typed = {"version": "1", "kind": "sum insured", "sum_insured": "5 L",
             "effective_on": office_date(today() + timedelta(days=1))}
    assert clerk.submit(f"/policies/{policy_id}/endorsements/new", typed).status_code == 303
    assert "Change of sum insured" in clerk.get(f"/policies/{policy_id}").text


@pytest.mark.parametrize("path", ["/policies", "/policies?view=overdue&line=motor", "/pending", "/policies/{id}"])
def test_a_page_asked_the_database_over_and_over(clerk, book, monkeypatch, path):
    number = f"GAP/Q/{path}"
    policy_id = add(clerk, book.form("motor", policy_number=number))
    assert 1 <= questions_of(clerk, path.format(id=policy_id), monkeypatch) <= 6


def test_the_page_of_a_policy_asks_no_more_in_a_chain_of_terms_or_while_it_is_pending(clerk, book, monkeypatch):
    policy_id = add(clerk, book.form("motor", policy_number="GAP/CHAIN/1"))
    form = book.form("motor", policy_number="", version="1", action="pending", policy_from="01/11/2027")
    renewed = clerk.submit(f"/policies/{policy_id}/renewal", {**form, "waiting_for": ["payment", "KYC"]})
    assert renewed.status_code == 303
    for number in (policy_id, int(renewed.location.rsplit("/", 1)[1])):
        assert "Term 1 of 2" in clerk.get(f"/policies/{policy_id}").text
        assert questions_of(clerk, f"/policies/{number}", monkeypatch) <= 6


# Lists, filtered and in their costliest views: at most six questions each.
LISTS = (
    "/", "/clients?q=rohan&city=Pune", "/policies?view=waiting", "/policies?q=rohan", "/pending?mine=on",
    "/renewals", "/renewals?view=calls", "/renewals?q=rohan&month=2026-12", "/renewals/retention", "/renewals/ladder",
    "/documents", "/documents/missing", "/messages", "/messages/outbox", "/messages/log", "/messages/templates",
    "/messages/channels", "/whatsapp_bot", "/jobs?show=all", "/jobs/dead-letters", "/jobs/queue", "/users", "/audit",
    "/trash/", "/settings", "/settings/business", "/settings/rules", "/settings/rules/commission",
    "/settings/insurers", "/settings/products", "/settings/insurers/merges", "/business", "/today/birthdays",
    "/account", "/account/tokens", "/search?q=rohan",
)  # fmt: skip


def test_lists_ask_at_most_six_questions(app, book, monkeypatch):
    administrator = sign_in(app, "administrator")
    asked = {path: questions_of(administrator, path, monkeypatch) for path in LISTS}
    assert {path: count for path, count in asked.items() if count > 6} == {}
