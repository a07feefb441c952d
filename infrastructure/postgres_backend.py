"""The direct way: PostgreSQL through psycopg, over the fair pool."""

import datetime as dt
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from select import POLLERR, POLLHUP, POLLIN
from typing import Any, TypeVar, cast

import psycopg
from gevent import monkey
from psycopg import generators, waiting
from psycopg.abc import Buffer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.datetime import TimestamptzLoader

from infrastructure.catalogue import Catalogue, Function, Row
from infrastructure.connection_pool import ConnectionPool, PoolStatistics
from infrastructure.errors import DatabaseError, InvalidData, NotAllowed, OutcomeUnknown, Unavailable, classify
from infrastructure.gevent_wait import install_gevent_wait
from infrastructure.selection import AnyOf, Condition, Ordering, Selection

Answer = TypeVar("Answer")


class _MomentInUtc(TimestamptzLoader):
    """For sessions whose time zone is not ours to set."""

    def load(self, data: Buffer) -> dt.datetime:
        return super().load(data).astimezone(dt.UTC)


class Session:
    """A connection with the one cursor that everything on it goes through: making a cursor costs as much as a
    small query. What answers a single value goes past the cursor, which costs more than many a function of the schema.
    """

    __slots__ = ("_link", "_prepared", "_seen", "connection", "cursor")

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection
        self.cursor = connection.cursor()
        self._link = connection.pgconn
        self._prepared: dict[bytes, bytes] = {}
        self._seen: set[bytes] = set()  # the second time is worth a trip that prepares it

    def value(self, statement: bytes, parameters: Sequence[str | None]) -> bytes | None:
        """What the statement's only column says in its only row, as PostgreSQL spells it. Raises psycopg.Error."""
        spelled = [None if parameter is None else parameter.encode() for parameter in parameters]
        if b"\0" in b"".join(filter(None, spelled)):
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        name = self._prepared.get(statement)
        if name is None and statement in self._seen and self.connection.prepare_threshold is not None:
            name = b"value_%d" % len(self._prepared)
            self._link.send_prepare(name, statement)
            self._answer()
            self._prepared[statement] = name
        if name is None:
            self._seen.add(statement)
            self._link.send_query_params(statement, spelled)
        else:
            self._link.send_query_prepared(name, spelled)
        return self._answer().get_value(0, 0)

    def _answer(self) -> PGresult:
        answer: PGresult = waiting.wait(generators.execute(self._link), self._link.socket)[-1]
        if answer.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise error_from_result(answer)
        return answer


PATIENCE = 10.0  # seconds a new connection may take: a server that restarts is back by then
_COMPARISONS = {
    "eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "like", "ilike": "ilike",
}  # fmt: skip
_READ_VALUE: dict[str, Callable[[bytes], Any]] = {
    "json": json.loads, "jsonb": json.loads, "boolean": b"t".__eq__, "void": lambda _: None,
    "smallint": int, "integer": int, "bigint": int, "double precision": float, "text": bytes.decode,
}  # fmt: skip
_WRONG_CREDENTIALS = ("authentication failed", "no pg_hba.conf entry", "does not exist", "is not permitted to log in")
# The real poll(), not gevent's: with a timeout of 0 it never waits, and the emulation would cost a trip through the
# loop.
_poll = monkey.get_original("select", "poll")


class PostgresOpener:
    """Opens connections to the server that `address` names, and asks `revive` for help when nobody answers there."""

    def __init__(
        self, address: Callable[[], str], revive: Callable[[], None], statement_timeout: float, patience: float
    ) -> None:
        self._address, self._revive = address, revive
        self._statement_timeout, self._patience = statement_timeout, patience

    def open(self, deadline: float) -> Session:
        """A connection in autocommit, in UTC, with the statement timeout set; behind a transaction pooler without
        either, as settings and prepared statements would leak to other clients there.
        """
        patience, pause = min(deadline, time.monotonic() + self._patience), 0.05
        while True:
            try:
                return Session(self._prepare(connect_once(self._address())))
            except psycopg.Error as error:
                if any(words in str(error) for words in _WRONG_CREDENTIALS):
                    raise NotAllowed(f"the database refuses us: {error}") from error
                if time.monotonic() + pause > patience:
                    raise Unavailable(f"the database cannot be reached: {error}") from error
            self._revive()
            time.sleep(pause * (0.5 + random.random()))
            pause = min(1.0, pause * 2)

    def close(self, session: Session) -> None:
        session.connection.close()

    def is_alive(self, session: Session) -> bool:
        """A server that went away left an end-of-file in the socket: it is readable though nothing was asked."""
        if session.connection.closed:
            return False
        poll = _poll()
        poll.register(session.connection.fileno(), POLLIN | POLLERR | POLLHUP)
        return not poll.poll(0)

    def _prepare(self, connection: psycopg.Connection[tuple[Any, ...]]) -> psycopg.Connection[tuple[Any, ...]]:
        found = connection.execute("select pg_backend_pid()").fetchone()
        if found is None or found[0] != connection.info.backend_pid:
            # A pooler answers with a number of its own making.
            connection.adapters.register_loader("timestamptz", _MomentInUtc)
            return connection
        connection.prepare_threshold = 1
        timeout = f"{int(self._statement_timeout * 1000)}ms"
        # For a page of a large book PostgreSQL would make room to remember every client and member of it (Memoize),
        # which takes seven times as long as the page itself.
        connection.execute(
            "select set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),"
            " set_config('statement_timeout', %s, false), set_config('lock_timeout', '10s', false),"
            " set_config('enable_memoize', 'off', false)", (timeout,)
        )  # fmt: skip
        return connection


