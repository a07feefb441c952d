"""Today: every section counts what its list holds; what is done is done for all, until tomorrow."""

import re
from datetime import date, timedelta
from typing import Any

import pytest

from database_pool import call_function, execute_query, transaction
from portal.formats import office_date, today
from portal.freshness import Fresh
from portal.today import queries
from tests.cast import sign_in
from tests.clients.counting import questions_of

SECTION = re.compile(
    r'<h2 id="s-\w+">(.*?) <span class="count">([\d,]+)</span></h2>\s*<a href="([^"]+)"', re.DOTALL)


@pytest.fixture(autouse=True)
def nothing_marked(book):
    yield
    with transaction() as tx:
        tx.delete("work_marks", filters={"on_day_gte": date(2000, 1, 1)})


def sections(browser, path="/"):
    """Headings with their counts and the lists behind them."""
    page = browser.get(path).text
    found = SECTION.findall(page)
    return {heading: (int(count.replace(",", "")), link.replace("&amp;", "&")) for heading, count, link in found}


def counted(page):
    """How many the list says it holds."""
    found = re.search(r'<p class="muted"[^>]*>\s*([\d,]+) ', page.text)
    assert found, page.text[:3000]
    return int(found[1].replace(",", ""))


def press(browser, item, mark):
    return browser.submit("/today/marks", {"item": item, "mark": mark, "next": "/"})


def test_what_waits_is_there_in_its_section(app):
    shown = {heading: count for heading, (count, _) in sections(sign_in(app, "administrator")).items()}
    assert shown == {
        "In grace or uninsured": 2, "Due within 7 days": 3, "Payment pending": 2,
        "Papers awaited for more than 3 days": 1, "Messages that failed": 1, "Tasks that gave up": 1,
        "Birthdays today": len(born_today())}


def test_large_premiums_are_calls_until_somebody_has_talked_to_the_client(app, clerk):
    calls = [5, 8]
    with transaction() as tx:
        tx.update("policies", {"gross_premium": 50000}, filters={"policy_id_in": calls})
        tx.update("policies", {"gross_premium": 49999}, filters={"policy_id_eq": 4})
    heading = "Calls: ₹50,000 or more, due within 10 days"
    count, link = sections(clerk)[heading]
    page = clerk.get(link)
    assert (count, counted(page)) == (2, 2)
    assert 'href="/renewals/5"' in page.text
    assert press(clerk, "call:5", "done").status_code == 303
    assert "1 of" in clerk.get("/").text
    press(clerk, "call:5", "open")
    clerk.submit("/renewals/8", {"version": "0", "stage": "contacted"})
    assert sections(clerk)[heading][0] == counted(clerk.get(link)) == 1
    with transaction() as tx:
        tx.delete("renewals", filters={"policy_id_eq": 8})
        tx.update("policies", {"gross_premium": 1000}, filters={"policy_id_in": [*calls, 4]})


def test_the_office_settles_from_when_on_something_is_work(app, clerk):
    administrator = sign_in(app, "administrator")
    assert clerk.get("/settings/business").status_code == 403
    page = administrator.submit("/settings/business", {"papers_days": "0", "call_days": "x", "call_premium": "900"})
    assert page.status_code == 422
    assert 'value="x"' in page.text
    saved = administrator.submit("/settings/business", {"papers_days": "0", "call_days": "3", "call_premium": "900"})
    assert saved.status_code == 303
    shown = sections(clerk)
    assert shown["Papers awaited for more than 0 days"][0] == counted(clerk.get("/policies?view=waiting")) == 2
    assert shown["Calls: ₹900 or more, due within 3 days"][0] == counted(clerk.get("/renewals?view=calls")) == 2
    assert "So many days before the policy ends: not settled → 3" in administrator.get("/settings/business").text
    stale = {"papers_days": "1", "call_days": "4", "call_premium": "1", "version": "7"}
    assert administrator.submit("/settings/business", stale).status_code == 409
    with transaction() as tx:
        tx.delete("settings", filters={"key_eq": "business"})


