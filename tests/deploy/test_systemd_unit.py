"""insurance-portal.service: a unit that systemd understands and that gives the portal no more than it needs."""

import dataclasses
import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deployment import files
from deployment.plan import Folders, Plan
from portal.web.logs import KEPT_FILES, SharedRotatingFile

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "insurance-portal.service").read_text()
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


# As .env.example has them, and one as a disk with another system's names may be.
ELSEWHERE = Folders(
    Path("/var/lib/insurance-portal"), Path("/var/log/insurance-portal"), Path("/mnt/100% backup/insurance-portal"))
UNITS = {"insurance-portal": files.systemd_unit, "insurance-portal-worker": files.worker_unit}


def _plan(app_dir: Path, user: str = "portal") -> Plan:
    return Plan(root=ROOT, venv=ROOT / "venv", app_dir=app_dir, domain=None, user=user, port=None)


def _rendered(folder: Path, *, user: str = "root", name: str = "insurance-portal", folders: Folders | None = None
              ) -> Path:
    """The unit for a portal in `folder`, as deploy_multiuser.py writes it; `folders`: where its data are."""
    plan = _plan(folder / "app", user)
    for program in ("gunicorn", "flask"):
        path = folder / "app" / "venv" / "bin" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    (folder / "app" / "README.md").write_text("")
    unit = folder / f"{name}.service"
    unit.write_text(UNITS[name](TEMPLATE, plan, folders or Folders.under(plan.app_dir)))
    return unit


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("folders", [None, ELSEWHERE])
def test_systemd_knows_every_line(tmp_path, name, folders):
    unit = _rendered(tmp_path, name=name, folders=folders)
    result = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=30)
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
    assert f"ReadWritePaths={tmp_path}/app/data {tmp_path}/app/logs -{tmp_path}/app/backups\n" in text
    assert f" -m 0700 {tmp_path}/app/data {tmp_path}/app/logs {tmp_path}/app/backups\n" in text
    assert not re.search(r"\bportal portal\b|-o portal|nologin portal", text)


@pytest.mark.parametrize("name", UNITS)
def test_folders_that_the_settings_put_elsewhere_can_be_written(tmp_path, name):
    text = _rendered(tmp_path, name=name, folders=ELSEWHERE).read_text()
    assert ('ReadWritePaths=/var/lib/insurance-portal /var/log/insurance-portal '
            '-"/mnt/100%% backup/insurance-portal"\n') in text
    assert f"{tmp_path}/app/data" not in text
    assert name == "insurance-portal" or "PROMETHEUS_MULTIPROC_DIR=/var/lib/insurance-portal/metrics\n" in text
    rules = files.log_rotation(_plan(tmp_path / "app"), ELSEWHERE)
    assert "\n/var/log/insurance-portal/*.log {\n" in rules


def test_the_settings_folders_are_found_again_where_the_portal_will_lie():
    found = Folders(ROOT / "data", Path("/var/log/portal"), ROOT / "backups")
    assert found.moved(ROOT, Path("/opt/insurance-portal-2")) == Folders(
        Path("/opt/insurance-portal-2/data"), Path("/var/log/portal"), Path("/opt/insurance-portal-2/backups"))


def test_the_units_own_folder_for_a_socket_stays_when_the_workers_go(tmp_path):
    assert "RuntimeDirectory=insurance-portal\n" in _rendered(tmp_path).read_text()
    assert "RuntimeDirectory" not in _rendered(tmp_path, name="insurance-portal-worker").read_text()


@pytest.mark.parametrize("place", ["app_dir", "backups"])
def test_what_lies_in_a_home_folder_can_be_reached(place):
    plan = _plan(Path("/home/asha/app") if place == "app_dir" else Path("/opt/insurance-portal"))
    folders = dataclasses.replace(Folders.under(plan.app_dir), **({"backups": Path("/home/asha/b")}
                                                                  if place == "backups" else {}))
    assert "ProtectHome=read-only\n" in files.systemd_unit(TEMPLATE, plan, folders)
    assert "ProtectHome=yes\n" in TEMPLATE
    assert "ProtectHome=yes\n" in files.systemd_unit(
        TEMPLATE, _plan(Path("/opt/portal")), Folders.under(Path("/opt/portal")))


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
    # LOG_FILE_MB=0, as the rules say.
    handler = SharedRotatingFile(logs / "multiuser_app.log", maxBytes=0, backupCount=KEPT_FILES)
    rules = files.log_rotation(_plan(tmp_path, "root"), Folders.under(tmp_path)).replace("    su root root\n", "")
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
