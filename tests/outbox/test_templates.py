"""The words of messages: good in four languages as they come, changed by an administrator, and back again."""

from typing import Any

import pytest

from database_pool import execute_query
from portal.outbox.templates import LIST_SAMPLE, LONGEST_WHATSAPP, MORE_SAMPLES, SAMPLES
from portal.outbox.wording import fill, places_of
from tests.cast import found, sign_in

LANGUAGES = {"en", "hi", "gu", "mr"}
SCRIPTS = {"hi": "\u0900", "mr": "\u0900", "gu": "\u0a80"}


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


def stored(key="reminder.before", channel="whatsapp", language="en"):
    filters = {"key_eq": key, "channel_eq": channel, "language_eq": language}
    return execute_query("message_template_page", filters=filters).data[0]


def save(browser, row, **typed):
    fields = {
        "version": str(row["version"]),
        "subject": row["subject"] or "",
        "body": row["body"],
        "html_body": row["html_body"] or "",
        "is_active": "on",
    }
    return browser.submit(f"/messages/templates/{row['template_id']}", {**fields, **typed})


def test_every_text_is_there_in_all_four_languages_and_names_the_same(database):
    rows = execute_query("message_templates").data
    texts: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        texts.setdefault((row["key"], row["channel"]), {})[row["language"]] = row
    assert {key for key, channel in texts if channel == "email"} == {
        "reminder.before",
        "reminder.grace",
        "reminder.expired",
        "reminder.uninsured",
        "reminder.bonus",
        "policy.issued",
        "renewal.confirmed",
        "policy.papers",
        "client.papers",
    }
    for (key, channel), by_language in texts.items():
        assert set(by_language) == LANGUAGES, key
        for field in ("body", "html_body"):
            named = {frozenset(places_of(row[field] or "")) for row in by_language.values()}
            assert len(named) == 1, (key, channel, field, named)


def test_every_text_reads_well_with_its_examples_and_fits(database):
    for row in execute_query("message_templates").data:
        samples = {**SAMPLES, **MORE_SAMPLES.get(row["key"], {}), "list": LIST_SAMPLE}
        body = fill(row["body"], samples)
        assert "{{" not in body
        assert "}}" not in body
        if row["channel"] == "whatsapp":
            assert len(body) <= LONGEST_WHATSAPP, row["key"]
            assert row["variables"] == places_of(row["body"])
        else:
            assert row["subject"]
            assert f'<html lang="{row["language"]}">' in row["html_body"]
        first = SCRIPTS.get(row["language"])
        if first:
            script = sum(first <= letter < chr(ord(first) + 128) for letter in body)
            assert script > len(body) / 4, (row["key"], row["language"])


def test_the_list_leads_to_every_text(administrator):
    page = administrator.get("/messages/templates").text
    assert page.count('href="/messages/templates/') == execute_query("message_templates", count=True, limit=1).count


def test_a_text_is_changed_shown_in_its_history_and_goes_back_to_the_default(administrator):
    row = stored("reminder.grace")
    path = f"/messages/templates/{row['template_id']}"
    assert save(administrator, row, body="Dear {{ name }}, please renew {{policy_number}}.").status_code == 303
    changed = stored("reminder.grace")
    assert (changed["is_changed"], changed["variables"]) == (True, ["name", "policy_number"])
    page = administrator.get(path).text
    assert "Changed by Asha Rane" in page
    earlier = administrator.get(f"{path}?before={found(r'before=([0-9]+)', page)}").text
    assert "without losing the benefits" in earlier
    assert stored("reminder.grace")["is_changed"], "looking changes nothing"
    default = administrator.get(f"{path}?default=1").text
    assert "without losing the benefits" in default
    assert save(administrator, changed, body=row["default_body"]).status_code == 303
    assert not stored("reminder.grace")["is_changed"]


