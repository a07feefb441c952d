"""Health and figures for machines (`figures`), the page of them (`page`), and what administrators settle (`alerts`)."""

from portal.monitoring.views import alerts, figures, page
from portal.monitoring.views.routes import blueprint

__all__ = ["alerts", "blueprint", "figures", "page"]
