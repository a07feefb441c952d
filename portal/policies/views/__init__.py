"""Pages of policies: `browsing` lists, `reading` shows one, `writing` adds and changes, `terms` renews and ends,
`ledger` keeps endorsements and payments, `pending` what waits for papers, `kyc` asks clients for what is missing.
"""

from portal.policies.views import browsing, kyc, ledger, pending, reading, terms, writing
from portal.policies.views.routes import blueprint

__all__ = ["blueprint", "browsing", "kyc", "ledger", "pending", "reading", "terms", "writing"]
