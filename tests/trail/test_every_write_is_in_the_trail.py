"""Every form that changes something leaves its entry: each is sent once, and its request id must stand in the trail."""

import io
import itertools

import pytest
from PIL import Image

from database_pool import execute_query, transaction
from portal.formats import today
from tests.cast import PASSWORD, make_cast, sign_in
from tests.clients.conftest import NAMES, PHONES

WALKED_AREAS = {"clients", "settings", "staff", "trash", "trail", "privacy"}
# What is no change of the book, of the settings or of an account.
NO_CHANGE = {"staff.choose_theme": "how the pages look to one colleague", "clients.bulk": "asks first, or gives a file"}
REQUESTS = itertools.count(1)
# These need more than a form (an authenticator, rules that begin later). Their own tests look into the trail.
ELSEWHERE = {
    "settings.add_rule": "tests/settings", "settings.withdraw_rule": "tests/settings",
    "staff.begin_two_step": "tests/staff", "staff.confirm_two_step": "tests/staff",
    "staff.sign_in_with_code": "tests/staff", "staff.renew_codes": "tests/staff",
    "staff.turn_off_two_step": "tests/staff", "staff.reset_two_step": "tests/staff",
    "staff.exchange": "tests/staff", "staff.hear_clerk": "tests/staff", "staff.invite_through_clerk": "tests/staff",
}  # fmt: skip
OK = {"is_active": "on"}


class Walk:
    """A browser of the administrator, and the endpoints that got a form so far."""

    def __init__(self, app):
        self.app, self.browser, self.sent = app, sign_in(app, "administrator"), set()

    def __call__(self, path, browser=None, **fields):
        request_id = f"walked-{next(REQUESTS):06d}"
        answer = (browser or self.browser).submit(path, fields, headers={"X-Request-ID": request_id})
        assert answer.status_code in (200, 303), f"{path}: {answer.status}\n{answer.text}"
        with self.app.test_request_context(path, method="POST") as context:
            self.sent.add(context.request.endpoint)
        return execute_query("audit", filters={"request_id": request_id}).data


@pytest.fixture(scope="module")
def walk(app):
    """Sends a form as the administrator and answers what the trail has of it; notes which endpoints were sent."""
    return Walk(app)


def version(table, **key):
    return str(execute_query(table, filters=key).data[0]["version"])


def latest(table, key):
    return execute_query(table, columns=key, order=f"{key} desc", limit=1).data[0][key]


def walk_clients(send):
    typed = {"name": next(NAMES), "phone": next(PHONES), "client_type": "individual", "language": "en"}
    yield "clients.add", send("/clients/new", **typed)
    client_id = execute_query("clients", filters={"name": typed["name"]}).data[0]["client_id"]
    here = f"/clients/{client_id}"
    moved = {**typed, "city": "Pune", "version": version("clients", client_id=client_id)}
    yield "clients.save", send(f"{here}/edit", **moved)
    yield "clients.add_member", send(f"{here}/members/new", name="Mira Rao", relation="spouse")
    member_id = latest("members", "member_id")
    yield "clients.save_member", send(f"{here}/members/{member_id}", name="Mira Rau", relation="spouse", version="1")
    yield "clients.remove_member", send(f"{here}/members/{member_id}/remove", version="2")
    yield "clients.restore_member", send(f"{here}/members/{member_id}/restore", version="3")
    with transaction() as tx:
        tx.insert("agents", {"agent_id": 8101, "name": "Agent of the walk"})
    yield "clients.assign_agent", send("/clients/bulk/agent", chosen=client_id, agent_id="8101")
    yield "privacy.copy", send(f"/privacy{here}/copy")
    yield "privacy.erase", send(f"/privacy{here}/erasure", number=client_id)
    yield "clients.delete", send(f"{here}/delete", version=version("clients", client_id=client_id))
    yield "clients.restore", send(f"{here}/restore", version=version("clients", client_id=client_id))
    send(f"{here}/delete", version=version("clients", client_id=client_id))
    yield "trash.erase", send(f"/trash/client/{client_id}/erase", number=client_id)


