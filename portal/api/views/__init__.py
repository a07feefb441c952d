"""The routes of the API, one module for each kind of record."""

from portal.api.views import bulk, clients, docs, documents, files, ledger, masters, policies, reading, users, work
from portal.api.views.routes import blueprint

__all__ = [
    "blueprint", "bulk", "clients", "docs", "documents", "files", "ledger", "masters", "policies", "reading", "users",
    "work",
]  # fmt: skip
