"""What the browser is given: pinned code, small files, parts of pages for htmx and toasts for its errors."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

import pytest
from flask import abort

from portal.web import access, styles
from tests.cast import sign_in, visitor

STATIC = Path(__file__).parents[2] / "static"
MAIN = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "main#main"}
KILOBYTE = 1024


def packed(*paths: Path) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def files_of(page):
    """What the page makes a browser fetch: styles, scripts, its icon."""
    return re.findall(r'(?:<link rel="(?:stylesheet|icon)" href|<script [^>]*src)="([^"?]+)', page.text)


def test_the_code_of_others_is_exactly_what_was_pinned():
    table = re.findall(r"^\| `([^`]+)` .*\| `([^`]+)` \|$", (STATIC / "vendor/README.md").read_text(), re.MULTILINE)
    assert {name for name, _ in table} == {path.name for path in (STATIC / "vendor").glob("*.js")}
    for name, digest in table:
        content = (STATIC / "vendor" / name).read_bytes()
        assert base64.b64encode(hashlib.sha384(content).digest()).decode() == digest, name


def test_styles_and_scripts_stay_small():
    assert len(gzip.compress(styles.combined(STATIC / "css"), 9)) <= 8 * KILOBYTE
    assert packed(STATIC / "js/app.js") <= 6 * KILOBYTE
    assert packed(*STATIC.glob("js/*.js"), *STATIC.glob("vendor/*.js")) <= 22 * KILOBYTE


@pytest.mark.parametrize("path", ["/clients", "/policies", "/clients/new", "/account"])
def test_a_page_needs_at_most_eight_requests(app, path):
    page = sign_in(app, "administrator").get(path)
    assert len(files_of(page)) + 1 <= 8


def test_the_style_sheets_come_as_one_file_that_may_be_kept(app):
    browser = visitor(app)
    address = re.search(r'<link rel="stylesheet" href="([^"]+)"', browser.get("/login").text)[1]
    sheet = browser.get(address)
    assert sheet.mimetype == "text/css"
    assert "immutable" in sheet.headers["Cache-Control"]
    for path in STATIC.glob("css/*.css"):
        last_rule = path.read_text().rstrip("}\n ").splitlines()[-1].strip()
        assert last_rule in sheet.text, path.name
    zipped = browser.get(address, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(zipped.data) == sheet.data
    assert zipped.headers["ETag"] != sheet.headers["ETag"]
    assert browser.get(address, headers={"If-None-Match": sheet.headers["ETag"]}).status_code == 304


def test_visitors_are_not_sent_the_scripts_of_colleagues(app):
    assert not any("htmx" in path or "app.js" in path for path in files_of(visitor(app).get("/login")))


def test_htmx_gets_the_main_part_and_browsers_the_page(app):
    clerk = sign_in(app, "staff")
    part, whole = clerk.get("/clients", headers=MAIN), clerk.get("/clients")
    assert part.text.lstrip().startswith("<title>")
    assert part.text.count("<main") == whole.text.count("<main") == 1
    assert "<body" not in part.text
    assert "<body" in whole.text
    assert "HX-Request" in whole.headers["Vary"]


def test_a_message_comes_with_the_part(app):
    clerk = sign_in(app, "staff")
    saved = clerk.submit("/clients/new", {"name": "Kavita Iyer"})
    part = clerk.get(saved.headers["Location"], headers=MAIN).text
    assert re.search(r'id="toasts"[^>]*hx-swap-oob="beforeend"', part)
    assert "Kavita Iyer is added" in part


def test_an_error_where_htmx_asked_is_a_message_and_replaces_nothing(app, monkeypatch):
    clerk = sign_in(app, "staff")
    gone = clerk.get("/clients/NOBODY99", headers=MAIN)
    assert gone.status_code == 404
    assert gone.headers["HX-Reswap"] == "none"
    assert "There is no client with this id." in gone.text
    assert "<main" not in gone.text
    monkeypatch.setitem(app.view_functions, "staff.account", access.signed_in(lambda: abort(500)))
    broken = clerk.get("/account", headers=MAIN)
    assert broken.status_code == 500
    assert broken.headers["X-Request-ID"] in broken.text


def test_a_refused_form_comes_back_into_its_place(app):
    refused = sign_in(app, "staff").submit("/clients/new", {"name": ""}, headers=MAIN)
    assert refused.status_code == 422
    assert "HX-Reswap" not in refused.headers
    assert "There is a problem" in refused.text


def test_whoever_is_signed_out_is_told_so_and_not_given_the_login_page(app):
    for method in ("get", "post"):
        answer = getattr(visitor(app), method)("/clients", headers=MAIN)
        if method == "get":
            assert answer.status_code == 401
        assert "<form" not in answer.text
        assert "Location" not in answer.headers


def test_the_form_token_is_sent_with_every_request_of_htmx(app):
    clerk = sign_in(app, "staff")
    token = re.search(r'hx-headers:inherited=\'{"X-CSRFToken": "([^"]+)"}', clerk.get("/clients").text)
    assert token
    answer = clerk.post("/account/theme", data={"theme": "dark", "next": "/account"}, headers={
        **MAIN, "X-CSRFToken": token[1], "Referer": "http://localhost/"})
    assert answer.status_code == 303


def test_keys_can_be_switched_off(app):
    clerk = sign_in(app, "accounts")
    assert "data-keys" in clerk.get("/clients").text
    version = re.search(r'name="version" value="(\d+)"', clerk.get("/account").text)[1]
    clerk.submit("/account", {"name": "Dilip Joshi", "version": version})
    assert "data-keys" not in clerk.get("/clients").text
    assert "switched off" in clerk.get("/account/keys").text
