"""Signing in with a code besides the password: set up, used once, lost, asked for by the office."""

import dataclasses
import re
import time

import pyotp
import pytest
from cryptography.fernet import Fernet

import config
from database_pool import execute_query, transaction
from portal import sealing
from portal.staff import two_step
from tests.cast import PASSWORD, email_of, found, make_cast, sign_in, visitor


@pytest.fixture(autouse=True)
def nobody_has_it(database):
    """Each test begins without second steps and without failures."""
    yield
    for table in ("two_step", "recovery_codes"):
        execute_query(table, "delete", filters={"user_id_gt": 0})
    execute_query("sign_in_brakes", "delete", filters={"failures_gte": 0})
    config.use_settings(database)


def set_up(browser):
    """Turns it on; the app on the phone and the recovery codes."""
    browser.submit("/account/two-step")
    page = browser.get("/account/two-step").text
    secret = re.sub(r"\s", "", found(r'secret break">([A-Z2-7 ]+)<', page))
    phone = pyotp.TOTP(secret)
    shown = browser.submit("/account/two-step/confirm", {"code": phone.now()})
    assert shown.status_code == 200
    return phone, re.findall(r'class="secret">([a-z2-9-]{17})<', shown.text)


def half_way(app, who):
    """A browser in which the password was right."""
    browser = visitor(app)
    answer = browser.submit("/login", {"email": email_of(who), "password": PASSWORD, "next": "/account"})
    assert answer.headers["Location"].endswith("/login/code")
    return browser


def enter(browser, code, **more):
    token = found(r'name="csrf_token" value="([^"]+)"', browser.get("/login/code").text)
    return browser.post("/login/code", data={"csrf_token": token, "code": code, **more})


def next_code(phone):
    """The code after the one that was used for setting up; the portal lets clocks differ by a step."""
    return phone.at(time.time() + two_step.STEP)


def test_the_password_alone_opens_nothing_any_more(app):
    phone, codes = set_up(sign_in(app, "staff"))
    assert len(codes) == two_step.RECOVERY_CODES == len(set(codes))
    browser = half_way(app, "staff")
    assert browser.get("/account").status_code == 303
    assert enter(browser, "000000").status_code == 422
    answer = enter(browser, next_code(phone))
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/account")
    assert browser.get("/account").status_code == 200


def test_a_code_is_good_once(app):
    phone, _ = set_up(sign_in(app, "staff"))
    code = next_code(phone)
    assert enter(half_way(app, "staff"), code).status_code == 303
    assert enter(half_way(app, "staff"), code).status_code == 422
    assert enter(half_way(app, "staff"), phone.at(time.time() - 3 * two_step.STEP)).status_code == 422


def test_a_recovery_code_is_good_once_in_any_spelling(app):
    _, codes = set_up(sign_in(app, "staff"))
    spoken = codes[0].upper().replace("-", " ")
    assert enter(half_way(app, "staff"), spoken).status_code == 303
    assert enter(half_way(app, "staff"), codes[0]).status_code == 422
    assert two_step.unused_recovery_codes(make_cast()["staff"]) == two_step.RECOVERY_CODES - 1


def test_new_recovery_codes_replace_the_old_ones_and_stand_in_the_trail(app):
    browser = sign_in(app, "staff")
    _, codes = set_up(browser)
    page = browser.submit("/account/two-step/codes", {"password": PASSWORD})
    fresh = re.findall(r'class="secret">([a-z2-9-]{17})<', page.text)
    assert len(fresh) == two_step.RECOVERY_CODES
    assert not set(fresh) & set(codes)
    entry = execute_query("audit", filters={"record_type_eq": "user"}, order="audit_id desc", limit=1).data[0]
    assert (entry["action"], entry["record_id"]) == ("renewed recovery codes", str(make_cast()["staff"]))
    assert not set(fresh) & set(re.findall(r"[a-z2-9-]{17}", str(entry)))
    assert enter(half_way(app, "staff"), codes[0]).status_code == 422


def test_another_colleagues_recovery_code_is_worth_nothing(app):
    _, codes = set_up(sign_in(app, "staff"))
    set_up(sign_in(app, "manager"))
    assert enter(half_way(app, "manager"), codes[0]).status_code == 422


