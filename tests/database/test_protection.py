"""Nobody without the portal's own key reads or writes anything: row-level security, grants and keys."""

import psycopg
import pytest
from psycopg import sql as spelled

from database_pool import DatabasePool, MigrationFailed, NotAllowed, call_function, execute_query
from tests.conftest import portal_settings
from tests.servers import supabase_lite
from tests.servers.supabase_lite import SupabaseLite

RELATIONS = (
    "select oid::regclass::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')"
)
FUNCTIONS = """select oid::regprocedure::text from pg_proc
                where pronamespace = 'public'::regnamespace and prokind = 'f' and prorettype <> 'trigger'::regtype"""


@pytest.fixture
def sql(database):
    with psycopg.connect(database.database_url, autocommit=True) as connection:
        yield connection


def names(sql, question):
    return [name for (name,) in sql.execute(question).fetchall()]


def test_every_table_has_row_level_security_and_no_policy(sql):
    unprotected = names(
        sql,
        "select relname::text from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity",
    )
    assert unprotected == []
    assert names(sql, "select policyname::text from pg_policies where schemaname = 'public'") == []


def test_views_ask_with_the_rights_of_whoever_asks(sql):
    owners_rights = names(
        sql,
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'"
        " and not coalesce('security_invoker=true' = any (reloptions), false)",
    )
    assert owners_rights == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_stranger_may_touch_no_table_and_call_no_function(sql, role):
    relations, functions = names(sql, RELATIONS), names(sql, FUNCTIONS)
    assert len(relations) > 20
    assert len(functions) > 10
    for right in ("select", "insert", "update", "delete"):
        asked = "select has_table_privilege(%s, %s, %s)"
        assert [r for r in relations if sql.execute(asked, (role, r, right)).fetchone()[0]] == []
    asked = "select has_function_privilege(%s, %s, 'execute')"
    assert [f for f in functions if sql.execute(asked, (role, f)).fetchone()[0]] == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_stranger_sees_nothing(sql, role):
    relations = names(sql, RELATIONS)
    execute_query("clients", "upsert", data={"client_id": "AN01", "name": "Not for strangers"})
    sql.execute(spelled.SQL("set role {}").format(spelled.Identifier(role)))
    for relation in relations:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql.execute(spelled.SQL("select * from {}").format(spelled.Identifier(relation)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql.execute("select apply_changes('[]')")


def test_the_portals_role_may_do_all_it_needs(sql):
    relations, functions = names(sql, RELATIONS), names(sql, FUNCTIONS)
    asked = "select has_table_privilege('service_role', %s, 'select, insert, update, delete')"
    assert [r for r in relations if not sql.execute(asked, (r,)).fetchone()[0]] == []
    asked = "select has_function_privilege('service_role', %s, 'execute')"
    assert [f for f in functions if not sql.execute(asked, (f,)).fetchone()[0]] == []


@pytest.fixture(scope="module")
def lite(embedded_server, fresh_database):
    if reason := supabase_lite.missing():
        pytest.skip(reason)
    server = SupabaseLite(embedded_server.folder, embedded_server.port, fresh_database())
    server.start()
    yield server
    server.remove()


def test_the_secret_key_is_accepted(lite, data_dir):
    pool = DatabasePool(configuration=portal_settings(data_dir, SUPABASE_URL=lite.url, SUPABASE_KEY=lite.secret_key))
    assert pool.start() == []
    assert pool.call_function("whoami") == "service_role"
    pool.close()


@pytest.mark.parametrize("key", ["the publishable one", "sb_secret_wrong"])
def test_any_other_key_is_refused_with_a_sentence_and_never_shown(lite, data_dir, key):
    given = portal_settings(data_dir, SUPABASE_URL=lite.url, SUPABASE_KEY="sb_secret_placeholder")
    given_key = lite.publishable_key if key.startswith("the") else key
    object.__setattr__(given, "supabase_key", given_key)  # config itself refuses a publishable key by its looks
    pool = DatabasePool(configuration=given)
    with pytest.raises(NotAllowed, match="secret key") as refused:
        pool.start()
    assert given_key not in str(refused.value)
    pool.close()


def test_a_project_without_the_schema_is_told_which_files_to_apply(embedded_server, data_dir):
    if reason := supabase_lite.missing():
        pytest.skip(reason)
    embedded_server.create_database("without_schema")
    server = SupabaseLite(embedded_server.folder, embedded_server.port, "without_schema")
    server.start()
    pool = DatabasePool(
        configuration=portal_settings(data_dir, SUPABASE_URL=server.url, SUPABASE_KEY=server.secret_key)
    )
    with pytest.raises(MigrationFailed, match="20261123090000_foundation"):
        pool.start()
    pool.close()
    server.remove()
    embedded_server.drop_database("without_schema")


def test_wrong_credentials_are_said_at_once_and_never_shown(embedded_server, data_dir):
    address = f"postgresql://nobody_known:hunter2@127.0.0.1:{embedded_server.port}/postgres"
    pool = DatabasePool(configuration=portal_settings(data_dir, DATABASE_URL=address))
    with pytest.raises(NotAllowed) as refused:
        pool.execute_query("clients")
    assert "hunter2" not in str(refused.value)
    pool.close()


def test_whoami_names_the_role(database):
    assert call_function("whoami") == "postgres"
