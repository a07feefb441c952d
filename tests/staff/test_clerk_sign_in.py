"""Signing in through Clerk: a token opens one session of ours, and the portal's own passwords open none."""

import contextlib
import dataclasses
import datetime
import json
import re

import pytest

import app_multiuser
import config
from database_pool import execute_query, transaction
from portal import formats, measures
from portal.audit import Actor
from portal.gateways import http
from portal.staff import sessions, tokens
from portal.staff.inputs import TokenInput
from portal.staff.tasks import fetch_clerk_keys, fetch_clerk_user
from portal.staff.views import clerk_page
from task_queue import PermanentFailure, TemporaryFailure, task_queue
from tests import clerk
from tests.cast import PASSWORD, email_of, found, make_cast, visitor
from tests.conftest import point_portal_at, portal_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(embedded_server, fresh_database):
    return embedded_server.address(fresh_database())


@pytest.fixture(scope="module")
def app(address, data_dir):
    settings = portal_settings(data_dir, DATABASE_URL=address, **clerk.SETTINGS)
    with point_portal_at(settings):
        make_cast()
        yield app_multiuser.create_app(settings)


@pytest.fixture
def known(app):
    """known("asha") is a person of whom an event has told."""

    def make(name, **changed):
        answer = app.test_client().post(
            "/clerk/webhook", **clerk.event("user.created", clerk.person(name, **changed), event_id=f"msg {name}"))
        assert answer.status_code == 200
        return execute_query("clerk_users", filters={"clerk_user_id": f"user_{name}"}).data[0]

    return make


@pytest.fixture
def asha(known):
    known("asha")
    return "user_asha"


def hand_in(browser, token, **more):
    page = browser.get("/login").text
    csrf = found(r'name="csrf_token" value="([^"]+)"', page)
    return browser.post("/login/clerk", data={"csrf_token": csrf, "token": token, **more})


def signed_in(app, user, session):
    browser = visitor(app)
    answer = hand_in(browser, clerk.token(user=user, session=session))
    assert answer.status_code == 303, answer.text
    return browser


def mode(answer):
    return found(r'data-clerk="(\w+)"', answer.text)


def user_of(email):
    return execute_query("users", filters={"email": email}).data[0]


def test_the_first_administrator_is_whom_admin_emails_names(app, asha):
    browser = visitor(app)
    answer = hand_in(browser, clerk.token(session="sess_first"), next="/account?tab=1")
    assert (answer.status_code, answer.location) == (303, "/account?tab=1")
    page = browser.get("/users")
    assert page.status_code == 200
    assert "Asha Rane" in page.text
    assert user_of("asha@example.in")["role"] == "administrator"
    cookie = browser.get_cookie("session")
    assert cookie.http_only
    assert cookie.same_site == "Lax"


@pytest.mark.parametrize("what", [what for what, (_, reason, _) in clerk.TABLE.items() if reason is not None])
def test_a_bad_token_opens_nothing_and_the_page_does_not_try_again(app, asha, what):
    browser = visitor(app)
    answer = hand_in(browser, clerk.TABLE[what][0]())
    assert (answer.status_code, mode(answer)) == (422, "refused")
    assert browser.get("/account").status_code == 303


def test_a_token_opens_one_session_and_no_second_one(app, asha):
    token = clerk.token(session="sess_once")
    first, thief = visitor(app), visitor(app)
    assert hand_in(first, token).status_code == 303
    again = hand_in(thief, token)
    assert (again.status_code, mode(again)) == (409, "offer")
    assert thief.get("/account").status_code == 303
    assert first.get("/account").status_code == 200


def test_an_address_that_leads_elsewhere_is_not_followed(app, asha):
    answer = hand_in(visitor(app), clerk.token(session="sess_next"), next="//evil.example/x")
    assert (answer.status_code, answer.location) == (303, "/")


def test_a_form_of_another_site_cannot_hand_a_token_in(app, asha):
    answer = visitor(app).post("/login/clerk", data={"token": clerk.token()})
    assert answer.status_code == 400


