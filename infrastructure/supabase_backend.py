"""The way through Supabase: PostgREST by the `supabase` package, one client per connection.

Each client owns one HTTP/1.1 connection and serves one caller at a time. HTTP/2 is off: a server that sends GOAWAY
(nginx after `keepalive_requests`, Supabase's edge after 10,000) made a shared HTTP/2 client report 180 of 900 inserts
as failed that had been stored. One shared HTTP/1.1 client spends more time searching its connections than asking.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import quote

import httpx
from postgrest import CountMethod
from postgrest.exceptions import APIError
from supabase import Client, create_client
from supabase.lib.client_options import SyncClientOptions

from infrastructure.catalogue import Catalogue, Function, Row
from infrastructure.connection_pool import ConnectionPool, PoolStatistics
from infrastructure.errors import (
    Aborted,
    DatabaseError,
    InvalidData,
    InvalidQuery,
    OutcomeUnknown,
    Unavailable,
    classify,
)
from infrastructure.selection import AnyOf, Condition, Selection

Answer = TypeVar("Answer")
PAGE = 1000  # rows: PostgREST on hosted projects cuts every answer there, silently
LONGEST_LIST = 6000  # characters of an `in` list: a question travels in the URL, of which servers take 8 kB or more
READ_TIMEOUT = 25.0  # seconds; above the 20 the server gives a statement, so that its own answer arrives first
_RETRY_LATER = {429, 502, 503, 504, 520, 521, 522, 523, 524}
_TOO_LONG = "the question is too long for Supabase's REST interface: ask for less at once"
# Each SQLSTATE of PostgreSQL has a digit in it; EPIPE and its like are a server's own broken connections.
_NAMED_ERROR = re.compile(r"(?=.*[0-9])[0-9A-Z]{5}|PGRST\w+")
_NOT_IN_SCHEMA_CACHE = ("PGRST202", "PGRST205")  # a function, a table
_WRONG_KEY = "the SUPABASE_KEY is refused: use the secret key (sb_secret_...), not the publishable one"


class SupabaseOpener:
    """Makes Supabase clients with one connection each; making one asks nothing of the server."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._certificates = httpx.create_ssl_context()

    def open(self, deadline: float) -> Client:
        http = httpx.Client(
            http2=False,
            verify=self._certificates,
            timeout=httpx.Timeout(READ_TIMEOUT, connect=5, pool=5),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30),
            event_hooks={"response": [_sort_out_strangers]},
        )
        # The library's own retries (3, sleeping 1 + 2 + 4 seconds) would multiply with ours.
        options = SyncClientOptions(
            httpx_client=http, postgrest_client_retry=False, auto_refresh_token=False, persist_session=False
        )
        return create_client(self._url, self._key, options)

    def close(self, connection: Client) -> None:
        if connection.options.httpx_client is not None:
            connection.options.httpx_client.close()

    def is_alive(self, connection: Client) -> bool:
        return True  # HTTP/1.1 in httpcore notices a closed connection before it sends, and opens another


