"""Answering what people write on WhatsApp, each message once and in the order it came."""

from typing import Any

from database_pool import Conflict, transaction
from portal.whatsapp_bot import queries, service
from task_queue import TemporaryFailure, task

# Messages of one sender that one task answers before it hands on; nobody types so many at once.
MOST_AT_ONCE = 20


@task("whatsapp_bot.answer", priority=1)
def answer(inbound_id: int) -> dict[str, Any]:
    """Answers a message, and before it those of the same sender that came earlier and still wait.

    Whichever of several tasks comes first does the work; the others find it done. Of two that answer the same message
    at the same moment one is refused by the database and looks again.
    """
    message = queries.unanswered(inbound_id)
    understood: list[str] = []
    for _ in range(MOST_AT_ONCE):
        waiting = message and queries.next_unanswered(message["address"], up_to=inbound_id)
        if waiting is None:
            return {"understood": understood}
        try:
            with transaction() as tx:
                turn = service.answer(tx, waiting)
        except Conflict:
            continue
        understood.append(turn.understood)
    raise TemporaryFailure("Many messages of one sender wait for an answer.", retry_after=1)
