"""gunicorn_config.py: values that gunicorn knows, and a server that is fair, discreet and clean at its end."""

import ast
import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from gunicorn.config import KNOWN_SETTINGS

from tests.conftest import copy_data
from tests.servers.processes import free_port, remove_folder, server_folder, wait_for

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "gunicorn_config.py").read_text()
TREE = ast.parse(SOURCE)
# A tiny application in place of the portal: what is measured is the server.
APPLICATION = """
import gc, os, signal, time, traceback
def stop_the_first_web_process_at_its_birth():
    if "spawn_worker" not in {frame.name for frame in traceback.extract_stack()}:
        return   # PostgreSQL is forked too
    try:
        with open(os.environ["BORN"], "x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGTERM)
if "BORN" in os.environ:
    os.register_at_fork(after_in_child=stop_the_first_web_process_at_its_birth)
def slowly():
    yield b"first"
    time.sleep(2)
    yield b"second"
def answer(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    if environ["PATH_INFO"] == "/empty":
        start_response("204 No Content", [])
        return []
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [])
        return slowly()
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [("Content-Length", str(os.path.getsize(__file__)))])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if environ["PATH_INFO"] == "/gc":
        start_response("200 OK", [])
        return [repr((gc.get_threshold()[0], gc.get_freeze_count() > 10_000)).encode()]
    if environ["PATH_INFO"] == "/work":
        until = time.perf_counter() + 0.005
        while time.perf_counter() < until:
            pass
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2"), ("X-Request-ID", "id-1")])
    return [b"ok"]
class Application:
    def __init__(self):
        from portal.web import turns   # the server's configuration, which is read by now, puts it on the path
        self.extensions = {"door": turns.Turns(2)}
        self.answer_in_turn = turns.behind_the_door(answer, self.extensions["door"])
    def __call__(self, environ, start_response):
        return self.answer_in_turn(environ, start_response)
application = Application()
"""


class Server:
    """gunicorn with the project's configuration around the tiny application."""

    def __init__(self, made: Path | None = None, **given: str) -> None:
        """On a copy of the database in the data folder `made`; without one it makes its own."""
        self.folder = server_folder("tiny")
        (self.folder / "tiny.py").write_text(APPLICATION)
        if made is not None:
            (self.folder / "data").mkdir()
            copy_data(made, self.folder / "data")
        self.port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(self.folder / "data"),
            "LOG_DIR": str(self.folder / "logs"),
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
            **given,
        }
        self.output = self.folder / "output"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn_config.py")]
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                [*command, "--pythonpath", str(self.folder), "tiny:application"],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(lambda: self.get("/health") == 200, "gunicorn", process=process, log=self.output)
        return process

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Referer": "https://x/?name=asha", "User-Agent": "asha"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def log(self, name: str) -> str:
        return (self.folder / "logs" / name).read_text()

    def databases(self) -> list[psutil.Process]:
        """The processes of the embedded PostgreSQL that belongs to this server."""
        folder = str(self.folder / "data" / "postgres")
        return [process for process in psutil.process_iter(["cmdline"]) if folder in (process.info["cmdline"] or [])]

    def remove(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(45)
        remove_folder(self.folder)


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.remove()


@pytest.fixture
def start(own_database):
    """start(WEB_CONCURRENCY="2") answers a server of the test's own; it is gone afterwards, whatever happened."""
    started = []

    def fresh(**given: str) -> Server:
        started.append(Server(own_database, **given))
        return started[-1]

    yield fresh
    for each in started:
        each.remove()


def _names_set() -> set[str]:
    """The names at the top of the file that are meant for gunicorn."""
    names = set()
    for node in TREE.body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
    return {name for name in names if name.islower() and not name.startswith("_")}


def test_gunicorn_knows_every_name_that_the_file_sets():
    assert _names_set() <= {setting.name for setting in KNOWN_SETTINGS}
    assert len(_names_set()) > 20


def test_gevent_patches_before_anything_else_is_imported():
    code = [node for node in TREE.body if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call)]
    first, second = code[:2]
    assert ast.unparse(first) == "from gevent import monkey"
    assert ast.unparse(second) == "monkey.patch_all()"