def born_today():
    days = call_function("birthdays_on", {"day": today()}, read_only=True)
    return execute_query("birthday_list", filters={"birthday_in": days}).data


def test_each_count_is_that_of_the_list_behind_it(app):
    administrator = sign_in(app, "administrator")
    for path in ("/", "/?agent_id=1", "/?agent_id=2"):
        for heading, (count, link) in sections(administrator, path).items():
            if "/jobs/" in link or "/messages/" in link:
                assert link in administrator.get(path).text
                continue
            assert counted(administrator.get(link)) == count, heading
    assert len(execute_query("messages", filters={"state": "failed"}).data) == 1
    assert administrator.get("/messages/log?state=failed").status_code == 200
    assert administrator.get("/jobs/dead-letters").status_code == 200


def test_one_agents_book_holds_that_agents_work(manager):
    shown = {heading: count for heading, (count, _) in sections(manager, "/?agent_id=2").items()}
    assert shown == {"In grace or uninsured": 1, "Due within 7 days": 1, "Payment pending": 1}


def test_what_is_done_leaves_the_queue_for_everybody_and_counts(clerk, manager):
    before = sections(manager)["Due within 7 days"]
    press(clerk, "renewal:4", "done")
    page = manager.get("/").text
    assert "1 of" in page and "done by Charu Nair" in page
    assert "/policies/4/renewal" not in page
    assert sections(manager)["Due within 7 days"] == before   # the list behind it has not changed
    press(manager, "renewal:4", "open")
    assert "/policies/4/renewal" in clerk.get("/").text


def test_one_piece_of_work_in_two_sections_is_done_once(clerk):
    total = call_function("work_of_day", {"day": today(), "of_agent": 2, "most": 8}, read_only=True)
    assert total["items"] == 3
    press(clerk, "renewal:8", "done")
    page = clerk.get("/?agent_id=2").text
    assert "1 of 3 done" in page


def test_tomorrow_it_is_work_again(clerk):
    press(clerk, "renewal:1", "snoozed")
    there = {row["item"] for row in queries.work_queue(today(), None, Fresh())["sections"]["overdue"]["rows"]}
    tomorrow = queries.work_queue(today() + timedelta(days=1), None, Fresh())["sections"]["overdue"]["rows"]
    assert "renewal:1" not in there
    assert "renewal:1" in {row["item"] for row in tomorrow}


def test_two_colleagues_who_tick_the_same_work_off_meet_without_an_error(clerk, manager):
    assert press(clerk, "renewal:5", "done").status_code == press(manager, "renewal:5", "done").status_code == 303
    assert len(execute_query("work_marks", filters={"item": "renewal:5"}).data) == 1


@pytest.mark.parametrize(("who", "item"), [
    ("reader", "renewal:4"), ("reader", "call:5"), ("reader", "payment:7"), ("reader", "papers:9"),
    ("reader", "message:1"), ("reader", "task:1"), ("reader", "birthday:1"), ("manager", "task:1"), ("staff", "task:1"),
])
@pytest.mark.parametrize("mark", ["done", "snoozed"])
def test_who_may_not_do_a_piece_of_work_cannot_hide_it_from_the_office(app, who, item, mark):
    assert press(sign_in(app, who), item, mark).status_code == 403
    assert not execute_query("work_marks").data


def test_who_may_not_do_a_piece_of_work_does_not_take_it_up_again_either(app, clerk):
    reader = sign_in(app, "reader")
    press(clerk, "renewal:4", "done")
    assert press(reader, "renewal:4", "open").status_code == 403
    assert len(execute_query("work_marks").data) == 1
    assert "Undo" not in reader.get("/").text
    assert "Undo" in clerk.get("/").text


@pytest.mark.parametrize(("who", "item", "offered"), [
    ("reader", "renewal:4", False), ("reader", "birthday:", False), ("staff", "renewal:4", True),
    ("staff", "message:", True), ("administrator", "task:", True),
])
def test_the_buttons_of_a_piece_of_work_are_there_for_those_who_may_press_them(app, who, item, offered):
    assert (f'name="item" value="{item}' in sign_in(app, who).get("/").text) == offered


