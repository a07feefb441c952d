"""Questions about how colleagues look at lists."""

from typing import Any

from database_pool import execute_query

Row = dict[str, Any]
MOST_VIEWS = 60
MOST_AT_ONCE = 5000   # rows that one action changes


def preferences(user_id: int, name: str) -> list[Row]:
    """The columns a colleague chose for a list, and the views of it: the colleague's own and the shared ones."""
    return execute_query(
        "list_preferences",
        filters={"list_eq": name, "or": [{"user_id_eq": user_id}, {"is_shared_eq": True}]},
        order="kind, name, view_id",
        limit=MOST_VIEWS,
    ).data


def saved_view(view_id: int) -> Row | None:
    """One saved view, whoever owns it."""
    rows = execute_query("saved_views", filters={"view_id_eq": view_id}, limit=1).data
    return rows[0] if rows else None
