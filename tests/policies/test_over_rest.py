"""The life of a policy where the data lies behind Supabase's REST interface."""

import pytest

from tests.cast import sign_in
from tests.policies.book import add, errors, make_book, persons, stored

pytestmark = pytest.mark.slow


def test_a_policy_is_added_found_changed_and_renewed_over_rest_as_everywhere(rest_app):
    book = make_book()
    clerk, colleague = sign_in(rest_app, "accounts"), sign_in(rest_app, "manager")
    form = book.form("health", policy_number="OG-26/1905", commission_rate="15") | {
        "persons-0-member_id": str(book.head),
        "persons-1-name": "Aarav Mehta",
    }
    policy_id = add(clerk, form)
    taken = clerk.submit("/policies/new", form)
    assert taken.status_code == 422
    assert f'href="/policies/{policy_id}"' in taken.text

    for query in ("", "?q=1905", "?q=rohan", "?view=live&line=health", "?view=unpaid", "?sort=-gross&size=25"):
        page = clerk.get(f"/policies{query}")
        assert page.status_code == 200
        assert "OG-26/1905" in page.text, query
        assert "1 policy · ₹23,500 gross premium" in page.text, query

    change = {**form, "version": "1", "remarks": "First"}
    assert clerk.submit(f"/policies/{policy_id}/edit", change).status_code == 303
    both = colleague.submit(f"/policies/{policy_id}/edit", {**change, "remarks": "Second"})
    assert both.status_code == 409
    assert "First" in both.text
    assert [person["name"] for person in persons(policy_id)] == ["Rohan Mehta", "Aarav Mehta"]

    renewal = {**form, "policy_from": "01/11/2027", "policy_number": "OG-27/1", "version": "2"}
    answer = clerk.submit(f"/policies/{policy_id}/renewal", renewal)
    assert answer.status_code == 303, errors(answer)
    assert colleague.submit(f"/policies/{policy_id}/renewal", renewal).status_code == 409
    assert stored(policy_id)["state"] == "renewed"
    page = clerk.get(answer.location)
    assert "Term 2 of 2" in page.text
    assert "₹2,987.00" in page.text   # 15 % of 23,500 ÷ 1.18: this insurer means its rate inclusive of GST