@pytest.mark.parametrize("cookie", ['prefs={"a":1}', "x=a b", "flag", "k[0]=1", "name=ज", "a@b=1", "__sessionid=x",
                                    "__session=broken", "__session_OTHERAPP=x.y.z"])  # fmt: skip
def test_whatever_else_is_in_the_cookies_and_headers_signing_in_works(app, asha, cookie):
    browser = visitor(app)
    page = browser.get("/login")
    own = browser.get_cookie("session")
    csrf = found(r'name="csrf_token" value="([^"]+)"', page.text)
    plain = app.test_client(use_cookies=False)
    given = {"csrf_token": csrf, "token": clerk.token(session="sess_cookies")}
    answer = plain.post("/login/clerk", data=given, headers={
        "Cookie": f"{cookie}; session={own.value}".encode().decode("latin-1"), "Authorization": "Basic dXNlcjpwYXNz"})
    assert answer.status_code == 303


def test_clerks_own_cookie_or_a_bearer_token_of_clerk_opens_nothing(app, asha):
    browser = visitor(app)
    browser.set_cookie("__session", clerk.token())
    assert browser.get("/account").status_code == 303
    bearer = {"Authorization": f"Bearer {clerk.token()}"}
    assert visitor(app).get("/api/clients", headers=bearer).status_code == 401
    assert visitor(app).get("/api/clients", headers={"Authorization": "Bearer ak_0123456789"}).status_code == 401


# Own passwords are off.


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/login"), ("GET", "/login/code"), ("POST", "/login/code"), ("GET", "/account/password"),
    ("POST", "/account/password"), ("GET", "/account/two-step"), ("POST", "/account/two-step"),
    ("POST", "/account/two-step/confirm"), ("POST", "/account/two-step/off"), ("POST", "/account/two-step/codes"),
    ("POST", "/users/1/password"), ("POST", "/users/1/two-step/reset"), ("POST", "/api/users/1/password"),
    ("GET", "/users/1/password"), ("GET", "/users/1/two-step/reset"),
])  # fmt: skip
def test_nothing_is_left_of_passwords_and_codes(app, asha, method, path):
    browser = signed_in(app, asha, f"sess_{abs(hash((method, path)))}")
    token = found(r'name="csrf_token" value="([^"]+)"', browser.get("/account").text)
    answer = browser.open(path, method=method, data={
        "csrf_token": token, "email": email_of("staff"), "password": PASSWORD})  # fmt: skip
    assert answer.status_code == 404
    assert "Clerk" in answer.get_data(as_text=True)


def test_no_page_offers_a_password(app, asha):
    browser = signed_in(app, asha, "sess_pages")
    user_id = user_of(email_of("staff"))["user_id"]
    for path in ("/account", "/users", "/users/new", f"/users/{user_id}"):
        page = browser.get(path).text
        assert "/account/password" not in page
        assert "/password" not in page
        assert "two-step" not in page
    assert "Change password" not in browser.get("/search/palette?q=pass").text


def test_a_token_for_a_program_takes_no_password(app, asha):
    browser = signed_in(app, asha, "sess_token")
    assert 'name="password"' not in browser.get("/account/tokens").text
    made = browser.submit("/account/tokens", {"name": "A program", "scopes": "clients:read", "days": "30"}).text
    assert tokens.find(found(r"(ipt_[\w-]{20,})", made)) is not None


def test_a_session_of_a_password_ends_with_the_switch_to_clerk(app):
    with transaction() as tx:
        token = sessions.begin(tx, user_of(email_of("staff"))["user_id"], ip=None, user_agent=None)
    browser = visitor(app)
    with browser.session_transaction() as held:
        held["token"] = token
    assert browser.get("/account").status_code == 303


