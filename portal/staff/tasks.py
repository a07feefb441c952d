"""What is asked of Clerk: the keys of its tokens, and who somebody is that no event has told of yet."""

import time
from typing import Any

from config import settings
from database_pool import Conflict, Duplicate, transaction
from portal import measures
from portal.audit import THE_PORTAL
from portal.gateways import http
from portal.staff import clerk, clerk_keys
from task_queue import PermanentFailure, TemporaryFailure, schedule, task

API = "https://api.clerk.com"
# Cloudflare, which stands before Clerk, refuses some clients by their name.
NAMED = {"User-Agent": "insurance-portal"}


@task("staff.fetch_clerk_keys", priority=1, attempts=3, limit=1)
def fetch_clerk_keys() -> dict[str, Any]:
    """Fetches the public keys that Clerk's tokens are signed with. Without an answer the old ones are used on."""
    chosen = settings()
    if not chosen.uses("clerk") or chosen.clerk_jwt_key:
        return {"keys": 0}
    answer = _ask(f"{chosen.clerk_frontend_api}/.well-known/jwks.json", {})
    described = answer.json()
    with transaction() as tx:
        found = clerk_keys.keep(tx, described if isinstance(described, dict) else {})
    if not found:
        raise TemporaryFailure("Clerk's answer holds no usable key.", retry_after=30.0)
    return {"keys": found}


@task("staff.fetch_clerk_user", priority=1, attempts=5)
def fetch_clerk_user(clerk_user_id: str) -> dict[str, Any]:
    """Learns who a person is whose token is good and of whom no event has told."""
    chosen = settings()
    if not chosen.uses("clerk"):
        return {"found": False}
    base = chosen.clerk_api_base_url or API
    answer = _ask(f"{base}/v1/users/{clerk_user_id}", {"Authorization": f"Bearer {chosen.clerk_secret_key}"})
    data = answer.json()
    person = clerk.person_in(data) if answer.status == 200 and isinstance(data, dict) else None
    try:
        with transaction() as tx:
            if person is not None:
                clerk.note_person(tx, THE_PORTAL, person, chosen.admin_emails)
            elif answer.status == 404:
                clerk.note_deleted(tx, THE_PORTAL, clerk_user_id)
    except (Conflict, Duplicate) as rival:
        raise TemporaryFailure("An event told of the same person at this moment.", retry_after=1.0) from rival
    return {"found": person is not None}


@task("staff.look_after_clerk", priority=3)
def look_after_clerk() -> dict[str, Any]:
    """Confirms the keys and forgets old events."""
    if not settings().uses("clerk"):
        return {}
    with transaction() as tx:
        clerk.sweep(tx)
        if not settings().clerk_jwt_key:
            clerk_keys.ask_for_keys(tx)
    return {}


schedule("staff.look_after_clerk", every=6 * 3600)


def _ask(url: str, headers: dict[str, str]) -> http.Answer:
    began = time.perf_counter()
    try:
        answer = http.ask("GET", url, headers={**NAMED, **headers})
    except (http.NotReached, http.OutcomeUnknown) as error:
        measures.provider_answered("clerk", "retry", since=began)
        raise TemporaryFailure("Clerk does not answer.") from error
    refused = "permanent" if answer.status in (401, 403) else "retry"
    measures.provider_answered("clerk", "accepted" if answer.status in (200, 404) else refused, since=began)
    if answer.status in (401, 403):
        raise PermanentFailure("Clerk refuses CLERK_SECRET_KEY. Compare it with the instance's secret key.")
    if answer.status not in (200, 404):
        raise TemporaryFailure(f"Clerk answers with HTTP {answer.status}.", retry_after=answer.retry_after)
    return answer
