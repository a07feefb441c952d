"""Pages of policies: `browsing` lists, `reading` shows one, `writing` adds and changes, `terms` renews and ends."""

from portal.policies.views import browsing, reading, terms, writing
from portal.policies.views.routes import blueprint

__all__ = ["blueprint", "browsing", "reading", "terms", "writing"]
