"""`send_whatsapp_async` and `send_email_async` of the task queue end here: as messages like any other."""

from typing import Any

from database_pool import transaction
from portal.audit import THE_PORTAL
from portal.errors import Refused
from portal.formats import parse_phone
from portal.outbox import queries, service
from portal.outbox.inputs import parse_email
from task_queue import PermanentFailure, current_task, task


@task("outbox.send_whatsapp", priority=2)
def send_whatsapp(phone: str, message: str) -> dict[str, Any]:
    """Queues a WhatsApp message to a phone in any spelling."""
    try:
        to = parse_phone(phone)
    except ValueError as error:
        raise PermanentFailure(str(error)) from error
    return _queued("whatsapp", to, message)


@task("outbox.send_email", priority=2)
def send_email(email: str, subject: str, body: str) -> dict[str, Any]:
    """Queues an e-mail."""
    try:
        to = parse_email(email)
    except ValueError as error:
        raise PermanentFailure(str(error)) from error
    return _queued("email", to, body, subject)


def _queued(channel: service.Channel, to: str, text: str, subject: str = "") -> dict[str, Any]:
    running = current_task()
    key = f"asked for:{running.task_id if running else 0}"
    try:
        with transaction() as tx:
            message_id = service.queue_message(tx, THE_PORTAL, service.NewMessage(
                channel=channel, purpose="service", key=key, to=to, text=text, subject=subject,
                priority=queries.task_priority(running.task_id) if running else 2))  # fmt: skip
    except Refused as refusal:
        raise PermanentFailure(refusal.sentence) from refusal
    return {"message_id": message_id}
