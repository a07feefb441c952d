"""flask --app app_multiuser seed-demo, as an operator types it."""

import re

import pytest
from click.testing import Result
from flask import Flask

import database_pool
from portal import demo

pytestmark = pytest.mark.slow


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["seed-demo", *arguments])


def test_the_first_run_prints_the_sign_ins_and_later_ones_refuse(app):
    first = run(app, "--clients", "30", "--seed", "5")
    assert first.exit_code == 0, first.output
    assert "30 clients" in first.output
    printed = re.findall(r"^  (\S+@example\.in) +(\S+)  (\S+)$", first.output, re.MULTILINE)
    assert len(printed) == 7
    again = run(app, "--clients", "30")
    assert again.exit_code == 1
    assert "demo book already" in again.output
    assert not re.search(r"@example\.in", again.output)
    unchanged = run(app, "--if-empty")
    assert unchanged.exit_code == 0
    assert "demo book already" in unchanged.output


@pytest.mark.parametrize("number", ["0", "-5", "many", "999999999"])
def test_a_number_that_is_no_size_is_refused(app, number):
    answer = run(app, "--clients", number)
    assert answer.exit_code == 2
    assert "--clients" in answer.output


def test_a_database_that_fails_ends_in_a_sentence(app, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise database_pool.Unavailable("The database cannot be reached.")

    monkeypatch.setattr(demo, "seed", fail)
    answer = run(app)
    assert answer.exit_code == 1
    assert "Run the command again" in answer.output
    assert "Traceback" not in answer.output
