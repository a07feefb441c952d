"""The portal's own pages on the demo book: what the generator writes is what colleagues could have entered."""

from typing import Any

import pytest
from flask import Flask

from database_pool import execute_query
from portal import sealing
from portal.demo import seed
from tests.cast import Browser, visitor
from tests.colleague import largest_form
from tests.demo.conftest import TODAY

pytestmark = pytest.mark.slow

MOVED_BY_SAVING = {"version", "updated_at", "updated_by"}


@pytest.fixture(scope="module")
def administrator(app: Flask) -> Browser:
    """The demo's administrator, signed in with the password that the command prints."""
    sign_in = next(one for one in seed(150, 14, TODAY).sign_ins if one.role == "administrator")
    browser = visitor(app)
    assert browser.submit("/login", {"email": sign_in.email, "password": sign_in.password}).status_code == 303
    return browser


def one_of_each_kind(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A policy for each line and state that occurs, those waiting for one paper at most."""
    return list({(row["line"], row["state"]): row for row in policies if len(row["waiting_for"]) < 2}.values())


def test_a_policy_saved_without_changes_stays_as_it_is(administrator):
    policies = one_of_each_kind(execute_query("policies", order="policy_id", limit=1000).data)
    assert {row["line"] for row in policies} == {"health", "motor", "fire", "life", "travel", "other"}
    for before in policies:
        path = f"/policies/{before['policy_id']}/edit"
        form = largest_form(administrator.get(path).text)
        action = "pending" if before["state"] == "pending" else "save"
        answer = administrator.post(form.action or path, data={**form.fields, "action": action})
        assert answer.status_code == 303, f"{before['line']}, {before['state']}: {answer.status}"
        after = execute_query("policies", filters={"policy_id": before["policy_id"]}).data[0]
        assert {name for name in after if after[name] != before[name]} <= MOVED_BY_SAVING


def test_a_client_saved_without_changes_stays_as_it_is(administrator):
    clients = execute_query("clients", order="client_id", limit=1000).data
    for before in {row["client_type"]: row for row in clients}.values():
        path = f"/clients/{before['client_id']}/edit"
        form = largest_form(administrator.get(path).text)
        answer = administrator.post(form.action or path, data={**form.fields, "same_as_known": "on"})
        assert answer.status_code == 303, f"{before['client_type']}: {answer.status}"
        after = execute_query("clients", filters={"client_id": before["client_id"]}).data[0]
        old, new = sealing.opened(before), sealing.opened(after)   # sealed anew, the same words look different
        assert {name for name in new if new[name] != old[name]} <= MOVED_BY_SAVING


@pytest.mark.parametrize("path", [
    "/clients", "/policies", "/policies?view=expiring", "/policies?view=overdue", "/policies?view=unpaid",
    "/policies?view=pending", "/search?q=shah"])
def test_lists_show_something(administrator, path):
    page = administrator.get(path, follow_redirects=True)
    assert page.status_code == 200
    assert 'href="/policies/' in page.text or 'href="/clients/' in page.text
