"""What Clerk tells of its people: proven genuine, done once, in whatever order it comes."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import app_multiuser
from database_pool import execute_query
from tests import clerk
from tests.cast import found, make_cast, visitor
from tests.conftest import point_portal_at, portal_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(embedded_server, fresh_database, data_dir):
    settings = portal_settings(data_dir, DATABASE_URL=embedded_server.address(fresh_database()), **clerk.SETTINGS)
    with point_portal_at(settings):
        make_cast()
        yield app_multiuser.create_app(settings)


numbers = itertools.count(1)


@pytest.fixture
def tell(app):
    """tell("user.updated", person) sends one signed event with an id of its own, and answers what came back."""

    def send(kind, data, **more):
        more.setdefault("event_id", f"msg_{next(numbers)}")
        return app.test_client().post("/clerk/webhook", **clerk.event(kind, data, **more))

    return send


@pytest.fixture
def name():
    """A person of the test's own."""
    return f"person{next(numbers)}"


def user_of(name):
    rows = execute_query("users", filters={"email": f"{name}@example.in"}).data
    return rows[0] if rows else None


def enter(app, name, session):
    browser = visitor(app)
    csrf = found(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text)
    browser.post("/login/clerk", data={"csrf_token": csrf, "token": clerk.token(user=f"user_{name}", session=session)})
    return browser


@pytest.fixture
def colleague(app, tell, name):
    """Somebody who was let in and is signed in: (name, browser)."""
    tell("user.created", clerk.person(name))
    execute_query("users", "update", data={"is_active": True}, filters={"email": f"{name}@example.in"})
    browser = enter(app, name, f"sess_{name}")
    assert browser.get("/account").status_code == 200
    return name, browser


@pytest.mark.parametrize("forged", [
    {"headers": {}}, {"secret": "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA=="}, {"at": -301}, {"at": 301}, {"data": b"{}"},
    {"headers": {"svix-signature": "v1,"}}, {"headers": {"svix-signature": "nonsense"}},
    {"headers": {"svix-id": "msg_other"}}, {"headers": {"svix-signature": "v1,ज"}},
    {"headers": {"svix-timestamp": "soon"}},
])  # fmt: skip
def test_a_forged_or_old_event_is_refused_and_leaves_nothing(app, name, forged):
    given = {key: forged[key] for key in ("secret",) if key in forged}
    if "at" in forged:
        given["at"] = time.time() + forged["at"]
    sent = clerk.event("user.created", clerk.person(name), event_id=f"msg_{name}", **given)
    if "headers" in forged:
        sent["headers"] = {**sent["headers"], **forged["headers"]} if forged["headers"] else {}
        sent["headers"] = {key: value.encode().decode("latin-1") for key, value in sent["headers"].items()}
    if "data" in forged:
        sent["data"] = forged["data"]
    assert app.test_client().post("/clerk/webhook", **sent).status_code == 403
    assert user_of(name) is None
    assert execute_query("clerk_events", filters={"event_id": f"msg_{name}"}).data == []


def test_a_body_that_is_no_json_is_the_senders_mistake(app):
    sent = clerk.event("x", {})
    sent["data"] = b"["
    sent["headers"]["svix-signature"] = clerk.svix_signature("msg_1", sent["headers"]["svix-timestamp"], b"[")
    assert app.test_client().post("/clerk/webhook", **sent).status_code == 400


