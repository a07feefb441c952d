"""The cookie that holds a session: what was signed by us is believed as long as it may be, and nothing else is."""

import datetime
import time

import flask
import pytest

from portal.web.application import Portal

LASTING = datetime.timedelta(hours=12)


@pytest.fixture
def app():
    portal = Portal(__name__)
    portal.secret_key = "0123456789abcdefghijklmnopqrstuvwxyz-cookies"
    portal.permanent_session_lifetime = LASTING

    @portal.get("/sign")
    def sign():
        flask.session.permanent = True
        flask.session.update(token="t", **flask.request.args)
        return "signed"

    @portal.get("/note")
    def note():
        flask.flash("seen once")
        return "noted"

    @portal.get("/language")
    def language():
        answer = flask.make_response(flask.session["token"])
        answer.vary.add("Accept-Language")
        return answer

    @portal.get("/read")
    def read():
        return {**flask.session, "_flashes": flask.get_flashed_messages()}

    return portal


@pytest.fixture
def browser(app):
    client = app.test_client()
    client.get("/sign")
    return client


def read(browser):
    content = browser.get("/read").json
    content.pop("_permanent", None)
    return content


def test_whoever_keeps_answers_learns_that_they_depend_on_the_cookie(app, browser):
    assert browser.get("/read").headers.get_all("Vary") == ["Cookie"]
    assert browser.get("/note").headers.get_all("Vary") == ["Cookie"]
    assert "Vary" not in app.test_client().get("/nothing").headers


def test_a_session_that_is_only_read_sets_no_cookie_and_keeps_what_else_the_answer_depends_on(app, browser):
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    assert browser.get("/read").headers.get_all("Set-Cookie") == []
    assert set(browser.get("/language").vary) == {"Accept-Language", "Cookie"}


def test_a_cookie_is_read_alike_each_time(browser):
    assert [read(browser) for _ in range(3)] == [{"token": "t", "_flashes": []}] * 3


def test_a_cookie_that_was_good_ends_when_it_is_too_old(browser, monkeypatch):
    cookie, signed = browser.get_cookie("session").value, time.time()
    for later, content in ((-5, {"token": "t", "_flashes": []}), (5, {"_flashes": []})):
        monkeypatch.setattr(time, "time", lambda later=later: signed + LASTING.total_seconds() + later)
        browser.set_cookie("session", cookie)
        assert read(browser) == content


def test_a_cookie_that_was_signed_while_the_clock_was_an_hour_ahead_is_good(app, monkeypatch):
    """Else all who clicked in that hour are signed out when the clock is set right."""
    browser, real = app.test_client(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    browser.get("/sign")
    monkeypatch.setattr(time, "time", real)
    assert read(browser)["token"] == "t"


@pytest.mark.parametrize("spoil", [
    lambda cookie: ("A" if cookie[0] != "A" else "B") + cookie[1:], lambda cookie: "A" + cookie,
    lambda cookie: cookie[:-2], lambda cookie: cookie + "AA", lambda _: "nonsense",
])
def test_a_changed_cookie_is_worth_nothing_although_the_true_one_is_known(browser, spoil):
    assert read(browser)["token"] == "t"
    browser.set_cookie("session", spoil(browser.get_cookie("session").value))
    assert read(browser) == {"_flashes": []}


def test_a_cookie_signed_with_another_key_is_worth_nothing(app, browser):
    assert read(browser)["token"] == "t"
    app.secret_key = "another-key-that-nobody-knew-of-before-this"
    assert read(browser) == {"_flashes": []}


def test_what_one_request_changes_is_no_other_requests(app, browser):
    """Two tabs send the same cookie at once: the message of one must not show up in the other."""
    cookie = browser.get_cookie("session").value
    browser.get("/note")
    noted = browser.get_cookie("session").value
    for _ in range(2):
        browser.set_cookie("session", noted)
        assert read(browser)["_flashes"] == ["seen once"]
    browser.set_cookie("session", cookie)
    assert read(browser)["_flashes"] == []
