"""A newer version in place of this one: backup, code, packages, migrations, reload; and the way back."""
from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from deployment import serving
from deployment.plan import ON_WINDOWS, Plan
from deployment.report import Report, run

RELOAD_PATIENCE = 120.0  # seconds until the new processes answer and the old ones have left
UNITS = Path("/etc/systemd/system")
WORKERS = "insurance-portal-worker.service"
# What is copied to its place by hand, and how.
COPIED = {
    "insurance-portal.service": "sudo cp deploy/insurance-portal.service /etc/systemd/system/ && sudo systemctl "
                                "daemon-reload && sudo systemctl restart insurance-portal",
    WORKERS: "sudo cp deploy/insurance-portal-worker.service /etc/systemd/system/ && sudo systemctl daemon-reload && "
             "sudo systemctl restart insurance-portal-worker",
    "nginx.conf": "sudo cp deploy/nginx.conf /etc/nginx/sites-available/insurance-portal && sudo nginx -t && "
                  "sudo systemctl reload nginx",
    "insurance-portal.logrotate": "sudo cp deploy/insurance-portal.logrotate /etc/logrotate.d/insurance-portal",
}


def upgrade(plan: Plan, report: Report, *, version: str | None, options: list[str]) -> int:
    """Brings in `version` (a tag or commit; None: what the branch follows) and answers the exit code.

    The portal serves throughout; migrations are made so that the old code can live with them. `options` are those of
    this command line, for the new version's own set-up.
    """
    report.title("Before")
    before = _version(plan, report, wanted=version)
    if before is None:
        return 1
    report.done(f"Version {before}")
    if not _back_up(plan, report) or not _fetch(plan, report, version):
        return 1
    report.title("Set-up of the new version")
    if report.dry_run:
        report.would("set up and reload the new version")
        return 0
    way_back = f"git checkout {before} && python3 deploy_multiuser.py && python3 deploy_multiuser.py --reload"
    written = _written(plan)
    # Its own steps, not those of the version that this process has loaded.
    code, output = run([sys.executable, "deploy_multiuser.py", *options], cwd=plan.root, timeout=1800)
    report.say(output)
    if code != 0:
        report.fail("The new version could not be set up. The old one still runs.", f"Go back: {way_back}")
        return 1
    code = reload(plan, report)
    for name, text in _written(plan).items():
        if written.get(name) not in (None, text):
            report.warn(f"deploy/{name} has changed. Where it is in use: {COPIED[name]}")
    report.say(f"\nThe way back: {way_back}\nThe database need not go back: each migration leaves the version before "
               "it working. To undo data as well, restore the backup into an empty place (docs/operations.md).")
    return code


def reload(plan: Plan, report: Report) -> int:
    """Lets the running portal begin anew with the code that is there, without losing a request."""
    report.title("Reload")
    if ON_WINDOWS:
        report.warn("On Windows: stop the portal with Ctrl-C and start it again.")
        return 0
    code = _reload_pages(plan, report)
    _restart_workers(plan, report)
    return code


def _reload_pages(plan: Plan, report: Report) -> int:
    place = _running(plan)
    master = _number(place / "gunicorn.pid") if place else None
    if place is None or master is None:
        report.skipped("Reload", "the portal does not run; it begins with the new version")
        return 0
    if report.dry_run:
        report.would(f"reload the portal (process {master})")
        return 0
    os.kill(master, signal.SIGUSR2)
    until = time.monotonic() + RELOAD_PATIENCE
    while time.monotonic() < until:
        now = _number(place / "gunicorn.pid")
        if now is not None and now != master and not (place / "gunicorn.pid.2").exists():
            report.done(f"The portal runs anew (process {now})")
            return 0
        time.sleep(0.2)
    report.fail("The new processes did not take over; the old ones still serve.", "logs/error.log tells why.")
    return 1


def _restart_workers(plan: Plan, report: Report) -> None:
    """The service of the workers beside the portal's, where this machine has it."""
    if not (UNITS / WORKERS).exists():
        return
    if report.dry_run:
        report.would(f"restart {WORKERS}")
    elif os.geteuid() == 0 and run(["systemctl", "try-restart", WORKERS], cwd=plan.root, timeout=120)[0] == 0:
        report.done(f"{WORKERS} runs anew")
    else:
        report.warn(f"The workers still run what they began with: sudo systemctl restart {WORKERS}")


def _version(plan: Plan, report: Report, *, wanted: str | None) -> str | None:
    """The commit that is in place; None where it cannot be replaced, after a sentence why."""
    code, before = run(["git", "rev-parse", "HEAD"], cwd=plan.root)
    dirty = run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=plan.root)[1].strip()
    if code != 0 or dirty:
        report.fail("This folder is no clean checkout." if code == 0 else "This folder is not under git.",
                    "Commit or undo the changes (git status), or copy the new version over it and run "
                    "python3 deploy_multiuser.py.")
        return None
    if wanted is None and run(["git", "rev-parse", "--abbrev-ref", "@{upstream}"], cwd=plan.root)[0] != 0:
        report.fail("This folder follows no branch: a version was chosen here, or gone back to.",
                    "Name the one to bring in: --upgrade --to VERSION (a tag, a commit, or origin/main for the "
                    "newest); or go to a branch first: git checkout main")
        return None
    return before.strip()[:12]


def _written(plan: Plan) -> dict[str, bytes]:
    folder = plan.root / "deploy"
    return {name: (folder / name).read_bytes() for name in COPIED if (folder / name).exists()}


def _back_up(plan: Plan, report: Report) -> bool:
    if report.dry_run:
        report.would("make a backup")
        return True
    if not plan.python.exists():
        report.skipped("Backup", "nothing is set up yet")
        return True
    if _settled(plan).get("database") == "supabase":
        report.skipped("Backup", "Supabase keeps backups of its own (the project's dashboard: Database, Backups)")
        return True
    code, output = run([plan.python, "-m", "flask", "--app", "app_multiuser", "backup"], cwd=plan.root,
                       environment=plan.environment(), timeout=6 * 3600)
    *earlier, last = output.splitlines() or [""]
    if code != 0:
        report.fail("No backup could be made, so nothing was changed.", last)
        return False
    for line in earlier:
        report.warn(line)
    report.done(f"Backup {last}")
    return True


def _fetch(plan: Plan, report: Report, version: str | None) -> bool:
    commands = ([["git", "fetch", "--tags"], ["git", "checkout", "--quiet", version]] if version
                else [["git", "pull", "--ff-only", "--quiet"]])
    for command in commands:
        if report.dry_run:
            report.would(" ".join(command))
            continue
        code, output = run([*command], cwd=plan.root, timeout=600)
        if code != 0:
            report.fail(f"{' '.join(command)} failed; nothing was changed.", output)
            return False
    if not report.dry_run:
        report.done(f"Code {run(['git', 'rev-parse', 'HEAD'], cwd=plan.root)[1].strip()[:12]}")
    return True


def _running(plan: Plan) -> Path | None:
    """The data folder of the portal that runs here, None where none does."""
    told = _settled(plan)
    if not told or not serving.somebody_listens(told["web_bind"]):
        return None
    return plan.root / told["data_dir"]


def _settled(plan: Plan) -> dict[str, str]:
    """What the settings say: web_bind, data_dir, database; nothing where they are not right."""
    code, output = run([plan.python, "-m", "deployment.inspection", "--where"], cwd=plan.root,
                       environment=plan.environment(), timeout=60)
    told: dict[str, str] = json.loads(output.splitlines()[-1]) if code == 0 else {}
    return told


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
