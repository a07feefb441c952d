"""A policy was saved: the message leads to the form for its own document."""

import re

import pytest

from tests.cast import Browser
from tests.policies.book import add, errors, stored

LINK = re.compile(r'<div class="toast ok">.*?<a href="([^"]+)">Upload its document</a>', re.DOTALL)


def link_of(browser: Browser, policy_id: int) -> str:
    """Where the message on the policy's page leads; it works and has the policy chosen."""
    found = LINK.search(browser.get(f"/policies/{policy_id}").text)
    assert found, "no message with a link"
    path = found[1].replace("&amp;", "&")
    form = browser.get(path)
    assert form.status_code == 200
    assert f'<option value="{policy_id}" selected>' in form.text
    assert '<option value="policy-schedule" selected>' in form.text
    return path


def test_after_adding(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="DOC/1"))
    assert f"client_id={stored(policy_id)['client_id']}" in link_of(clerk, policy_id)
    assert "Upload its document" not in clerk.get(f"/policies/{policy_id}").text, "a message is shown once"


def test_after_renewing(clerk, book):
    form = book.form("other", policy_number="DOC/2")
    old = add(clerk, form)
    next_term = form | {"policy_number": "DOC/3", "policy_from": "01/11/2027", "version": str(stored(old)["version"])}
    answer = clerk.submit(f"/policies/{old}/renewal", next_term)
    assert answer.status_code == 303, errors(answer)
    link_of(clerk, int(answer.headers["Location"].rsplit("/", 1)[1]))


@pytest.mark.parametrize("address", ["completion", "edit"])
def test_after_completing(clerk, book, address):
    form = book.form("other", policy_number="", action="pending", waiting_for="payment")
    policy_id = add(clerk, form)
    clerk.get("/policies")   # the message of the adding
    answer = clerk.submit(f"/policies/{policy_id}/{address}", {
        **form, "action": "save", "policy_number": f"DOC/{address}", "version": "1"})  # fmt: skip
    assert answer.status_code == 303, errors(answer)
    link_of(clerk, policy_id)


def test_not_after_a_mere_change(clerk, book):
    form = book.form("other", policy_number="DOC/4")
    policy_id = add(clerk, form)
    clerk.get("/policies")
    clerk.submit(f"/policies/{policy_id}/edit", {**form, "version": "1", "remarks": "changed"})
    page = clerk.get(f"/policies/{policy_id}").text
    assert "is saved." in page
    assert "Upload its document" not in page