def test_one_event_many_times_at_once_has_one_effect(app, tell, name):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: tell("user.created", clerk.person(name), event_id=f"msg {name}").status_code,
                                range(16)))
    assert set(answers) == {200}
    user_id = user_of(name)["user_id"]
    trail = execute_query("audit", filters={"record_type": "user", "record_id": str(user_id)}).data
    assert [row["action"] for row in trail] == ["arrived through Clerk"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_news_in_every_order_end_with_the_newest(tell, name, order):
    news = [
        ("user.created", clerk.person(name, changed=1)),
        ("user.updated", clerk.person(name, changed=2, first_name="Second")),
        ("user.updated", clerk.person(name, changed=3, first_name="Third", banned=True)),
        ("user.deleted", {"id": f"user_{name}", "object": "user", "deleted": True}),
    ]
    for place in order:
        assert tell(*news[place]).status_code == 200
    stored = execute_query("clerk_users", filters={"clerk_user_id": f"user_{name}"}).data[0]
    assert stored["deleted_at"] is not None
    account = user_of(name)
    assert account is None or not account["is_active"]   # none where the end was the first to be heard of


def test_what_is_older_changes_nothing(tell, name):
    tell("user.updated", clerk.person(name, changed=9, first_name="Newest"))
    tell("user.created", clerk.person(name, changed=1))
    assert user_of(name)["name"] == "Newest Rane"


def test_changes_at_clerk_arrive_and_a_name_that_was_written_here_stays(tell, colleague):
    name, _ = colleague
    execute_query("users", "update", data={"name": "As The Office Says"}, filters={"email": f"{name}@example.in"})
    tell("user.updated", clerk.person(name, changed=2, email=f"new.{name}@example.in"))
    stored = user_of(f"new.{name}")
    assert stored["name"] == "As The Office Says"
    tell("user.updated", clerk.person(name, changed=3, email=f"new.{name}@example.in", first_name="Married"))
    assert user_of(f"new.{name}")["name"] == "Married Rane"


def test_an_address_that_another_account_has_is_not_taken_from_it(tell, colleague):
    name, _ = colleague
    assert tell("user.updated", clerk.person(name, changed=2, email="manager@example.in")).status_code == 200
    assert user_of(name) is not None
    assert user_of("manager")["name"] == "Bharat Desai"


@pytest.mark.parametrize(("kind", "more"), [("user.updated", {"changed": 5, "banned": True}), ("user.deleted", {})])
def test_who_is_banned_or_removed_is_out_at_once(app, tell, colleague, kind, more):
    name, browser = colleague
    tell(kind, clerk.person(name, **more))
    assert browser.get("/account").status_code == 303
    assert not user_of(name)["is_active"]
    assert enter(app, name, f"sess_again_{name}").get("/account").status_code == 303


def test_a_new_person_with_the_address_of_a_removed_one_does_not_inherit_the_account(app, tell, colleague):
    name, _ = colleague
    tell("user.deleted", {"id": f"user_{name}"})
    tell("user.created", {**clerk.person(name, changed=9), "id": f"user_{name}_2"})
    stored = execute_query("clerk_users", filters={"clerk_user_id": f"user_{name}_2"}).data[0]
    assert stored["user_id"] is None
    assert not user_of(name)["is_active"]


@pytest.mark.parametrize("kind", ["session.ended", "session.removed", "session.revoked"])
def test_a_session_that_clerk_ends_is_over_here(app, tell, colleague, kind):
    name, browser = colleague
    assert tell(kind, {"id": f"sess_{name}", "user_id": f"user_{name}"}).status_code == 200
    assert browser.get("/account").status_code == 303
    assert enter(app, name, f"sess_{name}").get("/account").status_code == 303   # nor does a late token revive it
    assert enter(app, name, f"sess_new_{name}").get("/account").status_code == 200


def test_a_session_that_ended_before_its_token_came_opens_nothing(app, tell, colleague):
    name, _ = colleague
    tell("session.revoked", {"id": f"sess_early_{name}"})
    assert enter(app, name, f"sess_early_{name}").get("/account").status_code == 303


@pytest.mark.parametrize("data", [{}, {"id": 7}, {"id": "user_odd"}, {"id": "user_odd", "updated_at": "x"}, [], "x",
                                  {"id": "user_odd", "updated_at": 10**17}])  # fmt: skip
def test_odd_and_unknown_events_are_taken_and_do_nothing(tell, data):
    for kind in ("user.created", "user.updated", "session.created", "email.created"):
        assert tell(kind, data).status_code == 200
    assert execute_query("clerk_users", filters={"clerk_user_id": "user_odd"}).data == []
