"""The schema's history: files `supabase/migrations/<timestamp>_<what>.sql`, applied in order, each once, recorded
like the Supabase CLI does.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from infrastructure.errors import DatabaseError
from infrastructure.postgres_backend import connect_once

FOLDER = Path(__file__).parents[1] / "supabase" / "migrations"
_LOCK = 727_001  # any number nobody else takes; one process migrates, the others wait for it

# Hosted projects have these; elsewhere the migrations' grants need them. Nobody can sign in as one of them.
_ROLES = """
do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin', wanted);
    end if;
  end loop;
  alter role service_role bypassrls;
end $$;
"""
# A restore that failed has left no public.
_HISTORY = """
create schema if not exists public;
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text primary key, statements text[], name text
);
"""


class MigrationFailed(DatabaseError):
    """A migration could not be applied; nothing of it was."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `version` is its timestamp, `name` what it does."""

    version: str
    name: str
    path: Path

    @property
    def file_name(self) -> str:
        return self.path.name


def known_migrations() -> list[Migration]:
    """The files of this version of the portal, oldest first."""
    found = []
    for path in sorted(FOLDER.glob("*.sql")):
        parts = re.fullmatch(r"(\d{14})_(.+)\.sql", path.name)
        if parts is None:
            raise MigrationFailed(f"{path.name}: name it <14 digits>_<what it does>.sql")
        found.append(Migration(parts[1], parts[2], path))
    return found


def missing_migrations(applied: Iterable[str]) -> list[Migration]:
    """The files whose versions are not among `applied`."""
    have = set(applied)
    return [migration for migration in known_migrations() if migration.version not in have]


def apply_migrations(address: str) -> list[str]:
    """Applies what is missing at `address`, one transaction a file, and answers the names of the files applied.

    However many processes call it at once, each file is applied by one. The lock belongs to the transaction, so that
    it also holds through a transaction pooler. Raises MigrationFailed with the file's name; earlier files stay
    applied.
    """
    applied: list[str] = []
    try:
        with connect_once(address) as connection:
            _bootstrap(connection)
            for migration in known_migrations():
                with connection.transaction():
                    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
                    if _is_applied(connection, migration):
                        continue
                    _apply(connection, migration)
                    applied.append(migration.file_name)
    except psycopg.Error as error:
        raise MigrationFailed(f"the database could not be prepared: {error}", error.sqlstate) from error
    return applied


def _bootstrap(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    ready = connection.execute("select to_regclass('supabase_migrations.schema_migrations') is not null").fetchone()
    if ready and ready[0]:
        return
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        make_roles(connection)
        connection.execute(_HISTORY)


def make_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """The roles that the schema grants to exist."""
    connection.execute(_ROLES)


def _is_applied(connection: psycopg.Connection[tuple[object, ...]], migration: Migration) -> bool:
    found = connection.execute(
        "select 1 from supabase_migrations.schema_migrations where version = %s", (migration.version,)
    ).fetchone()
    return found is not None


def _apply(connection: psycopg.Connection[tuple[object, ...]], migration: Migration) -> None:
    text = migration.path.read_text(encoding="utf-8")
    try:
        connection.execute(text)
    except psycopg.Error as error:
        raise MigrationFailed(f"{migration.file_name}: {error}", error.sqlstate) from error
    connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
        (migration.version, migration.name, [text]),
    )
