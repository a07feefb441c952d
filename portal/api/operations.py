"""Every operation of the API as data: what it takes, what it answers, what it may refuse. The routes are made from it,
requests are checked by it, and the description is written from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jsonschema_rs

from portal.api.shapes import Schema, Shape

# What any request may meet: nonsense in the address, nobody signed in, a role or token that does not allow it, an
# Accept that excludes JSON, too many requests, a database that does not answer.
ALWAYS = (400, 401, 403, 406, 429, 503)
MOST_MISTAKES = 20
JSON, FILES, EVENTS = "application/json", "multipart/form-data", "text/event-stream"


@dataclass(frozen=True)
class Operation:
    """One thing a program may ask for.

    `answer` is the shape of the record, or of each of `many`; None where there is no content. `body` makes the schema
    of what is sent, `query` that of each parameter. `guarded` asks for If-Match with the ETag of what was read, `once`
    takes an Idempotency-Key. `refuses` are further statuses, of which the rules of the trade know. `takes` and `gives`
    are the kinds of content, `watched` is what also answers the machine itself and holders of METRICS_TOKEN.
    """

    name: str
    method: str
    path: str
    permission: str
    summary: str
    tag: str
    answer: Shape | None = None
    status: int = 200
    many: bool = False
    body: Callable[[], Schema] | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    guarded: bool = False
    once: bool = False
    refuses: tuple[int, ...] = ()
    takes: str = JSON
    gives: str = JSON
    watched: bool = False

    @property
    def statuses(self) -> list[int]:
        """Every status it can answer with, the good one first."""
        more = {*ALWAYS, *self.refuses}
        more |= {404} if "<" in self.path else set()
        more |= {413, 415, 422} if self.body else set()
        more |= {422} if self.query else set()
        more |= {412, 428} if self.guarded else set()
        more |= {409, 422} if self.once else set()
        return [self.status, *sorted(more)]

    @cached_property
    def body_schema(self) -> Schema | None:
        """The schema of the body, made once; None where nothing is sent."""
        return self.body() if self.body else None

    def mistakes_in_body(self, content: Any) -> dict[str, str]:
        """What about the content does not fit the schema, one sentence per field; empty when it fits."""
        return _mistakes(self._body_checker, content)

    def mistakes_in_query(self, values: Mapping[str, Any]) -> dict[str, str]:
        """The same for the parameters of the address. A parameter nobody knows would narrow nothing unnoticed."""
        return _mistakes(self._query_checker, dict(values))

    @cached_property
    def _body_checker(self) -> Any:
        return _checker({**(self.body_schema or {}), "components": {"schemas": BODY_PARTS}})

    @cached_property
    def _query_checker(self) -> Any:
        return _checker({"type": "object", "properties": dict(self.query), "additionalProperties": False})


# In the order in which they were described: the routes of the API, and what other areas answer under /api/.
OPERATIONS: list[Operation] = []
# The schemas that bodies refer to, by name: complete once the areas are imported.
BODY_PARTS: dict[str, Schema] = {}


def _checker(schema: Schema) -> Any:
    """Made once for each operation: it takes longer than all that it ever checks in a request."""
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def _mistakes(checker: Any, content: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for mistake in checker.iter_errors(content):
        found.setdefault("-".join(map(str, mistake.instance_path)), mistake.message[:300])
        if len(found) == MOST_MISTAKES:
            break
    return found
