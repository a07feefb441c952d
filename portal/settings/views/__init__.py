"""The pages of the settings area: masters and their merges, tax rules, the agency's own data."""

from portal.settings.views import company, masters, merges
from portal.settings.views.routes import blueprint

__all__ = ["blueprint", "company", "masters", "merges"]
