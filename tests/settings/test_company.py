"""The agency's own data: its logo, which is a picture and nothing else, and the way back from every change."""

import io

import pytest
from PIL import Image

from database_pool import execute_query
from tests.cast import sign_in, visitor


@pytest.fixture(scope="module")
def administrator(app):
    browser = sign_in(app, "administrator")
    browser.submit("/settings/company", {"name": "Asha Insurance Services", "phone": "98200 12345", "version": ""})
    return browser


def company():
    return execute_query("settings", filters={"key": "company"}).data[0]


def picture(kind="PNG", size=(800, 200), **options):
    target = io.BytesIO()
    Image.new("RGB", size, "navy").save(target, kind, **options)
    return target.getvalue()


def upload(browser, content, name="logo.png", **fields):
    return browser.submit("/settings/company/logo", {
        "version": str(company()["version"]), "logo": (io.BytesIO(content), name), **fields})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_logo_is_kept_small_and_shown_before_sign_in(app, administrator, kind):
    assert upload(administrator, picture(kind)).status_code == 303
    path = f"/settings/logo/{company()['value']['logo']}.png"
    assert path in visitor(app).get("/login").text
    answer = visitor(app).get(path)
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer.headers["Cache-Control"]
    with Image.open(io.BytesIO(answer.data)) as shown:
        assert (shown.format, shown.size) == ("PNG", (640, 160))


def test_what_was_hidden_in_the_file_is_gone(administrator):
    hidden = picture("JPEG", comment=b"<script>alert(1)</script>") + b"<?php system($_GET['c']);"
    assert upload(administrator, hidden).status_code == 303
    content = administrator.get(f"/settings/logo/{company()['value']['logo']}.png").data
    assert b"script" not in content
    assert b"php" not in content


@pytest.mark.parametrize(("content", "name", "sentence"), [
    (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "logo.svg", "no PNG, JPEG or WebP"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "logo.png", "no PNG, JPEG or WebP"),
    (picture("GIF"), "logo.png", "no PNG, JPEG or WebP"),
    (b"%PDF-1.7 and so on", "logo.png", "no PNG, JPEG or WebP"),
    (picture()[:60], "cut.png", "no PNG, JPEG or WebP"),
    (b"", "empty.png", "choose a file"),
    (b"x" * (1024 * 1024 + 1), "large.png", "larger than 1 MB"),
    (picture(size=(5000, 1000)), "giant.png", "4 million pixels"),
])
def test_what_is_no_small_picture_is_refused(administrator, content, name, sentence):
    before = company()
    answer = upload(administrator, content, name)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert company() == before


def test_the_logo_is_taken_away_and_saving_the_data_keeps_it(administrator):
    upload(administrator, picture())
    logo = company()["value"]["logo"]
    typed = {"name": "Asha and Co", "version": str(company()["version"])}
    assert administrator.submit("/settings/company", typed).status_code == 303
    assert company()["value"]["logo"] == logo
    administrator.submit("/settings/company/logo", {"version": str(company()["version"]), "action": "remove"})
    assert company()["value"]["logo"] is None
    assert "/settings/logo/" not in administrator.get("/settings").text


def test_of_two_administrators_the_second_is_told(administrator):
    upload(administrator, picture())
    answer = administrator.submit("/settings/company/logo", {
        "version": "1", "logo": (io.BytesIO(picture(size=(9, 9))), "x.png")}, follow_redirects=True)
    assert "changed by someone else" in answer.text


def test_every_change_has_a_way_back(administrator):
    for name in ("First Name Ltd", "Second Name Ltd"):
        administrator.submit("/settings/company", {"name": name, "version": str(company()["version"])})
    page = administrator.get("/settings/company/history").text
    assert "First Name Ltd" in page
    latest = execute_query("audit", filters={"record_type": "setting", "record_id": "company"},
                           order="audit_id desc", limit=1).data[0]["audit_id"]
    version = {"version": str(company()["version"])}
    assert administrator.submit(f"/settings/company/history/{latest}/revert", version).status_code == 303
    assert company()["value"]["name"] == "First Name Ltd"
    again = administrator.submit(f"/settings/company/history/{latest}/revert",
                                 {"version": str(company()["version"])}, follow_redirects=True)
    assert "as they were" in again.text
    stale = administrator.submit(f"/settings/company/history/{latest - 1}/revert", version, follow_redirects=True)
    assert "changed by someone else" in stale.text or "as they were" in stale.text
    assert administrator.submit("/settings/company/history/999999/revert", version).status_code == 404


@pytest.mark.parametrize("who", ["manager", "staff", "accounts", "reader"])
def test_it_is_the_administrators(app, administrator, who):
    browser = sign_in(app, who)
    assert browser.submit("/settings/company/logo", {}).status_code == 403
    assert browser.get("/settings/company/history").status_code == 403


def test_a_logo_that_does_not_exist_is_not_found(app):
    for name in ("x", "0" * 64, "..%2f..%2fetc%2fpasswd"):
        assert visitor(app).get(f"/settings/logo/{name}.png").status_code == 404
