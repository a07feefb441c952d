"""Pending policies: saved without a number, waiting for papers, completed without losing a field."""

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.policies.book import add, details, errors, persons, stored, trail

HEALTH_COLUMNS = ("plan", "floater_sum_insured", "floater_bonus", "floater_deductible")
# What completing is meant to change.
CHANGED = {"state", "policy_number", "number_key", "waiting_for", "waiting_key", "version", "updated_at"}


def test_a_policy_without_a_number_is_saved_as_pending_with_what_it_waits_for(clerk, book):
    form: dict[str, Any] = {**book.form("other", policy_number="", action="pending")}
    policy_id = add(clerk, form | {"waiting_for": ["payment", "KYC"]})
    assert (stored(policy_id)["state"], stored(policy_id)["waiting_for"]) == ("pending", ["payment", "KYC"])
    page = clerk.get(f"/policies/{policy_id}").text
    assert "It waits for: payment, KYC." in page
    assert "Complete" in page


def test_what_was_saved_as_pending_can_be_saved_as_live_from_the_same_page(clerk, book):
    form = book.form("other", policy_number="PE/BACK", form_key="a" * 32)
    pending = add(clerk, form | {"action": "pending"})
    again = clerk.submit("/policies/new", form | {"action": "save"})
    assert again.status_code == 422, "the same number, so the page leads to the pending one instead of doing nothing"
    assert f'href="/policies/{pending}"' in again.text


def test_a_pending_policy_stays_pending_until_it_is_completed(clerk, book):
    form = book.form("other", policy_number="", action="pending", waiting_for="payment")
    policy_id = add(clerk, form)
    answer = clerk.submit(f"/policies/{policy_id}/edit", {**form, "version": "1", "waiting_for": "inspection"})
    assert answer.status_code == 303, errors(answer)
    assert (stored(policy_id)["state"], stored(policy_id)["waiting_for"]) == ("pending", ["inspection"])
    refused = clerk.submit(f"/policies/{policy_id}/edit", {**form, "version": "2", "action": "save"})
    assert refused.status_code == 422
    assert "Policy number is needed" in refused.text
    done = clerk.submit(
        f"/policies/{policy_id}/edit", {**form, "version": "2", "action": "save", "policy_number": "PN/1"}
    )
    assert done.status_code == 303
    assert (stored(policy_id)["state"], stored(policy_id)["waiting_for"]) == ("live", [])
    assert trail(policy_id)[-1]["action"] == "complete"


def test_a_live_policy_does_not_become_pending_by_a_forged_form(clerk, book):
    form = book.form("other", policy_number="PN/2")
    policy_id = add(clerk, form)
    clerk.submit(f"/policies/{policy_id}/edit", {**form, "version": "1", "action": "pending"})
    assert stored(policy_id)["state"] == "live"


def test_an_unknown_thing_to_wait_for_is_refused(clerk, book):
    answer = clerk.submit("/policies/new", book.form("other", policy_number="", action="pending", waiting_for="godot"))
    assert answer.status_code == 422
    assert "please choose one of the list" in answer.text


amounts = st.one_of(st.just(""), st.integers(0, 99_99_999).map(str), st.decimals(0, 99_999, places=2).map(str))
texts = st.text(
    alphabet=st.characters(categories=["L", "Nd", "Zs", "Po", "Sc"], exclude_characters="\xa0"), max_size=40
)
rates = st.sampled_from(["", "5", "12.5", "15", "20"])


@pytest.mark.slow
# Each example takes four pages: simplifying a failing one would take minutes.
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    typed=st.fixed_dictionaries(
        {
            "net_premium": amounts,
            "addon_premium": amounts,
            "tp_premium": amounts,
            "sum_insured": amounts,
            "gst_rate": st.sampled_from(["", "0", "18", "5"]),
            "gst_reason": st.just("As the insurer billed"),
            "commission_rate": rates,
            "commission_amount": amounts,
            "payment_details": texts,
            "asset": texts,
            "group_name": texts,
            "subgroup": texts,
            "remarks": texts,
            "payment_date": st.sampled_from(["", "02/11/2026"]),
            "one_time": st.sampled_from(["", "on"]),
            "commission_received": st.sampled_from(["", "on"]),
            "plan": st.sampled_from(["floater", "individual", "top-up floater", "top-up individual"]),
            "floater_sum_insured": amounts,
            "floater_bonus": amounts,
            "floater_deductible": amounts,
            "business_type": st.sampled_from(["new", "renewal", "roll over"]),
        }
    ),
    people=st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["Aarav Mehta", "Diya Mehta", "रोहन मेहता"]),
                "sum_insured": amounts,
                "bonus": amounts,
                "deductible": amounts,
            }
        ),
        max_size=3,
    ),
)
def test_completing_a_pending_policy_from_its_form_keeps_every_field(accountant, book, typed, people):
    rows = {f"persons-{place}-{name}": value for place, person in enumerate(people) for name, value in person.items()}
    policy_id = add(
        accountant, book.form("health", policy_number="", action="pending", waiting_for="payment", **typed) | rows
    )
    before, cover = stored(policy_id), details("health_details", policy_id)
    insured = [{**row, "insured_person_id": 0} for row in persons(policy_id)]
    page = accountant.get(f"/policies/{policy_id}/edit").text
    answer = accountant.submit(
        f"/policies/{policy_id}/edit",
        what_the_page_sends(page) | {"action": "save", "policy_number": f"PROP/{policy_id}"},
    )
    assert answer.status_code == 303, errors(answer)
    after = stored(policy_id)
    assert {name: value for name, value in after.items() if name not in CHANGED} == {
        name: value for name, value in before.items() if name not in CHANGED
    }
    assert details("health_details", policy_id) == cover
    assert [{**row, "insured_person_id": 0} for row in persons(policy_id)] == insured


def what_the_page_sends(page: str) -> dict[str, Any]:
    """The fields of the page's form as a browser sends them."""
    form = page[page.index('<form class="card') :]
    sent: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if "name" not in attributes or (attributes.get("type") == "checkbox" and " checked" not in tag):
            continue
        sent[attributes["name"]] = unescape(attributes.get("value", ""))
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        sent[name] = unescape(chosen[1]) if chosen else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.S):
        sent[name] = unescape(text)
    return sent
