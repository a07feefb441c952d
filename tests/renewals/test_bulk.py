"""Reminders for many policies at once: preview, job, once a day, and the same for programs."""

import io
from dataclasses import replace
from datetime import timedelta

import openpyxl
import pytest

import config
from database_pool import execute_query, transaction
from portal.formats import now, office_date, today
from portal.renewals.views import desk
from task_queue import run_due_tasks
from tests.cast import found, make_cast, sign_in
from tests.renewals.desk import hold_back_messages, messages, morning, notes, open_desk, reach, term


@pytest.fixture(scope="module")
def book(app):
    hold_back_messages()
    return open_desk()


@pytest.fixture(scope="module")
def clerk(app, book):
    return sign_in(app, "staff")


@pytest.fixture
def chosen(app, book, clerk):
    """Two ready policies, and one of each sort that is left out."""
    number = execute_query("policies", count=True, limit=1).count
    silent, unreachable = open_desk(f"NC{number}"), open_desk(f"NP{number}")
    reach(silent.client, whatsapp_opt_in=False, email_opt_in=False)
    reach(unreachable.client, phone=None, email=None)
    policies = {
        "first": term(book, 20), "second": term(book, 25, "motor"), "today": term(book, 7),
        "silent": term(silent, 20), "unreachable": term(unreachable, 20), "once": term(book, 20, one_time=True),
    }  # fmt: skip
    morning()
    return policies


def ticked(policies):
    return {"action": "remind", "chosen": [str(number) for number in policies.values()]}


def confirm(browser, page):
    fields = {name: found(rf'name="{name}" value="([^"]+)"', page.text) for name in ("key", "policy_ids")}
    return browser.submit("/renewals/reminders", fields), fields


def test_the_preview_counts_who_is_ready_and_why_others_are_not(clerk, chosen):
    page = clerk.submit("/renewals/bulk", ticked(chosen))
    assert page.status_code == 200
    assert "6 chosen: 2 ready, 1 no phone and no e-mail, 1 no consent, 1 sent today, 1 not to be renewed" in page.text
    assert "Dear Rohan Mehta RM01" in page.text
    assert [notes(chosen[name]) for name in ("first", "second")] == [[], []], "nothing is sent by looking"


def test_the_job_reminds_each_ready_policy_once_and_lists_the_others(clerk, chosen):
    answer, fields = confirm(clerk, clerk.submit("/renewals/bulk", ticked(chosen)))
    assert answer.status_code == 303
    again = clerk.submit("/renewals/reminders", fields)
    assert again.location == answer.location
    run_due_tasks()
    step = f"by hand {today().isoformat()}"
    assert [notes(chosen[name]) for name in ("first", "second")] == [[step], [step]]
    assert notes(chosen["silent"]) == notes(chosen["unreachable"]) == notes(chosen["once"]) == []
    batch_id = answer.location.rsplit("/", 1)[1]
    job = execute_query("batch_progress", filters={"batch_id_eq": batch_id}).data[0]
    assert (job["total"], job["done"], job["failed"]) == (2, 2, 0)
    left = execute_query("batches", filters={"batch_id_eq": batch_id}).data[0]["skipped"]
    assert {row["record_id"] for row in left} == {
        str(chosen[name]) for name in ("today", "silent", "unreachable", "once")
    }
    assert {row["batch_id"] for row in messages(chosen["first"])} == {batch_id}
    assert {row["created_by"] for row in messages(chosen["first"])} == {job["owner_id"]}


def test_all_that_match_the_filter_are_taken_with_one_tick(app, clerk):
    other = open_desk("ALL1")
    policies = [term(other, days) for days in (20, 30, 40)]
    page = clerk.submit("/renewals/bulk", {"action": "remind", "everything": "1", "query": "q=ALL1"})
    assert "3 chosen: 3 ready" in page.text
    confirm(clerk, page)
    run_due_tasks()
    assert all(len(notes(number)) == 1 for number in policies)


def test_what_changed_between_preview_and_job_is_looked_at_again(clerk, chosen):
    page = clerk.submit("/renewals/bulk", ticked(chosen))
    answer, _ = confirm(clerk, page)
    with transaction() as tx:
        tx.update("policies", {"state": "renewed"}, filters={"policy_id_eq": chosen["first"]})
    run_due_tasks()
    assert notes(chosen["first"]) == []
    job = execute_query("batch_progress", filters={"batch_id_eq": answer.location.rsplit("/", 1)[1]}).data[0]
    assert (job["done"], job["failed"]) == (1, 1)
    dead = execute_query("tasks", filters={"batch_id_eq": job["batch_id"], "state_eq": "dead"}).data[0]
    assert "This policy is renewed." in dead["last_error"]