class PostgresBackend:
    """Runs checked questions and function calls on PostgreSQL."""

    def __init__(
        self,
        address: Callable[[], str],
        *,
        revive: Callable[[], None] = lambda: None,
        size: int = 15,
        overflow: int = 30,
        timeout: float = 45.0,
        statement_timeout: float = 30.0,
        patience: float = PATIENCE,
    ) -> None:
        install_gevent_wait()
        opener = PostgresOpener(address, revive, statement_timeout, patience)
        self._pool: ConnectionPool[Session] = ConnectionPool(opener, size, overflow, timeout)
        self._statements: dict[Any, str] = {}
        self._value_statements: dict[tuple[str, ...], bytes] = {}

    def describe(self, deadline: float) -> dict[str, Any]:
        """The schema, as the SQL function `schema_catalogue` tells it."""
        return cast(dict[str, Any], json.loads(self._value(b"select schema_catalogue()", (), deadline) or b""))

    def select(self, selection: Selection, deadline: float) -> tuple[list[Row], int | None]:
        """The rows, and the count of all that meet the conditions if it was asked for."""
        statement, values = self._select_statement(selection)
        names = selection.columns
        rows = [dict(zip(names, row, strict=True)) for row in self._run(statement, values, deadline)]
        if not selection.counted:
            return rows, None
        where, values = _where(selection.relation.columns, selection.conditions)
        counted = self._run(f'select count(*) from "{selection.relation.name}"{where}', values, deadline)
        return rows, counted[0][0]

    def select_together(self, selections: Sequence[Selection], deadline: float) -> list[list[Row]]:
        """The rows of each, in one trip and as of one moment: each trip costs both sides more than a small question."""
        spelled = [self._select_statement(selection) for selection in selections]
        values = [value for _, values in spelled for value in values]
        found = self._run(_together(tuple(statement for statement, _ in spelled)), values, deadline)
        return [[selection.relation.row_from_json(row) for row in rows]
                for selection, rows in zip(selections, found[0], strict=True)]

    def call(self, function: Function, parameters: dict[str, Any], catalogue: Catalogue, deadline: float) -> Any:
        """What the function answers: rows, a row, or a value."""
        read = None if function.rows else _READ_VALUE.get(function.returns)
        if read is not None:
            plain = [value if type(value) is str else _argument(value) for value in parameters.values()]
            if list not in map(type, plain):
                value = self._value(self._value_statement(function.name, parameters), plain, deadline)
                return None if value is None else read(value)
        arguments = ", ".join(f'"{name}" => %s' for name in parameters)
        values = [_argument(value) for value in parameters.values()]
        if function.returns in catalogue.relations:
            names = catalogue.relations[function.returns].visible
            visible = ", ".join(f'"{name}"' for name in names)
            found = self._run(f'select {visible} from "{function.name}"({arguments})', values, deadline)
            rows = [dict(zip(names, row, strict=True)) for row in found]
            if function.rows:
                return rows
            return rows[0] if rows and any(value is not None for value in rows[0].values()) else None
        found = self._run(f'select "{function.name}"({arguments})', values, deadline)
        if function.rows:
            return [row[0] for row in found]
        return None if function.returns == "void" else found[0][0]

    def apply(self, changes: str, key: str | None, deadline: float) -> list[list[Row]]:
        """All the changes or none, in one round trip; the rows as JSON."""
        applied = self._value(b"select apply_changes($1, $2)", (changes, key), deadline)
        return cast(list[list[Row]], json.loads(applied or b"[]"))

    def statistics(self) -> PoolStatistics:
        return self._pool.statistics()

    def close(self) -> None:
        self._pool.close()

    def _run(self, statement: str, values: Sequence[Any], deadline: float) -> list[tuple[Any, ...]]:
        return self._with_session(lambda session: session.cursor.execute(statement, values).fetchall(), deadline)

    def _value(self, statement: bytes, values: Sequence[str | None], deadline: float) -> bytes | None:
        return self._with_session(lambda session: session.value(statement, values), deadline)

    def _with_session(self, ask: Callable[[Session], Answer], deadline: float) -> Answer:
        session = self._pool.acquire(deadline)
        connection, broken = session.connection, True
        try:
            answer = ask(session)
            broken = False
            return answer
        except psycopg.Error as error:
            broken = connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE
            if broken:
                self._pool.drop_idle()
            raise _explain(error) from error
        except UnicodeEncodeError as error:
            broken = False
            raise InvalidData(f"a text holds half a character: {error.reason}") from error
        finally:
            # Whatever else interrupts (gevent.Timeout, a killed greenlet) leaves an answer under way: never used again.
            self._pool.release(session, broken=broken)

    def _value_statement(self, name: str, parameters: Iterable[str]) -> bytes:
        shape = (name, *parameters)
        statement = self._value_statements.get(shape)
        if statement is None:
            arguments = ", ".join(f'"{one}" => ${number}' for number, one in enumerate(parameters, 1))
            statement = self._value_statements[shape] = f'select "{name}"({arguments})'.encode()
        return statement

    def _select_statement(self, selection: Selection) -> tuple[str, list[Any]]:
        shape = (
            selection.relation.name, selection.columns, tuple(_shape(c) for c in selection.conditions), selection.order,
            selection.limit, selection.offset > 0,
        )  # fmt: skip
        statement = self._statements.get(shape)
        if statement is None:
            statement = _spell_select(selection)
            if len(self._statements) < 2000:
                self._statements[shape] = statement
        values = list(_values(selection.conditions))
        if selection.offset:
            values.append(str(selection.offset))
        return statement, values


