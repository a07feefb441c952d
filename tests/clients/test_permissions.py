"""Which role may do what with clients."""

import pytest

from database_pool import execute_query
from tests.cast import sign_in, visitor
from tests.clients.conftest import stored

LOOKING = ["/clients/", "/clients/{id}"]
WRITING = [
    "/clients/new",
    "/clients/{id}/edit",
    "/clients/{id}/members/new",
    "/clients/{id}/members/{member}",
    "/clients/{id}/members/{member}/remove",
    "/clients/{id}/members/{member}/restore",
]
DELETING = ["/clients/{id}/delete", "/clients/{id}/restore"]


@pytest.fixture(scope="module")
def somebody(app, clerk):
    clerk.submit("/clients/new", {"name": "Somebody Known", "client_type": "individual", "language": "en"})
    member = execute_query("members", filters={"client_id_eq": "SK01"}).data[0]
    return {"id": "SK01", "member": member["member_id"]}


@pytest.mark.parametrize("who", ["administrator", "manager", "staff", "accounts", "reader"])
def test_every_role_may_look_at_clients(app, somebody, who):
    browser = sign_in(app, who)
    assert [browser.get(path.format(**somebody)).status_code for path in LOOKING] == [200, 200]


@pytest.mark.parametrize("who", ["accounts", "reader"])
def test_roles_without_the_right_may_not_write_and_see_no_buttons_for_it(app, somebody, who):
    browser = sign_in(app, who)
    for path in WRITING + DELETING:
        assert browser.submit(path.format(**somebody), {"name": "X Y", "version": "1"}).status_code == 403, path
    page = browser.get(f"/clients/{somebody['id']}").text
    assert "/edit" not in page and "/delete" not in page and "Add member" not in page
    assert 'href="/clients/new"' not in browser.get("/clients/").text
    assert stored("SK01")["version"] == 1


@pytest.mark.parametrize("path", LOOKING + WRITING[:4] + DELETING[:1])
def test_somebody_not_signed_in_is_sent_to_sign_in(app, somebody, path):
    answer = visitor(app).get(path.format(**somebody))
    assert answer.status_code == 303 and answer.location.startswith("/login")


@pytest.mark.parametrize("path", WRITING + DELETING)
def test_a_form_without_its_token_changes_nothing(app, clerk, somebody, path):
    answer = clerk.post(path.format(**somebody), data={"name": "Forged", "version": "1"})
    assert answer.status_code in (400, 403)
    assert stored("SK01")["version"] == 1


@pytest.mark.parametrize(("who", "sees"), [("accounts", True), ("administrator", True), ("staff", False)])
def test_a_changed_commission_is_told_to_those_alone_who_may_see_it(app, somebody, live_policy, who, sees):
    policy_id = live_policy(somebody["id"])
    after = {"commission_rate": "10.00", "commission_amount": "940.00", "commission_received": True, "remarks": "x"}
    trail = {"action": "change", "record_type": "policy", "record_id": str(policy_id), "client_id": somebody["id"]}
    execute_query("audit", "insert", data={**trail, "before": dict.fromkeys(after), "after": after})
    page = sign_in(app, who).get(f"/clients/{somebody['id']}/activity").text
    assert ("commission" in page.lower()) == sees and "remarks" in page
