"""No table holds a PAN, a date of birth or a health note that can be read; what was open before is sealed in place."""

import base64
import os
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

import config
from database_pool import call_function, execute_query, transaction
from portal import audit
from portal.clients import queries, service
from portal.clients.inputs import ClientInput
from portal.formats import today
from portal.privacy import keys
from tests.cast import sign_in

pytestmark = pytest.mark.slow
BORN, ILLNESS, ELSE = "1971-07-13", "diabetes since 2019 CANARY", "heart bypass CANARY"
CANARIES = ("ACUPZ7777R", BORN, ILLNESS, ELSE)


@pytest.fixture(scope="module")
def clerk(app):
    """A colleague who may add and change clients."""
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def client_id(clerk):
    """A client with a PAN, a date of birth and notes, and a member with health notes, entered through the forms."""
    asked = {
        "name": "Zubin Wadia",
        "client_type": "individual",
        "language": "en",
        "pan": "ACUPZ7777R",
        "date_of_birth": "13/7/1971",
        "notes": ILLNESS,
        "prefix": "ZW",
    }
    here = clerk.submit("/clients/new", asked).location
    spouse = {"name": "Roxanne Wadia", "relation": "spouse", "date_of_birth": "13/7/1971", "health_notes": ELSE}
    assert clerk.submit(f"{here}/members/new", spouse).status_code == 303
    return here.rsplit("/", 1)[1]


def with_the_pan():
    """Somebody else's form with the client's PAN."""
    return ClientInput.model_validate({"name": "Somebody Else", "pan": "ACUPZ7777R"})


def tables_with(address, needles):
    """Names of the tables that hold one of these texts anywhere in a row."""
    with psycopg.connect(address) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
            )
        ]
        one = "select exists (select from {table} t where t::text like any (%s))"
        return [
            name
            for name in names
            if connection.execute(
                sql.SQL(one).format(table=sql.Identifier(name)), [[f"%{needle}%" for needle in needles]]
            ).fetchone()[0]
        ]


def open_up(address, client_id):
    """Makes a client's rows look as they were before there were sealed columns; answers what is to come back."""
    with psycopg.connect(address) as connection:
        connection.execute(
            "update clients set pan = 'ACUPZ7777R', date_of_birth = %s, notes = %s, pan_sealed = null, "
            "pan_index = null, date_of_birth_sealed = null, notes_sealed = null where client_id = %s",
            (BORN, ILLNESS, client_id),
        )
        connection.execute(
            "update members set date_of_birth = %s, date_of_birth_sealed = null, birthday = null where client_id = %s",
            (BORN, client_id),
        )
    return queries.client(client_id), queries.members_of(client_id)


def test_what_was_entered_is_shown_and_stands_in_no_table(clerk, client_id, database):
    found = queries.client(client_id)
    assert (found["pan"], str(found["date_of_birth"]), found["notes"]) == ("ACUPZ7777R", BORN, ILLNESS)
    page = clerk.get(f"/clients/{client_id}").text
    assert "13/07/1971" in page and ILLNESS in page
    form = clerk.get(f"/clients/{client_id}/members/{queries.members_of(client_id)[-1]['member_id']}").text
    assert ELSE in form
    assert tables_with(database.database_url, CANARIES) == []


def test_changing_it_leaves_only_that_it_changed_in_the_trail(clerk, client_id, database):
    stored = queries.client(client_id)
    assert stored is not None
    asked = ClientInput.model_validate(
        {"name": stored["name"], "pan": "ACUPZ7777R", "notes": f"{ILLNESS}, worse", "date_of_birth": "13/7/1971"}
    )
    with transaction() as tx:
        service.change_client(tx, audit.THE_PORTAL, stored, asked, stored["version"])
    entry = execute_query("audit", filters={"client_id_eq": client_id, "action_eq": "change"}, limit=1).data[0]
    assert (entry["before"], entry["after"]) == ({"notes": "not kept here"}, {"notes": "not kept here"})
    assert tables_with(database.database_url, CANARIES) == []


def test_a_birthday_is_found_and_counted_though_its_year_is_sealed(clerk, client_id):
    born = today().replace(year=1972)
    child = {"name": "Farokh Wadia", "relation": "son", "date_of_birth": born.strftime("%d/%m/%Y")}
    assert clerk.submit(f"/clients/{client_id}/members/new", child).status_code == 303
    years = today().year - 1972
    assert f"turns {years}" in clerk.get("/").text
    assert f'class="num">{years}</td>' in clerk.get("/today/birthdays").text


def test_the_same_pan_is_recognised_though_it_is_sealed(client_id):
    alike = service.lookalikes(with_the_pan())
    assert [(one.client_id, one.shared) for one in alike] == [(client_id, ("this PAN",))]


def test_older_rows_are_read_found_and_sealed_where_they_lie(client_id, database):
    client, members = open_up(database.database_url, client_id)
    assert client["pan"] == "ACUPZ7777R" and service.lookalikes(with_the_pan())
    report = keys.seal_everything()
    assert report["clients"] == 1 and report["members"] == len(members)
    assert queries.client(client_id) == client and queries.members_of(client_id) == members  # the version too
    assert {row["birthday"] for row in execute_query("members", filters={"client_id_eq": client_id}).data} == {713}
    assert tables_with(database.database_url, CANARIES) == []
    again = keys.seal_everything()
    assert (again["clients"], again["members"], again["two_step"]) == (0, 0, 0)


def test_sealing_that_was_stopped_goes_on_and_spares_what_was_changed_meanwhile(client_id, database, monkeypatch):
    open_up(database.database_url, client_id)
    written = call_function

    def change_first(name, parameters):
        with transaction() as tx:
            tx.update("clients", {"city": "Surat"}, filters={"client_id_eq": client_id})
        monkeypatch.setattr(keys, "call_function", written)
        return written(name, parameters)

    monkeypatch.setattr(keys, "call_function", change_first)
    assert keys.seal_everything()["clients"] == 0
    assert queries.client(client_id)["city"] == "Surat" and keys.seal_everything()["clients"] == 1


def test_a_new_key_takes_over_and_the_old_one_is_missed_until_then(client_id, database):
    old, new = (base64.urlsafe_b64encode(os.urandom(32)).decode() for _ in range(2))
    given = config.settings()
    try:
        config.use_settings(replace(database, data_encryption_key=(old,)))
        keys.seal_everything()
        config.use_settings(replace(database, data_encryption_key=(new,)))
        with pytest.raises(config.ConfigurationError, match=r"DATA_ENCRYPTION_KEY: this data is sealed with the key"):
            keys.check_keys()
        config.use_settings(replace(database, data_encryption_key=(new, old)))
        keys.check_keys()
        assert service.lookalikes(with_the_pan())
        assert keys.seal_everything()["other_keys"] == []
        config.use_settings(replace(database, data_encryption_key=(new,)))
        keys.check_keys()
        assert queries.client(client_id)["pan"] == "ACUPZ7777R"
        config.use_settings(given)
        with pytest.raises(config.ConfigurationError, match="SECRET_KEY"):
            keys.check_keys()
    finally:
        config.use_settings(given)
