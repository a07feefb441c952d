"""Pages of clients: `browsing` lists them, `records` shows and changes one and its members."""

from portal.clients.views import browsing, records
from portal.clients.views.routes import blueprint

__all__ = ["blueprint", "browsing", "records"]
