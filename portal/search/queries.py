"""Questions of the global search: one function of the database to each kind, which looks for the words first."""

from typing import Any

from database_pool import call_function

Row = dict[str, Any]


def clients(query: str, limit: int, *, by_number: bool) -> list[Row]:
    """Clients that a tsquery fits, by name; by id where a number was typed, so that RM01 comes before RM010."""
    return _found("found_clients", query, limit, by_number=by_number)


def members(query: str, limit: int) -> list[Row]:
    """Members of living clients that a tsquery fits, by name."""
    return _found("found_members", query, limit)


def policies(query: str, limit: int) -> list[Row]:
    """Terms that a tsquery fits, the latest first."""
    return _found("found_policies", query, limit)


def vehicles(query: str, limit: int) -> list[Row]:
    """Vehicles of any term that a tsquery fits, the latest term first."""
    return _found("found_vehicles", query, limit)


def _found(function: str, query: str, limit: int, **more: bool) -> list[Row]:
    rows: list[Row] = call_function(function, {"query": query, "most": limit, **more}, read_only=True)
    return rows
