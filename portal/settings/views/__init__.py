"""Pages of the office's settings: `masters` keeps insurers, products, agents and the agency's own data."""

from portal.settings.views import masters
from portal.settings.views.routes import blueprint

__all__ = ["blueprint", "masters"]