def test_one_colleague_writes_to_so_many_clients_a_day_and_not_more(app, clerk):
    other, settings = open_desk("CAP1"), config.settings()
    policies = [term(other, days) for days in (20, 30, 40)]
    first, rest = ({"action": "remind", "chosen": [str(number) for number in part]} for part in
                   (policies[:1], policies[1:]))  # fmt: skip
    mine = {"kind_eq": "renewals.remind", "owner_id_eq": make_cast()["staff"]}
    before = execute_query("batches", columns="total", filters=mine).data
    config.use_settings(replace(settings, bulk_records_per_day=sum(row["total"] for row in before) + 2))
    try:
        started, fields = confirm(clerk, clerk.submit("/renewals/bulk", first))
        refused, _ = confirm(clerk, clerk.submit("/renewals/bulk", rest))
        again = clerk.submit("/renewals/reminders", fields)
    finally:
        config.use_settings(settings)
    assert started.status_code == 303 and again.location == started.location
    assert refused.status_code == 422 and "1 of them are left today; these are 2" in refused.text
    run_due_tasks()
    assert [len(notes(number)) for number in policies] == [1, 0, 0]


@pytest.mark.parametrize("change", [{"role": "read-only"}, {"is_active": False}])
def test_a_job_stops_when_who_started_it_may_not_send_any_more(clerk, chosen, change):
    answer, _ = confirm(clerk, clerk.submit("/renewals/bulk", ticked(chosen)))
    batch_id = answer.location.rsplit("/", 1)[1]
    who = {"user_id_eq": make_cast()["staff"]}
    execute_query("users", "update", data=change, filters=who)
    try:
        run_due_tasks()
    finally:
        execute_query("users", "update", data={"role": "staff", "is_active": True}, filters=who)
    job = execute_query("batch_progress", filters={"batch_id_eq": batch_id}).data[0]
    assert (job["state"], job["done"], notes(chosen["first"]), notes(chosen["second"])) == ("stopped", 0, [], [])
    told = execute_query("tasks", filters={"batch_id_eq": batch_id, "state_eq": "dead"}).data
    assert told and all("may not send to clients any more" in task["last_error"] for task in told)


def ask(browser, path, content):
    return browser.post(path, json=content, headers={"X-CSRFToken": browser.token()})


def test_programs_ask_for_reminders_and_hear_what_is_queued_and_what_is_not(clerk, chosen):
    wanted = {"policy_ids": [*chosen.values(), 99_999_999, chosen["first"]]}
    answer = ask(clerk, "/api/bulk/send-reminders", wanted)
    assert answer.status_code == 202
    content = answer.get_json()
    assert set(content) == {"batch_id", "queued", "skipped"}
    assert content["queued"] == 2
    reasons = {one["policy_id"]: one["reason"] for one in content["skipped"]}
    assert reasons[chosen["today"]] == "Reminded today already."
    assert reasons[chosen["silent"]] == "There is no consent to WhatsApp messages."
    assert reasons[99_999_999] == "There is no such policy."
    assert len(reasons) == 5
    run_due_tasks()
    second = ask(clerk, "/api/bulk/send-reminders", wanted).get_json()
    assert second["queued"] == 0
    assert len(notes(chosen["first"])) == 1


def test_the_same_key_twice_is_one_job(clerk, chosen):
    wanted = {"policy_ids": [chosen["first"]], "key": f"morning-{chosen['first']}"}
    first = ask(clerk, "/api/bulk/send-reminders", wanted).get_json()
    assert ask(clerk, "/api/bulk/send-reminders", wanted).get_json()["batch_id"] == first["batch_id"]


def test_clients_are_told_of_issued_policies_once_a_day(clerk, chosen):
    wanted = {"policy_ids": [chosen["first"], chosen["silent"]]}
    for _ in range(2):
        answer = ask(clerk, "/api/bulk/notify-policy-issued", wanted)
        assert (answer.status_code, answer.get_json()["queued"]) == (202, 1)
        run_due_tasks()
    sent = messages(chosen["first"])
    assert [row["template_key"] for row in sent] == ["policy.issued", "policy.issued"]
    assert {row["channel"] for row in sent} == {"whatsapp", "email"}
    assert "is issued" in sent[0]["body"]
    assert [row["document_ids"] for row in sent] == [[], []]


