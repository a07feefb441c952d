"""An Aadhaar number typed anywhere is kept with its last four digits alone, and whoever typed it is told."""

import pytest

from portal.inputs import mask_aadhaar
from tests.policies.book import add, persons, stored

NUMBER = "2341 2341 2346"   # of no one: the example of the check digit's documentation


@pytest.mark.parametrize(("typed", "kept"), [
    (NUMBER, "XXXX XXXX 2346"), ("234123412346", "XXXX XXXX 2346"), ("2341-2341-2346", "XXXX XXXX 2346"),
    ("Aadhaar: 234123412346.", "Aadhaar: XXXX XXXX 2346."), ("२३४१ २३४१ २३४६", "XXXX XXXX 2346"),
    ("234123412347", "234123412347"),              # a wrong check digit: no Aadhaar number
    ("1341 2341 2346", "1341 2341 2346"),          # none begins with 0 or 1
    ("+919820012345", "+919820012345"),            # a telephone number
    ("2341234123461234", "2341234123461234"),      # a longer number
    ("रोहन १२", "रोहन १२"),                          # other digits stay as they are written
])
def test_only_a_number_with_the_right_check_digit_is_cut(typed, kept):
    assert mask_aadhaar(typed) == kept


def test_remarks_are_stored_masked_and_the_colleague_is_told(clerk, book):
    form = book.form("fire", policy_number="AA/1", remarks=f"Proof: {NUMBER}", risk_address=f"Plot 7, {NUMBER}")
    answer = clerk.submit("/policies/new", form, follow_redirects=True)
    assert "An Aadhaar number was cut to its last four digits" in answer.text
    assert NUMBER not in answer.text
    policy_id = int(answer.request.path.rsplit("/", 1)[1])
    assert stored(policy_id)["remarks"] == "Proof: XXXX XXXX 2346"


def test_the_name_of_an_insured_person_holds_none_either_and_the_colleague_is_told(clerk, book):
    form = book.form("health", policy_number="AA/2") | {"persons-0-name": f"Aarav {NUMBER}"}
    answer = clerk.submit("/policies/new", form, follow_redirects=True)
    assert "An Aadhaar number was cut to its last four digits" in answer.text
    assert NUMBER not in answer.text
    policy_id = int(answer.request.path.rsplit("/", 1)[1])
    assert [row["name"] for row in persons(policy_id)] == ["Aarav XXXX XXXX 2346"]


def test_a_policy_number_that_looks_like_one_by_chance_stays_whole(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="234123412346", payment_details="UPI 234123412346"))
    assert (stored(policy_id)["policy_number"], stored(policy_id)["payment_details"]) == (
        "234123412346", "UPI 234123412346")
    assert "234123412346" in clerk.get("/policies?q=234123412346").text
