"""Pages of policies: `browsing` lists, `reading` shows one, `writing` adds and changes, `terms` renews and ends,
`ledger` keeps endorsements and payments, `pending` what waits for papers."""

from portal.policies.views import browsing, ledger, pending, reading, terms, writing
from portal.policies.views.routes import blueprint

__all__ = ["blueprint", "browsing", "ledger", "pending", "reading", "terms", "writing"]
