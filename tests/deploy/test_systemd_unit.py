"""insurance-portal.service: a unit that systemd understands and that gives the portal no more than it needs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deployment import files
from deployment.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "insurance-portal.service").read_text()
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def _rendered(folder: Path, *, user: str = "root") -> Path:
    """The unit for a portal in `folder`, as deploy_multiuser.py writes it."""
    plan = Plan(root=ROOT, venv=ROOT / "venv", app_dir=folder / "app", domain=None, user=user, port=None)
    gunicorn = folder / "app" / "venv" / "bin" / "gunicorn"
    gunicorn.parent.mkdir(parents=True)
    gunicorn.write_text("#!/bin/sh\n")
    gunicorn.chmod(0o755)
    (folder / "app" / "README.md").write_text("")
    unit = folder / "insurance-portal.service"
    unit.write_text(files.systemd_unit(TEMPLATE, plan))
    return unit


@needs_systemd
def test_systemd_knows_every_line(tmp_path):
    result = subprocess.run(
        ["systemd-analyze", "verify", str(_rendered(tmp_path))], capture_output=True, text=True, timeout=30
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@needs_systemd
def test_the_exposure_stays_low(tmp_path):
    unit = _rendered(tmp_path, user="portal")
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
