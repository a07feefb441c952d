"""One way to the data, whichever database is configured.

    execute_query("policies", "select", filters={"client_id_eq": "C001"}).data      # list of dict
    with transaction() as tx:                                                       # all or nothing, one round trip
        tx.insert("policies", {...})
        tx.update("policies", {"state": "renewed"}, filters={"policy_id_eq": 7, "version_eq": 3}, expect=1)

Nothing configured: PostgreSQL under DATA_DIR. DATABASE_URL: that PostgreSQL. SUPABASE_URL and SUPABASE_KEY:
Supabase's REST interface. Importing opens nothing; every process makes its own connections on first use.
"""

import contextlib
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from config import Settings, settings
from infrastructure.catalogue import Catalogue, Function, Row
from infrastructure.changes import Change, Transaction
from infrastructure.connection_pool import PoolStatistics
from infrastructure.dumps import DumpFailed, dump_database, restore_database
from infrastructure.embedded_postgres import RECOVERS_WITHIN, EmbeddedPostgres
from infrastructure.errors import (
    Aborted,
    BusinessRule,
    Conflict,
    DatabaseError,
    Duplicate,
    InvalidData,
    InvalidQuery,
    NotAllowed,
    OutcomeUnknown,
    PoolExhausted,
    ReferenceMissing,
    TookTooLong,
    Unavailable,
)
from infrastructure.migrations import MigrationFailed, apply_migrations, missing_migrations
from infrastructure.postgres_backend import PostgresBackend
from infrastructure.selection import Question, Selection, json_ready, read_columns, read_filters, read_order

