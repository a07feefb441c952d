"""Signing in: who gets in, what the others learn, and what the browser holds."""

import datetime
import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from database_pool import execute_query, transaction
from portal import formats
from portal.errors import PortalError, Refused, TooManyAttempts
from portal.staff import service
from tests.cast import CAST, PASSWORD, email_of, make_cast, sign_in, visitor


@pytest.fixture(autouse=True)
def _no_brakes(app):
    make_cast()
    with transaction() as tx:
        tx.delete("sign_in_brakes", filters={"failures_gte": 0})


def attempt(app, email, password, **extra):
    return visitor(app).submit("/login", {"email": email, "password": password, **extra})


def message(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text.split('class="errors"')[1].split("<form")[0]))


@pytest.mark.parametrize("who", CAST)
def test_every_member_of_the_cast_reaches_the_account_page(app, who):
    page = sign_in(app, who).get("/account")
    assert page.status_code == 200
    assert CAST[who][0] in page.text


def test_the_address_may_be_typed_in_capitals_and_with_spaces(app):
    assert attempt(app, "  Staff@Example.IN ", PASSWORD).status_code == 303


def test_a_wrong_password_an_unknown_address_and_a_disabled_account_read_the_same(app):
    cast = make_cast()
    execute_query("users", "update", data={"is_active": False}, filters={"user_id": cast["reader"]})
    try:
        answers = [
            attempt(app, email_of("staff"), "not the password"),
            attempt(app, "nobody@example.in", "not the password"),
            attempt(app, email_of("reader"), PASSWORD),
            attempt(app, email_of("reader"), "not the password"),
        ]
    finally:
        execute_query("users", "update", data={"is_active": True}, filters={"user_id": cast["reader"]})
    assert {answer.status_code for answer in answers} == {422}
    assert {message(answer) for answer in answers} == {message(answers[0])}
    assert "E-mail or password is not right." in answers[0].text


def test_an_unknown_address_takes_as_long_as_a_known_one(app, monkeypatch):
    monkeypatch.setattr("portal.staff.brakes.FREE_FAILURES", {"pair": 10_000, "ip": 10_000, "email": 10_000})
    browser = visitor(app)
    token = browser.token()

    def seconds(email):
        began = time.perf_counter()
        browser.post("/login", data={"csrf_token": token, "email": email, "password": "not the password"})
        return time.perf_counter() - began

    pairs = [(seconds(email_of("staff")), seconds("nobody@example.in")) for _ in range(30)]
    known, unknown = (min(times) for times in zip(*pairs, strict=True))   # the least is what the machine's noise leaves
    assert abs(known - unknown) < 0.005


def test_what_was_typed_stays_but_never_the_password(app):
    answer = attempt(app, "asha@example.in", "not the password")
    assert 'value="asha@example.in"' in answer.text
    assert "not the password" not in answer.text
    assert "<title>Error: Sign in" in answer.text


def test_the_browser_gets_a_new_session_at_sign_in(app):
    browser = visitor(app)
    before = browser.token()
    browser.post("/login", data={"csrf_token": before, "email": email_of("staff"), "password": PASSWORD})
    assert browser.post("/account/theme", data={"csrf_token": before, "theme": "dark"}).status_code == 400


def test_a_session_planted_before_sign_in_is_not_the_one_afterwards(app):
    attacker = sign_in(app, "reader")
    planted = attacker.session_cookie()
    victim = visitor(app)
    victim.set_cookie("session", planted)
    with victim.session_transaction() as session:
        token = session["token"]
    sign_out = victim.submit("/logout")
    assert sign_out.status_code == 303
    victim.submit("/login", {"email": email_of("staff"), "password": PASSWORD})
    with victim.session_transaction() as session:
        assert session["token"] != token
    attacker.set_cookie("session", planted)
    assert attacker.get("/account").status_code == 303


def test_the_database_knows_the_token_only_by_its_hash(app):
    browser = sign_in(app, "staff")
    with browser.session_transaction() as session:
        token = session["token"]
    row = execute_query("sessions", filters={"token_hash": hashlib.sha256(token.encode()).hexdigest()}).data[0]
    assert token not in str(row)
    assert len(token) >= 43


def test_the_password_is_kept_as_argon2id(app):
    stored = execute_query("users", columns="password_hash", filters={"email": email_of("staff")}).data[0]
    assert stored["password_hash"].startswith("$argon2id$")


