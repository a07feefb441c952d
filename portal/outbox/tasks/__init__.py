"""What workers do with messages: send one, find out what became of one, judge a failure, look after the rest."""

from portal.outbox.tasks import judging, requests, sending, upkeep

__all__ = ["judging", "requests", "sending", "upkeep"]
