"""Signing out, and every other way a session ends at once."""

from database_pool import execute_query
from tests.cast import make_cast, sign_in, visitor


def is_in(browser):
    return browser.get("/account").status_code == 200


def test_a_cookie_kept_from_before_signing_out_is_refused(app):
    browser = sign_in(app, "staff")
    kept = browser.session_cookie()
    assert browser.submit("/logout").status_code == 303
    thief = visitor(app)
    thief.set_cookie("session", kept)
    assert not is_in(thief)


def test_after_signing_out_the_browser_holds_no_token(app):
    browser = sign_in(app, "staff")
    browser.submit("/logout")
    with browser.session_transaction() as session:
        assert "token" not in session


def test_signing_out_is_not_possible_by_a_link(app):
    browser = sign_in(app, "staff")
    assert browser.get("/logout").status_code == 405
    assert is_in(browser)


def test_signing_out_needs_the_form_token(app):
    browser = sign_in(app, "staff")
    assert browser.post("/logout").status_code == 400
    assert is_in(browser)


def test_signing_out_in_one_browser_leaves_the_other_in(app):
    office, phone = sign_in(app, "staff"), sign_in(app, "staff")
    office.submit("/logout")
    assert is_in(phone)


def test_signing_out_everywhere_else_keeps_this_browser(app):
    office, phone = sign_in(app, "staff"), sign_in(app, "staff")
    assert "Sign out everywhere else" in office.get("/account").text
    office.submit("/account/sessions/end-others")
    assert is_in(office)
    assert not is_in(phone)


def test_a_disabled_colleague_is_out_at_the_next_click(app):
    browser = sign_in(app, "accounts")
    user_id = make_cast()["accounts"]
    administrator = sign_in(app, "administrator")
    version = execute_query("users", columns="version", filters={"user_id": user_id}).data[0]["version"]
    administrator.submit(f"/users/{user_id}/disable", {"version": version})
    assert not is_in(browser)
    administrator.submit(f"/users/{user_id}/enable", {"version": version + 1})
    assert not is_in(browser)
    assert is_in(sign_in(app, "accounts"))


def test_an_administrator_ends_all_sessions_of_a_colleague(app):
    browser = sign_in(app, "manager")
    sign_in(app, "administrator").submit(f"/users/{make_cast()['manager']}/sessions/end")
    assert not is_in(browser)


def test_a_new_role_begins_with_a_new_sign_in(app):
    browser = sign_in(app, "reader")
    user_id = make_cast()["reader"]
    stored = execute_query("users", filters={"user_id": user_id}).data[0]
    administrator = sign_in(app, "administrator")
    administrator.submit(f"/users/{user_id}", {"name": stored["name"], "role": "staff", "version": stored["version"]})
    assert not is_in(browser)
    administrator.submit(
        f"/users/{user_id}", {"name": stored["name"], "role": "read-only", "version": stored["version"] + 1}
    )


def test_a_made_up_or_forged_cookie_signs_nobody_in(app):
    for cookie in ("x", "eyJ0b2tlbiI6ImEifQ.aaaa.bbbb", ""):
        browser = visitor(app)
        browser.set_cookie("session", cookie)
        assert not is_in(browser)
    guesser = visitor(app)
    with guesser.session_transaction() as session:  # signed rightly, but with a token that no row knows
        session["token"] = "guess"
    assert not is_in(guesser)


def test_a_token_of_another_kind_signs_nobody_in(app):
    for odd in (1, None, ["a"], {"a": 1}, "", "\x00", "x" * 3000):
        browser = visitor(app)
        with browser.session_transaction() as session:
            session["token"] = odd
        assert not is_in(browser)
