"""What was paid: noted once, counted against premium and endorsements, by instalments, and taken back."""

import re
import threading
from datetime import date
from decimal import Decimal

import pytest

from database_pool import execute_query, transaction
from portal.formats import office_date, today
from portal.policies import queries
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


def take_back(browser, policy_id, paid_on):
    filters = {"policy_id_eq": policy_id, "paid_on_eq": paid_on, "removed_at_is": None}
    payment = execute_query("payments", filters=filters).data[0]["payment_id"]
    return browser.submit(f"/policies/{policy_id}/payments/{payment}/removal")


def how_paid(policy_id):
    row = stored(policy_id)
    return row["payment_date"], row["payment_details"]


FIRST, SECOND = date(2026, 11, 1), date(2026, 11, 5)


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_a_policy_is_unpaid_again_when_either_of_its_two_payments_is_taken_back(clerk, book, order):
    policy_id = add(clerk, book.form("other", policy_number=f"PT/{order[0]}"))
    pay(clerk, policy_id, "20000", paid_on="01/11/2026")
    pay(clerk, policy_id, "7730", paid_on="05/11/2026", reference="")
    assert how_paid(policy_id) == (SECOND, "UPI")
    take_back(clerk, policy_id, order[0])
    assert how_paid(policy_id) == (None, None)
    assert f"PT/{order[0]}" in clerk.get(f"/policies?view=unpaid&q=PT/{order[0]}").text
    take_back(clerk, policy_id, order[1])
    assert (how_paid(policy_id), paid(policy_id)) == ((None, None), [])


def test_what_is_left_pays_the_policy_when_it_is_enough(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PT/3"))
    pay(clerk, policy_id, "27730", paid_on="01/11/2026", mode="cheque", reference="000123")
    pay(clerk, policy_id, "27730", paid_on="05/11/2026", reference="77")   # by UPI when the cheque did not clear
    assert how_paid(policy_id) == (FIRST, "Cheque 000123")
    take_back(clerk, policy_id, FIRST)
    assert how_paid(policy_id) == (SECOND, "UPI 77")
    take_back(clerk, policy_id, SECOND)
    assert how_paid(policy_id) == (None, None)


def test_a_later_instalment_is_taken_back_and_the_first_one_still_pays(clerk, book):
    policy_id = add(clerk, book.form("health", policy_number="PT/4", premium_mode="quarterly"))
    pay(clerk, policy_id, "5875", paid_on="01/11/2026", instalment="1")
    pay(clerk, policy_id, "5875", paid_on="05/11/2026", instalment="2")
    take_back(clerk, policy_id, SECOND)
    assert stored(policy_id)["payment_date"] == FIRST
    take_back(clerk, policy_id, FIRST)
    assert stored(policy_id)["payment_date"] is None


def endorse(browser, policy_id, net_premium):
    answer = browser.submit(f"/policies/{policy_id}/endorsements/new", {
        "kind": "sum insured", "version": str(stored(policy_id)["version"]), "effective_on": "15/11/2026",
        "sum_insured": "30 L", "net_premium": net_premium})  # fmt: skip
    assert answer.status_code == 303, errors(answer)


def test_a_policy_stays_paid_when_the_payment_of_an_endorsement_is_taken_back(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PT/5"))
    pay(clerk, policy_id, "27730", paid_on="01/11/2026")
    endorse(clerk, policy_id, "5000")   # 5,900 with GST
    pay(clerk, policy_id, "5900", paid_on="05/11/2026")
    take_back(clerk, policy_id, SECOND)
    assert stored(policy_id)["payment_date"] == FIRST
    assert "₹5,900.00 is open" in clerk.get(f"/policies/{policy_id}").text


def test_two_part_payments_noted_in_the_same_moment_pay_the_policy(clerk, colleague, book, monkeypatch):
    policy_id = add(clerk, book.form("other", policy_number="PT/6"))
    read, both_have_read, first_two = queries.ledger, threading.Barrier(2), iter((True, True))

    def read_together(of_policy):
        found = read(of_policy)
        if next(first_two, False):
            both_have_read.wait(20)
        return found

    monkeypatch.setattr(queries, "ledger", read_together)
    answers = []
    threads = [threading.Thread(target=lambda who=who, amount=amount: answers.append(pay(who, policy_id, amount)))
               for who, amount in ((clerk, "20000"), (colleague, "7730"))]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [303, 303]
    assert (sorted(paid(policy_id)), stored(policy_id)["payment_date"]) == ([D(7730), D(20000)], today())


def test_an_endorsement_is_open_though_the_policy_was_entered_as_paid(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PT/7", payment_date="02/11/2026"))
    assert 'value=""' in re.search(r'<input[^>]* name="amount"[^>]*>', _payment_form(clerk, policy_id))[0]
    endorse(clerk, policy_id, "5000")   # 5,900 with GST
    assert "₹5,900.00 is open" in clerk.get(f"/policies/{policy_id}").text
    assert 'value="5,900"' in _payment_form(clerk, policy_id)
    pay(clerk, policy_id, "5900")
    page = clerk.get(f"/policies/{policy_id}").text
    assert "₹33,630.00 of ₹33,630.00 came in." in page
    assert "is open" not in page


def test_the_premium_of_a_policy_entered_as_paid_is_not_paid_twice_when_it_is_noted_too(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="PT/8", payment_date="02/11/2026"))
    pay(clerk, policy_id, "27730")
    assert "₹27,730.00 of ₹27,730.00 came in." in clerk.get(f"/policies/{policy_id}").text


def _payment_form(browser, policy_id):
    return browser.get(f"/policies/{policy_id}/payments/new").text


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
