"""flask --app app_multiuser: the first administrator, further ones, and the schema."""

import pytest

from database_pool import execute_query
from portal import commands
from portal.staff import passwords
from tests.cast import found, make_cast, sign_in, visitor


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *words, **options: runner.invoke(args=list(words), **options)


def test_the_first_start_makes_one_administrator_with_a_one_time_password(app, run):
    assert not execute_query("users").data
    said = run("ensure-admin").output
    password = found(r"one-time password (\S+)", said)
    browser = visitor(app)
    answer = browser.submit("/login", {"email": commands.FIRST_SIGN_IN_NAME, "password": password})
    assert answer.status_code == 303
    assert browser.get("/").headers["Location"] == "/account/password"
    user = execute_query("users").data[0]
    assert user["role"] == "administrator"
    assert password not in str(user)


def test_the_second_start_says_and_changes_nothing(run):
    before = execute_query("users").data
    assert run("ensure-admin").output == ""
    assert execute_query("users").data == before


def test_two_first_passwords_are_never_the_same():
    assert len({passwords.one_time_password() for _ in range(200)}) == 200


def test_create_admin_prints_a_one_time_password(app, run):
    outcome = run("create-admin", "--email", "Second@Example.in", "--name", "Second Admin")
    assert outcome.exit_code == 0
    password = found(r"one-time password (\S+)", outcome.output)
    assert visitor(app).submit("/login", {"email": "second@example.in", "password": password}).status_code == 303


def test_create_admin_asks_for_a_password_where_one_is_wanted(app, run):
    words = "green parrots over bandra"
    outcome = run("create-admin", "--email", "third@example.in", "--name", "Third Admin", "--password",
                  input=f"{words}\n{words}\n")
    assert outcome.exit_code == 0
    assert words not in outcome.output
    answer = visitor(app).submit("/login", {"email": "third@example.in", "password": words})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(("words", "sentence"), [
    (["--email", "nonsense", "--name", "X Y"], "Write the e-mail address like".lower()),
    (["--email", "a@example.in", "--name", ""], "is needed"),
    (["--email", "second@example.in", "--name", "X Y"], "has an account already"),
])  # fmt: skip
def test_create_admin_says_what_is_wrong(run, words, sentence):
    outcome = run("create-admin", *words)
    assert outcome.exit_code == 1
    assert sentence in outcome.output.lower()
    assert "Traceback" not in outcome.output


def test_create_admin_refuses_a_poor_password(run):
    outcome = run("create-admin", "--email", "poor@example.in", "--name", "Poor", "--password", input="short\nshort\n")
    assert outcome.exit_code == 1
    assert "at least 12 characters" in outcome.output


def test_migrate_says_that_nothing_is_missing(run):
    assert "up to date" in run("migrate").output


@pytest.mark.parametrize("command", ["create-admin", "ensure-admin", "migrate", "seed-demo"])
def test_every_command_explains_itself(run, command):
    outcome = run(command, "--help")
    assert outcome.exit_code == 0
    assert len(outcome.output.splitlines()) >= 5


def test_the_trail_names_the_portal_where_a_command_acted(app):
    make_cast()
    rows = execute_query("audit", filters={"action": "invited"}).data
    assert rows
    assert {row["user_id"] for row in rows} == {None}
    assert sign_in(app, "administrator").get(f"/users/{rows[0]['record_id']}").text.count("The portal: invited") == 1
