"""What README.md and docs/operations.md tell to type on a server is there, complete and in an order that works."""

import re
import shlex
from pathlib import Path

import pytest

import deploy_multiuser
from portal.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
UNIT = (ROOT / "insurance-portal.service").read_text()


def _first_block(page: str, heading: str) -> str:
    return re.search(rf"^## {heading}\n.*?```bash\n(.*?)```", page, re.MULTILINE | re.DOTALL)[1]


SEQUENCE = _first_block(README, "Operation")


def test_both_pages_tell_the_same():
    assert _first_block(OPERATIONS, "A server of one's own") == SEQUENCE


def test_every_step_stands_before_what_needs_it():
    steps = ["useradd --system", "git clone", "cp .env.example .env", "install -d -m 0700 data logs backups",
             "chown -R portal:portal .", "chown root:portal .env", "sudo -u portal python3 deploy_multiuser.py",
             "cp deploy/insurance-portal.service", "systemctl daemon-reload", "systemctl enable --now insurance-portal",
             "sudo -u portal venv/bin/flask --app app_multiuser ensure-admin", "cp deploy/nginx.conf",
             "certbot certonly",
             "sudo python3 deploy_multiuser.py "]  # fmt: skip
    places = [SEQUENCE.index(step) for step in steps]
    assert places == sorted(places)


def test_the_unit_may_write_to_the_folders_that_are_made():
    made = re.search(r"install -d -m 0700 (.+)\n", SEQUENCE)[1].split()
    assert re.search(r"^ReadWritePaths=(.+)$", UNIT, re.MULTILINE)[1].replace("-/", "/").split() == [
        f"/opt/insurance-portal/{name}" for name in made]
    useradd = next(line for line in SEQUENCE.splitlines() if "useradd" in line)
    assert useradd in UNIT


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md", "docs/security.md"])
def test_every_command_of_the_pages_exists(page):
    text = (ROOT / page).read_text()
    named = set(re.findall(r"flask --app app_multiuser ([a-z-]+)", text))
    assert named <= {command.name for command in COMMANDS}
    for line in re.findall(r"python3 deploy_multiuser\.py([^`\n#|&]*)", text):
        deploy_multiuser._options([word for word in shlex.split(line.strip(" .,;:)")) if word != "\\"])