__all__ = [
    "Aborted", "BusinessRule", "Change", "Conflict", "DatabaseError", "DatabasePool", "DumpFailed", "Duplicate",
    "InvalidData",
    "InvalidQuery", "MigrationFailed", "NotAllowed", "OutcomeUnknown", "PoolExhausted", "Question",
    "ReferenceMissing", "Result", "TookTooLong", "Transaction", "Unavailable", "call_function", "close_database",
    "database_statistics", "default_pool", "execute_queries", "execute_query", "migrate", "new_id", "new_ids",
    "start_database", "stop_database", "transaction", "use_pool",
]  # fmt: skip

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
DEADLINE = 60.0  # seconds for one call, all attempts and waits together
ATTEMPTS = 3
# Seconds: who could not connect for so long gets the answer 503, not a further attempt. An attempt begun before still
# rides out the 15 s for which pgbouncer refuses everybody after it lost its server.
UNREACHABLE_AFTER = 15.0
BACKOFF = 0.2  # seconds before the second attempt; doubled each time, with jitter
IDS_AT_ONCE = 50  # gaps in the numbering are the price of not asking each time
# Seconds before a wrong name makes us read the catalogue again: a typing error must not cost a query each.
CATALOGUE_REST = 5.0
REPLICA_PATIENCE = 1.0  # seconds a new connection to the read replica may take: the primary answers as well
REPLICA_REST = 30.0  # seconds that a replica which did not answer is left alone
_RESERVED_CONNECTIONS = 20
_WRONG_KEY = "SUPABASE_KEY may not use this project's data: write its secret key (sb_secret_...), not the publishable"


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a question or of a write, and for `count=True` how many rows there are without the limit."""

    data: list[Row]
    count: int | None = None


class Backend(Protocol):
    """What a way to the database must be able to do; `deadline` is in monotonic seconds."""

    def describe(self, deadline: float) -> dict[str, Any]: ...
    def select(self, selection: Selection, deadline: float) -> tuple[list[Row], int | None]: ...
    def select_together(self, selections: Sequence[Selection], deadline: float) -> list[list[Row]]: ...
    def call(self, function: Function, parameters: dict[str, Any], catalogue: Catalogue, deadline: float) -> Any: ...
    def apply(self, changes: str, key: str | None, deadline: float) -> list[list[Row]]: ...
    def statistics(self) -> PoolStatistics: ...
    def close(self) -> None: ...


class DatabasePool:
    """A pool of connections to the configured database, with everything that may be asked of it.

    `pool_size` connections are kept, `max_overflow` more are opened under load; whoever finds none waits up to
    `timeout` seconds. Safe to share between threads and greenlets; after a fork each process gets connections of its
    own.
    """

    def __init__(
        self,
        pool_size: int | None = None,
        max_overflow: int | None = None,
        timeout: float = 45.0,
        *,
        configuration: Settings | None = None,
    ) -> None:
        self._pool_size, self._max_overflow, self._timeout = pool_size, max_overflow, timeout
        self._configuration = configuration
        self._lock = threading.Lock()
        self._process = 0
        self._backend: Backend | None = None
        self._replica: Backend | None = None
        self._embedded: EmbeddedPostgres | None = None
        self._catalogue: Catalogue | None = None
        self._catalogue_read = 0.0
        self._replica_rests_until = 0.0
        self._ids: dict[str, deque[int]] = {}

    def execute_query(
        self,
        table: str,
        operation: str = "select",
        *,
        columns: str | Sequence[str] = "*",
        filters: Mapping[str, Any] | None = None,
        order: str | Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        data: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        count: bool = False,
        on_conflict: str | Sequence[str] = (),
        may_lag: bool = False,
    ) -> Result:
        """Reads or writes one table (views can be read).

        Filters are {"column_operator": value} with the operators eq neq gt gte lt lte like ilike in is fts (a bare
        column name means eq), and "or": [{...}, {...}]. `may_lag` allows the answer of a read replica. Values are
        Decimal for numeric, date, aware datetime in UTC, int, str, bool, list and dict. Raises the errors of this
        module.
        """
        if operation == "select":
            return self._select(table, columns, filters, order, limit, offset, count, may_lag)
        return self._write(table, operation, filters, data, on_conflict)

    def execute_queries(self, questions: Sequence[Question]) -> list[list[Row]]:
        """The rows of several questions, asked in one trip where the backend can. Raises like `execute_query`."""
        def check(catalogue: Catalogue) -> list[Selection]:
            return [_read_question(catalogue, *question) for question in questions]

        if not questions:
            return []
        selections = self._known(check)
        return self._attempt(lambda backend, deadline: backend.select_together(selections, deadline), True)

    def call_function(self, name: str, parameters: Mapping[str, Any] | None = None, *, read_only: bool = False) -> Any:
        """Calls a function of the schema. `read_only` promises that it changes nothing, so that it may be repeated."""
        given: dict[str, Any] = json_ready(parameters or {})
        if not all(key.isidentifier() for key in given):
            raise InvalidQuery(f"parameters of {name} are named by identifiers")
        return self._call(name, given, read_only)

    def transaction(self, key: str | None = None) -> contextlib.AbstractContextManager[Transaction]:
        """Collects the writes of its block and applies them at the end, all or none, in one round trip.

        The same `key` applies once however often it comes; without one a random key makes our own repetitions
        harmless. Raises Conflict where an `expect` was not met, Duplicate for a key that exists, and the other errors
        of this module.
        """
        return Transaction(self.catalogue(), key, self._apply)

    def new_id(self, table: str) -> int:
        """A number for a new row of `table`, taken beforehand so that other rows can name it."""
        return self.new_ids(table, 1)[0]

    def new_ids(self, table: str, how_many: int) -> list[int]:
        """`how_many` numbers for new rows of `table`. Gaps are normal."""
        self._enter_process()
        waiting = self._ids.setdefault(table, deque())
        taken: list[int] = []
        while len(taken) < how_many:
            try:
                taken.append(waiting.popleft())
            except IndexError:
                missing = how_many - len(taken)
                parameters = {"relation": table, "how_many": max(IDS_AT_ONCE, missing)}
                fresh: list[int] = self.call_function("take_ids", parameters, read_only=True)
                taken += fresh[:missing]
                waiting.extend(fresh[missing:])
        return taken

    def catalogue(self) -> Catalogue:
        """Tables, views and functions of the database, read once."""
        self._enter_process()
        if self._catalogue is None:
            self._catalogue = self._attempt(lambda b, deadline: Catalogue.from_json(b.describe(deadline)), True)
            self._catalogue_read = time.monotonic()
        return self._catalogue

    def backend_name(self) -> str:
        """Which way is configured: "embedded", "postgres" or "supabase"."""
        current = self._settings()
        if current.supabase_url:
            return "supabase"
        return "postgres" if current.database_url else "embedded"

    def start(self) -> list[str]:
        """Makes the database ready for use and answers the migrations it applied.

        Starts the embedded server and applies what is missing (one process does it, others wait). On Supabase it only
        checks: raises NotAllowed for a key that is not the secret one, MigrationFailed with the names of the files to
        apply.
        """
        if self.backend_name() == "supabase":
            self._check_supabase()
            return []
        return self.migrate()

    def migrate(self) -> list[str]:
        """Applies the missing migrations, and answers their file names. Raises MigrationFailed."""
        if self.backend_name() == "supabase":
            self._check_supabase()
            return []
        if self.backend_name() == "embedded":
            self._embedded_server().start(RECOVERS_WITHIN)
        applied = apply_migrations(self._address())
        if applied:
            self._catalogue = None
        return applied

    def dump(self, target: Path) -> dict[str, int]:
        """Writes all of the database to a new file, as of one moment, and answers the rows by table. Raises
        DumpFailed; NotAllowed on Supabase, which makes its own backups.
        """
        return dump_database(self._address_for_copies(), target)

    def restore(self, source: Path) -> dict[str, int]:
        """Puts what `dump` wrote into an empty database, and answers the rows by table. New rows get numbers far above
        those of the copy. Raises DumpFailed.
        """
        rows = restore_database(self._address_for_copies(), source)
        self._catalogue = None
        self._ids.clear()
        return rows

    def ping(self) -> float:
        """Seconds that the smallest question takes. Raises Unavailable and the like."""
        began = time.monotonic()
        self.call_function("whoami", read_only=True)
        return time.monotonic() - began

    def statistics(self) -> dict[str, Any]:
        """Figures of this process: backend, size, limit, in_use, idle, waiting, peak, opened, timeouts, waits in
        seconds.
        """
        self._enter_process()
        figures = asdict(self._backend.statistics()) if self._backend else {}
        return {"backend": self.backend_name(), **figures}

    def close(self) -> None:
        """Closes this process's connections; the next question opens new ones."""
        with self._lock:
            backends, self._backend, self._replica = (self._backend, self._replica), None, None
            mine = self._process == os.getpid()
        for backend in backends:
            if backend is not None and mine:
                backend.close()

    def stop(self, patience: float = 0.0) -> None:
        """Closes the connections, and stops the embedded server when nobody else uses it; waits `patience` seconds for
        others that are ending.
        """
        self.close()
        if self._embedded is not None:
            self._embedded.stop(patience)

    def listening_address(self) -> str | None:
        """The connection string for a session of one's own (LISTEN, locks of a session); None over Supabase's REST."""
        return None if self.backend_name() == "supabase" else self._address()

    def _select(
        self,
        table: str,
        columns: str | Sequence[str],
        filters: Mapping[str, Any] | None,
        order: str | Sequence[str] | None,
        limit: int | None,
        offset: int | None,
        count: bool,
        may_lag: bool,
    ) -> Result:
        selection = self._known(
            lambda catalogue: _read_question(catalogue, table, columns, filters, order, limit, offset or 0, count))
        if limit == 0 and not count:
            return Result([])
        return Result(*self._attempt(lambda backend, deadline: backend.select(selection, deadline), True, may_lag))

    def _write(
        self,
        table: str,
        operation: str,
        filters: Mapping[str, Any] | None,
        data: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
        on_conflict: str | Sequence[str],
    ) -> Result:
        def collect(catalogue: Catalogue) -> tuple[Transaction, Change]:
            tx = Transaction(catalogue)
            match operation:
                case "insert":
                    return tx, tx.insert(table, data or [])
                case "upsert":
                    return tx, tx.upsert(table, data or [], on_conflict=on_conflict)
                case "update" if data is None or isinstance(data, Mapping):
                    return tx, tx.update(table, data or {}, filters=filters or {})
                case "delete":
                    return tx, tx.delete(table, filters=filters or {})
            raise InvalidQuery(f"no operation {operation!r}: select, insert, update (one mapping), upsert or delete")

        collected, change = self._known(collect)
        self._apply(collected)
        return Result(change.rows, len(change.rows))

    def _call(self, name: str, given: dict[str, Any], repeatable: bool, *, writes: bool = False) -> Any:
        function = self.catalogue().functions.get(name) or self._known(lambda catalogue: catalogue.function(name))
        catalogue = self.catalogue()
        return self._attempt(
            lambda backend, deadline: backend.call(function, given, catalogue, deadline), repeatable, writes=writes)

    def _apply(self, collected: Transaction) -> None:
        if not collected.changes:
            return
        if (shortcut := collected.shortcut()) is not None:
            function, parameters = shortcut
            collected.fill_in_alone(self._call(function, parameters, True, writes=True))
            return
        text, key = collected.as_json(), collected.key
        collected.fill_in(
            self._attempt(lambda backend, deadline: backend.apply(text, key, deadline), True, writes=True))

    def _known(self, check: Callable[[Catalogue], Answer]) -> Answer:
        """Checks names against the catalogue, and once more against a fresh one: a migration may have come since."""
        try:
            return check(self.catalogue())
        except InvalidQuery:
            if time.monotonic() - self._catalogue_read < CATALOGUE_REST:
                raise
            self._catalogue = None
            return check(self.catalogue())

    def _attempt(
        self, ask: Callable[[Backend, float], Answer], repeatable: bool, may_lag: bool = False, *, writes: bool = False
    ) -> Answer:
        """Asks up to three times under one deadline, waiting outside the pool, and only where a repetition does no
        harm. What `writes` may have happened once an attempt broke off: then no later one says that it did not.
        """
        self._enter_process()
        began, pause = time.monotonic(), BACKOFF
        deadline = began + DEADLINE
        if may_lag and self._replica is not None and time.monotonic() > self._replica_rests_until:
            try:
                return ask(self._replica, deadline)
            except (Unavailable, Aborted, OutcomeUnknown) as error:
                if not isinstance(error, Aborted):
                    self._replica_rests_until = time.monotonic() + REPLICA_REST
                logger.warning("the read replica did not answer, the primary is asked: %s", type(error).__name__)
        uncertain: OutcomeUnknown | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return ask(self._primary(), deadline)
            except (Unavailable, Aborted, OutcomeUnknown, PoolExhausted, TookTooLong) as error:
                wait = pause * (0.5 + random.random())
                again = repeatable if isinstance(error, OutcomeUnknown) else isinstance(error, Unavailable | Aborted)
                away = isinstance(error, Unavailable) and time.monotonic() - began > UNREACHABLE_AFTER
                if attempt == ATTEMPTS or not again or away or time.monotonic() + wait > deadline:
                    if uncertain is None:
                        raise
                    raise uncertain from error
                if writes and isinstance(error, OutcomeUnknown):
                    uncertain = error
                logger.warning("database attempt %d of %d: %s", attempt, ATTEMPTS, type(error).__name__)
            time.sleep(wait)
            pause *= 2
        raise AssertionError("the last attempt answers or raises")

    def _enter_process(self) -> None:
        """Forgets what belongs to another process: sockets must never be shared over a fork."""
        if self._process == os.getpid():
            return
        # The process number comes last: a thread that sees it must not see the other process's connections.
        self._lock = threading.Lock()
        self._backend = self._replica = None
        self._ids = {}
        self._process = os.getpid()

    def _primary(self) -> Backend:
        backend = self._backend
        if backend is None:
            with self._lock:
                if self._backend is None:
                    self._backend = self._make_backend()
                    replica = self._settings().database_replica_url
                    self._replica = self._postgres(lambda: replica, patience=REPLICA_PATIENCE) if replica else None
                backend = self._backend
        return backend

    def _make_backend(self) -> Backend:
        current = self._settings()
        if current.supabase_url and current.supabase_key:
            # Costs 0.3 s and 30 MB, which the two other ways never need.
            from infrastructure.supabase_backend import SupabaseBackend

            size, overflow = self._sizes()
            return SupabaseBackend(
                current.supabase_url, current.supabase_key, size=size, overflow=overflow, timeout=self._timeout
            )
        revive = self._embedded_server().revive if self.backend_name() == "embedded" else lambda: None
        return self._postgres(self._address, revive=revive)

    def _postgres(self, address: Callable[[], str], **options: Any) -> PostgresBackend:
        size, overflow = self._sizes()
        return PostgresBackend(address, size=size, overflow=overflow, timeout=self._timeout, **options)

    def _address(self) -> str:
        current = self._settings()
        return current.database_url or self._embedded_server().address()

    def _address_for_copies(self) -> str:
        if self.backend_name() == "supabase":
            raise NotAllowed("Supabase keeps backups of its own: see Database, Backups in the project's dashboard")
        return self._address()

    def _embedded_server(self) -> EmbeddedPostgres:
        if self._embedded is None:
            current = self._settings()
            size, overflow = self._sizes()
            # One more than the workers: commands and the task service ask as well. Beyond 600 the memory pays for
            # nothing.
            connections = (current.web_concurrency + 1) * (size + overflow) + _RESERVED_CONNECTIONS
            self._embedded = EmbeddedPostgres(current.data_dir, min(connections, 600))
        return self._embedded

    def _sizes(self) -> tuple[int, int]:
        current = self._settings()
        size = current.db_pool_size if self._pool_size is None else self._pool_size
        return size, current.db_max_overflow if self._max_overflow is None else self._max_overflow

    def _settings(self) -> Settings:
        return self._configuration or settings()

    def _check_supabase(self) -> None:
        try:
            role, applied = self.call_function("whoami"), self.call_function("applied_migrations")
        except InvalidQuery as error:
            if error.code not in ("PGRST202", "42883"):
                raise
            role, applied = "service_role", []
        except NotAllowed as error:
            raise NotAllowed(f"{_WRONG_KEY} ({error})", error.code) from error
        if role != "service_role":
            raise NotAllowed(f"{_WRONG_KEY} (it signs in as {role})")
        if missing := missing_migrations(applied):
            names = ", ".join(migration.file_name for migration in missing)
            raise MigrationFailed(
                f"apply these files of supabase/migrations with `supabase db push` or the SQL editor: {names}"
            )


