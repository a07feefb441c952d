"""Pages of policies: `reading` shows them, `writing` adds and changes them, `terms` renews and ends them."""

from portal.policies.views import reading, terms, writing
from portal.policies.views.routes import blueprint

__all__ = ["blueprint", "reading", "terms", "writing"]
