"""The users page of administrators: inviting, roles, disabling, new passwords."""

import threading

import pytest

from database_pool import Conflict, execute_query, transaction
from portal.audit import Actor
from portal.staff import service
from tests.cast import CAST, PASSWORD, email_of, found, make_cast, sign_in, visitor


@pytest.fixture
def administrator(app):
    return sign_in(app, "administrator")


def stored(user_id):
    return execute_query("users", filters={"user_id": user_id}).data[0]


def account(email):
    return execute_query("users", filters={"email": email}).data[0]


def invite(browser, email="ravi@example.in", name="Ravi Shah", role="staff"):
    return browser.submit("/users/new", {"email": email, "name": name, "role": role})


def secret_of(answer):
    return found(r'class="secret">([^<]+)<', answer.text)


def test_the_list_shows_everybody_with_role_and_state(administrator):
    page = administrator.get("/users").text
    for who, (name, _) in CAST.items():
        assert name in page
        assert email_of(who) in page


def test_an_invited_colleague_signs_in_with_the_one_time_password_and_chooses_an_own_one(app, administrator):
    secret = secret_of(invite(administrator, "new@example.in"))
    newcomer = visitor(app)
    assert newcomer.submit("/login", {"email": "new@example.in", "password": secret}).status_code == 303
    assert newcomer.get("/").headers["Location"] == "/account/password"
    answer = newcomer.submit(
        "/account/password", {"current_password": secret, "new_password": PASSWORD, "new_password_again": PASSWORD}
    )
    assert answer.headers["Location"] == "/"