class SupabaseBackend:
    """Runs checked questions and function calls over PostgREST."""

    def __init__(self, url: str, key: str, *, size: int = 15, overflow: int = 30, timeout: float = 45.0) -> None:
        self._pool: ConnectionPool[Client] = ConnectionPool(SupabaseOpener(url, key), size, overflow, timeout)

    def describe(self, deadline: float) -> dict[str, Any]:
        """The schema, as the SQL function `schema_catalogue` tells it."""
        return cast(dict[str, Any], self._run(lambda client: _call(client, "schema_catalogue", {}), deadline))

    def select(self, selection: Selection, deadline: float) -> tuple[list[Row], int | None]:
        """The rows, page by page where there are more than the server gives at once, and the count if asked for."""
        parts = _short_questions(selection)
        if len(parts) > 1:
            return [row for part in parts for row in self.select(part, deadline)[0]], None
        wanted, rows = selection.limit, list[Row]()
        if wanted is None and _names_one_row(selection):
            wanted = 1  # spares the server the count that tells whether there are more pages
        total: int | None = None
        while wanted is None or len(rows) < wanted:
            size = PAGE if wanted is None else min(PAGE, wanted - len(rows))
            counting = total is None and (selection.counted or wanted is None or wanted > PAGE)
            found, counted = self._page(selection, size, selection.offset + len(rows), counting, deadline)
            total = counted if counting else total
            rows += found
            if not found or (len(found) < size and total is None) or len(rows) + selection.offset >= (total or 0):
                break
        if selection.counted and total is None:
            total = self._page(selection, 1, 0, True, deadline)[1]
        row_from_json = selection.relation.row_from_json
        return [row_from_json(row) for row in rows], total if selection.counted else None

    def select_together(self, selections: Sequence[Selection], deadline: float) -> list[list[Row]]:
        """The rows of each, one after another: PostgREST answers one question at a time."""
        return [self.select(selection, deadline)[0] for selection in selections]

    def call(self, function: Function, parameters: dict[str, Any], catalogue: Catalogue, deadline: float) -> Any:
        """What the function answers: rows, a row, or a value."""
        try:
            answer = self._run(lambda client: _call(client, function.name, parameters), deadline)
        except InvalidQuery as error:
            # A parameter of another name is not found either: that is the caller's mistake.
            if error.code in _NOT_IN_SCHEMA_CACHE and not self._knows_its_schema(deadline):
                raise _reading_its_schema(error) from error
            raise
        if function.returns in catalogue.relations and not function.rows and _is_empty_row(answer):
            return None
        return catalogue.result_from_json(function, answer)

    def apply(self, changes: str, key: str | None, deadline: float) -> list[list[Row]]:
        """All the changes or none, in one round trip; the rows as JSON."""
        parameters = {"changes": changes, "key": key}
        return cast(list[list[Row]], self._ask(lambda client: _call(client, "apply_changes", parameters), deadline))

    def statistics(self) -> PoolStatistics:
        return self._pool.statistics()

    def close(self) -> None:
        self._pool.close()

    def _page(
        self, selection: Selection, size: int, offset: int, counting: bool, deadline: float
    ) -> tuple[list[Row], int | None]:
        one_row = _names_one_row(selection)

        def ask(client: Client) -> tuple[list[Row], int | None]:
            query: Any = client.table(selection.relation.name).select(
                ",".join(selection.columns), count=CountMethod.exact if counting else None
            )
            for condition in selection.conditions:
                query = _add(query, condition)
            for part in () if one_row else _settled_order(selection):
                query = query.order(part[0], desc=part[1], nullsfirst=part[2])
            if not one_row or offset:
                query = query.limit(size).offset(offset) if offset else query.limit(size)
            answer = query.execute()
            if not isinstance(answer.data, list):
                raise OutcomeUnknown(f"the database answered {str(answer.data)[:60]!r} instead of rows")
            return answer.data, answer.count

        try:
            return self._ask(ask, deadline)
        except DatabaseError as error:
            if error.code != "PGRST103":
                raise
            # With a count, PostgREST calls an offset past the end an error; the count stands in its detail.
            total = re.search(r"(\d+) rows?", error.detail or "")
            return [], int(total[1]) if total else 0

    def _ask(self, ask: Callable[[Client], Answer], deadline: float) -> Answer:
        """Asks for what the catalogue says is there: a server that does not find it has lost its schema cache."""
        try:
            return self._run(ask, deadline)
        except InvalidQuery as error:
            if error.code not in _NOT_IN_SCHEMA_CACHE:
                raise
            raise _reading_its_schema(error) from error

    def _knows_its_schema(self, deadline: float) -> bool:
        """Whether the server finds a function that is always there; one that does not answer is no witness either."""
        try:
            self.describe(deadline)
        except DatabaseError:
            return False
        return True

    def _run(self, ask: Callable[[Client], Answer], deadline: float) -> Answer:
        client = self._pool.acquire(deadline)
        broken = True
        try:
            answer = ask(client)
            broken = False
            return answer
        except APIError as error:
            broken = False
            raise _explain(error) from error
        except DatabaseError as error:
            broken = isinstance(error, OutcomeUnknown)
            raise
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unavailable(f"Supabase cannot be reached: {error}") from error
        except httpx.TransportError as error:
            raise OutcomeUnknown(f"the connection to Supabase broke: {error}") from error
        except httpx.InvalidURL as error:
            broken = False
            raise InvalidData(_TOO_LONG) from error
        except UnicodeEncodeError as error:
            broken = False
            raise InvalidData(f"a text holds half a character: {error.reason}") from error
        finally:
            self._pool.release(client, broken=broken)


def _reading_its_schema(error: InvalidQuery) -> Unavailable:
    return Unavailable(f"Supabase is reading its schema again: {error.message}", error.code)


def _call(client: Client, name: str, parameters: dict[str, Any]) -> Any:
    return client.rpc(name, parameters).execute().data


