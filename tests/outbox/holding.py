"""Messages that stay in the outbox, for tests that look at what lies there."""

from database_pool import transaction


def hold_back_messages() -> None:
    """From now on what lies in the outbox stays there, as in the quiet hours, whatever the time of the test."""
    with transaction() as tx:
        tx.upsert("task_pauses", {"name": "outbox.deliver"}, on_conflict="name")
