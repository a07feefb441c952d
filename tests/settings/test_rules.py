"""The dated rules of the trade in the portal: a change is a new row from a day on, and the past stays as it was."""

import threading
from datetime import timedelta
from html import escape
from itertools import pairwise

import pytest

from database_pool import execute_query
from portal.formats import office_date, today
from portal.settings.rules import KINDS
from tests.cast import sign_in

TOMORROW = today() + timedelta(days=1)
GST = {"line": "fire", "part": "main", "rate": "12", "reason": "fire and property, lowered",
       "source": "Notification 9/2027-Central Tax (Rate)"}


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


def fire():
    return execute_query("gst_rules", filters={"line_eq": "fire"}, order="valid_from").data


def trail(word):
    return execute_query("audit", filters={"record_type_eq": word}, order="audit_id").data


def test_a_new_rule_begins_on_its_day_and_the_old_one_ends_the_day_before(administrator):
    (old,) = fire()
    answer = administrator.submit("/settings/rules/gst", {**GST, "valid_from": office_date(TOMORROW)})
    assert answer.status_code == 303
    before, after = fire()
    assert before == {**old, "valid_to": today()}
    assert (after["rate"], after["valid_from"], after["valid_to"]) == (12, TOMORROW, None)
    ended, added = trail("gst_rule")[-2:]
    assert (ended["action"], ended["after"]) == ("end", {"valid_to": today().isoformat()})
    assert (added["action"], added["after"]["source"]) == ("add", GST["source"])


def test_a_rule_that_has_not_begun_is_taken_back_and_the_one_before_goes_on(administrator):
    coming = fire()[-1]
    path = f"/settings/rules/gst/{coming['gst_rule_id']}/withdrawal"
    assert administrator.submit(path).status_code == 303
    (row,) = fire()
    assert (row["rate"], row["valid_to"]) == (18, None)
    assert trail("gst_rule")[-1]["action"] == "withdraw"
    assert administrator.submit(path).status_code == 404


def test_a_rule_that_has_begun_is_not_taken_back(administrator):
    (row,) = fire()
    page = administrator.submit(f"/settings/rules/gst/{row['gst_rule_id']}/withdrawal", follow_redirects=True)
    assert "This rule has begun" in page.text
    assert fire() == [row]


def test_a_rule_between_two_others_ends_before_the_later_one(administrator):
    typed = {"payee": "other", "rate": "3", "threshold": "20,000", "source": "Made up for a test"}
    late = {**typed, "valid_from": "01/10/2024", "is_late": "on"}
    assert administrator.submit("/settings/rules/tds", late).status_code == 303
    rows = execute_query("tds_rules", filters={"payee_eq": "other"}, order="valid_from").data
    assert [(str(row["valid_from"]), str(row["valid_to"])) for row in rows] == [
        ("2017-07-01", "2024-09-30"), ("2024-10-01", "2025-03-31"), ("2025-04-01", "None")]


def test_a_past_day_is_refused_until_somebody_says_that_it_is_meant(administrator):
    typed = {"claim_free_years": "5", "rate": "55", "valid_from": "01/04/2026", "source": "Made up for a test"}
    answer = administrator.submit("/settings/rules/no-claim-bonus", typed)
    assert answer.status_code == 422
    assert "This day is past" in answer.text
    assert 'value="Made up for a test"' in answer.text
    assert administrator.submit("/settings/rules/no-claim-bonus", {**typed, "is_late": "on"}).status_code == 303


def test_two_rules_from_one_day_are_refused(administrator):
    answer = administrator.submit("/settings/rules/gst", {**GST, "valid_from": "01/07/2017", "is_late": "on"})
    assert answer.status_code == 422
    assert "There is a rule for this from 01/07/2017 already" in answer.text


def test_two_administrators_at_once_end_a_rule_once(app, administrator):
    rivals = [administrator, sign_in(app, "administrator")]
    tokens, answers, ready = [rival.token() for rival in rivals], [], threading.Barrier(2)

    def press(number):
        ready.wait()
        typed = {"line": "travel", "grace_days": str(number + 1), "source": "Made up for a test",
                 "valid_from": office_date(TOMORROW + timedelta(days=number)), "csrf_token": tokens[number]}
        answers.append(rivals[number].post("/settings/rules/grace", data=typed).status_code)

    threads = [threading.Thread(target=press, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = execute_query("grace_rules", filters={"line_eq": "travel"}, order="valid_from").data
    assert sorted(answers) in ([303, 303], [303, 409])
    for row, following in pairwise(rows):
        assert row["valid_to"] == following["valid_from"] - timedelta(days=1), "no gap and no overlap"
    assert rows[-1]["valid_to"] is None


@pytest.mark.parametrize(("kind", "typed", "sentence"), [
    ("gst", {"rate": "101"}, "Rate"), ("gst", {"line": "boats"}, "choose one of the list"),
    ("gst", {"source": ""}, "Source is needed"), ("gst", {"valid_from": "31/02/2027"}, "there is no 31 February 2027"),
    ("gst", {"reason": ""}, "Words is needed"), ("commission", {"line": "health", "rate": "-1"}, "Rate"),
    ("tariff", {"vehicle_class": "private car", "years": "0", "up_to": "x", "premium": "0"}, "whole number"),
    ("retention", {"subject": "policy", "years": "500", "counted_from": "the end"}, "Years"),
])
def test_bad_input_is_refused_with_a_sentence(administrator, kind, typed, sentence):
    answer = administrator.submit(f"/settings/rules/{kind}", {**GST, "valid_from": office_date(TOMORROW), **typed})
    assert answer.status_code == 422
    assert sentence in answer.text


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_rule_is_shown_with_its_sources(administrator, kind):
    page = administrator.get(f"/settings/rules/{kind}")
    assert page.status_code == 200
    assert escape(execute_query(KINDS[kind].table, limit=1).data[0]["source"][:30]) in page.text


@pytest.mark.parametrize(("who", "sees", "commission", "adds"), [
    ("administrator", True, True, True), ("manager", True, True, False), ("accounts", True, True, False),
    ("staff", True, False, False), ("reader", False, False, False),
])
def test_who_may_see_and_who_may_add(app, administrator, who, sees, commission, adds):
    browser = sign_in(app, who)
    assert browser.get("/settings/rules").status_code == (200 if sees else 403)
    assert browser.get("/settings/rules/gst").status_code == (200 if sees else 403)
    assert browser.get("/settings/rules/commission").status_code == (200 if commission else 403)
    assert (browser.submit("/settings/rules/gst", {}).status_code != 403) == adds


def test_there_are_no_rules_of_an_unknown_kind(administrator):
    assert administrator.get("/settings/rules/weather").status_code == 404
