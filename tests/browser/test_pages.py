"""Every page, wide and narrow, light and dark: accessible, true to the security policy, never scrolling sideways."""

import base64
import gzip
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route

from database_pool import execute_query
from portal.formats import now
from tests import cast
from tests.browser.conftest import Agency
from tests.browser.sweep import AXE, WIDTHS, Sweep, bring_axe, faults_of
from tests.documents.conftest import scan

pytestmark = pytest.mark.slow
HTML_VALIDATE = Path(AXE).parents[1] / "html-validate" / "bin" / "html-validate.mjs"
# Refused forms are pages of their own: the summary, the marked fields, the content kept.
REFUSED = {
    "new client": {"phone": "12"}, "invite": {"email": "nobody"}, "new motor policy": {"policy_from": "31/02/2026"},
}


@pytest.fixture(scope="module")
def sweep(chromium: Browser, agency: Agency, cookies: list[Any]) -> Sweep:
    """Every page, visited once for all the tests that look at it."""
    seen = Sweep()
    for held, paths in (([], ["/login"]), (cookies, agency.paths.values())):
        context = chromium.new_context(base_url=agency.url, reduced_motion="reduce")
        context.add_cookies(held)
        seen.visit(context, paths)
        context.close()
    return seen


@pytest.mark.timeout(900)   # some hundred pages, and a busy machine
def test_no_page_breaks_a_rule_of_accessibility_or_scrolls_sideways(sweep: Sweep) -> None:
    assert not sweep.faults


@pytest.mark.timeout(900)
def test_no_page_breaks_the_content_security_policy(sweep: Sweep) -> None:
    assert not sweep.policy


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_form_is_as_accessible_as_a_fresh_one(
    agency: Agency, open_page: Callable[..., Page], name: str
) -> None:
    page = open_page(agency.paths[name])
    bring_axe(page)
    submit_unchecked(page, REFUSED[name])
    assert page.title().startswith("Error: ")
    assert not faults_of(page)


def submit_unchecked(page: Page, typed: dict[str, str]) -> None:
    """Sends the page's main form with the browser's own checks switched off."""
    page.evaluate("document.querySelectorAll('main form').forEach(form => form.noValidate = true)")
    for name, text in typed.items():
        page.locator(f"main [name='{name}']").first.fill(text)
    with page.expect_navigation():
        page.locator("main form button.primary").last.click()


@pytest.mark.timeout(900)
def test_pages_are_valid_html(sweep: Sweep, tmp_path: Path) -> None:
    if not HTML_VALIDATE.exists():
        pytest.skip("html-validate is not installed (run `npm ci` in tests/servers)")
    for number, (path, html) in enumerate(sweep.html.items()):
        (tmp_path / f"{number:02}{path.split('?')[0].replace('/', '_')}.html").write_text(html)
    # The palette's list under its search field is a combobox, which no <select> is.
    # Void elements and attribute quoting are matters of taste; Jinja leaves blanks at line ends.
    switched = {
        "no-trailing-whitespace": "off", "void-style": "off", "long-title": "off", "no-inline-style": "error",
        "prefer-native-element": ["error", {"exclude": ["listbox"]}], "doctype-style": "off", "tel-non-breaking": "off",
        "form-dup-name": ["error", {"shared": ["radio", "checkbox", "submit"]}],
    }
    rules = {"extends": ["html-validate:recommended"], "rules": switched}
    (tmp_path / ".htmlvalidate.json").write_text(json.dumps({"root": True, **rules}))
    done = subprocess.run(["node", HTML_VALIDATE, "--formatter", "text", *sorted(tmp_path.glob("*.html"))],
                          cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-6000:]


# Gaps of the other system, by name.


def test_pages_had_three_different_headers_and_some_no_navigation(
    agency: Agency, open_page: Callable[..., Page]
) -> None:
    page = open_page("/clients")
    shells = {}
    for name in ("today", "clients", "policies", "motor policy", "renewals", "outbox", "audit", "settings", "account"):
        page.goto(agency.paths[name])
        shells[name] = page.evaluate("""[
            document.querySelectorAll('body > header').length, document.querySelectorAll('main').length,
            document.querySelectorAll('header [data-search-key], header .account').length,
            [...document.querySelectorAll('nav.side a[href]')].map(a => a.pathname).join()]""")
    assert len({str(shell) for shell in shells.values()}) == 1, shells