@pytest.mark.parametrize("item", ["renewal:0", "x:1", "renewal:1; drop", "", "renewal:99999999999999999999"])
def test_work_that_is_none_is_refused(clerk, item):
    assert press(clerk, item, "done").status_code == 303
    assert "not known" in clerk.get("/").text
    assert not execute_query("work_marks").data


def test_grace_and_no_cover_are_told_apart(clerk):
    page = clerk.get("/").text
    assert "Grace ends in 25 days" in page   # health: 30 days after the end 5 days ago
    assert "No cover since" in page           # ended 40 days ago


def test_the_grace_of_a_monthly_premium_is_shorter(clerk):
    execute_query("health_details", "insert", data={"policy_id": 1, "plan": "floater", "premium_mode": "monthly"})
    assert "Grace ends in 10 days" in clerk.get("/").text   # 15 days after the end 5 days ago
    execute_query("health_details", "delete", filters={"policy_id_eq": 1})


def test_a_vehicle_whose_third_party_cover_runs_on_is_not_without_cover(clerk):
    ended, runs_until = today() - timedelta(days=40), today() + timedelta(days=500)
    with transaction() as tx:
        tx.update("policies", {"line": "motor"}, filters={"policy_id_eq": 2})
        tx.insert("motor_details", {"policy_id": 2, "vehicle_class": "private car", "third_party_to": runs_until})
    page = clerk.get("/").text
    assert f"Own damage ended on {office_date(ended)}" in page
    assert f"Third party runs until {office_date(runs_until)}" in page
    assert "No cover since" not in page
    with transaction() as tx:
        tx.update("motor_details", {"third_party_to": today() - timedelta(days=1)}, filters={"policy_id_eq": 2})
    assert f"No cover since {office_date(today() - timedelta(days=1))}" in clerk.get("/").text
    with transaction() as tx:
        tx.delete("motor_details", filters={"policy_id_eq": 2})
        tx.update("policies", {"line": "health"}, filters={"policy_id_eq": 2})


def test_an_empty_day_names_the_next_renewal(clerk):
    for section in queries.work_queue(today(), 1, Fresh())["sections"].values():
        for row in section["rows"]:
            press(clerk, row["item"], "done")
    page = clerk.get("/?agent_id=1").text
    assert "All done" in page
    assert "Next renewal" in page and "Kavita Iyer" in page


def test_the_month_counts_what_was_issued_and_what_was_kept(database):
    day = date(2026, 6, 20)
    with transaction() as tx:
        rows = [
            {"policy_id": 100 + number, "client_id": "KI01", "insurer_id": 2, "product_id": 1, "line": "health",
             "agent_id": 2, "policy_number": f"JUNE/{number}", "policy_from": start, "policy_to": end, "due_on": end,
             "state": state, "payment_date": start, "gross_premium": "10000.50", "commission_amount": "1500.25"}
            for number, (start, end, state) in enumerate([
                ("2026-06-01", "2027-05-31", "live"), ("2026-06-30", "2027-06-29", "cancelled"),
                ("2026-07-01", "2027-06-30", "live"), ("2025-06-11", "2026-06-10", "renewed"),
                ("2025-06-12", "2026-06-11", "renewed"), ("2025-06-13", "2026-06-12", "lost"),
                ("2025-06-21", "2026-06-20", "live"), ("2026-06-05", "2027-06-04", "pending")])]
        tx.insert("policies", rows)
    figures = queries.month_figures(day, 2, Fresh())
    assert figures["policies"] == 2
    assert str(figures["gross"]) == "20001.00" and str(figures["commission"]) == "3000.50"
    assert (figures["kept"], figures["due"]) == (2, 3)   # due on the day itself is not over yet
    with transaction() as tx:
        tx.delete("policies", filters={"policy_id_gte": 100, "policy_id_lt": 110})


def test_commission_is_for_those_who_may_see_it(clerk, manager):
    assert "Commission expected" in manager.get("/").text
    assert "Commission" not in clerk.get("/").text


def test_those_who_lead_others_choose_whose_book_they_see(clerk, manager):
    assert "Agent Apte" in manager.get("/").text
    assert "Agent Apte" not in clerk.get("/").text


