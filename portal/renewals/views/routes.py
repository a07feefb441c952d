"""The blueprint that the pages of renewals hang on, and how each of them finds its term."""

from typing import Any

from flask import Blueprint

from portal.policies.queries import notice_facts
from portal.renewals import queries
from portal.web import not_found

blueprint = Blueprint("renewals", __name__)

NO_SUCH_RENEWAL = "There is no such renewal. The policy may be a one-time policy, pending, or in the trash."


def known_renewal(policy_id: int) -> dict[str, Any]:
    """One term as the renewal desk sees it; 404 when there is none."""
    return queries.renewal(policy_id) or not_found(NO_SUCH_RENEWAL)


def known_facts(policy_id: int) -> dict[str, Any]:
    """What a message may say of a term; 404 when there is none."""
    return notice_facts(policy_id) or not_found(NO_SUCH_RENEWAL)
