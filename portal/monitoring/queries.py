"""What the database knows of the portal's state, in one question."""

from typing import Any

from database_pool import call_function


def office_figures() -> dict[str, Any]:
    """`active_users` of the last 15 minutes; `messages` of the last day by state; `oldest_message_seconds` waiting;
    `unanswered_webhook_seconds`; `database_bytes`; `pauses` of channels.
    """
    figures: dict[str, Any] = call_function("office_figures", read_only=True)
    return figures
