"""Whatever is typed into the forms of policies: a clear sentence, the content kept, never a server error."""

from html import escape

import pytest

from database_pool import execute_query
from portal.policies.inputs import FORMS
from tests.cast import sign_in
from tests.policies.book import add, stored

MONEY = (
    "net_premium",
    "addon_premium",
    "tp_premium",
    "sum_insured",
    "floater_sum_insured",
    "insured_declared_value",
    "building",
    "stocks",
    "persons-0-sum_insured",
    "commission_amount",
)
DATES = (
    "policy_from",
    "policy_to",
    "payment_date",
    "own_damage_to",
    "third_party_to",
    "maturity_date",
    "trip_from",
    "trip_to",
)
NUMBERS = (
    "year_of_manufacture", "cubic_capacity", "gross_weight", "policy_term_years", "premium_term_years", "travellers",
)  # fmt: skip
RATES = ("gst_rate", "gst_tp_rate", "commission_rate", "commission_tp_rate", "no_claim_bonus")
CHOICES = (
    "insurer_id",
    "product_id",
    "agent_id",
    "member_id",
    "business_type",
    "plan",
    "vehicle_class",
    "cover",
    "premium_mode",
    "persons-0-member_id",
)
TEXTS = (
    "policy_number",
    "payment_details",
    "asset",
    "group_name",
    "subgroup",
    "remarks",
    "make_model",
    "chassis_number",
    "risk_address",
    "occupancy",
    "nominee",
    "destination",
    "persons-0-name",
    "gst_reason",
)
LINE_OF = {
    "floater_sum_insured": "health",
    "plan": "health",
    "persons-0-sum_insured": "health",
    "persons-0-member_id": "health",
    "persons-0-name": "health",
    "insured_declared_value": "motor",
    "own_damage_to": "motor",
    "third_party_to": "motor",
    "year_of_manufacture": "motor",
    "cubic_capacity": "motor",
    "no_claim_bonus": "motor",
    "vehicle_class": "motor",
    "cover": "motor",
    "make_model": "motor",
    "chassis_number": "motor",
    "gst_tp_rate": "motor",
    "commission_tp_rate": "motor",
    "gross_weight": "motor",
    "building": "fire",
    "stocks": "fire",
    "risk_address": "fire",
    "occupancy": "fire",
    "maturity_date": "life",
    "policy_term_years": "life",
    "premium_term_years": "life",
    "premium_mode": "life",
    "nominee": "life",
    "trip_from": "travel",
    "trip_to": "travel",
    "travellers": "travel",
    "destination": "travel",
}
METACHARACTERS = (
    "Robert'); DROP TABLE policies;--",
    'a"b\\c',
    "eq.1,or(policy_id.gt.0)",
    "%_*",
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "'':* & !x | (y <-> z)",
    "../../etc/passwd",
    '=HYPERLINK("x")',
)


def send(browser, book, field, text):
    line = LINE_OF.get(field, "other")
    return browser.submit(
        "/policies/new", book.form(line, policy_number="BAD/1") | {"remarks": "kept text", field: text}
    )


def count():
    return execute_query("policies", limit=1, count=True).count


@pytest.mark.parametrize("field", MONEY)
@pytest.mark.parametrize("text", ["-1", "abc", "1,5", "NaN", "Infinity", "1e999", "9" * 30, "12.345", "₹", "१२-"])
def test_an_amount_that_cannot_be_read_is_refused_and_kept(accountant, book, field, text):
    before, answer = count(), send(accountant, book, field, text)
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert f'value="{escape(text)}"' in answer.text
    assert "kept text" in answer.text or field == "remarks"
    assert count() == before


@pytest.mark.parametrize("field", DATES)
@pytest.mark.parametrize(
    "text", ["31/02/2026", "12/31/2026", "yesterday", "00/00/0000", "01/01/99999", "2026", "1/1", "१"]
)
def test_a_date_that_does_not_exist_is_refused_and_kept(accountant, book, field, text):
    answer = send(accountant, book, field, text)
    assert answer.status_code == 422
    assert f'value="{escape(text)}"' in answer.text
    assert "kept text" in answer.text


def test_the_sentence_for_the_31st_of_february_says_what_is_wrong(accountant, book):
    assert "there is no 31 February 2026" in send(accountant, book, "policy_from", "31/02/2026").text


@pytest.mark.parametrize("field", NUMBERS + RATES)
@pytest.mark.parametrize("text", ["-1", "abc", "1.5.5", "99999999999", "NaN", "0x10"])
def test_a_number_out_of_range_is_refused_and_kept(accountant, book, field, text):
    answer = send(accountant, book, field, text)
    assert answer.status_code == 422
    assert f'value="{escape(text)}"' in answer.text


@pytest.mark.parametrize("field", CHOICES)
@pytest.mark.parametrize("text", ["-1", "0", "abc", "1 or 1=1", "99999999999999999999", "[]"])
def test_a_choice_that_is_not_offered_is_refused(accountant, book, field, text):
    answer = send(accountant, book, field, text)
    assert answer.status_code == 422
    assert "kept text" in answer.text