def test_the_actions_column_was_cut_off_at_1366_px(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/clients")
    cut = []
    for name in ("clients", "policies", "pending", "renewals", "documents", "outbox", "users"):
        page.goto(agency.paths[name])
        tables = "[...document.querySelectorAll('.tablewrap')].some(it => it.scrollWidth > it.clientWidth + 1)"
        if page.evaluate(tables):
            cut.append(name)
    assert cut == []


@pytest.mark.parametrize("path", ["/clients", "/policies", "/renewals"])
def test_the_menus_of_a_list_lie_within_a_phone(open_page: Callable[..., Page], path: str) -> None:
    page = open_page(path, "phone")
    menus = page.locator("main details.menu")
    for number in range(menus.count()):
        menus.nth(number).locator("summary").click()
        place = menus.nth(number).locator(".panel").bounding_box()
        assert place is not None
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= WIDTHS["phone"]
        menus.nth(number).locator("summary").click()
    assert menus.count() >= 2


def test_a_phone_reaches_every_place_that_the_desk_does(open_page: Callable[..., Page]) -> None:
    page = open_page("/", "phone")
    at_the_desk = page.evaluate(
        "[...document.querySelectorAll('nav.side a, .menu.add a')].map(a => a.getAttribute('href'))")
    page.get_by_role("navigation", name="Quick").get_by_role("link", name="More").click()
    more = page.get_by_role("navigation", name="More", exact=True)
    more.get_by_role("link", name="Add policy").wait_for()
    reached = [link.get_attribute("href") for link in more.get_by_role("link").all() if link.is_visible()]
    assert len(at_the_desk) > 12
    assert set(reached) == set(at_the_desk)
    more.get_by_role("link", name="Renewals").click()
    page.get_by_role("heading", name="Renewals", level=1).wait_for()


HEAVIEST = 60 * 1024   # bytes of a page as it travels


@pytest.mark.timeout(900)
def test_no_page_is_heavy(sweep: Sweep, open_page: Callable[..., Page]) -> None:
    page = open_page("/clients")
    lists = ("/", "/clients?size=100", "/policies?size=100", "/renewals?view=all&size=100", "/pending?size=100")
    bodies = {**sweep.html, **{path: page.request.get(path).text() for path in lists}}
    weights = {path: len(gzip.compress(body.encode(), 6)) for path, body in bodies.items()}
    assert {path: weight for path, weight in weights.items() if weight > HEAVIEST} == {}


def test_the_pages_work_without_javascript(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/clients/new", java_script_enabled=False)
    page.get_by_label("Name").first.fill("Kavita Iyer")
    page.locator("main form button.primary").last.click()
    page.get_by_role("heading", name="Kavita Iyer").wait_for()


def test_scripts_only_make_it_handier(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/account")
    menu = page.locator("details.menu.account")
    menu.locator("summary").click()
    assert menu.get_attribute("open") is not None
    page.keyboard.press("Escape")
    assert menu.get_attribute("open") is None
    menu.locator("summary").click()
    page.locator("h1").click()
    assert menu.get_attribute("open") is None
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"


def test_leaving_a_changed_form_asks_first(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/clients/new")
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.goto(f"{agency.url}/clients")
    page.goto(f"{agency.url}/clients/new")
    page.get_by_label("Name").first.fill("Kavita Iyer")
    page.goto(f"{agency.url}/clients")
    assert asked == ["beforeunload"]


def test_the_premium_is_worked_out_as_soon_as_a_field_is_left(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page(agency.paths["new motor policy"])
    page.locator("select[name=product_id]").select_option(index=1)
    page.locator("[name=net_premium]").fill("10000")
    page.locator("[name=net_premium]").blur()
    page.get_by_text("Gross ₹11,800.00").wait_for()


# Files as a hand would let go of them over the page: Chromium makes the transfer, the script gets its events.
TRANSFER = """files => { const transfer = new DataTransfer()
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))
    transfer.items.add(new File([bytes], name, { type: "application/pdf" }))
  }
  return transfer }"""


def test_dropped_files_show_their_progress_one_by_one(agency: Agency, open_page: Callable[..., Page]) -> None:
    contents = {name: scan(300_000) for name in ("first.pdf", "second.pdf", "slow.pdf")}
    page = open_page(agency.paths["upload"])
    held: list[Route] = []
    page.route("**/api/files/batch-upload", lambda route: (
        held.append(route) if b"slow.pdf" in (route.request.post_data_buffer or b"") else route.continue_()))
    files = [[name, base64.b64encode(content).decode()] for name, content in contents.items()]
    dropped = {"dataTransfer": page.evaluate_handle(TRANSFER, files)}
    page.dispatch_event("[data-drop]", "dragover", dropped)
    assert page.locator("[data-drop].over").count() == 1
    page.dispatch_event("[data-drop]", "drop", dropped)
    assert page.locator("[data-drop].over").count() == 0
    rows = page.locator("[data-files] li")
    assert rows.locator(".break").all_text_contents() == list(contents)
    page.get_by_role("button", name="Upload").click()
    for name in ("first.pdf", "second.pdf"):
        row = rows.filter(has_text=name)
        row.get_by_text("Accepted").wait_for()
        assert row.locator("progress").evaluate("bar => bar.value === bar.max")
    slow = rows.filter(has_text="slow.pdf")
    assert slow.get_by_text("Sending").is_visible()
    held[0].continue_()
    page.wait_for_url("**/documents/batches/*")
    page.locator("#batch strong", has_text="3 of 3").wait_for()
    digests = [hashlib.sha256(content).hexdigest() for content in contents.values()]
    kept = execute_query("documents", filters={"sha256_in": digests}).data
    assert {row["file_name"]: row["state"] for row in kept} == dict.fromkeys(contents, "stored")


# By keyboard alone: these two touch no mouse and no script of their own.

MOST_TABS = 120


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the focus is on what was looked for."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector} on {page.url}")


def go_to(page: Page, keys: str, heading: str) -> None:
    """Presses the keys of the map, one after the other, until the page of that heading is there."""
    page.evaluate("document.activeElement.blur()")   # as after Esc
    for key in keys.split():
        page.keyboard.press(key)
    page.get_by_role("heading", name=heading, level=1).wait_for()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))


def enter(page: Page, field: str, text: str) -> None:
    tab_to(page, f"[name='{field}']")
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def test_a_policy_is_renewed_by_keyboard_alone(agency: Agency, open_page: Callable[..., Page]) -> None:
    policy_id = int(agency.paths["fire policy"].rsplit("/", 1)[1])
    old = execute_query("policies", filters={"policy_id_eq": policy_id}).data[0]
    page = open_page("/")
    page.keyboard.press("/")
    page.keyboard.type(old["policy_number"])
    page.keyboard.press("Enter")   # exactly one policy has this number: its page opens
    page.get_by_role("heading", name=old["policy_number"], level=1).wait_for()
    go_to(page, "r", "Renew policy")
    enter(page, "policy_number", "KEYS/RENEWED/1")
    enter(page, "net_premium", "12000")
    page.keyboard.press("Enter")   # in a field: the button that saves
    page.get_by_role("heading", name="KEYS/RENEWED/1", level=1).wait_for()
    new = execute_query("policies", filters={"renewed_from_id_eq": policy_id}).data[0]
    assert (new["policy_number"], new["net_premium"], new["state"]) == ("KEYS/RENEWED/1", 12000, "live")
    kept = execute_query("policies", filters={"policy_id_eq": policy_id}).data[0]
    changes = {"state", "updated_at", "updated_by", "version"}
    assert {name: kept[name] for name in kept if name not in changes} == {
        name: old[name] for name in old if name not in changes}
    assert kept["state"] == "renewed"


def test_a_health_policy_is_added_by_keyboard_alone(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/")
    go_to(page, "g c", "Clients")
    page.keyboard.press("j")
    name = focused(page)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=name, level=1).wait_for()
    client_id = page.url.rsplit("/", 1)[1]
    go_to(page, "n", "Add policy")
    tab_to(page, "a[href*='line=health']")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Add health policy").wait_for()
    for field in ("insurer_id", "product_id"):
        tab_to(page, f"[name='{field}']")
        page.keyboard.press("ArrowDown")
    enter(page, "policy_number", "KEYS/HEALTH/1")
    enter(page, "policy_from", "01/11/2026")
    enter(page, "floater_sum_insured", "10 L")
    enter(page, "persons-0-name", "Somebody New")
    enter(page, "net_premium", "x")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="There is a problem").wait_for()
    assert page.evaluate("document.activeElement.id") == "problems", "the summary has the focus"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")   # its link leads to the field
    assert focused(page) == "net_premium"
    page.keyboard.press("Control+A")
    page.keyboard.type("23500")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="KEYS/HEALTH/1", level=1).wait_for()
    added = execute_query("policies", filters={"policy_number_eq": "KEYS/HEALTH/1"}).data[0]
    assert (added["client_id"], added["line"], added["gross_premium"]) == (client_id, "health", 23500)
    person = execute_query("insured_persons", filters={"policy_id_eq": added["policy_id"]}).data[0]
    assert person["name"] == "Somebody New"