def _sort_out_strangers(response: httpx.Response) -> None:
    """Turns an answer of a proxy or an overloaded server into our errors while its status and headers are still
    known.
    """
    if response.status_code not in _RETRY_LATER:
        if response.is_success and "html" in response.headers.get("content-type", ""):
            raise OutcomeUnknown("somebody between us and Supabase answered with a page of their own")
        return
    response.read()
    try:
        body = response.json()
    except ValueError:
        body = {}
    code = str(body.get("code") or "") if isinstance(body, dict) else ""
    if code and not code.startswith("PGRST0") and code[:2] not in ("53", "57", "08"):
        return  # PostgREST's own answer to what was asked
    kind = Unavailable if response.status_code == 429 or code.startswith("PGRST00") else OutcomeUnknown
    raise kind(f"Supabase answered {response.status_code}", code or None, response.headers.get("retry-after"))


def _explain(error: APIError) -> DatabaseError:
    message = error.message or "no reason given"
    if not error.code and "API key" in message:
        return classify("42501", _WRONG_KEY)
    if error.code in ("414", "431"):
        return InvalidData(_TOO_LONG, error.code)
    if error.code and not _NAMED_ERROR.fullmatch(error.code):
        # A proxy's page ("502"), or a server that lost its database before PostgreSQL could say what happened.
        return OutcomeUnknown(f"Supabase answered with an unnamed error ({error.code}): {message[:200]}", error.code)
    if error.code in ("40001", "40P01", "55P03"):
        return Aborted(message, error.code, error.details, error.hint)
    return classify(error.code or "22000", message, error.details, error.hint)


def _add(query: Any, condition: Condition | AnyOf) -> Any:
    if isinstance(condition, AnyOf):
        return query.or_(",".join(_spell_group(group) for group in condition.groups))
    column, operator, value = condition.column, condition.operator, condition.value
    if operator in ("in", "not_in"):
        return (query.not_ if operator == "not_in" else query).in_(column, list(value))
    if operator in ("is", "not_is"):
        return (query.not_ if operator == "not_is" else query).is_(column, value)
    if operator == "fts":
        return query.filter(column, "fts(simple)", value)
    if operator in ("like", "ilike"):
        return query.filter(column, operator, value)
    return getattr(query, operator)(column, value)


def _spell_group(group: tuple[Condition, ...]) -> str:
    spelled = ",".join(_spell(condition) for condition in group)
    return f"and({spelled})" if len(group) > 1 else spelled


def _spell(condition: Condition) -> str:
    column, operator, value = condition.column, condition.operator, condition.value
    negated = "not." if operator.startswith("not_") else ""
    operator = operator.removeprefix("not_")
    if operator == "is":
        return f"{column}.{negated}is.{ {None: 'null', True: 'true', False: 'false'}[value]}"
    if operator == "in":
        return f"{column}.{negated}in.({','.join(_quoted(item) for item in value)})"
    return f"{column}.{negated}{'fts(simple)' if operator == 'fts' else operator}.{_quoted(value)}"


def _quoted(value: str) -> str:
    # Quoted only where PostgREST's grammar needs it.
    if value and value == value.strip() and value[0] != "{" and not re.search(r'[,()"\\]', value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _short_questions(selection: Selection) -> list[Selection]:
    """The question, or several that give the same rows together, where a list of values is too long for one URL."""
    for place, condition in enumerate(selection.conditions):
        if isinstance(condition, Condition) and condition.operator == "in":
            lists = _short_lists(condition.value)
            if len(lists) > 1:
                if selection.order or selection.offset or selection.counted or selection.limit is not None:
                    raise InvalidQuery(f"{_TOO_LONG}, or leave out order, limit, offset and count")
                before, after = selection.conditions[:place], selection.conditions[place + 1 :]
                conditions = [(*before, condition._replace(value=values), *after) for values in lists]
                return [selection._replace(conditions=part) for part in conditions]
    return [selection]


def _short_lists(values: tuple[str, ...]) -> list[tuple[str, ...]]:
    lists: list[list[str]] = [[]]
    length = 0
    for value in dict.fromkeys(values):
        cost = len(quote(value, errors="replace")) + 3
        if lists[-1] and length + cost > LONGEST_LIST:
            lists.append([])
            length = 0
        lists[-1].append(value)
        length += cost
    return [tuple(one) for one in lists]


def _settled_order(selection: Selection) -> list[tuple[str, bool, bool | None]]:
    """The order asked for, made unambiguous by the key: pages by offset must not overlap."""
    order = [(part.column, part.descending, part.nulls_first) for part in selection.order]
    named = {column for column, _, _ in order}
    return order + [(column, False, None) for column in selection.relation.key if column not in named]

def _names_one_row(selection: Selection) -> bool:
    named = {c.column for c in selection.conditions if isinstance(c, Condition) and c.operator == "eq"}
    return bool(selection.relation.key) and named.issuperset(selection.relation.key)


def _is_empty_row(answer: Any) -> bool:
    return answer is None or (isinstance(answer, dict) and all(value is None for value in answer.values()))
