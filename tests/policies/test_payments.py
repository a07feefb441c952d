"""What was paid: noted once, counted against premium and endorsements, by instalments, and taken back."""

from datetime import date
from decimal import Decimal

import pytest

from database_pool import execute_query, transaction
from portal.formats import office_date, today
from tests.policies.book import add, errors, stored, trail

D = Decimal


def pay(browser, policy_id, amount, **typed):
    form = {"amount": amount, "paid_on": office_date(today()), "mode": "UPI", "reference": "4123 5678", **typed}
    return browser.submit(f"/policies/{policy_id}/payments/new", form)


def paid(policy_id):
    filters = {"policy_id_eq": policy_id, "removed_at_is": None}
    return [row["amount"] for row in execute_query("payments", filters=filters, order="payment_id").data]


def test_a_policy_counts_as_paid_once_all_of_it_came_in(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PY/1"))   # 27,730 with GST
    answer = pay(clerk, policy_id, "20,000")
    assert answer.status_code == 303, errors(answer)
    assert stored(policy_id)["payment_date"] is None
    page = clerk.get(f"/policies/{policy_id}").text
    assert "₹20,000.00 of ₹27,730.00 came in" in page
    assert "₹7,730.00 is open" in page
    assert 'value="7,730"' in clerk.get(f"/policies/{policy_id}/payments/new").text
    pay(clerk, policy_id, "7730", mode="cheque", reference="000123", ifsc="hdfc0001234")
    assert (stored(policy_id)["payment_date"], stored(policy_id)["payment_details"]) == (today(), "Cheque 000123")
    assert [entry["action"] for entry in trail(policy_id)] == ["add", "pay", "pay"]


def test_the_first_instalment_pays_a_policy_that_is_paid_in_parts(clerk, book):
    policy_id = add(clerk, book.form("health", policy_number="PY/2", premium_mode="quarterly"))
    pay(clerk, policy_id, "5875", instalment="1")
    assert stored(policy_id)["payment_date"] == today()
    assert "is open" in clerk.get(f"/policies/{policy_id}").text


def test_a_double_click_notes_one_payment(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PY/3"))
    for _ in range(2):
        assert pay(clerk, policy_id, "27730", form_key="b" * 32).status_code == 303
    assert paid(policy_id) == [D(27730)]


def test_a_payment_noted_by_mistake_is_taken_back(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PY/4"))
    pay(clerk, policy_id, "27730")
    payment = execute_query("payments", filters={"policy_id_eq": policy_id}).data[0]["payment_id"]
    path = f"/policies/{policy_id}/payments/{payment}/removal"
    assert clerk.submit(path).status_code == 303
    assert (paid(policy_id), stored(policy_id)["payment_date"]) == ([], None)
    assert clerk.submit(path).status_code == 404
    assert trail(policy_id)[-1]["action"] == "unpay"


def test_a_day_of_payment_from_the_form_is_no_business_of_a_payment_that_is_taken_back(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PY/5", payment_date="02/11/2026"))
    pay(clerk, policy_id, "27730")
    payment = execute_query("payments", filters={"policy_id_eq": policy_id}).data[0]["payment_id"]
    clerk.submit(f"/policies/{policy_id}/payments/{payment}/removal")
    assert stored(policy_id)["payment_date"] == date(2026, 11, 2)


@pytest.mark.parametrize(("typed", "sentence"), [
    ({"amount": "0"}, "Amount"), ({"amount": "-5"}, "cannot be negative"), ({"amount": "abc"}, "amount in figures"),
    ({"mode": "barter"}, "choose one of the list"), ({"paid_on": "31/12/2099"}, "future"),
    ({"ifsc": "HDFC1001234"}, "IFSC has four letters, a zero"), ({"instalment": "0"}, "Instalment"),
])
def test_bad_input_is_refused_and_kept(clerk, book, typed, sentence):
    policy_id = add(clerk, book.form("other", policy_number=f"PB/{typed}"))
    answer = pay(clerk, policy_id, typed.pop("amount", "100"), **{"reference": "kept text", **typed})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "kept text" in answer.text
    assert paid(policy_id) == []


def test_a_lost_policy_takes_no_payment(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PY/6"))
    clerk.submit(f"/policies/{policy_id}/loss", {"version": "1", "reason": "price"})
    answer = pay(clerk, policy_id, "100")
    assert answer.status_code == 422
    assert "takes no payment" in answer.text


def test_the_print_view_bears_the_agencys_name_and_logo(clerk, book):
    policy_id = add(clerk, book.form("fire", policy_number="PR/1"))
    assert 'class="logo"' not in clerk.get(f"/policies/{policy_id}/print").text
    with transaction() as tx:
        tx.upsert("settings", {"key": "company", "value": {"name": "Sample Agency", "logo": "a" * 64}})
    page = clerk.get(f"/policies/{policy_id}/print").text
    assert f'src="/settings/logo/{"a" * 64}.png"' in page
    assert "Sample Agency" in page
