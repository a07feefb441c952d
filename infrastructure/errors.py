"""What can go wrong between us and the database, and one table that tells which it was.

Two questions decide what a caller may do: was anything executed, and would a repetition meet the same answer?
SQLSTATEs decide, never exception classes: PostgreSQL 18 and 17 use different codes for one thing (23001 and 23503 for a
restricted delete), and PostgREST forwards the code alone.
"""

import re


class DatabaseError(Exception):
    """The database did not do what was asked. `code` is the SQLSTATE or PostgREST code, where there is one."""

    def __init__(
        self, message: str, code: str | None = None, detail: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.detail, self.hint = message, code, detail, hint


class InvalidQuery(DatabaseError):
    """A table, column, operation or filter that does not exist, or a write without a condition: our mistake."""


class InvalidData(DatabaseError):
    """A value that the schema refuses (type, check, not null)."""


class ReferenceMissing(DatabaseError):
    """A row that is named does not exist, or one that others name cannot go."""


class Conflict(DatabaseError):
    """The row is no longer as the caller saw it: somebody else changed it first."""


class Duplicate(Conflict):
    """A row with the same key exists; `constraint` names the unique index."""

    @property
    def constraint(self) -> str:
        """Name of the unique index that refused the row, or ""."""
        found = re.search(r'unique constraint "([^"]+)"', self.message)
        return found[1] if found else ""


class BusinessRule(DatabaseError):
    """One of our SQL functions refused (SQLSTATE PTxyz); `status` is the HTTP status it asked for."""

    @property
    def status(self) -> int:
        return int(self.code[2:]) if self.code and self.code[2:].isdigit() else 422


class NotAllowed(DatabaseError):
    """The key or role may not do this: a matter of configuration."""


class Aborted(DatabaseError):
    """Rolled back by the server (deadlock, serialization, lock timeout): nothing was changed, repeating is safe."""


class TookTooLong(DatabaseError):
    """Cancelled by the statement timeout: nothing was changed, and repeating would take as long again."""


class PoolExhausted(DatabaseError):
    """No connection became free in time: too much at once. Not repeated, which would only add to the load."""


class Unavailable(DatabaseError):
    """The database could not be reached; nothing was executed, repeating is safe."""


class OutcomeUnknown(DatabaseError):
    """The connection broke after the request had left: it may or may not have been executed."""


_BY_CODE: dict[str, type[DatabaseError]] = {
    "23505": Duplicate, "23503": ReferenceMissing, "23001": ReferenceMissing, "PT409": Conflict,
    "42501": NotAllowed, "PGRST301": NotAllowed, "PGRST302": NotAllowed, "PGRST303": NotAllowed,
    "40001": Aborted, "40P01": Aborted, "55P03": Aborted, "57014": TookTooLong,
    "42P01": InvalidQuery, "42703": InvalidQuery, "42883": InvalidQuery, "42601": InvalidQuery,
    "PGRST000": Unavailable, "PGRST001": Unavailable, "PGRST002": Unavailable, "PGRST003": Unavailable,
    "53300": Unavailable, "57P03": Unavailable,
}  # fmt: skip
_BY_CLASS: dict[str, type[DatabaseError]] = {
    "PT": BusinessRule, "PG": InvalidQuery, "21": InvalidData, "22": InvalidData, "23": InvalidData, "25": InvalidQuery,
    "42": InvalidQuery, "08": OutcomeUnknown, "57": OutcomeUnknown, "53": OutcomeUnknown,
}  # fmt: skip


def classify(code: str | None, message: str, detail: str | None = None, hint: str | None = None) -> DatabaseError:
    """The error of our tree that a SQLSTATE or PostgREST code stands for. No code: the connection was lost."""
    if not code:
        kind: type[DatabaseError] = NotAllowed if "API key" in message else OutcomeUnknown
    else:
        kind = _BY_CODE.get(code) or _BY_CLASS.get(code[:2], DatabaseError)
    return kind(message, code, detail, hint)
