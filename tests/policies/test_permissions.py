"""Who may do what with policies, by role."""

import pytest

from tests.cast import sign_in
from tests.policies.book import add, make_book

READS = ("/policies", "/policies/{id}")
WRITES = (
    "/policies/new",
    "/policies/{id}/edit",
    "/policies/{id}/renewal",
    "/policies/{id}/cancellation",
    "/policies/{id}/loss",
)
DELETES = ("/policies/{id}/deletion",)
MAY = {
    "administrator": {*READS, *WRITES, *DELETES},
    "manager": {*READS, *WRITES, *DELETES},
    "staff": {*READS, *WRITES},
    "accounts": {*READS, *WRITES},
    "reader": {*READS},
}


@pytest.fixture(scope="module")
def policy_id(app):
    book = make_book()
    return add(sign_in(app, "accounts"), book.form("motor", commission_rate="19.5"))


@pytest.mark.parametrize("who", MAY)
def test_a_role_opens_exactly_the_pages_it_may(app, policy_id, who):
    browser = sign_in(app, who)
    for path in (*READS, *WRITES, *DELETES):
        answer = browser.get(path.format(id=policy_id))
        assert answer.status_code == (200 if path in MAY[who] else 403), path


@pytest.mark.parametrize("who", MAY)
def test_a_role_cannot_send_what_it_may_not_do(app, policy_id, who):
    browser = sign_in(app, who)
    for path in (*WRITES, *DELETES, "/policies/{id}/reopening", "/policies/{id}/restoration"):
        like = {"reopening": WRITES[0], "restoration": DELETES[0]}.get(path.rsplit("/", 1)[1], path)
        allowed = like in MAY[who]
        answer = browser.submit(path.format(id=policy_id), {})
        assert (answer.status_code != 403) == allowed, path


@pytest.mark.parametrize(
    ("who", "sees"),
    [("administrator", True), ("manager", True), ("accounts", True), ("staff", False), ("reader", False)],
)
def test_commission_is_shown_to_those_alone_who_may_see_it(app, policy_id, who, sees):
    browser = sign_in(app, who)
    assert ("ommission" in browser.get(f"/policies/{policy_id}").text) == sees
    if who != "reader":
        assert ("ommission" in browser.get(f"/policies/{policy_id}/edit").text) == sees
        assert ("ommission" in browser.get(f"/policies/{policy_id}/renewal").text) == sees


def test_the_trail_of_changes_does_not_tell_commission_either(app):
    book = make_book("TR01")
    accountant = sign_in(app, "accounts")
    form = book.form("motor", policy_number="TRAIL/9")
    policy_id = add(accountant, form)
    accountant.submit(f"/policies/{policy_id}/edit", {**form, "version": "1", "commission_rate": "17.5"})
    assert "17.5" in accountant.get(f"/policies/{policy_id}").text
    assert "17.5" not in sign_in(app, "staff").get(f"/policies/{policy_id}").text


def test_nobody_reads_policies_without_signing_in(app, policy_id):
    browser = app.test_client()
    for path in (*READS, *WRITES, *DELETES):
        answer = browser.get(path.format(id=policy_id))
        assert answer.status_code == 303
        assert "/login" in answer.location


def test_a_form_without_its_token_is_refused(app, policy_id):
    browser = sign_in(app, "manager")
    assert browser.post(f"/policies/{policy_id}/loss", data={"version": "1", "reason": "price"}).status_code == 400
