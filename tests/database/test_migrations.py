"""Migrations: each file once, in order, all of it or nothing, by one process."""

import threading

import psycopg
import pytest

from database_pool import DatabasePool, MigrationFailed
from infrastructure import migrations
from tests.conftest import portal_settings

pytestmark = pytest.mark.slow


@pytest.fixture
def empty(embedded_server, database_names, data_dir):
    """Settings of a database without anything in it."""
    name = next(database_names)
    embedded_server.create_database(name)
    yield portal_settings(data_dir, DATABASE_URL=embedded_server.address(name))
    embedded_server.drop_database(name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of migrations of the test's own."""
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    (tmp_path / "20260101000000_first.sql").write_text(
        "create table applied_changes (key text, applied_at timestamptz); create table things (n integer);"
    )
    return tmp_path


def asked(settings, question):
    with psycopg.connect(settings.database_url, autocommit=True) as sql:
        return [value for (value,) in sql.execute(question).fetchall()]


VERSIONS = "select version from supabase_migrations.schema_migrations order by 1"


def test_they_are_applied_in_order_and_recorded_as_the_supabase_cli_does(empty):
    pool = DatabasePool(configuration=empty)
    applied = pool.migrate()
    assert applied == sorted(applied) == [migration.file_name for migration in migrations.known_migrations()]
    assert asked(empty, VERSIONS) == [name.split("_")[0] for name in applied]
    assert pool.migrate() == []
    pool.stop()


def test_a_new_file_is_applied_alone_and_its_tables_are_known_at_once(empty, folder):
    pool = DatabasePool(configuration=empty)
    assert pool.migrate() == ["20260101000000_first.sql"]
    (folder / "20260102000000_second.sql").write_text("insert into things values (7);")
    assert pool.migrate() == ["20260102000000_second.sql"]
    assert asked(empty, "select n from things") == [7]
    pool.stop()


def test_a_file_that_fails_leaves_nothing_of_itself_and_is_named(empty, folder):
    pool = DatabasePool(configuration=empty)
    (folder / "20260102000000_second.sql").write_text(
        "insert into things values (7); select 1/0; create table later ();"
    )
    (folder / "20260103000000_third.sql").write_text("insert into things values (8);")
    with pytest.raises(MigrationFailed, match="20260102000000_second"):
        pool.migrate()
    assert asked(empty, VERSIONS) == ["20260101000000"]
    assert asked(empty, "select n from things") == []
    (folder / "20260102000000_second.sql").write_text("insert into things values (9);")
    assert len(pool.migrate()) == 2
    assert asked(empty, "select n from things order by 1") == [8, 9]
    pool.stop()


def test_a_file_that_is_named_wrongly_stops_before_anything_is_done(empty, folder):
    (folder / "no_number.sql").write_text("select 1;")
    pool = DatabasePool(configuration=empty)
    with pytest.raises(MigrationFailed, match="no_number"):
        pool.migrate()
    pool.stop()


@pytest.mark.parametrize("through", ["direct", "pooler"])
def test_however_many_apply_them_at_once_each_file_is_applied_by_one(empty, through, request, data_dir):
    settings = empty
    if through == "pooler":
        name = empty.database_url.split("/")[3].split("?")[0]
        settings = portal_settings(data_dir, DATABASE_URL=request.getfixturevalue("pooler").address(name))
    applied: list[str] = []
    pools = [DatabasePool(configuration=settings) for _ in range(6)]
    threads = [threading.Thread(target=lambda pool=pool: applied.extend(pool.migrate())) for pool in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [migration.file_name for migration in migrations.known_migrations()]
    for pool in pools:
        pool.stop()
