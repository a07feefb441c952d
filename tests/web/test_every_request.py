"""What holds for every request and answer: declared access, headers, known hosts, clean addresses, request ids."""

import re

import pytest
from flask import Blueprint

import app_multiuser
import config
from database_pool import execute_query, transaction
from portal.web import access
from tests.cast import found, sign_in, visitor
from tests.conftest import portal_settings

# Everything that anyone may ask for. A new public view belongs here after somebody has thought about it.
PUBLIC = {
    "/health", "/login", "/login/code", "/login/clerk", "/static/<path:filename>", "/favicon.ico", "/webhook",
    "/twilio/whatsapp", "/twilio/status", "/clerk/webhook", "/settings/logo/<sha256>.png",
    "/media/<token>/<name>", "/styles.css",
}  # fmt: skip
REQUIRED = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


@pytest.fixture(scope="module")
def secure_app(database, tmp_path_factory):
    """The portal as it stands behind HTTPS, on the same database."""
    before = config.settings()
    from dataclasses import replace

    yield app_multiuser.create_app(replace(before, app_base_url="https://portal.example.com"))
    config.use_settings(before)


def test_every_route_states_its_access(app):
    for rule in app.url_map.iter_rules():
        assert access.access_of(app.view_functions[rule.endpoint]), rule


def test_only_the_listed_routes_are_public(app):
    public = {
        str(rule)
        for rule in app.url_map.iter_rules()
        if access.access_of(app.view_functions[rule.endpoint]) == access.PUBLIC
    }
    assert public == PUBLIC


def test_every_list_that_is_taken_out_is_counted_as_an_export(app):
    """Of the lists what is ticked may be taken out as a file, too."""
    views = {str(rule): app.view_functions[rule.endpoint] for rule in app.url_map.iter_rules()}
    named = {path for path in views if "export" in path or path.endswith((".csv", ".xlsx"))}
    assert named >= {"/clients/export", "/policies/export", "/audit/export"}
    taking_out = named | {"/clients/bulk", "/policies/bulk", "/renewals/bulk"}
    assert {path for path in taking_out if getattr(views[path], "limit_group", "") != "exports"} == set()


@pytest.mark.parametrize("declare", [lambda view: view, access.requires("clients.raed")])
def test_a_view_without_a_known_access_stops_the_start(database, monkeypatch, declare):
    careless = Blueprint("careless", __name__)
    careless.get("/careless")(declare(lambda: "open"))
    monkeypatch.setattr("portal.areas.blueprints", lambda: iter([careless]))
    with pytest.raises(RuntimeError, match="careless"):
        app_multiuser.create_app(database)


ANSWERS = [
    ("/health", 200), ("/login", 200), ("/account", 303), ("/nothing/here", 404), ("/static/css/tokens.css", 200),
    ("/static/nothing.css", 404), ("/favicon.ico", 301), ("/logout", 405), ("/api/nothing", 404), ("/x%00y", 400),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status"), ANSWERS)
def test_every_answer_has_the_security_headers(app, path, status):
    answer = visitor(app).get(path)
    assert answer.status_code == status
    for name, value in REQUIRED.items():
        assert answer.headers[name] == value
    policy = answer.headers["Content-Security-Policy"]
    for directive in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "img-src 'self' data:",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    assert "Server" not in answer.headers


def test_even_a_crash_has_the_headers_and_shows_nothing_of_its_cause(app, monkeypatch):
    browser = sign_in(app, "staff")
    monkeypatch.setitem(app.view_functions, "staff.account", access.signed_in(lambda: 1 / 0))
    answer = browser.get("/account")
    assert answer.status_code == 500
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "ZeroDivisionError" not in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


def test_strict_transport_security_over_https_and_not_without(app, secure_app):
    assert "Strict-Transport-Security" not in visitor(app).get("/health").headers
    for path in ("/health", "/nothing", "/static/icon.svg"):
        answer = visitor(secure_app).get(path, base_url="https://portal.example.com")
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_the_cookie_is_for_this_host_over_https_alone(secure_app):
    answer = visitor(secure_app).get("/login", base_url="https://portal.example.com")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for mark in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert mark in cookie
    assert "Domain" not in cookie


def test_the_cookie_is_httponly_and_lax_without_https(app):
    cookie = visitor(app).get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_pages_are_not_kept_by_any_cache(app):
    browser = sign_in(app, "staff")
    for path in ("/account", "/login", "/nothing", "/health"):
        assert browser.get(path).headers["Cache-Control"] == "no-store"


def test_static_files_are_named_by_their_content_and_kept_for_a_year(app):
    page = visitor(app).get("/login").text
    address = found(r'src="(/static/js/show_password\.js\?v=[0-9a-f]{12})"', page)
    answer = visitor(app).get(address)
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../config.py",
        "/static/..%2fconfig.py",
        "/static/%2e%2e/config.py",
        "/.env",
        "/.git/config",
        "/static//etc/passwd",
        "/data/secret_key",
        "/static/css/",
    ],
)
def test_no_file_outside_static_is_served(app, path):
    assert visitor(app).get(path).status_code in (308, 404)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "",
        "a" * 300,
        "evil.example:5050",
        "localhost\t",
        "[::1",
        "évil",
    ],
)
def test_an_unknown_host_is_refused(app, host):
    answer = visitor(app).get("/login", headers={"Host": host})
    assert answer.status_code == 400
    assert "APP_BASE_URL" in answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("host", ["localhost:5050", "127.0.0.1", "[::1]:5050", "192.168.1.20:5050", "LOCALHOST"])