def test_an_invitation_makes_an_account_without_a_password(app, asha, known):
    browser = signed_in(app, asha, "sess_invite")
    answer = browser.submit("/users/new", {"name": "Gauri Pai", "email": "gauri@example.in", "role": "manager"})
    assert answer.status_code == 303
    stored = user_of("gauri@example.in")
    assert stored["password_hash"] is None
    known("gauri")
    assert user_of("gauri@example.in")["role"] == "manager"
    assert signed_in(app, "user_gauri", "sess_gauri").get("/account").status_code == 200


# Who may come in.

def test_a_stranger_with_an_account_at_clerk_waits_for_an_administrator(app, asha, known):
    row = known("hari")
    stored = user_of("hari@example.in")
    assert (stored["is_active"], stored["role"], row["user_id"]) == (False, "read-only", stored["user_id"])
    refused = hand_in(visitor(app), clerk.token(user="user_hari", session="sess_hari"))
    assert (refused.status_code, mode(refused)) == (422, "refused")
    assert "administrator has to let you in" in refused.text
    browser = signed_in(app, asha, "sess_lets_in")
    browser.submit(f"/users/{stored['user_id']}/enable", {"version": stored["version"]})
    assert signed_in(app, "user_hari", "sess_hari2").get("/account").status_code == 200


def test_an_address_alone_is_not_the_account_of_before(app, asha, known):
    """Identities never merge by e-mail alone (ASVS 6.3.4): an administrator has to say that it is the same person."""
    before = user_of(email_of("manager"))
    row = known("manager")
    assert row["user_id"] is None
    refused = hand_in(visitor(app), clerk.token(user="user_manager", session="sess_m"))
    assert refused.status_code == 422
    browser = signed_in(app, asha, "sess_links")
    page = browser.get(f"/users/{before['user_id']}").text
    assert "Let sign in through Clerk" in page
    version = found(r'name="version" value="(\d+)"', page)
    assert browser.submit(f"/users/{before['user_id']}/clerk", {"version": version}).status_code == 303
    assert signed_in(app, "user_manager", "sess_m2").get("/account").status_code == 200
    assert "Signs in through Clerk." in browser.get(f"/users/{before['user_id']}").text
    trail = execute_query("audit", filters={"record_type": "user", "record_id": str(before["user_id"])}).data
    assert {"invited through Clerk", "signed in"} <= {row["action"] for row in trail}


def test_who_becomes_administrator_by_address_makes_new_api_tokens(app, known, monkeypatch):
    made = execute_query("users", "insert", data={"email": "kavita@example.in", "name": "Kavita Rao", "role": "staff"})
    with transaction() as tx:
        wanted = TokenInput(name="Of before", scopes=["everything"], days=30)
        token = tokens.make(tx, Actor(made.data[0]["user_id"]), wanted)
    chosen = dataclasses.replace(config.settings(), admin_emails=("kavita@example.in",))
    monkeypatch.setattr(config, "_current", chosen)
    assert tokens.find(token) is not None
    known("kavita")
    assert user_of("kavita@example.in")["role"] == "administrator"
    assert tokens.find(token) is None


def test_an_address_that_clerk_has_not_confirmed_opens_no_account(app, known):
    row = known("indra", verified=False)
    assert (row["user_id"], row["email"]) == (None, None)
    refused = hand_in(visitor(app), clerk.token(user="user_indra", session="sess_i"))
    assert "no confirmed e-mail address" in refused.text
    assert execute_query("users", filters={"email": "indra@example.in"}).data == []


def test_whom_no_event_has_told_of_is_asked_for_at_clerk(app, monkeypatch):
    asked = []

    def answer(method, url, **given):
        asked.append((method, url, given["headers"]["Authorization"]))
        return http.Answer(200, {}, json.dumps(clerk.person("jaya")).encode())

    monkeypatch.setattr(http, "ask", answer)
    browser = visitor(app)
    waiting = hand_in(browser, clerk.token(user="user_jaya", session="sess_j"))
    assert (waiting.status_code, mode(waiting)) == (202, "wait")
    task_queue.run_due_tasks()
    assert asked == [("GET", "https://api.clerk.com/v1/users/user_jaya", "Bearer sk_test_1")]
    assert "administrator has to let you in" in hand_in(browser, clerk.token(user="user_jaya", session="sess_j")).text
    assert mode(hand_in(browser, clerk.token(user="user_nobody", session="s"), rounds="15")) == "refused"