@pytest.mark.parametrize(("change", "reason"), [
    ({"state": "cancelled"}, "This policy is cancelled."), ({"state": "lost"}, "This policy is lost."),
    ({"deleted_at": now()}, "There is no such policy."),
])
def test_nobody_is_told_of_a_policy_that_ended_after_the_job_was_asked_for(clerk, book, change, reason):
    policy_id = term(book, 300)
    started = ask(clerk, "/api/bulk/notify-policy-issued", {"policy_ids": [policy_id]}).get_json()
    assert started["queued"] == 1
    with transaction() as tx:
        tx.update("policies", change, filters={"policy_id_eq": policy_id})
    run_due_tasks()
    assert messages(policy_id) == []
    dead = execute_query("tasks", filters={"batch_id_eq": started["batch_id"], "state_eq": "dead"}).data[0]
    assert reason in dead["last_error"]


def test_the_schedule_of_an_issued_policy_goes_with_the_notice(clerk, book):
    policy_id = term(book, 300)
    with transaction() as tx:
        schedule = {"kind": "policy-schedule", "media_type": "application/pdf", "store": "local", "store_key": "k"}
        about = {"client_id": book.client, "policy_id": policy_id, "file_name": "s.pdf", "stored_name": "s.pdf"}
        content = {"size": 9, "sha256": f"{policy_id:064x}", "md5": f"{policy_id:032x}", "state": "stored"}
        tx.insert("documents", {**schedule, **about, **content})
    ask(clerk, "/api/bulk/notify-policy-issued", {"policy_ids": [policy_id]})
    run_due_tasks()
    document = execute_query("documents", filters={"policy_id_eq": policy_id}).data[0]
    assert [row["document_ids"] for row in messages(policy_id)] == [[document["document_id"]]] * 2


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ([1, 2], ""),
        ({}, ""),
        ({"policy_ids": []}, "policy_ids"),
        ({"policy_ids": ["x"]}, "policy_ids-0"),
        ({"policy_ids": [1], "key": "short"}, "key"),
        ({"policy_ids": [1], "everything": True}, ""),
    ],
)
def test_a_question_that_cannot_be_read_is_refused_with_its_field(clerk, content, field):
    answer = ask(clerk, "/api/bulk/send-reminders", content)
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert set(answer.get_json()["errors"]) == {field}


def test_without_token_or_right_nothing_starts(app, clerk, chosen):
    assert clerk.post("/api/bulk/send-reminders", json={"policy_ids": [chosen["first"]]}).status_code == 400
    reader = sign_in(app, "reader")
    assert ask(reader, "/api/bulk/send-reminders", {"policy_ids": [chosen["first"]]}).status_code == 403
    assert app.test_client().post("/api/bulk/send-reminders", json={}).status_code in (400, 401)


def test_the_list_of_a_month_is_exported_as_it_is_shown(app, clerk, book):
    other = open_desk("EXP1")
    policy_id = term(other, 35)
    due = execute_query("policies", filters={"policy_id_eq": policy_id}).data[0]["due_on"]
    answer = clerk.get(f"/renewals/export?month={due:%Y-%m}&q=EXP1")
    assert f"renewals-{due:%Y-%m}.csv" in answer.headers["Content-Disposition"]
    heading, row = answer.text.removeprefix("\ufeff").splitlines()
    assert heading.startswith("Policy,Client,Insurer,Due,Premium")
    assert "EXP1" in row
    reader = sign_in(app, "reader")
    one = reader.submit("/renewals/bulk", {"action": "export", "chosen": str(policy_id), "query": ""})
    assert (one.mimetype, len(one.text.splitlines())) == ("text/csv", 2)
    assert reader.submit("/renewals/bulk", {"action": "remind", "chosen": str(policy_id)}).status_code == 403
    entry = execute_query("audit", filters={"record_type_eq": "list"}, order="audit_id desc", limit=1).data[0]
    assert (entry["record_id"], entry["after"]["ids"]) == ("renewals", [policy_id])


def sheet_of(answer):
    return openpyxl.load_workbook(io.BytesIO(answer.data)).active


