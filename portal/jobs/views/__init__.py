"""Pages of jobs: `progress` shows and steers them, `letters` what failed for good."""

from portal.jobs.views import letters, progress
from portal.jobs.views.routes import blueprint

__all__ = ["blueprint", "letters", "progress"]