@pytest.mark.parametrize(("answer", "outcome"), [(200, "accepted"), (404, "accepted"), (401, "permanent"),
                                                 (500, "retry"), (None, "retry")])  # fmt: skip
def test_a_call_of_clerk_is_counted_with_what_came_of_it(app, monkeypatch, answer, outcome):
    def answers(method, url, **_given):
        if answer is None:
            raise http.NotReached("TimeoutError")
        return http.Answer(answer, {}, b"{}")

    told = []
    monkeypatch.setattr(http, "ask", answers)
    monkeypatch.setattr(measures, "provider_answered", lambda *words, since: told.append(words))
    with contextlib.suppress(TemporaryFailure, PermanentFailure):
        fetch_clerk_user("user_nobody")
    assert told == [("clerk", outcome)]


def test_a_required_second_step_is_asked_of_clerk(app, asha, monkeypatch):
    monkeypatch.setattr("portal.staff.two_step.is_required", lambda role: role == "administrator")
    refused = hand_in(visitor(app), clerk.token(session="sess_one_factor"))
    assert (refused.status_code, mode(refused)) == (422, "refused")
    assert "two-step" in refused.text
    browser = visitor(app)
    assert hand_in(browser, clerk.token(session="sess_two_factors", fva=[1, 1])).status_code == 303
    assert browser.get("/account").status_code == 200   # and is not sent to a second step of the portal's


# The end of a session.

def test_signing_out_ends_clerks_session_too(app, asha):
    browser = signed_in(app, asha, "sess_out")
    stolen = browser.session_cookie()
    answer = browser.submit("/logout")
    assert (answer.status_code, answer.location) == (303, "/login")
    assert mode(browser.get("/login")) == "over"    # the page ends Clerk's own session
    assert mode(browser.get("/login")) == "offer"   # once
    over = hand_in(visitor(app), clerk.token(session="sess_out"))
    assert (over.status_code, mode(over)) == (422, "over")
    thief = visitor(app)
    thief.set_cookie("session", stolen)
    assert thief.get("/account").status_code == 303


def test_signing_out_elsewhere_ends_clerks_sessions_there_and_not_here(app, asha):
    here, there = signed_in(app, asha, "sess_here"), signed_in(app, asha, "sess_there")
    here.submit("/account/sessions/end-others")
    assert there.get("/account").status_code == 303
    assert mode(hand_in(visitor(app), clerk.token(session="sess_there"))) == "over"
    assert here.get("/account").status_code == 200
    assert hand_in(visitor(app), clerk.token(session="sess_here")).status_code == 303


def test_who_signed_out_at_clerk_in_another_tab_is_signed_out(app, asha):
    """__client_uat is 0 then, while the session's own token may still be good for a minute."""
    browser = signed_in(app, asha, "sess_tab")
    suffix = clerk_page.suffix_of(clerk.PUBLISHABLE_KEY)
    browser.set_cookie("__client_uat", "0")
    assert browser.get("/account").status_code == 303
    browser.set_cookie(f"__client_uat_{suffix}", "1764150000")   # ours; the bare one is of another instance
    assert browser.get("/account").status_code == 200
    browser.set_cookie(f"__client_uat_{suffix}", "0")
    assert browser.get("/account").status_code == 303


def test_an_idle_session_is_handed_in_anew_by_the_page(app, asha):
    browser = signed_in(app, asha, "sess_idle")
    long_ago = formats.now() - sessions.LONGEST_IDLE
    execute_query("sessions", "update", data={"last_seen_at": long_ago}, filters={"clerk_session_id": "sess_idle"})
    answer = browser.get("/clients?q=a")
    assert (answer.status_code, answer.location) == (303, "/login?next=/clients%3Fq%3Da")
    page = browser.get(answer.location)
    assert mode(page) == "offer"
    assert 'value="/clients?q=a"' in page.text
    assert browser.get("/clients", headers={"Accept": "application/json"}).status_code == 401
    assert hand_in(browser, clerk.token(session="sess_idle"), next="/clients?q=a").location == "/clients?q=a"


