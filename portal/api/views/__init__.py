"""The routes of the API, one module for each kind of record."""

from portal.api.views import clients, docs, masters, policies, reading, users
from portal.api.views.routes import blueprint

__all__ = ["blueprint", "clients", "docs", "masters", "policies", "reading", "users"]