def test_the_one_time_password_is_shown_once_and_kept_nowhere(administrator):
    answer = invite(administrator, "once@example.in")
    secret = secret_of(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    rows = execute_query("audit").data + execute_query("users").data
    assert secret not in str(rows)
    assert secret not in administrator.get("/users").text


def test_an_address_can_have_only_one_account(administrator):
    invite(administrator, "twice@example.in")
    answer = invite(administrator, "Twice@Example.in")
    assert answer.status_code == 422
    assert "exists already" in answer.text
    assert 'value="Ravi Shah"' in answer.text


@pytest.mark.parametrize(("field", "typed"), [
    ("name", ""), ("name", "\x00"), ("name", "x" * 121), ("name", "12345"), ("email", "no address"), ("email", "a@b"),
    ("email", "a\r\nBcc: x@example.in"), ("email", "a@example.in, b@example.in"), ("role", "owner"), ("role", ""),
    ("email", "x" * 300 + "@example.in"), ("email", "a\x00@example.in"),
])  # fmt: skip
def test_what_cannot_be_is_refused_beside_its_field(administrator, field, typed):
    answer = administrator.submit(
        "/users/new", {"email": "odd@example.in", "name": "Odd One", "role": "staff", field: typed}
    )
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text


@pytest.mark.parametrize(
    "name", ["O'Brien-D'Souza 😀", "<script>alert(1)</script>", "Robert'); drop table users;--", "{{ 7*7 }} Jinja"]
)
def test_names_are_shown_as_they_are_written(administrator, name):
    answer = invite(administrator, f"n{abs(hash(name))}@example.in", name=name)
    assert answer.status_code == 200
    page = administrator.get("/users").text
    assert "<script>alert" not in page
    assert "{{ 7*7 }}" in page or "{{" not in name
    assert execute_query("users", filters={"name": name}).data


def test_a_new_role_counts_at_once(app, administrator):
    invite(administrator, "rise@example.in", role="staff")
    row = execute_query("users", filters={"email": "rise@example.in"}).data[0]
    answer = administrator.submit(
        f"/users/{row['user_id']}", {"name": row["name"], "role": "manager", "version": row["version"]}
    )
    assert answer.status_code == 303
    assert stored(row["user_id"])["role"] == "manager"
    trail = execute_query(
        "audit", filters={"record_type": "user", "record_id": str(row["user_id"]), "action": "changed"}
    )
    assert trail.data[0]["before"] == {"role": "staff"}
    assert trail.data[0]["after"] == {"role": "manager"}


def test_nobody_changes_the_own_role_or_shuts_oneself_out(administrator):
    own = make_cast()["administrator"]
    row = stored(own)
    answer = administrator.submit(f"/users/{own}", {"name": row["name"], "role": "staff", "version": row["version"]})
    assert answer.status_code == 422
    assert "cannot change your own role" in answer.text
    administrator.submit(f"/users/{own}/disable", {"version": row["version"]})
    administrator.submit(f"/users/{own}/password", {"version": row["version"]})
    assert stored(own)["is_active"]
    assert stored(own)["version"] == row["version"]


def test_of_two_administrators_who_remove_each_other_one_stays(app):
    with transaction() as tx:
        tx.insert(
            "users", [{"email": f"{name}@example.in", "name": name, "role": "administrator"} for name in ("one", "two")]
        )
    one, two = (account(f"{name}@example.in") for name in ("one", "two"))
    refused = []

    def disable(actor, target):
        try:
            with transaction() as tx:
                service.set_access(tx, Actor(actor["user_id"]), target, active=False, version=target["version"])
        except Conflict:
            refused.append(actor["name"])

    both = [threading.Thread(target=disable, args=pair) for pair in ((one, two), (two, one))]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    left = execute_query("users", filters={"name_in": ["one", "two"], "is_active": True}).data
    assert len(left) >= 1
    assert len(refused) + (2 - len(left)) == 2
    execute_query("users", "update", data={"is_active": False}, filters={"name_in": ["one", "two"]})


def test_an_administrator_who_lost_the_role_meanwhile_takes_it_from_nobody(app):
    with transaction() as tx:
        tx.insert("users", {"email": "was@example.in", "name": "Was", "role": "manager"})
    former, target = account("was@example.in"), account(email_of("administrator"))
    with pytest.raises(Conflict), transaction() as tx:
        service.set_access(tx, Actor(former["user_id"]), target, active=False, version=target["version"])
    assert account(email_of("administrator"))["is_active"]


def test_a_forgotten_password_is_replaced_and_the_old_one_is_dead(app, administrator):
    invite(administrator, "forgot@example.in")
    row = execute_query("users", filters={"email": "forgot@example.in"}).data[0]
    old = stored(row["user_id"])["password_hash"]
    answer = administrator.submit(f"/users/{row['user_id']}/password", {"version": row["version"]})
    secret = secret_of(answer)
    assert stored(row["user_id"])["password_hash"] != old
    assert visitor(app).submit("/login", {"email": "forgot@example.in", "password": secret}).status_code == 303


def test_a_one_time_password_is_made_after_a_page_has_said_what_ends(app, administrator):
    invite(administrator, "asked@example.in")
    row = account("asked@example.in")
    here = f"/users/{row['user_id']}"
    assert f'href="{here}/password"' in administrator.get(here).text
    assert f'action="{here}/password"' not in administrator.get(here).text
    page = administrator.get(f"{here}/password")
    assert "signed out everywhere" in page.text and "API tokens are revoked" in page.text
    assert stored(row["user_id"])["password_hash"] == row["password_hash"]
    version = found(r'name="version" value="(\d+)"', page.text)
    assert secret_of(administrator.submit(found(r'action="(/users/[^"]+)"', page.text), {"version": version}))
    assert administrator.get("/users/999999999/password").status_code == 404
    assert sign_in(app, "manager").get(f"{here}/password").status_code == 403


def test_a_button_pressed_on_an_old_page_does_nothing_and_says_so(administrator):
    invite(administrator, "stale@example.in")
    row = execute_query("users", filters={"email": "stale@example.in"}).data[0]
    execute_query("users", "update", data={"name": "Changed"}, filters={"user_id": row["user_id"]})
    for action in ("disable", "password"):
        administrator.submit(f"/users/{row['user_id']}/{action}", {"version": row["version"]})
        assert "changed this account meanwhile" in administrator.get(f"/users/{row['user_id']}").text
    assert stored(row["user_id"])["is_active"]


def test_two_administrators_on_one_account_meet_on_a_page_with_both_versions(administrator):
    invite(administrator, "both@example.in", name="First Name")
    row = execute_query("users", filters={"email": "both@example.in"}).data[0]
    path, version = f"/users/{row['user_id']}", row["version"]
    administrator.submit(path, {"name": "Their Name", "role": "staff", "version": version})
    answer = administrator.submit(path, {"name": "My Name", "role": "staff", "version": version})
    assert answer.status_code == 409
    assert "Their Name" in answer.text
    assert "My Name" in answer.text
    again = administrator.submit(path, {"name": "My Name", "role": "staff", "version": version + 1})
    assert again.status_code == 303
    assert stored(row["user_id"])["name"] == "My Name"


@pytest.mark.parametrize("number", ["0", "999999999", "99999999999999999999999999", "-1", "abc", "1%00", "1'"])
def test_a_colleague_who_does_not_exist_is_a_plain_404(administrator, number):
    assert administrator.get(f"/users/{number}").status_code in (400, 404)


@pytest.mark.parametrize("version", ["", "0", "-1", "x", "99999999999", "1; drop table users"])
def test_an_odd_version_changes_nothing(administrator, version):
    own = make_cast()["staff"]
    assert (
        administrator.submit(f"/users/{own}", {"name": "X Y", "role": "staff", "version": version}).status_code == 422
    )
    assert stored(own)["name"] != "X Y"


def test_signing_in_is_no_edit_that_an_open_form_would_collide_with(app, administrator):
    user_id = make_cast()["reader"]
    row = stored(user_id)
    sign_in(app, "reader")
    assert stored(user_id)["last_sign_in_at"] > (row["last_sign_in_at"] or row["created_at"])
    change = {"name": "Esha K. Kulkarni", "role": "read-only", "version": row["version"]}
    assert administrator.submit(f"/users/{user_id}", change).status_code == 303