@pytest.mark.parametrize("path", ["/", "/business", "/today/birthdays", "/?agent_id=1"])
def test_the_page_asks_at_most_six_questions(manager, monkeypatch, path):
    assert questions_of(manager, path, monkeypatch) <= 6


@pytest.mark.parametrize(("day", "days"), [("2026-02-28", [228, 229]), ("2028-02-28", [228]), ("2028-02-29", [229]),
                                           ("2026-11-26", [1126])])
def test_who_was_born_on_29_february_has_a_birthday_each_year(day, days):
    assert call_function("birthdays_on", {"day": day}, read_only=True) == days


@pytest.fixture
def seen_before(clerk):
    """Today as it was shown a moment ago, and may be kept."""
    clerk.get("/")
    return clerk.get("/").text


CHANGES: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    ("policies", "update", {"asset": "Renamed asset"}, {"policy_id": 4}, "Renamed asset"),
    ("policies", "update", {"due_on": today() + timedelta(days=6)}, {"policy_id": 14}, 'count">4<'),
    ("clients", "update", {"name": "Renamed Client"}, {"client_id": "KI01"}, "Renamed Client"),
    ("clients", "update", {"phone": "+919800099999"}, {"client_id": "RM01"}, "tel:+919800099999"),
    ("products", "update", {"name": "Renamed Product"}, {"product_id": 1}, "Renamed Product"),
    ("members", "update", {"name": "Renamed Son"}, {"name": "Anand Iyer"}, "Renamed Son"),
    ("members", "update", {"relation": "brother"}, {"name": "Renamed Son"}, "brother of"),
    ("members", "update", {"date_of_birth": today().replace(year=1970, day=min(today().day, 28))},
     {"name": "Renamed Son"}, f"turns {today().year - 1970}"),
    ("members", "update", {"phone": "+919800088888"}, {"name": "Renamed Son"}, "tel:+919800088888"),
]


@pytest.mark.parametrize(("table", "operation", "data", "filters", "shown"), CHANGES,
                         ids=[f"{table}: {next(iter(data))}" for table, _, data, _, _ in CHANGES])
def test_what_another_process_changes_is_there_at_the_next_click(
    clerk, seen_before, table, operation, data, filters, shown
):
    assert shown not in seen_before
    execute_query(table, operation, data=data, filters=filters)
    assert shown in clerk.get("/").text


def test_what_fails_or_gives_up_meanwhile_is_there_too(app, manager):
    browser = sign_in(app, "administrator")
    before = sections(browser)
    execute_query("messages", "insert", data={
        "key": "test:2", "channel": "whatsapp", "purpose": "service", "state": "queued", "recipient": "+919800000011"})
    execute_query("tasks", "insert", data={"name": "test.task", "state": "done"})
    assert sections(browser) == before
    execute_query("messages", "update", data={"state": "failed"}, filters={"key_eq": "test:2"})
    execute_query("tasks", "update", data={"state": "dead"}, filters={"name_eq": "test.task"})
    after = sections(browser)
    assert after["Messages that failed"][0] == before["Messages that failed"][0] + 1
    assert after["Tasks that gave up"][0] == before["Tasks that gave up"][0] + 1
    execute_query("messages", "delete", filters={"key_eq": "test:2"})
    execute_query("tasks", "delete", filters={"name_eq": "test.task"})
    assert sections(browser) == before


def test_nothing_is_asked_again_while_nothing_changed(clerk, monkeypatch):
    clerk.get("/")
    assert questions_of(clerk, "/", monkeypatch) == 1   # whether anything has changed


def test_kept_work_holds_no_date_of_birth(clerk):
    kept = Fresh()
    queue = queries.work_queue(today(), None, kept)
    assert queue["sections"]["birthdays"]["rows"][0]["date_of_birth"]
    stored: dict[str, Any] = kept.value(queries.WORK, ("work", today(), None), dict)
    assert all(isinstance(row["date_of_birth"], str | None) for row in stored["sections"]["birthdays"]["rows"])