def connect_once(address: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection in autocommit without prepared statements, within 5 seconds. Raises psycopg.Error."""
    return psycopg.connect(address, autocommit=True, connect_timeout=5, prepare_threshold=None)


def _explain(error: psycopg.Error) -> DatabaseError:
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return OutcomeUnknown(f"the connection to the database broke: {error}")
    diagnosis = error.diag
    message = diagnosis.message_primary or str(error)
    return classify(error.sqlstate or "22000", message, diagnosis.message_detail, diagnosis.message_hint)


def _argument(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if type(value) in (int, float):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict | list) for item in value)):
        return json.dumps(value)
    if isinstance(value, list):
        return [None if item is None else str(item) for item in value]
    return str(value)


def _shape(condition: Condition | AnyOf) -> Any:
    """What decides the SQL text of a condition: all but its values."""
    if isinstance(condition, AnyOf):
        return tuple(tuple(_shape(one) for one in group) for group in condition.groups)
    told = condition.value if condition.operator in ("is", "not_is") else None
    return condition.column, condition.operator, told


def _spell_select(selection: Selection) -> str:
    # The limit is written out: with a placeholder PostgreSQL takes every prepared plan for one that reads a tenth of
    # the table, and plans a page of eight tables anew each time, which costs more than to run it.
    columns = ", ".join(f'"{name}"' for name in selection.columns)
    where, _ = _where(selection.relation.columns, selection.conditions)
    order = ", ".join(_spell_ordering(part) for part in selection.order)
    return (
        f'select {columns} from "{selection.relation.name}"{where}'
        + (f" order by {order}" if order else "")
        + (f" limit {int(selection.limit)}" if selection.limit is not None else "")
        + (" offset %s" if selection.offset else "")
    )


@lru_cache(maxsize=500)
def _together(statements: tuple[str, ...]) -> str:
    """One statement that answers the rows of each as a JSON array."""
    # No column has the name of an alias like this one: json_agg would take the column instead of the row.
    arrays = (f"""(select coalesce(json_agg("."), '[]') from ({statement}) ".")""" for statement in statements)
    return f"select {', '.join(arrays)}"


def _spell_ordering(part: Ordering) -> str:
    nulls = "" if part.nulls_first is None else " nulls first" if part.nulls_first else " nulls last"
    return f'"{part.column}"{" desc" if part.descending else ""}{nulls}'


def _where(columns: dict[str, str], conditions: Sequence[Condition | AnyOf]) -> tuple[str, list[Any]]:
    spelled = [_spell(columns, condition) for condition in conditions]
    return (f" where {' and '.join(spelled)}" if spelled else ""), list(_values(conditions))


def _spell(columns: dict[str, str], condition: Condition | AnyOf) -> str:
    if isinstance(condition, AnyOf):
        groups = (" and ".join(_spell(columns, one) for one in group) for group in condition.groups)
        return f"({' or '.join(f'({group})' for group in groups)})"
    column, operator = f'"{condition.column}"', condition.operator
    if operator in ("is", "not_is"):
        value = {None: "null", True: "true", False: "false"}[condition.value]
        return f"{column} is {'not ' if operator == 'not_is' else ''}{value}"
    if operator in ("in", "not_in"):
        matches = f"{column} = any (%s::{columns[condition.column]}[])"
        return f"not ({matches})" if operator == "not_in" else matches
    if operator == "fts":
        return f"{column} @@ to_tsquery('simple', %s)"
    return f"{column} {_COMPARISONS[operator]} %s"


def _values(conditions: Sequence[Condition | AnyOf]) -> Iterator[Any]:
    for condition in conditions:
        if isinstance(condition, AnyOf):
            for group in condition.groups:
                yield from _values(group)
        elif condition.operator in ("in", "not_in"):
            yield list(condition.value)
        elif condition.operator not in ("is", "not_is"):
            yield condition.value
