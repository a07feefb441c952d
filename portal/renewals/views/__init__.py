"""Pages of the renewal desk: `desk` lists, `work` keeps one renewal, `reminders` and `bulk` send, `ladder` settles."""

from portal.renewals.views import bulk, desk, ladder, reminders, work
from portal.renewals.views.routes import blueprint

__all__ = ["blueprint", "bulk", "desk", "ladder", "reminders", "work"]
