"""Questions of the global search: one to each view that has a search column."""

from typing import Any

from database_pool import execute_query

Row = dict[str, Any]
LIVING: dict[str, Any] = {"deleted_at_is": None}


def clients(query: str, limit: int, *, by_number: bool) -> list[Row]:
    """Clients that a tsquery fits, by name; by id where a number was typed, so that RM01 comes before RM010."""
    columns = "client_id, client_type, name, phone, other_phone, email, city, group_name, live_policies"
    order = "client_id" if by_number else "name_key, client_id"
    return _found("client_list", columns, query, order, limit)


def members(query: str, limit: int) -> list[Row]:
    """Members of living clients that a tsquery fits, by name."""
    columns = "member_id, client_id, client_name, name, relation, phone"
    return _found("member_list", columns, query, "name, member_id", limit)


def policies(query: str, limit: int) -> list[Row]:
    """Terms that a tsquery fits, the latest first."""
    columns = (
        "policy_id, policy_number, client_id, client_name, insurer_short, product_name, asset, policy_to, state, status"
    )
    return _found("policy_list", columns, query, "policy_to desc, policy_id desc", limit)


def vehicles(query: str, limit: int) -> list[Row]:
    """Vehicles of any term that a tsquery fits, the latest term first."""
    columns = "policy_id, vehicle_number, make_model, client_id, client_name, policy_number, policy_to, state"
    return _found("vehicle_list", columns, query, "policy_to desc, policy_id desc", limit)


def _found(view: str, columns: str, query: str, order: str, limit: int) -> list[Row]:
    return execute_query(view, columns=columns, filters={**LIVING, "search_fts": query}, order=order, limit=limit).data
