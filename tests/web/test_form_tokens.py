"""Every change needs the token of the session that asks for it, and a form that came too late loses nothing."""

import io
import re
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial

import itsdangerous
import pytest
from werkzeug.routing import AnyConverter

import app_multiuser
import config
from database_pool import execute_query
from portal.web import protection, tokens
from tests.cast import found, make_cast, sign_in, visitor


def changing_routes(app):
    for rule in app.url_map.iter_rules():
        for method in rule.methods & {"POST", "PUT", "PATCH", "DELETE"}:
            values = {}
            for name, converter in rule._converters.items():
                values[name] = min(converter.items) if isinstance(converter, AnyConverter) else 1
            view = app.view_functions[rule.endpoint]
            if getattr(view, "while_signing_in_by", "password") != "password":
                continue   # not there while people have passwords; tests/staff/test_clerk_sign_in.py
            signed = getattr(view, "signed_by_sender", False)
            yield method, app.url_map.bind("localhost").build(rule.endpoint, values, method=method), signed


def test_no_route_changes_anything_without_the_token(app):
    browser = sign_in(app, "administrator")
    routes = list(changing_routes(app))
    assert len(routes) > 8
    assert {path for _, path, signed in routes if signed} == {
        "/webhook", "/twilio/whatsapp", "/twilio/status", "/clerk/webhook"}
    for method, path, signed in routes:
        for token in ({}, {"csrf_token": ""}, {"csrf_token": "made-up"}):
            refusal = 403 if signed else 400   # what others call proves itself by a signature, which this is not
            assert browser.open(path, method=method, data=token).status_code == refusal, f"{method} {path}"


def test_the_token_of_another_session_is_worth_nothing(app):
    mine, theirs = sign_in(app, "staff"), sign_in(app, "reader")
    assert theirs.post("/account/theme", data={"csrf_token": mine.token(), "theme": "dark"}).status_code == 400


def test_pages_that_share_their_pieces_have_tokens_of_their_own(app):
    browsers = [sign_in(app, "staff"), sign_in(app, "staff")]
    pages = [browser.get("/policies").text for browser in browsers]
    shown = [set(re.findall(r'name="csrf_token" value="([^"]*)"', page)) for page in pages]
    assert [len(found_there) for found_there in shown] == [1, 1] and shown[0] != shown[1]
    for browser, (token,) in zip(browsers, shown, strict=True):
        assert f'"X-CSRFToken": "{token}"' in browser.get("/clients").text   # one session, one token
        assert browser.post("/account/theme", data={"csrf_token": token, "theme": "dark"}).status_code == 303
        assert tokens.PLACE not in browser.get("/policies").text


def test_answers_that_say_the_same_are_the_same(app, monkeypatch):
    """Else a scanner takes the passing of a second for an effect of what it sent."""
    browser = sign_in(app, "staff")
    before = browser.get("/no-such-page").text
    assert 'name="csrf_token" value="' in before
    app.extensions["portal.form_tokens"].clear()   # as another process would answer, five seconds later
    monkeypatch.setattr(itsdangerous.TimestampSigner, "get_timestamp", lambda _: int(time.time()) + 5)
    assert browser.get("/no-such-page").text == before


def test_json_without_the_token_is_refused_as_well(app):
    browser = sign_in(app, "staff")
    answer = browser.post("/account/theme", json={"theme": "dark"}, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


def test_the_method_cannot_be_slipped_into_a_form(app):
    browser = sign_in(app, "staff")
    assert browser.get("/logout?_method=POST").status_code == 405
    assert browser.get("/logout", headers={"X-HTTP-Method-Override": "POST"}).status_code == 405


OURS = {"Sec-Fetch-Site": "same-origin"}


def test_a_form_that_was_open_too_long_can_be_sent_again_with_all_it_held(app):
    browser = sign_in(app, "staff")
    version = execute_query("users", filters={"user_id": make_cast()["staff"]}).data[0]["version"]
    typed = {"csrf_token": "old", "name": 'Charu "C" <Nair> & co', "phone": "", "version": version}
    page = browser.post("/account", data=typed, headers=OURS)
    assert page.status_code == 400
    assert "send it again" in page.text.lower()
    assert "&lt;Nair&gt;" in page.text
    token = found(r'name="csrf_token" value="([^"]+)"', page.text)
    kept = dict(re.findall(r'<input type="hidden" name="(name|phone|version)" value="([^"]*)"', page.text))
    assert kept["version"] == str(version)
    again = browser.post("/account", data={"csrf_token": token, "name": "Charu Nair", "version": kept["version"]})
    assert again.status_code == 303


def test_a_form_sent_after_the_session_ended_is_kept_until_one_has_signed_in_again(app):
    browser = sign_in(app, "staff")
    token = browser.token()
    browser.submit("/logout")
    page = browser.post("/account", data={"csrf_token": token, "name": "Typed with care"}, headers=OURS)
    assert page.status_code == 401
    assert "Typed with care" in page.text
    assert 'href="/login"' in page.text


def test_a_form_from_another_site_is_not_offered_for_sending(app):
    browser = sign_in(app, "staff")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Referer": "https://evil.example/localhost"},
        {"Origin": "null"},
        {},
    ):
        page = browser.post("/account", data={"name": "Planted"}, headers=headers)
        assert page.status_code == 400
        assert "Planted" not in page.text


