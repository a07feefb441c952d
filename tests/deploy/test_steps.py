"""deploy_multiuser.py step by step: what it makes, what it leaves alone, and how it says what is wrong."""

import contextlib
import gzip
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import deploy_multiuser
from deployment import environment, files, precompress, serving, system_packages
from deployment.plan import Folders, Plan
from deployment.report import Report
from tests.servers.processes import end_process, free_port, remove_folder, server_folder, wait_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(sys.prefix)


@pytest.fixture
def portal(monkeypatch):
    """A folder with what the steps read, the Python environment of this test run, and no settings but those given."""
    folder = server_folder("steps")
    for name in ("nginx.conf", "insurance-portal.service", "requirements_production.txt", "requirements_test.txt"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("config.py", "setting_values.py", "database_pool.py", "cache_manager.py", "task_queue.py",
                 "batch_file_operations.py"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("deployment", "infrastructure", "supabase"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in list(os.environ):
        if name not in ("PATH", "HOME", "LANG"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(deploy_multiuser, "ROOT", folder)
    yield folder
    remove_folder(folder)


def _plan(folder: Path, **given) -> Plan:
    defaults = {"root": folder, "venv": VENV, "app_dir": folder, "domain": None, "user": "portal", "port": None}
    return Plan(**{**defaults, **given})


def _files(folder: Path) -> dict[str, bytes]:
    kept = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith("data/") and "__pycache__" not in name:
            kept[name] = path.read_bytes()
    return kept


def test_set_up_twice_changes_nothing_the_second_time(portal, capsys):
    assert deploy_multiuser.main(["--venv", str(VENV), "--domain", "portal.example.com", "--user", "agency"]) == 0
    first = _files(portal)
    assert {"start_multiuser.sh", "start_multiuser.bat", "deploy/nginx.conf", "deploy/insurance-portal.service",
            "deploy/insurance-portal-worker.service", "deploy/insurance-portal.logrotate"} <= set(first)
    assert "server_name portal.example.com;" in first["deploy/nginx.conf"].decode()
    capsys.readouterr()
    # Without the options: what was chosen before stays chosen.
    assert deploy_multiuser.main(["--venv", str(VENV)]) == 0
    assert _files(portal) == first
    said = capsys.readouterr().out
    assert said.count("(already right)") >= 7
    assert "✓ deploy" not in said


def test_a_dry_run_and_a_check_change_nothing(portal, capsys):
    before = _files(portal)
    assert deploy_multiuser.main(["--dry-run"]) == 0
    assert "would make the Python environment venv" in capsys.readouterr().out
    assert deploy_multiuser.main(["--check"]) == 1
    assert "Run: python3 deploy_multiuser.py" in capsys.readouterr().out
    assert deploy_multiuser.main(["--test", "--dry-run"]) == 0
    assert "would run pytest" in capsys.readouterr().out
    assert _files(portal) == before
    assert not (portal / "data").exists()


def test_the_start_script_is_valid_and_the_windows_one_has_its_line_ends(portal):
    files.write_files(_plan(portal, venv=portal / "venv"), Report(), "127.0.0.1:5050", Folders.under(portal))
    script = portal / "start_multiuser.sh"
    assert subprocess.run(["sh", "-n", str(script)]).returncode == 0
    assert script.stat().st_mode & 0o111
    assert '|| exec "venv/bin/gunicorn" -c gunicorn_config.py wsgi:application "$@"' in script.read_text()
    windows = (portal / "start_multiuser.bat").read_bytes()
    assert b'"venv\\Scripts\\python.exe" app_multiuser.py %*\r\n' in windows
    assert windows.count(b"\n") == windows.count(b"\r\n")


def test_static_files_are_packed_once_and_again_when_they_change(portal):
    script = portal / "static" / "js" / "app.js"
    script.parent.mkdir(parents=True)
    script.write_text("let a = 1\n" * 100)
    (portal / "static" / "small.css").write_text("a {}")
    for content in ("let a = 1\n" * 100, "let b = 2\n" * 100):
        script.write_text(content)
        precompress.pack_static_files(_plan(portal), Report())
        assert gzip.decompress(script.with_name("app.js.gz").read_bytes()).decode() == content
    kept = script.with_name("app.js.gz").stat().st_ino
    precompress.pack_static_files(_plan(portal), Report())
    assert script.with_name("app.js.gz").stat().st_ino == kept
    script.unlink()
    precompress.pack_static_files(_plan(portal), Report())
    assert list((portal / "static").rglob("*.gz")) == []


# A gunicorn that does nothing but what the start script sees of it: its file, and another one in its place after USR2.
MASTER = """#!/bin/sh
mkdir -p data
mine=data/gunicorn.pid
[ -z "${OLD:-}" ] || mine=data/gunicorn.pid.2
echo $$ > $mine
echo $$ >> runs
trap 'rm -f $mine; exit 0' TERM
trap 'OLD=$$ "$0" & while [ ! -e data/gunicorn.pid.2 ]; do sleep 0.05; done; rm $mine; exit 0' USR2
while :; do
    if [ $mine != data/gunicorn.pid ] && [ ! -e data/gunicorn.pid ]; then
        mv $mine data/gunicorn.pid
        mine=data/gunicorn.pid
    fi
    sleep 0.1
done
"""


class Keeper:
    """start_multiuser.sh --keep around such a master."""

    def __init__(self, folder: Path) -> None:
        program = folder / "venv" / "bin" / "gunicorn"
        program.parent.mkdir(parents=True)
        program.write_text(MASTER)
        program.chmod(0o755)
        files.write_files(_plan(folder, venv=folder / "venv"), Report(), "127.0.0.1:5050", Folders.under(folder))
        self._runs = folder / "runs"
        self.process = subprocess.Popen(["sh", str(folder / "start_multiuser.sh"), "--keep"],
                                        stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip

    def master(self, number: int) -> int:
        """The process that was started as the first, second ... one."""
        wait_for(lambda: len(self._begun()) >= number, f"master {number}", process=self.process)
        assert len(self._begun()) == number
        return self._begun()[-1]

    def _begun(self) -> list[int]:
        return [int(line) for line in self._runs.read_text().split()] if self._runs.exists() else []


@pytest.fixture
def keeper(portal):
    keeping = Keeper(portal)
    yield keeping
    with contextlib.suppress(ProcessLookupError):
        os.killpg(keeping.process.pid, signal.SIGKILL)
    keeping.process.wait(10)


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_start_script_brings_back_what_was_killed_and_ends_when_asked(keeper):
    os.kill(keeper.master(1), signal.SIGKILL)
    second = keeper.master(2)
    keeper.process.terminate()
    assert keeper.process.wait(10) == 0
    assert _is_gone(second)


def test_after_rolling_restarts_the_start_script_keeps_what_took_over(keeper):
    first = keeper.master(1)
    os.kill(first, signal.SIGUSR2)
    wait_for(lambda: _is_gone(first), "the first master's end")
    time.sleep(1.5)
    assert keeper.process.poll() is None
    os.kill(keeper.master(2), signal.SIGUSR2)
    third = keeper.master(3)
    time.sleep(1.5)
    os.kill(third, signal.SIGKILL)
    fourth = keeper.master(4)
    os.kill(fourth, signal.SIGUSR2)
    fifth = keeper.master(5)
    wait_for(lambda: _is_gone(fourth), "the fourth master's end")
    keeper.process.terminate()
    assert keeper.process.wait(10) == 0
    assert _is_gone(fifth)


def test_the_start_script_ends_with_what_took_over_and_was_asked_to_end(keeper):
    os.kill(keeper.master(1), signal.SIGUSR2)
    second = keeper.master(2)
    time.sleep(1.5)
    os.kill(second, signal.SIGTERM)
    assert keeper.process.wait(10) == 0


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_an_upgrade_tells_what_it_would_do_and_refuses_a_folder_with_changes(portal, capsys):
    def git(*arguments: str) -> None:
        names = ["-c", "user.name=a", "-c", "user.email=a@example.in"]
        subprocess.run(["git", *names, *arguments], cwd=portal, check=True, capture_output=True)

    git("init")
    git("add", "nginx.conf")
    git("commit", "-m", "one")
    assert deploy_multiuser.main(["--upgrade", "--to", "v2", "--dry-run"]) == 0
    said = capsys.readouterr().out
    for step in ("would make a backup", "would git fetch --tags", "would git checkout --quiet v2"):
        assert step in said
    (portal / "nginx.conf").write_text("changed")
    assert deploy_multiuser.main(["--upgrade"]) == 1
    assert "no clean checkout" in capsys.readouterr().out


def test_a_template_that_lost_a_place_to_fill_is_noticed():
    template = (ROOT / "nginx.conf").read_text().replace("127.0.0.1:5050", "127.0.0.1:6060")
    with pytest.raises(ValueError, match="does not contain"):
        files.nginx_site(template, _plan(ROOT), "127.0.0.1:5050", secure=False)


def test_packages_are_installed_once_for_each_content_of_the_files(tmp_path, monkeypatch, capsys):
    (tmp_path / "base.txt").write_text("flask==3\n")
    (tmp_path / "more.txt").write_text("-r base.txt\npytest==9\n")
    (tmp_path / "venv").mkdir()
    calls: list[object] = []

    def pretend(command, **_):
        calls.append(command)
        return 0, ""

    monkeypatch.setattr(environment, "run", pretend)
    plan = _plan(tmp_path, venv=tmp_path / "venv")
    environment.install_requirements(plan, Report(), "more.txt")
    environment.install_requirements(plan, Report(), "more.txt")
    environment.install_requirements(plan, Report(), "base.txt")
    assert len(calls) == 1
    (tmp_path / "base.txt").write_text("flask==4\n")
    environment.install_requirements(plan, Report(), "more.txt")
    assert len(calls) == 2
    assert capsys.readouterr().out.count("(already right)") == 2


def test_packages_that_cannot_be_installed_are_tried_again_next_time(tmp_path, monkeypatch, capsys):
    (tmp_path / "base.txt").write_text("flask==3\n")
    (tmp_path / "venv").mkdir()
    monkeypatch.setattr(environment, "run", lambda *_, **__: (1, "no network"))
    report = Report()
    environment.install_requirements(_plan(tmp_path, venv=tmp_path / "venv"), report, "base.txt")
    assert report.failed
    assert "no network" in capsys.readouterr().out
    assert list((tmp_path / "venv").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "0"], ["--port", "70000"], ["--port", "x"], ["--domain", "https://portal.example.com"],
        ["--domain", "portal example"], ["--domain", "localhost"], ["--app-dir", "relative"], ["--app-dir", "/opt/a b"],
        ["--app-dir", "/opt/a;rm"],
        ["--server", "10.0.0.2"], ["--server", "a b:80"], ["--upgrade", "--to", "-x"],
        ["--user", "a b"], ["--user", "Root"], ["--start", "--test"], ["something"],
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        deploy_multiuser.main(arguments)
    assert caught.value.code == 2
    assert "error" in capsys.readouterr().err


def _inspected(portal: Path, monkeypatch, capsys, **settings: str):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    report = Report()
    found = deploy_multiuser.inspect(_plan(portal), report, look=True)
    return found, report, capsys.readouterr().out


def test_wrong_settings_are_listed_with_their_cures(portal, monkeypatch, capsys):
    found, report, said = _inspected(portal, monkeypatch, capsys, PORT="x", TWILIO_AUTH_TOKEN="geheim")
    assert (found, report.failed) == (None, True)
    assert "✗ PORT: write a whole number from 1 to 65535 (now: 'x')." in said
    assert "✗ TWILIO_ACCOUNT_SID: missing, because TWILIO_AUTH_TOKEN is set." in said
    assert "geheim" not in said


# At the end of the folder's database_pool.py: the look is a process of its own, which no patch of ours reaches.
IMPATIENT = """
import functools
UNREACHABLE_AFTER = 1.0
PostgresBackend = functools.partial(PostgresBackend, patience=1.0)
"""


def test_a_database_that_does_not_answer_is_a_failure_with_a_cure(portal, monkeypatch, capsys):
    with (portal / "database_pool.py").open("a") as pool:
        pool.write(IMPATIENT)
    address = f"postgresql://portal:geheim@127.0.0.1:{free_port()}/portal"
    _, report, said = _inspected(portal, monkeypatch, capsys, DATABASE_URL=address)
    assert report.failed
    assert "✗ Database (DATABASE_URL):" in said
    assert "Check DATABASE_URL: host, port, name, user and password" in said
    assert "geheim" not in said


def test_a_database_that_is_named_is_talked_to(portal, monkeypatch, capsys, embedded_server, database_template):
    address = _as_url(embedded_server.address(database_template))
    found, report, said = _inspected(portal, monkeypatch, capsys, DATABASE_URL=address)
    assert not report.failed
    assert found is not None
    assert "✓ Database (DATABASE_URL): answers in " in said


def _as_url(address: str) -> str:
    if address.startswith("postgres"):
        return address
    parts = dict(part.split("=", 1) for part in address.split())
    login = parts.get("user", "postgres") + (f":{parts['password']}" if "password" in parts else "")
    place = f"?host={parts['host']}&port={parts.get('port', '5432')}"
    return f"postgresql://{login}@/{parts['dbname']}{place}"


def test_a_copy_of_the_database_is_talked_to_as_well(portal, monkeypatch, capsys, embedded_server, database_template):
    address = _as_url(embedded_server.address(database_template))
    right = {"DATABASE_URL": address, "DATABASE_REPLICA_URL": address}
    _, report, said = _inspected(portal, monkeypatch, capsys, **right)
    assert not report.failed
    assert "✓ Database (DATABASE_REPLICA_URL): answers in " in said
    away = f"postgresql://portal:geheim@127.0.0.1:{free_port()}/portal"
    _, report, said = _inspected(portal, monkeypatch, capsys, DATABASE_REPLICA_URL=away)
    assert report.failed
    assert "✓ Database (DATABASE_URL)" in said
    assert "✗ Database (DATABASE_REPLICA_URL):" in said
    assert "Check DATABASE_REPLICA_URL" in said
    assert "geheim" not in said


def test_the_folder_for_backups_is_tried(portal, monkeypatch, capsys):
    _, report, said = _inspected(portal, monkeypatch, capsys)
    assert f"✓ Backups: {portal}/backups is made with the first one" in said
    assert not (portal / "backups").exists()
    (portal / "backups").mkdir()
    _, report, said = _inspected(portal, monkeypatch, capsys)
    assert f"✓ Backups: {portal}/backups can be written" in said
    assert list((portal / "backups").iterdir()) == []
    (portal / "in the way").write_text("")
    _, report, said = _inspected(portal, monkeypatch, capsys, BACKUP_DIR=str(portal / "in the way"))
    assert report.failed
    assert "in the way cannot be written (Not a directory)" in said
    assert "or set BACKUP_DIR" in said


def test_the_settings_folders_are_in_the_files_of_a_set_up(portal, monkeypatch):
    for name in ("data", "log", "backup"):
        monkeypatch.setenv(f"{name.upper()}_DIR", str(portal / "var" / name))
    assert deploy_multiuser.main(["--venv", str(VENV), "--app-dir", "/opt/insurance-portal"]) == 0
    unit = (portal / "deploy" / "insurance-portal.service").read_text()
    # What lies in the portal's folder here, lies in it there too.
    assert ("ReadWritePaths=/opt/insurance-portal/var/data /opt/insurance-portal/var/log "
            "-/opt/insurance-portal/var/backup\n") in unit
    assert "\nnumbers=var/data/gunicorn.pid\n" in (portal / "start_multiuser.sh").read_text()
    assert (portal / "var" / "backup").is_dir()


def test_a_domain_that_the_settings_do_not_know_is_told_at_the_end(portal, monkeypatch, capsys):
    arguments = ["--venv", str(VENV), "--domain", "portal.example.com"]
    assert deploy_multiuser.main(arguments) == 0
    said = capsys.readouterr().out
    sentence = "write APP_BASE_URL=https://portal.example.com into .env and restart the portal."
    assert sentence in said[said.index("\nReady"):]
    deploy_multiuser.main(["--venv", str(VENV), "--check"])
    assert sentence in capsys.readouterr().out
    monkeypatch.setenv("APP_BASE_URL", "https://portal.example.com")
    assert deploy_multiuser.main(arguments) == 0
    assert "write APP_BASE_URL" not in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_redis_is_asked_and_not_promised(portal, monkeypatch, capsys):
    port = free_port()
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
    _, report, said = _inspected(portal, monkeypatch, capsys)
    assert report.failed
    assert "✗ Redis:" in said
    server = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
                              stdout=subprocess.DEVNULL, cwd=portal)  # fmt: skip
    try:
        wait_for(lambda: serving.somebody_listens(f"127.0.0.1:{port}"), "redis-server", process=server)
        _, report, said = _inspected(portal, monkeypatch, capsys)
    finally:
        end_process(server)
    assert not report.failed
    assert "✓ Redis: answers in " in said


def test_a_mail_server_is_spoken_with(portal, monkeypatch, capsys):
    greetings: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_speak_smtp, args=[listener, greetings], daemon=True).start()
        port = str(listener.getsockname()[1])
        given = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": port, "SMTP_FROM": "a@example.com", "SMTP_TLS": "none"}
        _, report, said = _inspected(portal, monkeypatch, capsys, **given)
    assert not report.failed
    assert "✓ E-mail: 127.0.0.1 answers" in said
    assert any(line.lower().startswith("noop") for line in greetings)
    _, report, said = _inspected(portal, monkeypatch, capsys, **given)  # nobody is there any more
    assert report.failed
    assert "✗ E-mail:" in said


def _speak_smtp(listener: socket.socket, heard: list[str]) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rw", newline="\r\n") as lines:
        print("220 test", file=lines, flush=True)
        for line in lines:
            heard.append(line)
            print("221 bye" if line.lower().startswith("quit") else "250 fine", file=lines, flush=True)


@pytest.mark.parametrize(("status", "failed", "sentence"), [
    (200, False, "✓ Twilio: the account answers"),
    (401, True, "✗ Twilio: the account is refused (HTTP 401)"),
])  # fmt: skip
def test_a_provider_is_asked_whether_the_account_is_there(portal, monkeypatch, capsys, status, failed, sentence):
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t", "TWILIO_WHATSAPP_FROM": "+14155238886",
                 "TWILIO_API_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
        _, report, said = _inspected(portal, monkeypatch, capsys, **given)
        server.shutdown()
    assert report.failed is failed
    assert sentence in said
    assert asked == ["/2010-04-01/Accounts/AC1.json"]


def test_a_taken_port_is_told_before_anything_starts(portal, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bind = f"127.0.0.1:{listener.getsockname()[1]}"
        code = serving.serve(_plan(portal), Report(), bind=bind, address="http://localhost", demo=None)
    assert code == 1
    assert "is taken" in capsys.readouterr().out


def test_without_root_the_missing_system_packages_are_named_and_nothing_is_tried(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(system_packages, "FOR_TESTS", {"no-such-package": "no-such-program"})
    monkeypatch.setattr(system_packages, "run", lambda *_, **__: pytest.fail("ran something"))
    system_packages.install_for_tests(Report())
    said = capsys.readouterr().out
    assert "sudo apt install no-such-package" in said or "this system has no apt" in said
    assert "no-such-package is missing: the tests that need it are skipped" in said


def test_the_last_line_of_the_inspection_is_for_the_program(portal):
    result = subprocess.run(
        [sys.executable, "-m", "deployment.inspection", "--look"], cwd=portal, capture_output=True, text=True
    )
    found = json.loads(result.stdout.splitlines()[-1])
    assert (found["port"], found["web_bind"]) == (5050, "127.0.0.1:5050")
    assert found["services"][0]["text"] == f"is made in {portal}/data at the first start"


def test_the_gate_calls_the_command_that_a_person_types():
    gate = ROOT / ".ci" / "run"
    assert gate.stat().st_mode & 0o111
    assert gate.read_text().splitlines()[-1] == "exec python3 deploy_multiuser.py --test"


def test_every_requirement_is_pinned_and_the_promised_ones_are_there():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements_production.txt").read_text().splitlines()]
    pinned = dict(line.split("==") for line in lines if line)
    promised = {"flask", "gunicorn", "gevent", "supabase", "redis", "twilio", "google-api-python-client"}
    promised |= {"google-auth", "psutil", "python-dotenv"}
    assert promised <= set(pinned)
    assert "pytest==" in (ROOT / "requirements_test.txt").read_text()
