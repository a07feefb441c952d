"""The pages of the settings area: masters and their merges, the dated rules of the trade, the agency's own data."""

from portal.settings.views import business, company, masters, merges, rules
from portal.settings.views.routes import blueprint

__all__ = ["blueprint", "business", "company", "masters", "merges", "rules"]
