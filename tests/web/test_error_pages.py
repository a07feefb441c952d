"""Every error is an answer somebody can use: a page for people, a problem document for programs."""

import json

import pytest
from flask import abort

import database_pool
from portal import errors
from portal.web import access
from tests.cast import sign_in, visitor


def raising(error):
    def view():
        raise error

    return access.signed_in(view)


CASES = [
    (database_pool.Conflict("changed by someone else", "PT409"), 409),
    (database_pool.Duplicate('duplicate key value violates unique constraint "users_email"', "23505"), 409),
    (database_pool.ReferenceMissing('violates foreign key constraint "policies_client"', "23503"), 422),
    (database_pool.InvalidData('violates check constraint "policies_check"', "23514"), 422),
    (database_pool.BusinessRule("the term is renewed already", "PT422"), 422),
    (database_pool.BusinessRule("already renewed", "PT409"), 409),
    (database_pool.PoolExhausted("no connection in 45 s"), 503),
    (database_pool.Unavailable("connection to 10.0.0.7 refused"), 503),
    (database_pool.Aborted("deadlock detected", "40P01"), 503),
    (database_pool.TookTooLong("canceling statement", "57014"), 503),
    (database_pool.OutcomeUnknown("server closed the connection"), 503),
    (database_pool.InvalidQuery('column "x" does not exist', "42703"), 500),
    (database_pool.NotAllowed("permission denied for table users", "42501"), 500),
    (errors.NotFound("There is no client RM99."), 404),
    (errors.NotPermitted("Only a manager may do this."), 403),
    (errors.Refused("The term is renewed already."), 422),
    (errors.TooManyAttempts("Wait a little.", seconds=17), 429),
    (ValueError("secret inner detail"), 500),
]  # fmt: skip
INTERNALS = (
    "constraint",
    "users_email",
    "10.0.0.7",
    "deadlock",
    "column",
    "permission denied",
    "secret inner",
    "Traceback",
    "psycopg",
    "PT409",
    "23505",
)


@pytest.mark.parametrize(("error", "status"), CASES, ids=lambda case: type(case).__name__)
def test_each_failure_has_its_status_and_shows_no_internals(app, monkeypatch, error, status):
    browser = sign_in(app, "staff")
    monkeypatch.setitem(app.view_functions, "staff.account", raising(error))
    for accept in ("text/html", "application/json"):
        answer = browser.get("/account", headers={"Accept": accept})
        assert answer.status_code == status
        assert not [word for word in INTERNALS if word in answer.text]
        if status in (429, 503):
            assert int(answer.headers["Retry-After"]) > 0
        if status >= 500:
            assert answer.headers["X-Request-ID"] in answer.text


def test_a_refusal_is_shown_in_its_own_words(app, monkeypatch):
    browser = sign_in(app, "staff")
    monkeypatch.setitem(app.view_functions, "staff.account", raising(errors.Refused("The term is renewed already.")))
    assert "The term is renewed already." in browser.get("/account").text


def test_an_uncertain_outcome_asks_to_look_before_repeating(app, monkeypatch):
    browser = sign_in(app, "staff")
    monkeypatch.setitem(app.view_functions, "staff.account", raising(database_pool.OutcomeUnknown("lost")))
    assert "Look whether your change is there" in browser.get("/account").text


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503])
def test_every_status_has_a_page_inside_the_shell(app, monkeypatch, status):
    browser = sign_in(app, "staff")
    monkeypatch.setitem(app.view_functions, "staff.account", access.signed_in(lambda: abort(status)))
    page = browser.get("/account")
    assert page.status_code == status
    assert page.text.count("<main") == page.text.count("<h1") == 1
    assert 'aria-label="Main"' in page.text
    assert "werkzeug" not in page.text.lower()


def test_a_program_gets_a_problem_document(app):
    answer = visitor(app).get("/api/nothing")
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    document = json.loads(answer.text)
    assert document["status"] == 404
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]


def test_a_program_that_is_not_signed_in_is_told_so_and_not_redirected(app):
    answer = visitor(app).get("/account", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"


def test_the_error_page_stands_even_when_the_database_cannot_say_who_asks(app, monkeypatch):
    browser = sign_in(app, "staff")

    def gone(*_args, **_kwargs):
        raise database_pool.Unavailable("refused")

    monkeypatch.setattr("portal.staff.queries.execute_query", gone)
    for path in ("/account", "/nothing"):
        answer = browser.get(path)
        assert answer.status_code in (404, 503)
        assert "<h1>" in answer.text


def test_a_page_that_does_not_exist_tells_a_stranger_nothing_more(app):
    assert "Users" not in visitor(app).get("/nothing").text


def test_each_failure_is_in_the_log_under_its_reference(app, monkeypatch, data_dir):
    browser = sign_in(app, "staff")
    monkeypatch.setitem(app.view_functions, "staff.account", raising(ValueError("line one\nline two \x1b[31m")))
    reference = browser.get("/account").headers["X-Request-ID"]
    lines = (data_dir / "logs" / "multiuser_app.log").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert "ValueError" in "".join(one.get("error", "") for one in events if one.get("request_id") == reference)
    assert "\x1b" not in "".join(lines)


def test_the_log_holds_no_person(app, data_dir):
    from portal.staff import service

    browser = visitor(app)
    browser.submit("/login", {"email": "asha.personal@example.in", "password": "wrong words entirely"})
    text = (data_dir / "logs" / "multiuser_app.log").read_text()
    assert "asha.personal" not in text
    assert "wrong words" not in text
    assert "sign-in failed" in text
    assert service.ROLES