def test_this_machine_and_bare_addresses_are_known_while_there_is_no_public_address(app, host):
    assert visitor(app).get("/login", headers={"Host": host}).status_code == 200


def test_behind_a_public_address_only_it_and_this_machine_are_known(secure_app):
    for host, status in (
        ("portal.example.com", 200),
        ("localhost:5050", 200),
        ("192.168.1.20", 400),
        ("evil.example", 400),
    ):
        assert visitor(secure_app).get("/health", headers={"Host": host}).status_code == status


def test_no_page_repeats_the_host_it_was_asked_under(secure_app):
    answer = visitor(secure_app).get("/login", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.text
    assert "evil.example" not in str(answer.headers)


@pytest.mark.parametrize("path", ["/clients%00", "/login?next=%ff", "/login?%00=1", "/login?q=a%00b", "/login?%c0%ae"])
def test_addresses_that_cannot_be_read_are_refused(app, path):
    assert visitor(app).get(path).status_code == 400


@pytest.mark.parametrize("path", ["/\xff", "/\xc0\xae/", "/static/\xed\xa0\x80"])
def test_paths_that_are_no_text_are_refused(app, path):
    assert visitor(app).get("/x", environ_overrides={"PATH_INFO": path}).status_code == 400


@pytest.mark.parametrize(
    "path", ["/login?q=%F0%9F%98%80", "/login?q=%E0%A4%A8", "/login?next=/a+b", "/login?" + "a=1&" * 500]
)
def test_any_language_is_fine_in_an_address(app, path):
    assert visitor(app).get(path).status_code == 200


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "BREW"])
def test_unusual_methods_are_refused(app, method):
    assert visitor(app).open("/login", method=method).status_code == 405


def test_a_sane_request_id_is_kept_and_any_other_replaced(app):
    assert visitor(app).get("/health", headers={"X-Request-ID": "abc-12345.6"}).headers["X-Request-ID"] == "abc-12345.6"
    for odd in ("short", "x" * 65, "a b c d e f g", "<script>alert(1)</script>", "\u00e9" * 10, "-starts-with-dash"):
        answered = visitor(app).get("/health", headers={"X-Request-ID": odd}).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", answered)


def test_the_address_of_a_visitor_is_believed_from_trusted_proxies_alone(app, database):
    seen = []
    app_behind = app_multiuser.create_app(database)
    app_behind.before_request_funcs[None].insert(0, lambda: seen.append(__import__("flask").request.remote_addr))
    for sender in ("127.0.0.1", "", "198.51.100.7"):
        app_behind.test_client().get(
            "/health", headers={"X-Forwarded-For": "203.0.113.5"}, environ_base={"REMOTE_ADDR": sender}
        )
    assert seen == ["203.0.113.5", "203.0.113.5", "198.51.100.7"]


def test_behind_a_unix_socket_one_visitor_who_guesses_does_not_shut_out_another(app):
    wrong = {"email": "nobody@example.in", "password": "not the password"}
    made_up = "198.51.100.9, "  # what a visitor writes in front of the proxy's own word counts for nothing
    try:
        for number in range(6):
            guesser = visitor(app)
            guesser.environ_base |= {"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": f"{made_up}203.0.113.5"}
            assert guesser.submit("/login", wrong).status_code == (422 if number < 5 else 429)
        other = visitor(app)
        other.environ_base |= {"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "203.0.113.6"}
        assert other.submit("/login", wrong).status_code == 422
        counted = execute_query("sign_in_brakes", filters={"subject_like": "ip:%"}, order="subject").data
        assert [row["subject"] for row in counted] == ["ip:203.0.113.5", "ip:203.0.113.6"]
    finally:
        with transaction() as tx:
            tx.delete("sign_in_brakes", filters={"failures_gte": 0})


def test_health_asks_nobody(app, monkeypatch):
    def nobody(*_args, **_kwargs):
        raise AssertionError("the database was asked")

    monkeypatch.setattr("database_pool.DatabasePool.execute_query", nobody)
    answer = sign_in_cookie_free(app).get("/health")
    assert answer.status_code == 200
    assert answer.json["status"] == "healthy"


def sign_in_cookie_free(app):
    return visitor(app)


def test_the_start_opens_no_connection(tmp_path, monkeypatch):
    before = config.settings()
    try:
        settings = portal_settings(tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
        assert app_multiuser.create_app(settings).test_client().get("/health").status_code == 200
    finally:
        config.use_settings(before)
