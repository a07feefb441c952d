"""The nightly backup, and the look that the portal takes at itself each minute."""

import pathlib
import subprocess
import sys
from typing import Any

from cache_manager import forget_group
from config import settings
from database_pool import Duplicate, transaction
from portal import measures
from portal.formats import now
from portal.monitoring import exposition, health, queries, rules, service
from portal.staff.queries import colleagues
from task_queue import TemporaryFailure, schedule, task

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 6 * 3600.0   # seconds
AGAIN = 1200.0   # seconds until a backup that failed is tried again


@task("backups.make", attempts=3, limit=1)
def make() -> dict[str, Any] | None:
    """Runs the command in a process of its own: checksums and encryption would hold up everybody served by this one."""
    if settings().supabase_url:
        return None   # Supabase keeps backups of its own
    done = subprocess.run([sys.executable, "-m", "flask", "--app", "app_multiuser", "backup", "--prune"], cwd=ROOT,
                          capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode != 0:   # a full disk and a database that is away pass, mostly
        raise TemporaryFailure(f"The backup failed: {done.stderr.strip()[-300:]}", retry_after=AGAIN)
    return {"said": done.stdout.strip()[-300:]}


@task("monitoring.look", priority=1, attempts=1, limit=1)
def look() -> dict[str, Any] | None:
    """Notes how the portal stands, begins and ends alerts, and tells of them once.

    What it missed is not made up for: the next look is a minute away.
    """
    found, moment, limits = health.services(), now(), health.limits()
    wrong, known = health.alerts(found), queries.open_alerts()
    sample = exposition.sample(found, measures.gathered(), queries.latest_samples())
    titles = {rule.name: rule.title for rule in rules.RULES}
    try:
        with transaction() as tx:
            service.keep_sample(tx, sample, moment=moment)
            began, ended = service.note_alerts(tx, wrong, known, limits, moment=moment)
            if began or ended:
                service.tell(tx, began, ended, titles, limits, portal=settings().app_base_url, administrators=[
                    row["email"] for row in colleagues() if row["is_active"] and row["role"] == "administrator"])
    except Duplicate:
        return None   # another process looked at the same moment
    if began or ended:
        forget_group(queries.GROUP)
    return {"open": len(known) + len(began) - len(ended)} if began or ended else None


schedule("backups.make", daily_at="02:30")
schedule("monitoring.look", every=60)