def walk_settings(send):
    yield "settings.add_master", send("/settings/agents", name="Walked Agent")
    yield "settings.add_master", send("/settings/agents", name="Walked Other")
    ids = {row["name"]: row["agent_id"] for row in execute_query("agents").data}
    one, other = ids["Walked Agent"], ids["Walked Other"]
    yield "settings.change_master", send(f"/settings/agents/{one}", name="Walked Agent 2", version="1", **OK)
    yield "settings.merge", send(f"/settings/agents/{one}/merge", version="2", into_id=str(other))
    merge_id = latest("master_merges", "merge_id")
    yield "settings.take_back_merge", send(f"/settings/agents/merges/{merge_id}/undo")
    yield "settings.save_company", send("/settings/company", name="Walked Agency", version="")
    settled = {"papers_days": "4", "call_days": "9", "call_premium": "60000"}
    yield "settings.save_business", send("/settings/business", **settled)
    picture = io.BytesIO()
    Image.new("RGB", (9, 9)).save(picture, "PNG")
    picture.seek(0)
    now = version("settings", key="company")
    yield "settings.save_logo", send("/settings/company/logo", logo=(picture, "x.png"), version=now)
    change = execute_query("audit", filters={"record_type": "setting", "record_id": "company"},
                           order="audit_id desc", limit=1).data[0]["audit_id"]
    now = version("settings", key="company")
    yield "settings.revert_company", send(f"/settings/company/history/{change}/revert", version=now)


def walk_staff(send, app):
    """Last of the walks: the administrator's own sessions and the manager's password are changed."""
    yield "staff.invite", send("/users/new", name="Walked User", email="walked@example.in", role="staff")
    user_id = latest("users", "user_id")
    here = f"/users/{user_id}"
    yield "staff.save_user", send(here, name="Walked", role="accounts", version=version("users", user_id=user_id))
    yield "staff.reset_password", send(f"{here}/password", version=version("users", user_id=user_id))
    yield "staff.end_sessions", send(f"{here}/sessions/end")
    yield "staff.disable", send(f"{here}/disable", version=version("users", user_id=user_id))
    yield "staff.enable", send(f"{here}/enable", version=version("users", user_id=user_id))
    mine = make_cast()["administrator"]
    yield "staff.save_account", send("/account", name="Asha Rane", theme="dark", density="compact",
                                     version=version("users", user_id=mine))  # fmt: skip
    yield "staff.end_other_sessions", send("/account/sessions/end-others")
    yield "staff.make_token", send("/account/tokens", name="Walked", scopes="clients:read", days="30",
                                   password=PASSWORD)  # fmt: skip
    yield "staff.revoke_token", send(f"/account/tokens/{latest('api_tokens', 'token_id')}/revoke")
    new = "another dark monsoon evening"
    manager = sign_in(app, "manager")
    yield "staff.change_password", send("/account/password", manager, current_password=PASSWORD, new_password=new,
                                        new_password_again=new)  # fmt: skip
    yield "staff.sign_out", send("/logout", manager)
    yield "staff.sign_in", send("/login", manager, email="manager@example.in", password=new)


def walk_policies(send):
    with transaction() as tx:
        tx.insert("insurers", {"insurer_id": 8001, "name": "Walked General"})
        tx.insert("products", {"product_id": 8001, "name": "Walked Package", "line": "other"})
        tx.insert("clients", {"client_id": "WA01", "name": "Walked Client"})
    typed = {"client_id": "WA01", "line": "other", "insurer_id": "8001", "product_id": "8001", "policy_number": "WA/1",
             "business_type": "new", "policy_from": today().strftime("%d/%m/%Y"), "net_premium": "1000"}
    yield "policies.create", send("/policies/new", **typed)
    here = f"/policies/{latest('policies', 'policy_id')}"
    yield "policies.change", send(f"{here}/edit", **typed, remarks="Walked", version="1")
    yield "policies.cancel", send(f"{here}/cancellation", cancelled_on=typed["policy_from"], reason="Sold", version="2")
    yield "policies.reopen", send(f"{here}/reopening", version="3")
    yield "policies.lose", send(f"{here}/loss", reason="price", version="4")
    send(f"{here}/reopening", version="5")
    yield "policies.delete", send(f"{here}/deletion", version="6")
    yield "policies.restore", send(f"{here}/restoration", version="7")


def test_every_form_leaves_its_entry(app, walk):
    walks = itertools.chain(walk_clients(walk), walk_settings(walk), walk_policies(walk), walk_staff(walk, app),
                            [("trail.export", walk("/audit/export"))])
    silent = {endpoint for endpoint, entries in walks if not entries}
    assert silent == set()


def test_no_form_of_these_areas_is_left_out(app, walk):
    test_every_form_leaves_its_entry(app, walk) if not walk.sent else None
    forms = {rule.endpoint for rule in app.url_map.iter_rules()
             if "POST" in rule.methods and rule.endpoint.split(".")[0] in WALKED_AREAS}
    assert forms - walk.sent - set(NO_CHANGE) - set(ELSEWHERE) == set()
