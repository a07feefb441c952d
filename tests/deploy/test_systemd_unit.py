"""insurance-portal.service: a unit that systemd understands and that gives the portal no more than it needs."""

import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deployment import files
from deployment.plan import Plan
from portal.web.logs import KEPT_FILES, LARGEST_FILE, SharedRotatingFile

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "insurance-portal.service").read_text()
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


UNITS = {"insurance-portal": files.systemd_unit, "insurance-portal-worker": files.worker_unit}


def _rendered(folder: Path, *, user: str = "root", name: str = "insurance-portal") -> Path:
    """The unit for a portal in `folder`, as deploy_multiuser.py writes it."""
    plan = Plan(root=ROOT, venv=ROOT / "venv", app_dir=folder / "app", domain=None, user=user, port=None)
    for program in ("gunicorn", "flask"):
        path = folder / "app" / "venv" / "bin" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    (folder / "app" / "README.md").write_text("")
    unit = folder / f"{name}.service"
    unit.write_text(UNITS[name](TEMPLATE, plan))
    return unit


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_knows_every_line(tmp_path, name):
    result = subprocess.run(
        ["systemd-analyze", "verify", str(_rendered(tmp_path, name=name))], capture_output=True, text=True, timeout=30
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_the_exposure_stays_low(tmp_path, name):
    unit = _rendered(tmp_path, user="portal", name=name)
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert found, result.stderr
    assert float(found[1]) <= 1.8


def test_folder_and_user_are_filled_in_everywhere(tmp_path):
    text = _rendered(tmp_path, user="agency").read_text()
    assert "/opt/insurance-portal" not in text
    assert "User=agency\nGroup=agency\n" in text
    assert f"ReadWritePaths={tmp_path}/app/data {tmp_path}/app/logs\n" in text
    assert not re.search(r"\bportal portal\b|-o portal|nologin portal", text)


def test_a_portal_in_a_home_folder_can_read_itself():
    plan = Plan(root=ROOT, venv=ROOT / "venv", app_dir=Path("/home/asha/app"), domain=None, user="asha", port=None)
    assert "ProtectHome=read-only\n" in files.systemd_unit(TEMPLATE, plan)
    assert "ProtectHome=yes\n" in TEMPLATE


def test_the_master_has_time_to_let_requests_finish():
    stop = re.search(r"^TimeoutStopSec=(\d+)$", TEMPLATE, re.MULTILINE)
    assert stop
    assert int(stop[1]) > 45  # gunicorn waits up to 30 s for requests, then stops the database
    assert "KillMode=mixed\n" in TEMPLATE


def test_the_workers_have_the_locks_of_the_portal_and_serve_no_pages(tmp_path):
    text = _rendered(tmp_path, user="agency", name="insurance-portal-worker").read_text()
    assert f"ExecStart={tmp_path}/app/venv/bin/flask --app app_multiuser work\n" in text
    assert "gunicorn" not in text and "ExecReload" not in text
    assert "User=agency\n" in text and "TASK_WORKERS=0" in text
    locks = re.search(r"NoNewPrivileges=yes.*SystemCallErrorNumber=EPERM\n", TEMPLATE, re.DOTALL)
    assert locks[0] in text


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
def test_a_rotated_log_goes_on_and_loses_no_line(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    handler = SharedRotatingFile(logs / "multiuser_app.log", maxBytes=LARGEST_FILE, backupCount=KEPT_FILES)
    rules = files.LOGROTATE.format(app=tmp_path, user="root").replace("    su root root\n", "")
    (tmp_path / "rules").write_text(rules)
    for number in range(20):
        handler.emit(logging.LogRecord("portal", logging.INFO, "", 0, f"line {number}", None, None))
        if number % 10 == 5:
            command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(tmp_path / "rules")]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stderr
            for old in logs.glob("multiuser_app.log-*"):   # a second one of the same day would be left out
                old.rename(logs / f"kept-{number}")
    handler.close()
    lines = [line for path in logs.iterdir() for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(f"line {number}" for number in range(20))
    assert len(list(logs.iterdir())) == 3