@pytest.mark.parametrize(
    ("key", "channel", "typed", "sentence"),
    [
        ("reminder.before", "whatsapp", {"body": "Dear {{nmae}}"}, "There is no {{nmae}} here."),
        ("reminder.before", "whatsapp", {"body": "Dear {{Name}}"}, "two pairs of braces"),
        ("reminder.before", "whatsapp", {"body": "Dear {{name}"}, "two pairs of braces"),
        ("reminder.before", "whatsapp", {"body": ""}, "Text is needed."),
        ("reminder.before", "whatsapp", {"body": "x" * 1025}, "1,024 are possible"),
        ("bot.policies", "whatsapp", {"body": "Your policies."}, "This text needs {{list}}"),
        ("bot.menu", "whatsapp", {"body": "Hello {{policy_number}}"}, "There is no {{policy_number}} here."),
        ("reminder.before", "email", {"subject": ""}, "An e-mail needs a subject."),
        ("reminder.before", "email", {"html_body": "<p onclick='x()'>hi</p>"}, "removed by mail programs"),
        ("reminder.before", "email", {"html_body": "<script>x()</script>"}, "removed by mail programs"),
    ],
)
def test_a_text_that_would_not_work_is_refused_with_what_was_typed(administrator, key, channel, typed, sentence):
    row = stored(key, channel)
    answer = save(administrator, row, **typed)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert stored(key, channel)["version"] == row["version"]


@pytest.fixture
def approved(administrator):
    """A text whose template the provider has approved with two variables."""
    row = stored("reminder.expired")
    words = {"body": "Dear {{name}}, renew {{policy_number}} now.", "provider_template_id": "HX1"}
    assert save(administrator, row, **words).status_code == 303
    yield stored("reminder.expired")
    save(administrator, stored("reminder.expired"), body=row["body"])


def test_turned_words_leave_an_approved_templates_variables_their_numbers(administrator, approved):
    turned = {"body": "{{policy_number}} has ended, {{name}}.", "provider_template_id": "HX1"}
    assert save(administrator, approved, **turned).status_code == 303
    row = stored("reminder.expired")
    assert (row["variables"], row["body"]) == (["name", "policy_number"], turned["body"])
    page = " ".join(administrator.get(f"/messages/templates/{row['template_id']}").text.split())
    assert '{{1}}</span> name, <span class="mono">{{2}}</span> policy number.' in page


@pytest.mark.parametrize("body", ["Dear {{name}}, renew.", "Dear {{name}}, renew {{policy_number}} with {{insurer}}."])
def test_other_variables_need_another_approved_template(administrator, approved, body):
    answer = save(administrator, approved, body=body, provider_template_id="HX1")
    assert answer.status_code == 422
    assert "The provider approved its template with {{name}}, {{policy_number}}." in answer.text
    assert stored("reminder.expired")["version"] == approved["version"]
    assert save(administrator, approved, body=body, provider_template_id="HX2").status_code == 303
    assert stored("reminder.expired")["variables"] == places_of(body)


def test_a_new_approved_template_is_numbered_as_the_text_names_its_variables(administrator, approved):
    turned = {"body": "{{policy_number}} has ended, {{name}}.", "provider_template_id": "HX2"}
    assert save(administrator, approved, **turned).status_code == 303
    assert stored("reminder.expired")["variables"] == ["policy_number", "name"]


def test_what_is_typed_is_shown_as_the_client_would_read_it(administrator):
    row = stored()
    path = f"/messages/templates/{row['template_id']}"
    typed = {"version": "1", "body": "Dear {{name}}, <b>{{what}}</b>", "is_active": "on"}
    part = administrator.submit(f"{path}/preview", typed).text
    assert "Dear Rohan Mehta, &lt;b&gt;{{what}}&lt;/b&gt;" in part
    assert "<html" not in part
    whole = save(administrator, row, body="Dear {{name}}!", action="preview")
    assert (whole.status_code, stored()["version"]) == (200, row["version"])
    assert "Dear Rohan Mehta!" in whole.text


def test_the_html_of_a_mail_is_shown_alone_and_can_do_nothing(administrator):
    row = stored(channel="email")
    answer = administrator.get(f"/messages/templates/{row['template_id']}/html")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "Rohan Mehta" in answer.text
    assert administrator.get(f"/messages/templates/{stored()['template_id']}/html").status_code == 404


def test_of_two_administrators_the_second_sees_both_versions(administrator):
    row = stored("reminder.bonus")
    assert save(administrator, row, body="First {{name}}").status_code == 303
    answer = save(administrator, row, body="Second {{name}}")
    assert answer.status_code == 409
    assert "First {{name}}" in answer.text
    assert "Second {{name}}" in answer.text


@pytest.mark.parametrize("who", ["manager", "staff", "accounts", "reader"])
def test_nobody_else_changes_what_clients_read(app, who):
    browser = sign_in(app, who)
    assert browser.get("/messages/templates").status_code == 403
    assert browser.submit(f"/messages/templates/{stored()['template_id']}", {}).status_code == 403