@pytest.mark.parametrize("field", TEXTS)
def test_control_characters_are_refused(accountant, book, field):
    for text in ("nul\0byte", "bell\x07", "override\u202e"):
        answer = send(accountant, book, field, text)
        assert answer.status_code == 422, repr(text)
        assert "control character" in answer.text


@pytest.mark.parametrize("field", TEXTS)
def test_too_long_a_text_is_refused_with_its_length(accountant, book, field):
    answer = send(accountant, book, field, "x" * 20_000)
    assert answer.status_code == 422
    assert "may have at most" in answer.text


def test_ten_megabytes_are_refused_with_their_length_and_the_form_is_kept(accountant, book):
    answer = send(accountant, book, "remarks", "x" * 10_000_000)
    assert answer.status_code == 422
    assert "may have at most" in answer.text and "this has 10000000" in answer.text
    assert "x" * 10_000_000 in answer.text


@pytest.mark.parametrize("text", [*METACHARACTERS, "👩‍👩‍👧 परिवार 保険 ‘quotes’"])
def test_whatever_can_be_written_is_stored_as_it_is_and_shown_without_harm(accountant, book, text):
    number = f"META/{METACHARACTERS.index(text) if text in METACHARACTERS else 99}"
    policy_id = add(
        accountant,
        book.form(
            "fire",
            policy_number=number,
            remarks=text,
            asset=text,
            group_name=text,
            risk_address=text,
            payment_details=text,
        ),
    )
    row = stored(policy_id)
    assert (row["remarks"], row["asset"], row["group_name"]) == (text, text, text)
    for path in (
        f"/policies/{policy_id}",
        f"/policies/{policy_id}/edit",
        f"/policies/{policy_id}/renewal",
        "/policies",
    ):
        page = accountant.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
    assert accountant.get("/policies", query_string={"q": text}).status_code == 200
    assert accountant.get("/policies/new", query_string={"q": text}).status_code == 200


def test_a_number_made_of_signs_alone_is_refused(accountant, book):
    assert send(accountant, book, "policy_number", "---///").status_code == 422


def test_a_hundred_and_one_persons_are_too_many(accountant, book):
    rows = {f"persons-{place}-name": "Aarav Mehta" for place in range(101)}
    answer = accountant.submit("/policies/new", book.form("health", policy_number="MANY/1") | rows)
    assert answer.status_code == 422
    assert "At most 100 rows" in answer.text


def test_odd_field_names_do_no_harm(accountant, book):
    odd = {
        "persons-9999-name": "",
        "persons-0-__class__": "x",
        "persons": "text",
        "policy_id": "1",
        "state": "renewed",
        "version": "abc",
        "created_by": "1",
        "-": "x",
        "a-b-c": "y",
    }
    answer = accountant.submit("/policies/new", book.form("health", policy_number="ODD/1") | odd)
    assert answer.status_code in (303, 422)


@pytest.mark.parametrize("path", ["renewal", "edit"])
def test_the_other_forms_refuse_the_same_and_keep_what_was_typed(accountant, book, path):
    policy_id = add(accountant, book.form("motor", policy_number=f"BAD/{path}"))
    for field, text in (
        ("net_premium", "-5"),
        ("policy_from", "31/02/2026"),
        ("remarks", "nul\0"),
        ("no_claim_bonus", "101"),
        ("product_id", "abc"),
        ("policy_number", "x" * 500),
    ):
        typed = book.form(
            "motor", policy_number=f"BAD/{path}/2", policy_from="01/11/2027", version="1", make_model="kept text"
        )
        answer = accountant.submit(f"/policies/{policy_id}/{path}", {**typed, field: text})
        assert answer.status_code == 422, (field, answer.status_code)
        assert "kept text" in answer.text
    assert stored(policy_id)["version"] == 1


@pytest.mark.parametrize("version", ["", "abc", "-1", "0", "99999999999999999999"])
def test_a_version_that_makes_no_sense_saves_nothing(app, book, version):
    manager = sign_in(app, "manager")
    policy_id = add(manager, book.form("other", policy_number=f"VER/{version}"))
    for path in ("edit", "renewal", "cancellation", "loss", "deletion", "restoration"):
        typed = book.form("other", policy_number=f"VER2/{version}", policy_from="01/11/2027") | {
            "version": version,
            "cancelled_on": "20/11/2026",
            "reason": "price",
        }
        assert manager.submit(f"/policies/{policy_id}/{path}", typed).status_code in (409, 422, 303)
    row = stored(policy_id)
    assert (row["version"], row["state"], row["deleted_at"]) == (1, "live", None)


def test_every_field_of_every_line_is_among_those_tried():
    tried = {*MONEY, *DATES, *NUMBERS, *RATES, *CHOICES, *TEXTS}
    for line, form in FORMS.items():
        missing = {name for name in form.model_fields if name not in tried}
        assert missing <= {
            "version",
            "waiting_for",
            "one_time",
            "is_new",
            "commission_received",
            "persons",
            "vehicle_number",
            "engine_number",
            "floater_bonus",
            "floater_deductible",
            "plant_and_machinery",
            "furniture_and_fittings",
            "electrical_installations",
        }, (line, missing)
