"""What each role may do: the matrix as a table, and the gate that enforces it."""

import re

import pytest

from portal.staff import service
from tests.cast import CAST, sign_in, visitor

#                      administrator  manager  staff  accounts  read-only
MATRIX = {
    "clients.read":      (True,  True,  True,  True,  True),
    "clients.write":     (True,  True,  True,  False, False),
    "clients.delete":    (True,  True,  False, False, False),
    "policies.read":     (True,  True,  True,  True,  True),
    "policies.write":    (True,  True,  True,  True,  False),
    "policies.delete":   (True,  True,  False, False, False),
    "documents.read":    (True,  True,  True,  True,  True),
    "documents.write":   (True,  True,  True,  True,  False),
    "documents.delete":  (True,  True,  False, False, False),
    "commission.read":   (True,  True,  False, True,  False),
    "staff.manage":      (True,  False, False, False, False),
    "settings.manage":   (True,  False, False, False, False),
    "audit.read":        (True,  True,  False, False, False),
    "audit.personal":    (True,  False, False, False, False),
    "trash.erase":       (True,  False, False, False, False),
    "privacy.export":    (True,  True,  False, False, False),
    "monitoring.read":   (True,  True,  False, False, False),
    "messages.read":     (True,  True,  True,  True,  True),
    "messages.write":    (True,  True,  True,  False, False),
    "jobs.manage":       (True,  True,  False, False, False),
    "queue.manage":      (True,  False, False, False, False),
}  # fmt: skip
ROLES = ("administrator", "manager", "staff", "accounts", "read-only")


@pytest.mark.parametrize("permission", MATRIX)
def test_each_role_may_do_what_the_table_says(permission):
    assert tuple(permission in service.permissions_of(role) for role in ROLES) == MATRIX[permission]


def test_the_table_is_complete():
    assert set(MATRIX) == service.PERMISSIONS
    assert set(ROLES) == set(service.MATRIX) == set(service.ROLES)


def test_a_role_or_permission_that_does_not_exist_allows_nothing():
    assert service.permissions_of("owner") == frozenset()
    assert "clients.everything" not in service.permissions_of("administrator")


def pages(app):
    """Every address that can be opened without a number in it. What monitoring may ask has its own tests."""
    return [
        (str(rule), app.view_functions[rule.endpoint].access)
        for rule in app.url_map.iter_rules()
        if "GET" in rule.methods and not rule.arguments
        and not getattr(app.view_functions[rule.endpoint], "open_to_monitoring", False)
    ]


def some_address(app, rule):
    """An address that the rule matches, of a record that need not exist."""
    values = {}
    for name, converter in rule._converters.items():
        words = getattr(converter, "items", None) or getattr(converter, "regex", "")
        values[name] = re.findall(r"[a-z][a-z-]{2,}", str(words))[0] if "any" in type(converter).__name__.lower() else 1
    return app.url_map.bind("localhost").build(rule.endpoint, values, method="POST")


@pytest.mark.parametrize("who", CAST)
def test_the_gate_keeps_every_role_to_its_pages(app, who):
    browser = sign_in(app, who)
    may = service.permissions_of(CAST[who][1])
    for path, access in pages(app):
        if access in service.PERMISSIONS:
            status = browser.get(path).status_code
            assert (status == 403) is (access not in may), f"{who} {path}: {status}"


def test_the_gate_keeps_every_role_from_forms_it_may_not_send(app):
    for who in CAST:
        browser = sign_in(app, who)
        token, may = browser.token(), service.permissions_of(CAST[who][1])
        for rule in app.url_map.iter_rules():
            access = app.view_functions[rule.endpoint].access
            if "POST" in rule.methods and access in service.PERMISSIONS - may:
                path = some_address(app, rule)
                assert browser.post(path, data={"csrf_token": token}).status_code == 403, f"{who} {path}"


def test_whoever_is_not_signed_in_is_asked_to(app):
    for path, access in pages(app):
        if access != "public":
            answer = visitor(app).get(path)
            if path.startswith("/api/"):   # a program is told, and not led to a page
                assert answer.status_code == 401, path
                continue
            assert answer.status_code == 303, path
            assert answer.headers["Location"].startswith("/login"), path


def test_navigation_offers_what_the_role_may_open(app):
    assert 'href="/users"' in sign_in(app, "administrator").get("/account").text
    for who in ("manager", "staff", "accounts", "reader"):
        assert 'href="/users"' not in sign_in(app, who).get("/account").text
