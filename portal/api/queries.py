"""Questions of the API that no page asks."""

from typing import Any

from database_pool import execute_query

Row = dict[str, Any]


def policy_counts() -> Row:
    """How many policies are in each view of the list, in one question."""
    return execute_query("policy_counts", limit=1).data[0]
