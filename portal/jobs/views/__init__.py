"""Pages of jobs: `progress` shows and steers them, `letters` what failed for good, `answers` the same as JSON."""

from portal.jobs.views import answers, letters, progress
from portal.jobs.views.routes import blueprint

__all__ = ["answers", "blueprint", "letters", "progress"]
