"""Looking after one's own account: name, looks, password."""

import pytest

from database_pool import execute_query, transaction
from portal.staff import passwords
from tests.cast import PASSWORD, email_of, make_cast, sign_in, visitor

NEW = "seven yellow autos waiting"


def stored(who):
    return execute_query("users", filters={"user_id": make_cast()[who]}).data[0]


@pytest.fixture
def clerk(app):
    yield sign_in(app, "staff")
    with transaction() as tx:
        tx.update(
            "users",
            {"password_hash": passwords.hashed(PASSWORD), "must_change_password": False, "theme": "system"},
            filters={"user_id_eq": make_cast()["staff"]},
        )
        tx.delete("sign_in_brakes", filters={"failures_gte": 0})


def change(browser, current=PASSWORD, new=NEW, again=None):
    return browser.submit(
        "/account/password",
        {"current_password": current, "new_password": new, "new_password_again": new if again is None else again},
    )


def test_name_phone_and_looks_are_saved(clerk):
    answer = clerk.submit(
        "/account",
        {
            "name": "Charu N. Nair",
            "phone": "98200 12345",
            "theme": "dark",
            "density": "compact",
            "version": stored("staff")["version"],
        },
    )
    assert answer.status_code == 303
    page = clerk.get("/account").text
    assert 'data-theme="dark"' in page
    assert 'data-density="compact"' in page
    assert "Charu N. Nair" in page
    assert stored("staff")["phone"] == "+919820012345"


def test_new_clients_begin_with_the_language_of_the_colleague(clerk):
    typed = {"name": "Charu Nair", "language": "gu", "version": stored("staff")["version"]}
    assert clerk.submit("/account", typed).status_code == 303
    assert '<option value="gu" selected>' in clerk.get("/clients/new").text
    assert '<option value="gu" selected>' in clerk.get("/account").text
    refused = clerk.submit("/account", {**typed, "language": "xx", "version": stored("staff")["version"]})
    assert refused.status_code == 422


def test_an_empty_phone_clears_it(clerk):
    clerk.submit("/account", {"name": "Charu Nair", "phone": "", "version": stored("staff")["version"]})
    assert stored("staff")["phone"] is None


def test_role_and_rights_cannot_be_slipped_in(clerk):
    clerk.submit(
        "/account",
        {
            "name": "Charu Nair",
            "role": "administrator",
            "is_active": "on",
            "user_id": "1",
            "must_change_password": "",
            "email": "other@example.in",
            "version": stored("staff")["version"],
        },
    )
    row = stored("staff")
    assert (row["role"], row["email"]) == ("staff", email_of("staff"))


def test_two_windows_meet_on_a_page_with_both_versions(clerk):
    version = stored("staff")["version"]
    clerk.submit("/account", {"name": "Charu from window one", "version": version})
    answer = clerk.submit("/account", {"name": "Charu from window two", "version": version})
    assert answer.status_code == 409
    assert "Charu from window one" in answer.text
    assert "Charu from window two" in answer.text
    assert f'name="version" value="{version + 1}"' in answer.text
    assert "Save mine over theirs" in answer.text
    assert stored("staff")["name"] == "Charu from window one"


def test_the_menu_changes_the_colours_and_leads_back(clerk):
    answer = clerk.submit("/account/theme", {"theme": "light", "next": "/account?tab=2"})
    assert answer.headers["Location"] == "/account?tab=2"
    assert 'data-theme="light"' in clerk.get("/account").text


def test_colours_that_do_not_exist_are_refused(clerk):
    assert clerk.submit("/account/theme", {"theme": "pink"}).status_code == 422


def test_a_new_password_replaces_the_old_one_and_signs_other_devices_out(app, clerk):
    elsewhere = sign_in(app, "staff")
    assert change(clerk).status_code == 303
    assert clerk.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303
    assert visitor(app).submit("/login", {"email": email_of("staff"), "password": PASSWORD}).status_code == 422
    assert sign_in(app, "staff", NEW)


@pytest.mark.parametrize(("new", "sentence"), [
    ("brief words", "at least 12 characters"),
    ("passwordpassword", "Many people use this password"),
    ("aaaabbbbaaaabbbb", "Many people use this password"),
    ("staff@example.in", "mostly your name or e-mail"),
    ("CharuNair1234", "mostly your name or e-mail"),
    (PASSWORD, "the password you have already"),
    ("x" * 129, "at most 128 characters"),
])  # fmt: skip
def test_a_password_that_is_easily_guessed_is_refused_with_the_reason(clerk, new, sentence):
    execute_query("users", "update", data={"name": "Charu Nair"}, filters={"user_id": make_cast()["staff"]})
    answer = change(clerk, new=new)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert new not in answer.text.replace(email_of("staff"), "") or new == email_of("staff")


def test_the_present_password_must_be_right(clerk):
    answer = change(clerk, current="not the password")
    assert answer.status_code == 422
    assert "not your present password" in answer.text


def test_guessing_the_present_password_is_braked(clerk):
    for _ in range(6):
        change(clerk, current="not the password")
    assert "Too many failed attempts" in change(clerk).text


def test_a_reset_while_the_present_password_is_looked_at_is_not_undone(clerk, monkeypatch):
    matches = passwords.matches

    def matches_and_reset(hash_of_before, password):
        right = matches(hash_of_before, password)
        reset = {"password_hash": "of a one-time password"}
        execute_query("users", "update", data=reset, filters={"user_id": make_cast()["staff"]})
        return right

    monkeypatch.setattr("portal.staff.passwords.matches", matches_and_reset)
    assert change(clerk).status_code == 409
    assert stored("staff")["password_hash"] == "of a one-time password"


def test_the_new_password_must_be_typed_twice_alike(clerk):
    assert "differ" in change(clerk, again="seven yellow autos").text


@pytest.mark.parametrize(
    "new", ["  spaces at both ends  ", "पावसाळी संध्याकाळ एक", "😀😁😂🤣😃😄😅😆😉😊😋😎", "semi;colon'quote\"<b>"]
)
def test_any_character_may_be_in_a_password(app, clerk, new):
    assert change(clerk, new=new).status_code == 303
    assert sign_in(app, "staff", new)


def test_a_one_time_password_leads_to_choosing_an_own_one_and_nowhere_else(app, clerk):
    execute_query("users", "update", data={"must_change_password": True}, filters={"user_id": make_cast()["staff"]})
    for path in ("/", "/account", "/account?tab=2"):
        assert clerk.get(path).headers["Location"] == "/account/password"
    assert "Choose your own password" in clerk.get("/account/password").text
    assert change(clerk).headers["Location"] == "/"
    assert clerk.get("/account").status_code == 200


def test_nothing_secret_is_in_the_audit_trail(clerk):
    change(clerk)
    rows = execute_query("audit", filters={"user_id": make_cast()["staff"]}).data
    assert "argon2" not in str(rows)
    assert NEW not in str(rows)
    assert any(row["action"] == "changed own password" for row in rows)