def test_the_renewals_of_a_month_are_an_excel_sheet_too(app, clerk, book):
    other = open_desk("XLS1")
    policy_id = term(other, 35, group_name="Mehta", subgroup="Cars", remarks="=1+1")
    row = execute_query("policies", filters={"policy_id_eq": policy_id}).data[0]
    due = row["due_on"]
    page = clerk.get(f"/renewals?month={due:%Y-%m}&q=XLS1").text
    link = found(r'href="(/renewals/export\.xlsx[^"]*)"', page).replace("&amp;", "&")
    answer = sign_in(app, "reader").get(link)
    assert f'filename="Renewal_Export_{due:%B_%Y}.xlsx"' in answer.headers["Content-Disposition"]
    heading, line = sheet_of(answer).values
    assert heading == ("Date", "Name", "Status", "R", "Policy", "Group", "Sub-Group", "Company", "Remarks")
    assert (line[0].date(), line[1:6]) == (due, ("Rohan Mehta XLS1", None, None, row["policy_number"], "Mehta"))
    assert line[6:] == ("Cars", "Star Health", "=1+1")
    assert sheet_of(answer)["I2"].data_type == "s", "a remark is no formula"
    entry = execute_query("audit", filters={"record_type_eq": "list"}, order="audit_id desc", limit=1).data[0]
    assert (entry["record_id"], entry["action"], entry["after"]["filter"]["q"]) == ("renewals", "export", "XLS1")


def test_an_excel_sheet_without_a_month_is_this_months_and_may_be_empty(clerk, book):
    answer = clerk.get("/renewals/export.xlsx?q=nobody-is-called-so")
    assert f"Renewal_Export_{today():%B_%Y}.xlsx" in answer.headers["Content-Disposition"]
    assert sheet_of(answer).max_row == 1
    assert "export.xlsx" not in clerk.get("/renewals").text


def test_a_month_too_long_for_an_excel_sheet_is_offered_as_csv(clerk, book, monkeypatch):
    other = open_desk("XLS2")
    due = today() + timedelta(days=40)
    for _ in range(2):
        term(other, 40)
    monkeypatch.setattr(desk, "MOST_IN_SHEET", 1)
    answer = clerk.get(f"/renewals/export.xlsx?month={due:%Y-%m}&q=XLS2")
    assert (answer.status_code, answer.location) == (303, f"/renewals?month={due:%Y-%m}&q=XLS2")
    assert "take the CSV file" in clerk.get("/renewals").text


def test_a_colleagues_columns_and_views_of_renewals(clerk, book):
    term(open_desk("VIEW1"), 20)
    clerk.submit("/lists/renewals/columns", {"column": ["client", "agent", "due"]})
    page = clerk.get("/renewals").text
    assert 'data-l="Agent"' in page
    assert 'data-l="Stage"' not in page
    clerk.submit("/lists/renewals/columns", {})
    answer = clerk.submit("/lists/renewals/views", {"name": "Cars of mine", "query": "view=mine&line=motor"})
    assert answer.location.endswith("/renewals?line=motor&view=mine")
    assert "Cars of mine" in clerk.get("/renewals").text


# Gaps of the other system, by name.


def test_the_renewal_export_wrote_a_sub_heading_into_the_row_of_the_first_policy(clerk, book):
    other = open_desk("GAPX")
    policies = [term(other, days) for days in (15, 16)]
    numbers = {row["policy_id"]: row["policy_number"]
               for row in execute_query("policies", filters={"policy_id_in": policies}).data}  # fmt: skip
    lines = clerk.get("/renewals/export?q=GAPX").text.removeprefix("\ufeff").splitlines()
    assert [line.split(",")[0] for line in lines] == ["Policy", *(numbers[number] for number in policies)]


def test_reminders_were_sent_one_at_a_time_by_hand(clerk, book):
    other = open_desk("GAPR")
    policies = [term(other, days) for days in (15, 16, 17)]
    page = clerk.submit("/renewals/bulk", {"action": "remind", "everything": "1", "query": "q=GAPR"})
    assert confirm(clerk, page)[0].status_code == 303
    run_due_tasks()
    assert [len(notes(number)) for number in policies] == [1, 1, 1]


def test_the_setting_of_reminder_days_was_read_by_nothing(app, clerk, book):
    policy_id = term(open_desk("GAPD"), 12)
    morning()
    assert notes(policy_id) == []
    sign_in(app, "administrator").submit("/renewals/ladder", {
        "line": "health", "days": "-12", "occasion": "before", "valid_from": office_date(today())})  # fmt: skip
    morning()
    assert notes(policy_id) == ["D-12"]
