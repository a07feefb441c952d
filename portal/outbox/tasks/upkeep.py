"""The sweep behind everything: rows that were left without a task, statuses that never came, texts kept long enough."""

import logging
from datetime import timedelta
from typing import Any

from database_pool import transaction
from portal.formats import now
from portal.gateways.channels import gateway_for
from portal.gateways.interface import SendFailed
from portal.outbox import arrivals, queries, service
from portal.outbox.webhooks import Status
from task_queue import enqueue_many, schedule, task

logger = logging.getLogger(__name__)

LEFT_BEHIND = timedelta(minutes=5)
SILENT_AFTER = timedelta(hours=1)
ASKED_AT_ONCE = 200
TEXTS_KEPT = timedelta(days=2 * 365)    # message bodies: two years (DPDP: no longer than they serve)
EVENTS_KEPT = timedelta(days=365)


@task("outbox.sweep", priority=3)
def sweep() -> dict[str, Any]:
    """Gives every message, and every reported failure, that waits for nobody a task again."""
    before = now() - LEFT_BEHIND
    waiting, unjudged = queries.left_behind(before), queries.unjudged(before)
    with transaction() as tx:
        enqueue_many(tx, "outbox.deliver", [{"message_id": message_id} for message_id in waiting],
                     unique_keys=[service.task_key(message_id) for message_id in waiting])  # fmt: skip
        enqueue_many(tx, "outbox.judge", [{"message_id": message_id} for message_id in unjudged],
                     unique_keys=[f"outbox.judge:{message_id}" for message_id in unjudged])  # fmt: skip
    return {"deliver": len(waiting), "judge": len(unjudged)}


@task("outbox.ask_statuses", priority=3, attempts=1)
def ask_statuses() -> dict[str, Any]:
    """Asks for the status of messages of which no report came for an hour: providers send a lost report never again."""
    gateway = gateway_for("whatsapp")
    if not gateway.capabilities.asks:
        return {"asked": 0}
    silent = queries.silent("whatsapp", gateway.name, now() - SILENT_AFTER, limit=ASKED_AT_ONCE)
    moved = 0
    for message in silent:
        try:
            report = gateway.ask(message["provider_id"])
        except SendFailed as error:
            logger.warning("the provider could not be asked: %s", error.code, extra={"record": message["message_id"]})
            break
        if report is not None and report.status != message["state"]:
            told = Status(gateway.name, report.provider_id, report.status, message["message_id"],
                          message["open_attempt"], report.code or None)  # fmt: skip
            with transaction() as tx:
                arrivals.store(tx, arrivals.news((), [told]))
            moved += 1
        with transaction() as tx:
            tx.update("messages", {"asked_at": now()}, filters={"message_id_eq": message["message_id"]})
    return {"asked": len(silent), "moved": moved}


@task("outbox.prune", priority=3)
def prune() -> dict[str, Any]:
    """Empties the texts of messages after two years and forgets single events after one; that they were sent stays."""
    old = now() - TEXTS_KEPT
    emptied: dict[str, Any] = {"body": "", "html_body": None, "subject": None, "variables": {}}
    with transaction() as tx:
        sent = tx.update("messages", emptied, filters={"created_at_lt": old, "body_neq": ""})
        received = tx.update("inbound_messages", {"body": "", "payload": None, "media": []},
                             filters={"created_at_lt": old, "body_neq": ""})  # fmt: skip
        events = tx.delete("message_events", filters={"stored_at_lt": now() - EVENTS_KEPT})
    return {"sent": len(sent.rows), "received": len(received.rows), "events": len(events.rows)}


schedule("outbox.sweep", every=300)
schedule("outbox.ask_statuses", every=1800)
schedule("outbox.prune", daily_at="03:20")