def test_passwords_are_not_kept_on_that_page(app):
    page = visitor(app).post("/login", data={"email": "a@example.in", "password": "very secret words"}, headers=OURS)
    assert page.status_code == 400
    assert "very secret words" not in page.text
    assert "Passwords are not kept" in page.text


@pytest.mark.parametrize(("path", "megabytes"), [("/login", 17), ("/account", 17)])
def test_more_than_a_form_can_hold_is_refused_in_clear_words(app, path, megabytes):
    browser = sign_in(app, "staff") if path == "/account" else visitor(app)
    answer = browser.submit(path, {"name": "x" * megabytes * 1024 * 1024, "email": "a@example.in", "password": "x"})
    assert answer.status_code == 413
    assert "too large" in answer.text


@pytest.mark.parametrize("encoding", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_ten_megabytes_pasted_by_mistake_come_back_with_an_explanation(app, encoding):
    browser = sign_in(app, "staff")
    answer = browser.submit("/account", {"name": "x" * 10_000_000, "phone": "98200 12345"}, content_type=encoding)
    assert answer.status_code == 422
    assert "may have at most" in answer.text
    assert "x" * 10_000_000 in answer.text and "98200 12345" in answer.text


@pytest.mark.parametrize("encoding", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_stranger_too_gets_ten_megabytes_back_but_only_two_at_once(app, encoding):
    pasted = {"email": "x" * 10_000_000, "password": "very secret words"}
    for _ in range(2 * protection.MOST_LARGER_PUBLIC_FORMS):   # each makes room for the next
        answer = visitor(app).submit("/login", pasted, content_type=encoding)
        assert answer.status_code == 422
        assert "x" * 10_000_000 in answer.text and "very secret words" not in answer.text
    with ExitStack() as others:
        for _ in range(protection.MOST_LARGER_PUBLIC_FORMS):
            others.enter_context(being_read(app))
        answer = visitor(app).submit("/login", pasted, content_type=encoding)
        assert answer.status_code == 413
        assert "too large" in answer.text
    assert visitor(app).submit("/login", pasted, content_type=encoding).status_code == 422


class SlowBody(io.BytesIO):
    """A form of which nothing more comes until somebody says so."""

    def __init__(self):
        super().__init__()
        self.asked, self.over = threading.Event(), threading.Event()

    def readinto(self, _):
        self.asked.set()
        self.over.wait(30)
        return 0

    def read(self, *_):
        self.readinto(None)
        return b""


@contextmanager
def being_read(app):
    """A large form of a stranger that is on its way at this moment."""
    body, kind = SlowBody(), "application/x-www-form-urlencoded"
    length = {"CONTENT_LENGTH": "2000000"}
    send = partial(visitor(app).post, "/login", input_stream=body, content_type=kind, environ_overrides=length)
    stranger = threading.Thread(target=send)
    stranger.start()
    assert body.asked.wait(10)
    yield
    body.over.set()
    stranger.join()


def test_more_fields_than_any_form_has_are_refused(app):
    browser = sign_in(app, "staff")
    answer = browser.submit("/account", {f"field{number}": "x" for number in range(app_multiuser.MOST_FORM_PARTS + 1)})
    assert answer.status_code == 413


def test_a_broken_multipart_body_is_no_crash(app):
    browser = sign_in(app, "staff")
    answer = browser.post("/account", data=b"--x\r\nnonsense", content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400


def test_over_https_a_form_must_come_from_our_own_pages(database):
    from dataclasses import replace

    before = config.settings()
    try:
        address = "https://portal.example.com"
        browser = visitor(app_multiuser.create_app(replace(before, app_base_url=address)), use_cookies=True)
        page = browser.get("/login", base_url=address)
        typed = {
            "csrf_token": found(r'name="csrf_token" value="([^"]+)"', page.text),
            "email": "a@example.in",
            "password": "x",
        }
        for referrer, status in ((f"{address}/login", 422), ("https://evil.example/login", 400), (None, 400)):
            headers = {"Referer": referrer} if referrer else {}
            assert browser.post("/login", base_url=address, data=typed, headers=headers).status_code == status
    finally:
        config.use_settings(before)