def _values(**given: str) -> dict[str, str]:
    """What gunicorn makes of the file with this environment."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(server_folder("values")),
                   "LOG_DIR": str(server_folder("values")), **given}
    shown = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn_config.py", "--print-config", "wsgi:application"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    for name in ("DATA_DIR", "LOG_DIR"):
        remove_folder(Path(environment[name]))
    return dict(line.split("=", 1) for line in re.sub(r" += ", "=", shown).splitlines() if "=" in line)


def test_the_values_follow_the_settings():
    values = _values(
        PORT="6123", WEB_CONCURRENCY="3", WEB_CONNECTIONS="77", WEB_TIMEOUT="41", WEB_GRACEFUL_TIMEOUT="11",
        WEB_MAX_REQUESTS="900", WEB_MAX_REQUESTS_JITTER="90", TRUSTED_PROXIES="10.1.0.0/16", WEB_KEEPALIVE="9",
        WEB_PRELOAD="no", WEB_TMP_DIR="/tmp")
    assert values["bind"] == "['127.0.0.1:6123']"
    assert (values["workers"], values["worker_connections"]) == ("3", "77")
    assert (values["timeout"], values["graceful_timeout"], values["keepalive"]) == ("41", "11", "9")
    assert (values["max_requests"], values["max_requests_jitter"]) == ("900", "90")
    assert "10.1.0.0/16" in values["forwarded_allow_ips"]
    assert (values["preload_app"], values["worker_tmp_dir"]) == ("False", "/tmp")
    assert values["control_socket_disable"] == "True"
    assert "FairGeventWorker" in values["worker_class"]


def test_what_has_no_setting_can_be_changed_by_gunicorns_own_variable():
    """docs/operations.md says so."""
    values = _values(GUNICORN_CMD_ARGS="--backlog=512 --limit-request-line=2000 --keep-alive=7", WEB_KEEPALIVE="9")
    assert (values["backlog"], values["limit_request_line"], values["keepalive"]) == ("512", "2000", "7")
    assert values["preload_app"] == "True"


def test_wrong_settings_stop_the_start_with_one_line_each_and_no_traceback():
    wrong = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn_config.py", "wsgi:application"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORT": "x", "TWILIO_AUTH_TOKEN": "geheim"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert wrong.returncode == 1
    assert [line.split(":")[0] for line in wrong.stderr.splitlines()] == [
        "PORT", "TWILIO_ACCOUNT_SID", "TWILIO_WHATSAPP_FROM",
    ]  # fmt: skip
    assert "geheim" not in wrong.stderr


def test_it_listens_on_this_machine_alone(server):
    family = {connection.laddr.ip for connection in psutil.Process(server.process.pid).net_connections("tcp")}
    assert family == {"127.0.0.1"}


def test_each_process_can_import_the_application_itself(start):
    server = start(WEB_PRELOAD="no", WEB_CONCURRENCY="2")
    assert [server.get("/") for _ in range(5)] == [200] * 5
    # HUP then brings new code: there is nothing that the master has imported before.
    (server.folder / "tiny.py").write_text(APPLICATION.replace("200 OK", "202 Accepted"))
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: [server.get("/") for _ in range(8)] == [202] * 8, "the new code")
    assert "Traceback" not in server.output.read_text()


def test_no_control_socket_is_opened(server):
    assert psutil.Process(server.process.pid).net_connections("unix") == []


def test_the_access_log_has_the_path_and_nothing_of_the_person(server):
    server.get("/clients/7?q=asha%20menon")
    server.get("/a%0A[forged]%20line")
    server.get("/media/signed-token-of-asha/Policy%20Asha.pdf")
    wait_for(lambda: "/media/" in server.log("access.log"), "the log")
    text = server.log("access.log")
    assert '"GET /clients/7 HTTP/1.1" 200 2 bytes' in text
    assert "/a%0A%5Bforged%5D%20line" in text
    assert '"GET /media/- HTTP/1.1"' in text
    assert "id-1" in text
    assert not re.search(r"asha|127\.0\.0\.1|token", text, re.IGNORECASE)
    assert all(re.match(r"\[\d\d/\w{3}/\d{4}:", line) for line in text.splitlines())


def test_the_last_lines_of_the_access_log_are_written_when_it_stops(start):
    for number in (signal.SIGTERM, signal.SIGINT):
        server = start()
        assert server.get(f"/last-{number}") == 200
        server.process.send_signal(number)
        server.process.wait(20)
        assert f"/last-{number} " in server.log("access.log")


def test_a_busy_connection_lets_the_others_through(server):
    """Requests that lie in the socket already are not all served before another connection gets its turn."""
    asked, answers = 800, list[bytes]()  # four seconds of work
    with socket.create_connection(("127.0.0.1", server.port)) as busy:
        busy.sendall(b"GET /work HTTP/1.1\r\nHost: x\r\n\r\n" * asked)
        answers.append(busy.recv(65536))
        threading.Thread(target=_drain, args=[busy, answers], daemon=True).start()
        assert server.get("/") == 200
        assert b"".join(answers).count(b"HTTP/1.1 200") < asked
        wait_for(lambda: b"".join(answers).count(b"HTTP/1.1 200") == asked, "the busy connection's last answer")


def test_a_kept_connection_ends_while_its_process_is_full(server):
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    assert _ends_after_an_answer(kept) is False
    held = [threading.Thread(target=server.get, args=["/slow"]) for _ in range(2)]   # both turns of the application
    for each in held:
        each.start()
    assert server.get("/health") == 200   # it needs no turn, and waits for a moment at most
    wait_for(lambda: server.get("/health") == 200 and _ends_after_an_answer(kept, "/health"), "the end of what is kept")
    for each in held:
        each.join()
    kept.close()


def _ends_after_an_answer(connection: http.client.HTTPConnection, path: str = "/") -> bool:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.getheader("Connection") == "close"


def _drain(connection: socket.socket, answers: list[bytes]) -> None:
    try:
        while more := connection.recv(65536):
            answers.append(more)
    except OSError:
        return


def _segments(connection: socket.socket) -> int:
    """How many pieces with data have come in (tcpi_data_segs_in of Linux's struct tcp_info)."""
    return int(struct.unpack_from("I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many pieces came")
def test_the_head_of_an_answer_comes_with_its_body(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for number in range(1, 4):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = connection.recv(4096)
            assert answer.endswith(b"\r\n\r\nok")
            assert _segments(connection) == number


@pytest.mark.parametrize("method, path, length", [("HEAD", "/", 0), ("GET", "/empty", 0), ("GET", "/file", None)])
def test_an_answer_without_a_body_and_one_from_a_file_are_whole(server, method, path, length):
    content = (server.folder / "tiny.py").read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(2):   # on the same connection: nothing of the one before is left in it
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status in (200, 204)
        assert answer.read() == (b"" if length == 0 else content)
    connection.close()


def test_the_first_part_of_a_stream_does_not_wait_for_the_second(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(10)
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        first = b""
        while b"first" not in first:
            first += connection.recv(4096)
        assert first.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"second" not in first
        assert b"second" in connection.recv(4096)


def test_rings_are_looked_for_seldom_and_not_in_what_all_processes_share(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/gc", timeout=10) as answer:
        assert answer.read() == b"(20000, True)"


def test_term_lets_requests_finish_and_takes_the_embedded_database_along(start):
    server = start()
    assert len(server.databases()) == 1
    answers: list[int] = []
    asking = [threading.Thread(target=lambda: answers.append(server.get("/slow"))) for _ in range(10)]
    for thread in asking:
        thread.start()
    time.sleep(0.7)
    server.process.send_signal(signal.SIGTERM)
    for thread in asking:
        thread.join(20)
    assert server.process.wait(30) == 0
    assert answers == [200] * 10
    assert server.databases() == []
    assert "Traceback" not in server.output.read_text()


def test_a_process_that_is_asked_to_stop_while_it_is_forked_stops(start, tmp_path):
    born = tmp_path / "born"
    server = start(BORN=str(born), WEB_GRACEFUL_TIMEOUT="60")
    wait_for(lambda: not psutil.pid_exists(int(born.read_text())), "the end of the first process", seconds=20)
    assert server.get("/") == 200, "no other took its place"


def test_ctrl_c_in_a_terminal_ends_it_at_once_without_noise(start):
    server = start(WEB_CONCURRENCY="2")
    os.killpg(server.process.pid, signal.SIGINT)  # the terminal tells every process
    began = time.monotonic()
    assert server.process.wait(20) == 0
    assert time.monotonic() - began < 15  # not the half minute that requests in flight would get
    assert server.databases() == []
    assert "Traceback" not in server.output.read_text()


def test_workers_are_replaced_without_a_lost_request(start):
    server = start(WEB_MAX_REQUESTS="40", WEB_MAX_REQUESTS_JITTER="0")
    first = {child.pid for child in psutil.Process(server.process.pid).children()}
    until = time.monotonic() + 20
    lost = []
    while first & {child.pid for child in psutil.Process(server.process.pid).children()} and time.monotonic() < until:
        lost += [status for status in (server.get("/") for _ in range(20)) if status != 200]
    assert time.monotonic() < until, "no worker was replaced"
    assert lost == []