# The page.

def test_the_sign_in_page_alone_has_what_clerk_needs(app, asha):
    browser = visitor(app)
    page = browser.get("/login")
    policy = page.headers["Content-Security-Policy"]
    assert policy == clerk_page.policy(clerk.ISSUER)
    for needed in (f"script-src 'self' {clerk.ISSUER} https://challenges.cloudflare.com", "https://*.protect.clerk.com:*",
                   "https://img.clerk.com", "worker-src 'self' blob:", "frame-ancestors 'none'"):
        assert needed in policy
    assert "unsafe-eval" not in policy
    scripts = re.findall(r'<script[^>]* src="(https:[^"]+)"', page.text)
    assert scripts == [f"{clerk.ISSUER}/npm/@clerk/ui@1/dist/ui.browser.js",
                       f"{clerk.ISSUER}/npm/@clerk/clerk-js@6/dist/clerk.browser.js"]
    assert f'data-clerk-publishable-key="{clerk.PUBLISHABLE_KEY}"' in page.text
    inside = signed_in(app, asha, "sess_csp").get("/account")
    assert "clerk" not in inside.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in inside.headers["Content-Security-Policy"]
    assert not re.search(r'src="https?:', inside.text)


def test_no_secret_of_clerk_is_on_a_page_or_in_the_log(app, asha, caplog):
    browser = visitor(app)
    token = clerk.token(key=clerk.STRANGERS)
    shown = hand_in(browser, token).text + browser.get("/login").text
    for secret in ("sk_test_1", clerk.WEBHOOK_SECRET, token):
        assert secret not in shown
        assert secret not in caplog.text


# The keys.

def test_keys_are_fetched_once_and_kept(app, address, data_dir, asha, monkeypatch):
    fetched = []

    def answer(method, url, **_given):
        if url.endswith("jwks.json"):
            fetched.append(url)
        return http.Answer(200, {}, json.dumps(published[0]).encode())

    published = [clerk.jwks()]
    monkeypatch.setattr(http, "ask", answer)
    monkeypatch.setattr("portal.staff.clerk_keys.FETCH_EVERY", 3600)
    settings = portal_settings(data_dir, DATABASE_URL=address, **{**clerk.SETTINGS, "CLERK_JWT_KEY": ""})
    with point_portal_at(settings):
        portal = app_multiuser.create_app(settings)
        browser = visitor(portal)
        assert mode(hand_in(browser, clerk.token(session="sess_k"))) == "wait"
        task_queue.run_due_tasks()
        assert fetched == [f"{clerk.ISSUER}/.well-known/jwks.json"]
        assert hand_in(browser, clerk.token(session="sess_k")).status_code == 303
        for number in range(30):   # keys that nobody has: no flood of questions to Clerk
            forged = clerk.token(key=clerk.STRANGERS, header={"kid": f"ins_{number}"})
            assert mode(hand_in(visitor(portal), forged)) == "wait"
        task_queue.run_due_tasks()
        assert len(fetched) == 1
        assert mode(hand_in(visitor(portal), clerk.token(key=clerk.STRANGERS))) == "refused"   # our key's id alone
        published[0] = {"keys": []}   # a broken answer takes no key away
        with pytest.raises(TemporaryFailure, match="no usable key"):
            fetch_clerk_keys()
        assert hand_in(visitor(portal), clerk.token(session="sess_k2")).status_code == 303
        execute_query("clerk_keys", "update", data={"confirmed_at": formats.now() - datetime.timedelta(hours=25)},
                      filters={"key_id_neq": ""})
        assert mode(hand_in(visitor(portal), clerk.token(session="sess_k3"))) == "wait"
