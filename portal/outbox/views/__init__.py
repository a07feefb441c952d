"""Pages of messages, and the addresses that providers call."""

from portal.outbox.views import channels, documents, log, templates, threads, webhooks
from portal.outbox.views.routes import blueprint

__all__ = ["blueprint", "channels", "documents", "log", "templates", "threads", "webhooks"]