def test_guessing_codes_is_stopped(app):
    phone, _ = set_up(sign_in(app, "staff"))
    browser = half_way(app, "staff")
    answers = [enter(browser, "000000") for _ in range(7)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert enter(browser, next_code(phone)).status_code == 429


def test_without_the_password_nobody_is_asked_for_a_code(app):
    phone, _ = set_up(sign_in(app, "staff"))
    browser = visitor(app)
    assert browser.get("/login/code").status_code == 303
    token = browser.token()
    answer = browser.post("/login/code", data={"csrf_token": token, "code": next_code(phone)})
    assert answer.headers["Location"].endswith("/login")
    assert browser.get("/account").status_code == 303


def test_the_password_is_good_for_five_minutes_and_not_after_a_change(app, monkeypatch):
    phone, _ = set_up(sign_in(app, "staff"))
    browser = half_way(app, "staff")
    with transaction() as tx:
        tx.update("users", {"name": "Charu Nair-Rao"}, filters={"email_eq": email_of("staff")})
    assert enter(browser, next_code(phone)).headers["Location"].endswith("/login")
    late = half_way(app, "staff")
    real = time.time
    monkeypatch.setattr("portal.web.access.time.time", lambda: real() + 301)
    assert late.get("/login/code").status_code == 303


def test_a_browser_that_is_trusted_is_not_asked_until_it_is_set_up_anew(app):
    phone, _ = set_up(sign_in(app, "staff"))
    browser = half_way(app, "staff")
    assert enter(browser, next_code(phone), trust="yes").status_code == 303
    browser.submit("/logout")
    answer = browser.submit("/login", {"email": email_of("staff"), "password": PASSWORD})
    assert not answer.headers["Location"].endswith("/login/code")
    browser.submit("/account/two-step/off", {"password": PASSWORD})
    set_up(browser)
    browser.submit("/logout")
    answer = browser.submit("/login", {"email": email_of("staff"), "password": PASSWORD})
    assert answer.headers["Location"].endswith("/login/code")


def test_turning_off_and_new_codes_take_the_password(app):
    browser = sign_in(app, "staff")
    _, codes = set_up(browser)
    assert browser.submit("/account/two-step/off", {"password": "not it"}).status_code == 422
    assert browser.submit("/account/two-step/codes", {"password": "not it"}).status_code == 422
    shown = browser.submit("/account/two-step/codes", {"password": PASSWORD}).text
    assert codes[0] not in shown
    assert enter(half_way(app, "staff"), codes[0]).status_code == 422
    assert browser.submit("/account/two-step/off", {"password": PASSWORD}).status_code == 303
    assert not two_step.is_on(make_cast()["staff"])


def test_an_administrator_helps_when_the_phone_is_lost(app):
    browser = sign_in(app, "staff")
    set_up(browser)
    administrator, user_id = sign_in(app, "administrator"), make_cast()["staff"]
    here = f"/users/{user_id}/two-step/reset"
    assert "Reset two-step sign-in" in administrator.get(f"/users/{user_id}").text
    assert f'action="{here}"' not in administrator.get(f"/users/{user_id}").text
    assert "the password alone signs in again" in administrator.get(here).text
    assert f'action="{here}"' in administrator.get(here).text
    assert two_step.is_on(user_id)
    manager = sign_in(app, "manager")
    assert (manager.get(here).status_code, manager.submit(here).status_code) == (403, 403)
    administrator.submit(here)
    assert browser.get("/account").status_code == 303
    assert sign_in(app, "staff").get("/account").status_code == 200
    trail = execute_query("audit", filters={"record_type": "user", "action": "reset two-step sign-in"}).data
    assert trail[-1]["user_id"] == make_cast()["administrator"]
    own = administrator.submit(f"/users/{make_cast()['administrator']}/two-step/reset", follow_redirects=True)
    assert "Your account" in own.text


def test_where_the_office_asks_for_it_the_portal_opens_after_setting_it_up(app, database):
    browser = sign_in(app, "administrator")
    config.use_settings(dataclasses.replace(database, require_two_step="administrators"))
    assert browser.get("/users").headers["Location"].endswith("/account/two-step")
    assert browser.get("/users", headers={"Accept": "application/json"}).status_code == 403
    assert "The office asks" in browser.get("/account/two-step").text
    assert sign_in(app, "staff").get("/account").status_code == 200
    token = found(r'name="csrf_token" value="([^"]+)"', browser.get("/account/two-step").text)
    browser.post("/account/two-step", data={"csrf_token": token})
    page = browser.get("/account/two-step").text
    phone = pyotp.TOTP(re.sub(r"\s", "", found(r'secret break">([A-Z2-7 ]+)<', page)))
    browser.post("/account/two-step/confirm", data={"csrf_token": token, "code": phone.now()})
    assert browser.get("/users").status_code == 200
    refused = browser.submit("/account/two-step/off", {"password": PASSWORD})
    assert refused.status_code == 422
    assert two_step.is_on(make_cast()["administrator"])


def test_nothing_in_the_database_gives_a_code_away(app):
    phone, codes = set_up(sign_in(app, "staff"))
    stored = str(execute_query("two_step").data) + str(execute_query("recovery_codes").data)
    assert phone.secret not in stored
    assert not any(code in stored for code in codes)
    assert phone.secret not in str(execute_query("audit", limit=500).data)


def test_the_page_that_shows_the_secret_is_kept_by_nobody(app):
    browser = sign_in(app, "staff")
    browser.submit("/account/two-step")
    answer = browser.get("/account/two-step")
    assert answer.headers["Cache-Control"] == "no-store"
    assert 'src="data:image/svg+xml' in answer.text


def test_a_new_key_in_front_opens_what_the_old_one_sealed(database):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    before = sealing.seal("written without the setting")
    config.use_settings(dataclasses.replace(database, data_encryption_key=(old,)))
    sealed = sealing.seal("secret")
    assert sealing.unseal(before) == "written without the setting"
    config.use_settings(dataclasses.replace(database, data_encryption_key=(new, old)))
    assert sealing.unseal(sealed) == "secret"
    config.use_settings(dataclasses.replace(database, data_encryption_key=(new,)))
    with pytest.raises(sealing.CannotBeOpened):
        sealing.unseal(sealed)
