"""Insurers, products and agents: listed, added, renamed, retired; the agency's own data; the tax rules."""

import pytest

from database_pool import execute_query
from tests.cast import sign_in


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


@pytest.fixture(scope="module")
def clerk(app):
    return sign_in(app, "staff")


def row(table, name):
    return execute_query(table, filters={"name_eq": name}).data[0]


def trail(record_type, record_id):
    return execute_query(
        "audit", filters={"record_type_eq": record_type, "record_id_eq": str(record_id)}, order="audit_id"
    ).data


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        (
            "insurers",
            {
                "name": "Star Health and Allied",
                "short_name": "Star",
                "irdai_number": "129",
            },
        ),
        ("products", {"name": "Family Health Optima", "line": "health"}),
        ("agents", {"name": "Kavita Iyer", "phone": "98200 12345", "email": "kavita@example.in"}),
    ],
)
def test_a_colleague_adds_a_master_and_finds_it_in_the_list(clerk, kind, typed):
    assert clerk.submit(f"/settings/{kind}", typed).status_code == 303
    assert typed["name"] in clerk.get(f"/settings/{kind}").text
    stored = row(kind, typed["name"])
    assert stored["is_active"]
    (entry,) = trail(kind[:-1], stored[f"{kind[:-1]}_id"])
    assert (entry["action"], entry["after"]["name"]) == ("add", typed["name"])


def test_a_name_that_exists_is_refused_whatever_its_capitals(clerk):
    clerk.submit("/settings/insurers", {"name": "New India"})
    answer = clerk.submit("/settings/insurers", {"name": "NEW india", "irdai_number": "kept 190"})
    assert answer.status_code == 422
    assert "There is already an insurer of this name" in answer.text
    assert "kept 190" in answer.text


def test_a_master_is_renamed_and_retired_and_the_trail_says_so(administrator):
    administrator.submit("/settings/agents", {"name": "Imran Shaikh"})
    stored = row("agents", "Imran Shaikh")
    answer = administrator.submit(f"/settings/agents/{stored['agent_id']}", {"name": "Imran A Shaikh", "version": "1"})
    assert answer.status_code == 303
    changed = row("agents", "Imran A Shaikh")
    assert (changed["is_active"], changed["version"]) == (False, 2)
    assert trail("agent", stored["agent_id"])[-1]["before"] == {"name": "Imran Shaikh", "is_active": True}
    assert "Retired" in administrator.get("/settings/agents").text


def test_two_administrators_changing_one_master_see_both_versions(administrator):
    administrator.submit("/settings/insurers", {"name": "Care Health"})
    path = f"/settings/insurers/{row('insurers', 'Care Health')['insurer_id']}"
    assert (
        administrator.submit(path, {"name": "Care Health Insurance", "is_active": "on", "version": "1"}).status_code
        == 303
    )
    answer = administrator.submit(path, {"name": "CARE", "is_active": "on", "version": "1"})
    assert answer.status_code == 409
    assert "Care Health Insurance" in answer.text
    assert "CARE" in answer.text


def test_the_line_of_a_product_stays(administrator):
    administrator.submit("/settings/products", {"name": "Motor Package", "line": "motor"})
    stored = row("products", "Motor Package")
    administrator.submit(
        f"/settings/products/{stored['product_id']}",
        {"name": "Motor Package", "line": "life", "is_active": "on", "subtype": "goods carriage", "version": "1"},
    )
    assert (row("products", "Motor Package")["line"], row("products", "Motor Package")["subtype"]) == (
        "motor",
        "goods carriage",
    )


def test_the_list_is_narrowed_by_a_part_of_the_name(administrator):
    for name in ("Alpha 100% Cover", "Beta_Cover"):
        administrator.submit("/settings/products", {"name": name, "line": "other"}, follow_redirects=True)
    page = administrator.get("/settings/products", query_string={"q": "100%"}).text
    assert "Alpha 100% Cover" in page
    assert "Beta_Cover" not in page
    assert "Nothing matches" in administrator.get("/settings/products", query_string={"q": "%" * 3 + "x"}).text


@pytest.mark.parametrize(
    ("kind", "typed", "sentence"),
    [
        ("insurers", {"name": ""}, "Name is needed"),
        ("insurers", {"name": "x" * 200}, "at most 120 characters"),
        ("insurers", {"name": "nul\0"}, "control character"),
        ("products", {"name": "No line"}, "Line is needed"),
        ("products", {"name": "Odd line", "line": "'; drop table products;--"}, "choose one of the list"),
        ("products", {"name": "Odd insurer", "line": "health", "insurer_id": "999999"}, "This insurer does not exist"),
        ("agents", {"name": "Phone", "phone": "12"}, "phone number"),
        ("agents", {"name": "Mail", "email": "nobody"}, "e-mail address"),
    ],
)
def test_bad_input_is_refused_with_a_sentence_and_kept(administrator, kind, typed, sentence):
    answer = administrator.submit(f"/settings/{kind}", typed)
    assert answer.status_code == 422
    assert sentence in answer.text


def test_the_agency_saves_its_own_data_with_a_version(administrator):
    typed = {"name": "Asha Insurance Services", "phone": "98200 12345", "version": ""}
    assert administrator.submit("/settings/company", typed).status_code == 303
    assert "Asha Insurance Services" in administrator.get("/settings").text
    assert (
        administrator.submit("/settings/company", {**typed, "name": "Asha and Co", "version": "1"}).status_code == 303
    )
    assert administrator.submit("/settings/company", {**typed, "name": "Late", "version": "1"}).status_code == 409
    assert administrator.submit("/settings/company", {"name": "", "version": "2"}).status_code == 422


def test_the_tax_rules_are_shown_with_their_sources(clerk):
    page = clerk.get("/settings/rules/gst").text
    assert "retail health from 22/09/2025" in page
    assert "Notification 16/2025" in page


@pytest.mark.parametrize(
    ("who", "adds", "changes"),
    [
        ("administrator", True, True),
        ("manager", True, False),
        ("staff", True, False),
        ("accounts", True, False),
        ("reader", False, False),
    ],
)
def test_who_may_add_and_who_may_change(app, administrator, who, adds, changes):
    administrator.submit("/settings/insurers", {"name": "Bajaj General"})
    insurer = row("insurers", "Bajaj General")["insurer_id"]
    browser = sign_in(app, who)
    for path in ("/settings", "/settings/insurers", "/settings/products", "/settings/agents", "/settings/rules/gst"):
        assert browser.get(path).status_code == (200 if adds else 403)
    assert browser.get(f"/settings/insurers/{insurer}").status_code == (200 if changes else 403)
    assert (browser.submit("/settings/company", {}).status_code != 403) == changes


def test_what_does_not_exist_is_not_found(administrator):
    for path in ("/settings/insurers/999999", "/settings/agents/99999999999999999999999", "/settings/nonsense"):
        assert administrator.get(path).status_code == 404, path
