"""Whatever is typed into the forms of clients and members: a clear message, the text kept, never an error page."""

import pytest

from database_pool import execute_query
from tests.clients.conftest import stored, typed

GOOD = {"client_type": "individual", "name": "Kept Words", "language": "en"}
CHARACTERS = {
    "emoji": "🙂👨‍👩‍👧",
    "NUL": "Pu\x00ne",
    "escape": "Pu\x1bne",
    "SQL": "'; drop table clients; --",
    "quote": "a\"b'c\\",
    "PostgREST": "eq.1,or(name.eq.x),*",
    "HTML": "<script>alert(1)</script>",
    "template": "{{ 7 * 7 }} {% raw %}",
    "override": "Pune\u202etxt",
    "half a pair": "\udc80",
    "long": "x" * 6000,
}


@pytest.fixture(scope="module")
def count_before(clerk):
    return execute_query("clients", count=True, limit=1).count


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("name", "", "Name is needed."),
        ("name", "123", "there must be at least one letter"),
        ("date_of_birth", "31/02/2026", "there is no 31 February 2026"),
        ("date_of_birth", "12/31/1985", "there is no month 31"),
        ("date_of_birth", "1/1/2199", "this date is in the future"),
        ("phone", "12345", "there is no such phone number"),
        ("phone", "-98200", "Phone: "),
        ("email", "a@b", "write the e-mail address like"),
        ("pan", "12345", "a PAN has five letters"),
        ("pan", "ACUCA1234R", "for this type of client it is P"),
        ("gstin", "27AAPFU0939F1ZX", "the last character of this GSTIN"),
        ("pin", "4000", "a PIN code has 6 digits"),
        ("client_type", "robot", "please choose one of the list"),
        ("language", "xx", "please choose one of the list"),
        ("agent_id", "1 or 1=1", "write a whole number"),
        ("agent_id", "-1", "must be at least 1"),
        ("whatsapp_opt_in", "maybe", "cannot be used"),
        ("prefix", "R2D2", "two or three letters"),
        ("prefix", "मे", "two or three letters"),
        ("name", "x" * 121, "may have at most 120 characters, this has 121"),
    ],
)
def test_a_wrong_field_is_explained_beside_it_and_the_rest_is_kept(clerk, count_before, field, text, sentence):
    answer = clerk.submit("/clients/new", {**GOOD, "notes": "these words stay", field: text})
    assert answer.status_code == 422
    assert sentence in answer.text and "There is a problem" in answer.text and "these words stay" in answer.text
    assert "<title>Error: " in answer.text
    assert execute_query("clients", count=True, limit=1).count == count_before


@pytest.fixture(scope="module")
def token(clerk):
    return clerk.token()


@pytest.mark.parametrize("kind", CHARACTERS)
@pytest.mark.parametrize("field", ["name", "address", "city", "state", "group_name", "subgroup", "notes"])
def test_odd_characters_in_a_free_text_are_stored_as_they_are_or_refused(clerk, token, field, kind):
    text = CHARACTERS[kind].encode("utf-8", "surrogatepass")
    form = {"csrf_token": token, **GOOD, "name": f"{kind} In {field}", field: text}
    answer = clerk.post("/clients/new", data=form)
    assert answer.status_code in (303, 409, 422)
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("kind", CHARACTERS)
def test_odd_characters_in_every_other_field_are_refused_each_by_itself(clerk, token, kind):
    fields = [
        "prefix",
        "phone",
        "other_phone",
        "email",
        "date_of_birth",
        "pan",
        "gstin",
        "pin",
        "agent_id",
        "language",
        "client_type",
        "whatsapp_opt_in",
        "form_key",
        "same_as_known",
    ]
    text = CHARACTERS[kind].encode("utf-8", "surrogatepass")
    answer = clerk.post("/clients/new", data={"csrf_token": token, **GOOD, **dict.fromkeys(fields, text)})
    assert answer.status_code == 422 and "<script>alert" not in answer.text
    for field in fields[:10]:
        assert f'id="f-{field}-error"' in answer.text, field


def test_several_values_for_one_field_are_refused(clerk):
    answer = clerk.submit("/clients/new", {**GOOD, "name": ["One Name", "Two Names"]})
    assert answer.status_code == 422 and "cannot be used" in answer.text


def test_a_text_of_ten_megabytes_is_refused_with_its_length_and_the_form_is_kept(clerk):
    answer = clerk.submit("/clients/new", {**GOOD, "notes": "x" * 10_000_000})
    assert answer.status_code == 422 and "this has 10000000" in answer.text
    assert "x" * 10_000_000 in answer.text and GOOD["name"] in answer.text


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("name", "", "Name is needed."),
        ("relation", "neighbour", "please choose one of the list"),
        ("relation", "", "Relation is needed."),
        ("gender", "x", "please choose one of the list"),
        ("date_of_birth", "31/02/2026", "there is no 31 February 2026"),
        ("phone", "call me", "write the phone number"),
        ("nominee", "a\x00b", "invisible control character"),
        ("name", "x" * 500, "at most 120 characters"),
    ],
)
def test_a_wrong_field_of_a_member_is_explained_and_the_rest_is_kept(clerk, add_client, field, text, sentence):
    client = add_client(client_type="firm")
    form = {"name": "Neha Mehta", "relation": "spouse", "nominee": "kept nominee", field: text}
    answer = clerk.submit(f"/clients/{client['client_id']}/members/new", form)
    assert answer.status_code == 422 and sentence in answer.text
    assert field == "nominee" or "kept nominee" in answer.text


def test_fields_that_the_form_does_not_have_are_not_stored(clerk, add_client):
    client = add_client()
    more = {"client_id": "HACK1", "created_by": "1", "deleted_at": "2020-01-01", "search": "x", "updated_by": "1"}
    assert clerk.submit(f"/clients/{client['client_id']}/edit", typed(client, **more)).status_code == 303
    after = stored(client["client_id"])
    assert (after["deleted_at"], after["created_by"]) == (None, client["created_by"])


@pytest.mark.parametrize(
    "address",
    [
        "?q=%F0%9F%99%82",
        "?q=%27%3B+drop",
        "?q=" + "x" * 5000,
        "?city=%27&group=%22&agent_id=x&client_type=robot",
        "?agent_id=99999999999999999999999",
        "?show=nothing",
        "?sort=-nothing",
        "?sort=name;drop",
        "?cursor=abc",
        "?cursor=%25",
        "?cursor=W10",
        "?cursor=WyJuYW1lIixmYWxzZSwwLDEsMl0",
        "?size=1000000",
        "?q=%26%7C!():*",
        "?q=a&q=b",
        "?q=\\",
    ],
)
def test_a_list_address_that_makes_no_sense_still_shows_a_list(clerk, address):
    assert clerk.get(f"/clients/{address}").status_code == 200


def test_a_list_address_with_characters_that_cannot_be_read_is_refused(clerk):
    assert clerk.get("/clients/?q=a%00b").status_code == 400
