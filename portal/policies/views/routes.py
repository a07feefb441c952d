"""The blueprint that the pages of policies hang on, and how each of them finds its policy."""

from typing import Any

from flask import Blueprint

from portal.policies import queries
from portal.web import may, not_found

blueprint = Blueprint("policies", __name__)

CHANGED = "This policy was changed by someone else meanwhile. Nothing was saved. Look at it again before you go on."
NO_SUCH_POLICY = "There is no such policy. It may have been deleted; search for its number to be sure."


def living_policy(policy_id: int) -> dict[str, Any]:
    """One term with the details of its line; 404 when there is none or it lies in the trash."""
    found = queries.in_full(policy_id)
    if found is None or found["deleted_at"] is not None:
        not_found(NO_SUCH_POLICY)
    return found


def any_policy(policy_id: int) -> dict[str, Any]:
    """One term; those in the trash only for colleagues who may delete and restore."""
    return _visible(queries.policy(policy_id))


def any_chain(policy_id: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One term as `any_policy`, and the chain of terms that it belongs to, oldest first."""
    chain = queries.chain(policy_id)
    return _visible(next((term for term in chain if term["policy_id"] == policy_id), None)), chain


def _visible(found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None or (found["deleted_at"] is not None and not may("policies.delete")):
        not_found(NO_SUCH_POLICY)
    return found