def test_keys_act_on_the_row_that_is_marked(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/policies")
    page.keyboard.press("j")
    number = page.evaluate("document.activeElement.pathname.split('/').pop()")
    page.keyboard.press("e")
    page.wait_for_url(f"**/policies/{number}/edit")


def test_whoever_was_signed_out_meanwhile_signs_in_on_the_spot(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/login?next=/clients", signed_in=False)
    page.get_by_label("E-mail").fill(cast.email_of("reader"))
    page.get_by_label("Password", exact=True).fill(cast.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Clients", exact=True).wait_for()
    reader = {"user_id": cast.make_cast()["reader"]}
    execute_query("sessions", "update", data={"expires_at": now()}, filters=reader)
    page.locator("form.filters input[name=q]").fill("zzzz")
    dialog = page.get_by_role("dialog", name="You were signed out meanwhile")
    dialog.get_by_label("E-mail").fill(cast.email_of("reader"))
    dialog.get_by_label("Password", exact=True).fill("not the password")
    dialog.get_by_role("button", name="Sign in").click()
    dialog.get_by_text("is not right").first.wait_for()
    dialog.get_by_label("Password", exact=True).fill(cast.PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    page.get_by_text("You are signed in again").wait_for()
    assert not dialog.is_visible()
    page.locator("form.filters input[name=q]").fill("zzzzz")
    page.get_by_role("heading", name="No client matches").wait_for()