def _read_question(
    catalogue: Catalogue,
    table: str,
    columns: str | Sequence[str],
    filters: Mapping[str, Any] | None,
    order: str | Sequence[str] | None,
    limit: int | None,
    offset: int = 0,
    counted: bool = False,
) -> Selection:
    """A question with its names checked. Raises InvalidQuery."""
    if any(number is not None and (type(number) is not int or number < 0) for number in (limit, offset)):
        raise InvalidQuery("limit and offset are whole numbers, 0 or more")
    relation = catalogue.relation(table)
    return Selection(relation, read_columns(relation, columns), read_filters(relation, filters),
                     read_order(relation, order), limit, offset, counted)


_default = DatabasePool()


def default_pool() -> DatabasePool:
    """The pool that the functions of this module use."""
    return _default


def use_pool(pool: DatabasePool) -> DatabasePool:
    """Makes `pool` the one that the functions of this module use, and answers the one before. For tests and tools."""
    global _default
    before, _default = _default, pool
    return before


def execute_query(table: str, operation: str = "select", **options: Any) -> Result:
    """DatabasePool.execute_query on the default pool."""
    return _default.execute_query(table, operation, **options)


def execute_queries(questions: Sequence[Question]) -> list[list[Row]]:
    """DatabasePool.execute_queries on the default pool."""
    return _default.execute_queries(questions)


def call_function(name: str, parameters: Mapping[str, Any] | None = None, *, read_only: bool = False) -> Any:
    """DatabasePool.call_function on the default pool."""
    return _default.call_function(name, parameters, read_only=read_only)


def transaction(key: str | None = None) -> contextlib.AbstractContextManager[Transaction]:
    """DatabasePool.transaction on the default pool."""
    return _default.transaction(key)


def new_id(table: str) -> int:
    """DatabasePool.new_id on the default pool."""
    return _default.new_id(table)


def new_ids(table: str, how_many: int) -> list[int]:
    """DatabasePool.new_ids on the default pool."""
    return _default.new_ids(table, how_many)


def database_statistics() -> dict[str, Any]:
    """DatabasePool.statistics of the default pool."""
    return _default.statistics()


def start_database() -> list[str]:
    """DatabasePool.start on the default pool."""
    return _default.start()


def migrate() -> list[str]:
    """DatabasePool.migrate on the default pool."""
    return _default.migrate()


def close_database() -> None:
    """DatabasePool.close on the default pool."""
    _default.close()


def stop_database(patience: float = 0.0) -> None:
    """DatabasePool.stop on the default pool."""
    _default.stop(patience)
