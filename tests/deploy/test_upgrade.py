"""deploy_multiuser.py --upgrade: from one version to the next, back, and on again, beside a running master."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

import deploy_multiuser
from deployment import upgrading
from deployment.plan import Plan
from deployment.report import Report
from tests.deploy.test_start import project_files
from tests.servers.processes import free_port, remove_folder, server_folder, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]
ROOT = Path(__file__).resolve().parents[2]
VENV = Path(sys.prefix)
DOCUMENT_WITHOUT_CONTENT = """
    with added as (
      insert into clients (client_id, name, client_type) values ('UP01', 'Client', 'individual') returning client_id)
    insert into documents (client_id, file_name, stored_name, size, sha256, md5, media_type, store, store_key, state)
    select client_id, 'a.pdf', 'a.pdf', 1, repeat('a', 64), repeat('b', 32), 'application/pdf', 'local', 'a.pdf',
           'stored' from added
"""
# Listens like gunicorn's master, and hands over to a successor when it is told to.
MASTER = """
import os, signal, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
def take_over():
    with open(sys.argv[1], "w") as file:
        file.write(str(os.getpid()))
def hand_over(*_):
    os._exit(0) if os.fork() else take_over()
signal.signal(signal.SIGUSR2, hand_over)
take_over()
while True:
    time.sleep(0.05)
"""


class Office:
    """A clone of a repository with the project, and a master that runs there."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.root, self.port = folder / "origin", folder / "portal", free_port()
        for name in project_files():
            (self.origin / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.origin / name)
        self.git("init", "--quiet", "--initial-branch", "main", at=self.origin)
        self.first = self.publish("one")
        self.git("clone", "--quiet", str(self.origin), str(self.root), at=folder)
        self.pid_file = self.root / "data" / "gunicorn.pid"

    def git(self, *arguments: str, at: Path | None = None) -> str:
        named = ["-c", "user.name=a", "-c", "user.email=a@example.in"]
        done = subprocess.run(["git", *named, *arguments], cwd=at or self.root, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def publish(self, what: str) -> str:
        self.git("add", "--all", at=self.origin)
        self.git("commit", "--quiet", "-m", what, at=self.origin)
        return self.git("rev-parse", "HEAD", at=self.origin)

    def version(self) -> str:
        return self.git("rev-parse", "HEAD")

    def run(self, *options: str) -> int:
        return deploy_multiuser.main(["--venv", str(VENV), "--port", str(self.port), *options])

    def start_master(self) -> None:
        self.pid_file.parent.mkdir(exist_ok=True)
        subprocess.Popen([sys.executable, "-c", MASTER, str(self.pid_file), str(self.port)], start_new_session=True)
        wait_for(lambda: self.pid_file.exists() and self.pid_file.read_text() != "", "the master")

    def stop_master(self) -> None:
        if self.pid_file.exists():
            psutil.Process(int(self.pid_file.read_text())).kill()

    def backups(self) -> int:
        return len(list((self.root / "backups").glob("*/manifest.json")))


@pytest.fixture
def office(monkeypatch, embedded_server, fresh_database, tmp_path):
    folder = server_folder("upgrade")
    for name in list(os.environ):
        if name not in ("PATH", "HOME", "LANG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", as_url(embedded_server.address(fresh_database())))
    made = Office(folder)
    monkeypatch.setenv("BACKUP_DIR", str(made.root / "backups"))
    monkeypatch.setattr(deploy_multiuser, "ROOT", made.root)
    monkeypatch.setattr(upgrading, "UNITS", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)   # nothing of this machine is restarted
    yield made
    made.stop_master()
    remove_folder(folder)


def as_url(address: str) -> str:
    told = psycopg.conninfo.conninfo_to_dict(address)
    return f"postgresql://{told['user']}@/{told['dbname']}?host={told['host']}&port={told.get('port', 5432)}"


def test_an_upgrade_the_way_back_and_another_upgrade(office, capsys, tmp_path):
    assert office.run() == 0
    office.start_master()
    first_master = office.pid_file.read_text()
    site = office.origin / "nginx.conf"
    site.write_text(site.read_text() + "# A newer line.\n")
    second = office.publish("two")
    (tmp_path / upgrading.WORKERS).write_text("")   # this machine has the workers' service
    capsys.readouterr()

    assert office.run("--upgrade") == 0
    said = capsys.readouterr().out
    assert office.version() == second and office.backups() == 1
    assert office.pid_file.read_text() != first_master and "The portal runs anew" in said
    assert "deploy/nginx.conf has changed" in said and "deploy/insurance-portal.service has changed" not in said
    assert upgrading.WORKERS in said

    way_back = next(line for line in said.splitlines() if line.startswith("The way back: "))
    assert office.first[:12] in way_back
    office.git("checkout", "--quiet", office.first[:12])
    assert office.run() == 0 and office.run("--reload") == 0
    assert office.version() == office.first
    capsys.readouterr()

    assert office.run("--upgrade") == 1
    assert "--to VERSION" in capsys.readouterr().out and office.backups() == 1
    second_master = office.pid_file.read_text()
    assert office.run("--upgrade", "--to", "origin/main") == 0
    assert office.version() == second and office.backups() == 2 and office.pid_file.read_text() != second_master


def test_a_document_without_its_content_does_not_keep_an_upgrade_away(office, capsys):
    assert office.run() == 0
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(DOCUMENT_WITHOUT_CONTENT)
    (office.origin / "NEWS").write_text("two")
    second = office.publish("two")
    assert office.run("--upgrade") == 0
    assert "! The contents of 1 documents were not where they should be." in capsys.readouterr().out
    assert office.version() == second and office.backups() == 1


def test_with_supabase_there_is_no_backup_of_ours(office, monkeypatch, capsys):
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_x")
    plan = Plan(root=office.root, venv=VENV, app_dir=office.root, domain=None, user="portal", port=office.port)
    assert upgrading._back_up(plan, Report()) is True
    assert "Supabase keeps backups of its own" in capsys.readouterr().out


def test_the_workers_begin_anew_where_this_machine_has_their_service(tmp_path, monkeypatch, capsys):
    commands = []

    def run(command, **_):
        commands.append(command)
        return 0, ""

    monkeypatch.setattr(upgrading, "UNITS", tmp_path)
    monkeypatch.setattr(upgrading, "run", run)
    plan = Plan(root=tmp_path, venv=VENV, app_dir=tmp_path, domain=None, user="portal", port=None)
    upgrading._restart_workers(plan, Report())
    assert commands == [] and capsys.readouterr().out == ""
    (tmp_path / upgrading.WORKERS).write_text("")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    upgrading._restart_workers(plan, Report())
    assert commands == [["systemctl", "try-restart", upgrading.WORKERS]]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    upgrading._restart_workers(plan, Report())
    assert f"sudo systemctl restart {upgrading.WORKERS}" in capsys.readouterr().out and len(commands) == 1