def test_signing_in_is_in_the_audit_trail_with_request_and_address(app):
    sign_in(app, "accounts")
    row = execute_query("audit", filters={"action": "signed in"}, order="audit_id desc", limit=1).data[0]
    assert row["user_id"] == make_cast()["accounts"]
    assert row["ip"] == "127.0.0.1"
    assert row["request_id"]


def test_after_five_wrong_passwords_the_sixth_must_wait_and_is_told_how_long(app):
    answers = [attempt(app, email_of("staff"), "not the password") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert re.search(r"try again in \d+ seconds \(at \d\d:\d\d\)", answers[5].text)
    assert int(answers[5].headers["Retry-After"]) >= 1


def test_while_it_must_wait_even_the_right_password_is_not_looked_at(app):
    for _ in range(6):
        attempt(app, email_of("staff"), "not the password")
    assert attempt(app, email_of("staff"), PASSWORD).status_code == 429


def test_an_unknown_address_is_throttled_in_the_same_words(app):
    known = [attempt(app, email_of("staff"), "not the password") for _ in range(6)][-1]
    unknown = [attempt(app, "nobody@example.in", "not the password") for _ in range(6)][-1]
    assert known.status_code == unknown.status_code == 429
    assert re.sub(r"\d+", "n", message(known)) == re.sub(r"\d+", "n", message(unknown))


def test_a_colleague_elsewhere_still_gets_in_while_someone_guesses_here(app):
    for _ in range(8):
        attempt(app, email_of("manager"), "not the password")
    elsewhere = visitor(app)
    elsewhere.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    answer = elsewhere.submit("/login", {"email": email_of("manager"), "password": PASSWORD})
    assert answer.status_code == 303


def test_one_place_that_tries_many_addresses_must_wait(app):
    answers = [attempt(app, f"guess{number}@example.in", "not the password") for number in range(31)]
    assert {answer.status_code for answer in answers[:30]} == {422}
    assert answers[30].status_code == 429


def test_one_account_that_is_tried_from_many_places_must_wait(app):
    for number in range(31):
        browser = visitor(app)
        browser.environ_base["REMOTE_ADDR"] = f"203.0.113.{number + 1}"
        answer = browser.submit("/login", {"email": email_of("accounts"), "password": "not the password"})
    assert answer.status_code == 429


def test_guessing_from_all_over_the_world_does_not_shut_out_a_browser_the_colleague_used_before(app):
    own = sign_in(app, "accounts")
    own.submit("/logout")
    for number in range(32):
        stranger = visitor(app)
        stranger.environ_base["REMOTE_ADDR"] = f"203.0.113.{number + 1}"
        stranger.submit("/login", {"email": email_of("accounts"), "password": "not the password"})
    right = {"email": email_of("accounts"), "password": PASSWORD}
    newcomer = visitor(app)
    newcomer.environ_base["REMOTE_ADDR"] = "198.51.100.4"
    assert newcomer.submit("/login", right).status_code == 429
    assert own.submit("/login", right).status_code == 303


def test_a_known_browser_is_braked_as_well(app):
    own = sign_in(app, "accounts")
    own.submit("/logout")
    wrong = {"email": email_of("accounts"), "password": "not the password"}
    assert [own.submit("/login", wrong).status_code for _ in range(6)] == [422] * 5 + [429]


def test_a_browser_known_for_one_colleague_is_a_stranger_for_another(app):
    own = sign_in(app, "accounts")
    own.submit("/logout")
    for _ in range(5):
        own.submit("/login", {"email": email_of("manager"), "password": "not the password"})
    place = execute_query("sign_in_brakes", filters={"subject_like": "ip:%"}).data
    assert place[0]["failures"] == 5


def test_a_note_that_was_made_up_is_no_known_browser(app):
    for note in ("x", "WyJhY2NvdW50c0BleGFtcGxlLmluIiwieCJd.aaaa.bbbb", "\x00", "a" * 3000):
        browser = visitor(app)
        browser.set_cookie("device", note)
        assert browser.submit("/login", {"email": email_of("accounts"), "password": "no"}).status_code == 422
    assert len(execute_query("sign_in_brakes", filters={"subject_like": "ip:%"}).data) == 1


def test_what_an_office_mistypes_day_by_day_does_not_add_up(app):
    for number in range(29):
        attempt(app, f"nobody{number}@example.in", "not the password")
    ten_hours_ago = formats.now() - datetime.timedelta(hours=10)
    execute_query("sign_in_brakes", "update", data={"counted_at": ten_hours_ago}, filters={"subject_like": "ip:%"})
    attempt(app, email_of("staff"), "not the password")
    assert execute_query("sign_in_brakes", filters={"subject_like": "ip:%"}).data[0]["failures"] == 10


def test_a_good_sign_in_forgives_the_failures_before_it(app):
    for _ in range(4):
        attempt(app, email_of("staff"), "not the password")
    sign_in(app, "staff")
    assert [attempt(app, email_of("staff"), "no").status_code for _ in range(5)] == [422] * 5


def test_of_forty_guesses_sent_at_once_only_the_free_ones_are_looked_at(app, monkeypatch):
    looked_at = []

    def slowly(stored, password):
        looked_at.append(password)
        time.sleep(0.05)
        return False

    monkeypatch.setattr("portal.staff.passwords.matches", slowly)

    def guess(_number):
        try:
            service.check_sign_in(email_of("staff"), "not the password", ip="203.0.113.5")
        except PortalError as refusal:
            return type(refusal)

    with ThreadPoolExecutor(40) as crowd:
        answers = list(crowd.map(guess, range(40)))
    assert len(looked_at) == answers.count(Refused) == 5
    assert answers.count(TooManyAttempts) == 35
    rows = execute_query("sign_in_brakes").data
    assert {row["failures"] for row in rows} == {5}
    assert [row["subject"][:4] for row in rows if row["blocked_until"]] == ["pair"]


def test_colleagues_who_sign_in_at_once_from_one_office_leave_no_trace_in_the_brake(app):
    def enter(who):
        return service.check_sign_in(email_of(who), PASSWORD, ip="203.0.113.6")["email"]

    with ThreadPoolExecutor(5) as office:
        assert list(office.map(enter, [*CAST] * 4)) == [email_of(who) for who in CAST] * 4
    assert execute_query("sign_in_brakes").data == []


def test_a_good_sign_in_takes_back_its_own_attempt_and_no_other_of_the_place(app):
    for number in range(3):
        attempt(app, f"nobody{number}@example.in", "not the password")
    sign_in(app, "staff")
    assert execute_query("sign_in_brakes", filters={"subject_like": "ip:%"}).data[0]["failures"] == 3
    assert len(execute_query("sign_in_brakes").data) == 7


def test_a_known_browser_may_come_and_go_all_day(app):
    own = sign_in(app, "accounts")
    for _ in range(8):
        own.submit("/logout")
        assert own.submit("/login", {"email": email_of("accounts"), "password": PASSWORD}).status_code == 303


def test_half_hours_are_forgiven_while_others_sign_in(app):
    for number in range(9):
        attempt(app, f"nobody{number}@example.in", "not the password")
    place = {"subject_like": "ip:%"}
    for _ in range(3):
        counted = execute_query("sign_in_brakes", filters=place).data[0]["counted_at"]
        earlier = counted - datetime.timedelta(minutes=20)
        execute_query("sign_in_brakes", "update", data={"counted_at": earlier}, filters=place)
        sign_in(app, "staff")
    assert execute_query("sign_in_brakes", filters=place).data[0]["failures"] == 7


def test_an_attempt_that_nobody_had_time_to_look_at_is_not_counted(app, monkeypatch):
    def busy(_stored, _password):
        raise TooManyAttempts("Very many people are signing in just now.", seconds=10)

    monkeypatch.setattr("portal.staff.passwords.matches", busy)
    assert attempt(app, email_of("staff"), PASSWORD).status_code == 429
    assert execute_query("sign_in_brakes").data == []


@pytest.mark.parametrize("meanwhile", [{"password_hash": "of another password"}, {"is_active": False}])
def test_a_reset_or_an_end_of_access_while_the_password_is_looked_at_is_not_undone(app, monkeypatch, meanwhile):
    reader = {"user_id": make_cast()["reader"]}
    before = execute_query("users", filters=reader).data[0]
    check = service.check_sign_in

    def check_and_change(*given, **named):
        user = check(*given, **named)
        execute_query("users", "update", data=meanwhile, filters=reader)
        return user

    monkeypatch.setattr("portal.staff.service.check_sign_in", check_and_change)
    monkeypatch.setattr("portal.staff.passwords.is_outdated", lambda _stored: True)
    live = {**reader, "revoked_at_is": None}
    sessions = len(execute_query("sessions", filters=live).data)
    try:
        answer = attempt(app, email_of("reader"), PASSWORD)
        after = execute_query("users", filters=reader).data[0]
    finally:
        kept = {name: before[name] for name in ("password_hash", "is_active")}
        execute_query("users", "update", data=kept, filters=reader)
    assert answer.status_code == 422
    assert "E-mail or password is not right." in answer.text
    assert {name: after[name] for name in meanwhile} == meanwhile
    assert len(execute_query("sessions", filters=live).data) == sessions


def test_the_table_of_failures_holds_no_address_in_clear(app):
    attempt(app, email_of("staff"), "not the password")
    rows = execute_query("sign_in_brakes").data
    assert len(rows) == 3
    assert "example.in" not in str(rows)


ELSEWHERE = """
    https://evil.example //evil.example ///evil.example /\\evil.example \\\\evil.example http:evil.example
    javascript:alert(1) data:text/html,x /%0d/../\\evil evil.example @evil.example ftp://evil.example
    https:/evil.example     //evil.example/%2f..
    http://localhost@evil.example //evil.example:80/x //[::1] https:evil.example ////evil.example
    /login /logout /login?next=/login
    """.split()  # noqa: SIM905 - a list of words is easier to read
INVISIBLE = ["/\t/evil.example", "/\n/evil.example", " //evil.example", "\x00//evil.example", "/ /x",
             "/\x0b/evil.example", "/\x7f/evil.example", "/a\r\nSet-Cookie: x=1",
             "/\u0085/evil.example", "x" * 3000, "/" + "x" * 3000]


@pytest.mark.parametrize("target", ELSEWHERE + INVISIBLE)
def test_nobody_is_led_to_another_site(app, target):
    answer = attempt(app, email_of("staff"), PASSWORD, next=target)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("target", ["/clients?q=mehta&page=2", "/policies/7", "/search?q=https://example.in"])
def test_whoever_wanted_a_page_gets_there_after_signing_in(app, target):
    asked = visitor(app).get(target)
    if asked.status_code != 404:
        assert asked.headers["Location"].startswith("/login?next=/")
    assert attempt(app, email_of("staff"), PASSWORD, next=target).headers["Location"] == target


def test_whoever_is_signed_in_does_not_see_the_sign_in_page(app):
    assert sign_in(app, "staff").get("/login").status_code == 303


def test_a_session_ends_after_twelve_hours_without_a_click(app):
    browser = sign_in(app, "staff")
    long_ago = formats.now() - datetime.timedelta(hours=12, minutes=1)
    execute_query("sessions", "update", data={"last_seen_at": long_ago}, filters={"user_id": make_cast()["staff"]})
    assert browser.get("/account").headers["Location"].startswith("/login")


def test_a_session_ends_after_seven_days_however_much_it_is_used(app):
    browser = sign_in(app, "staff")
    execute_query("sessions", "update", data={"expires_at": formats.now()}, filters={"user_id": make_cast()["staff"]})
    assert browser.get("/account").headers["Location"].startswith("/login")


def test_an_address_of_admin_emails_is_administrator_from_the_first_sign_in(app, monkeypatch):
    from dataclasses import replace

    import config

    monkeypatch.setattr("config._current", replace(config.settings(), admin_emails=(email_of("reader"),)))
    everything = {"user_id": make_cast()["reader"]}
    execute_query("users", "update", data={"last_sign_in_at": None}, filters=everything)
    try:
        assert sign_in(app, "reader").get("/users").status_code == 200
    finally:
        execute_query("users", "update", data={"role": "read-only"}, filters=everything)


@pytest.mark.parametrize(
    "typed", ["", " ", "\x00", "a\x00b@example.in", "😀" * 50, "' or 1=1 --", "x" * 300, "*),or=(role.eq.a"]
)
def test_odd_texts_get_a_clear_message(app, typed):
    for answer in (attempt(app, typed, "not the password"), attempt(app, email_of("staff"), typed)):
        assert answer.status_code == 422
        assert "There is a problem" in answer.text
        assert "\x00" not in answer.text
