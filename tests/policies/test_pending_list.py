"""The list of pending policies and what is done from it: papers arrive, somebody takes over, one is completed."""

import re
from datetime import timedelta
from typing import Any

import pytest

from database_pool import execute_query, transaction
from portal.formats import now
from tests.cast import sign_in
from tests.policies.book import add, make_book, stored, trail


@pytest.fixture(scope="module")
def waiting(app, clerk):
    """A policy that waits for a payment and for KYC, a week old."""
    book = make_book("WA01")
    typed = book.form("fire", policy_number="", action="pending")
    form: dict[str, Any] = {**typed, "waiting_for": ["payment", "KYC"]}
    policy_id = add(clerk, form)
    with transaction() as tx:
        tx.update("policies", {"created_at": now() - timedelta(days=7)}, filters={"policy_id_eq": policy_id})
    return policy_id, book


def test_an_office_without_pending_policies_is_told_so(app, clerk):
    if not execute_query("policies", filters={"state_eq": "pending"}).data:
        assert "No policy is waiting for papers." in clerk.get("/pending").text


def test_the_list_shows_what_each_waits_for_how_long_and_who_looks_after_it(clerk, waiting):
    page = clerk.get("/pending").text
    assert "1 policy waits for papers" in page
    assert "Payment" in page and "KYC" in page
    assert "7 days" in page
    assert "Charu Nair" in page
    assert f'href="/policies/{waiting[0]}/completion"' in page


@pytest.mark.parametrize(("query", "found"), [
    ("?waiting=payment", True), ("?waiting=KYC", True), ("?waiting=proposal", False), ("?waiting=nothing", False),
    ("?mine=on", True), ("?waiting=nonsense", True), ("?sort=-gross", True),
])
def test_the_list_is_narrowed_by_what_is_awaited_and_by_whose_it_is(clerk, waiting, query, found):
    page = clerk.get(f"/pending{query}")
    assert page.status_code == 200
    assert ("Rohan Mehta WA01" in page.text) == found
    assert ("1 policy waits" in page.text) == found


def test_papers_that_arrive_are_ticked_off_until_nothing_is_awaited(clerk, waiting):
    policy_id, _ = waiting
    for thing, sentence in (("payment", "Still waiting for: KYC."), ("KYC", "Nothing else is awaited.")):
        typed = {"version": str(stored(policy_id)["version"]), "thing": thing}
        page = clerk.submit(f"/policies/{policy_id}/arrivals", typed, follow_redirects=True)
        assert sentence in page.text
    assert (stored(policy_id)["waiting_for"], stored(policy_id)["state"]) == ([], "pending")
    assert trail(policy_id)[-1]["after"] == {"waiting_for": []}
    assert "Rohan Mehta WA01" in clerk.get("/pending?waiting=nothing").text


def test_a_colleague_takes_a_policy_over(clerk, colleague, waiting):
    policy_id, _ = waiting
    assert "Rohan Mehta WA01" not in colleague.get("/pending?mine=on").text
    typed = {"version": str(stored(policy_id)["version"]), "back": "pending"}
    assert colleague.submit(f"/policies/{policy_id}/ownership", typed).location == "/pending"
    assert "Rohan Mehta WA01" in colleague.get("/pending?mine=on").text
    assert "Rohan Mehta WA01" not in clerk.get("/pending?mine=on").text
    late = clerk.submit(f"/policies/{policy_id}/ownership", typed, follow_redirects=True)
    assert "changed by someone else" in late.text


def test_completing_shows_what_was_captured_beside_the_form_and_keeps_it(clerk, waiting):
    policy_id, book = waiting
    page = clerk.get(f"/policies/{policy_id}/completion").text
    assert "As captured" in page
    assert "Plot 7" in page[: page.index('aria-label="The complete policy"')]
    form = book.form("fire", version=str(stored(policy_id)["version"]))
    refused = clerk.submit(f"/policies/{policy_id}/completion", {**form, "policy_number": ""})
    assert refused.status_code == 422
    assert "Policy number is needed" in refused.text
    stale = clerk.submit(f"/policies/{policy_id}/completion", {**form, "version": "1", "remarks": "kept text"})
    assert stale.status_code == 409
    assert "kept text" in stale.text
    version = re.search(r'name="version" value="(\d+)"', stale.text)[1]
    done = clerk.submit(f"/policies/{policy_id}/completion", {**form, "version": version, "policy_number": "WA/1"})
    assert done.status_code == 303
    assert (stored(policy_id)["state"], trail(policy_id)[-1]["action"]) == ("live", "complete")
    again = clerk.submit(f"/policies/{policy_id}/completion", {**form, "version": str(stored(policy_id)["version"])})
    assert again.status_code == 409, "a live policy is not completed"


def test_a_pending_policy_is_dropped_with_a_reason(clerk):
    book = make_book("WA02")
    policy_id = add(clerk, book.form("other", policy_number="", action="pending"))
    clerk.submit(f"/policies/{policy_id}/loss", {"version": "1", "reason": "no response"})
    assert (stored(policy_id)["state"], stored(policy_id)["lost_reason"]) == ("lost", "no response")
    assert "WA02" not in clerk.get("/pending").text


def test_who_may_only_read_sees_the_list_without_its_buttons(app, waiting):
    page = sign_in(app, "reader").get("/pending")
    assert page.status_code == 200
    assert "Take over" not in page.text


def test_a_client_is_asked_for_what_is_awaited_once_a_day_in_the_clients_words(clerk, waiting):
    policy_id, book = waiting
    with transaction() as tx:
        tx.update("policies", {"waiting_for": ["payment", "policy document", "KYC"], "state": "pending"},
                  filters={"policy_id_eq": policy_id})  # fmt: skip
        tx.update("clients", {"phone": "+919820012345", "whatsapp_opt_in": False, "email": None, "language": "en"},
                  filters={"client_id_eq": book.client})  # fmt: skip
    here = f"/policies/{policy_id}/papers"
    assert "cannot be reached by a message" in clerk.get(here).text
    assert clerk.submit(here).status_code == 422
    with transaction() as tx:
        tx.update("clients", {"whatsapp_opt_in": True, "language": "gu"}, filters={"client_id_eq": book.client})
    page = clerk.get(here).text
    assert "પ્રીમિયમની ચુકવણી, કેવાયસી કાગળો (પાન અને સરનામાનો પુરાવો)" in page, "not the insurer's own document"
    assert clerk.submit(here).status_code == 303
    again = clerk.submit(here)
    assert again.status_code == 422
    assert "asked today already" in again.text
    messages = execute_query("messages", filters={"policy_id_eq": policy_id, "template_key_eq": "policy.papers"}).data
    assert [(row["channel"], row["language"]) for row in messages] == [("whatsapp", "gu")]
    assert trail(policy_id)[-1]["action"] == "ask for papers"
    with transaction() as tx:
        tx.update("policies", {"waiting_for": ["policy document"]}, filters={"policy_id_eq": policy_id})
    assert "Nothing is awaited from the client." in clerk.get(here).text
