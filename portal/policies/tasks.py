"""What is done for policies without anybody waiting."""

from contextlib import suppress
from typing import Any

from database_pool import transaction
from portal import audit
from portal.documents.queries import missing_documents_of
from portal.errors import Refused
from portal.jobs.service import NO_RIGHT, starter_of, steer
from portal.policies import kyc_requests
from portal.policies.chasing import ASKED_TODAY
from portal.settings.queries import setting
from task_queue import PermanentFailure, current_task, task


@task("policies.ask_for_kyc", priority=3, gives_way=True)
def ask_for_kyc(client_id: str, day: str) -> dict[str, Any]:
    """Asks one client of a bulk job for KYC papers, unless they came meanwhile. Once a client and day."""
    running = current_task()
    batch_id = running.batch_id if running else None
    actor = starter_of(batch_id, "policies.write")
    if actor is None:
        with suppress(Refused), transaction() as tx:  # another of its tasks was faster
            steer(tx, audit.THE_PORTAL, str(batch_id), "stop")
        raise PermanentFailure(NO_RIGHT)
    clients = kyc_requests.clients_of([client_id]) if missing_documents_of([f"kyc:{client_id}"]) else []
    if not clients:
        raise PermanentFailure(kyc_requests.NOT_MISSING)
    ways = kyc_requests.ways_of(clients)[client_id]
    if all(way.why_not for way in ways):
        raise PermanentFailure(" ".join(way.why_not for way in ways))
    with transaction() as tx:
        sent = kyc_requests.ask(tx, actor, clients[0], ways, company=setting("company"), day=day, batch_id=batch_id)
    if not sent:
        raise PermanentFailure(ASKED_TODAY)
    return {"messages": sent}
