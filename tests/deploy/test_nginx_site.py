"""nginx.conf: a site that loads as it is, and what nginx then lets through, overwrites, limits and keeps to itself."""

import datetime
import gzip
import http.client
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deployment import files
from deployment.plan import Plan
from tests.servers.processes import end_process, free_port, remove_folder, server_folder, wait_for

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "portal.example.com"
pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

MAIN = """
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/site.conf;
}}
"""


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what arrived, so that a test sees what nginx passes on."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        if self.path == "/api/refused-by-the-portal":
            self.send_response(404)
            self.send_header("Content-Length", "22")
            self.end_headers()
            self.wfile.write(b"the portal's own words")
            return
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_TRACE = do_GET  # noqa: N815 - the names are the library's

    def log_message(self, *_arguments: object) -> None:
        return


class Nginx:
    """A real nginx with the site, on free ports, in front of an echo."""

    def __init__(self, site: str, upstream: int, http_port: int, https_port: int) -> None:
        self.folder = server_folder("nginx")
        self.http_port, self.https_port, self.upstream = http_port, https_port, upstream
        site = site.replace("/var/log/nginx/", f"{self.folder}/").replace("127.0.0.1:5050", f"127.0.0.1:{upstream}")
        for port, free in ((443, https_port), (80, http_port)):
            site = site.replace(f"listen {port}", f"listen 127.0.0.1:{free}").replace(f"    listen [::]:{port};\n", "")
            site = site.replace(f"    listen [::]:{port} ssl http2;\n", "")
        (self.folder / "site.conf").write_text(site)
        (self.folder / "nginx.conf").write_text(MAIN.format(folder=self.folder))
        self.static: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def test(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nginx", "-t", "-c", str(self.folder / "nginx.conf")], capture_output=True, text=True, timeout=20
        )

    def start(self) -> None:
        self._process = subprocess.Popen(["nginx", "-c", str(self.folder / "nginx.conf")])
        wait_for(self._listens, "nginx", process=self._process, log=self.folder / "error.log")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.http_port)) == 0

    def ask(self, path: str, method: str = "GET", *, body: bytes | None = None, **headers: str):
        """(status, headers, body) of a request; "Host" as given, else the domain's."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers={"Host": DOMAIN, **named})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def log(self) -> str:
        return (self.folder / "insurance-portal.access.log").read_text()

    def remove(self) -> None:
        end_process(self._process)
        remove_folder(self.folder)


@pytest.fixture(scope="module")
def echo():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def _plan(**given) -> Plan:
    defaults = {"root": ROOT, "venv": ROOT / "venv", "app_dir": ROOT, "domain": None, "user": "portal", "port": None}
    return Plan(**{**defaults, **given})


def _static_folder() -> Path:
    folder = server_folder("static")
    (folder / "static" / "css").mkdir(parents=True)
    for name in ("css/app.css", "icon.svg", "secrets.env", "book.xlsx", "app.py", ".hidden.css"):
        (folder / "static" / name).write_text("body { margin: 0 }")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    return folder


@pytest.fixture
def run(echo):
    """run(site) answers a running nginx with this site; it is gone afterwards, whatever happened."""
    started = []

    def fresh(site: str, upstream: int = echo) -> Nginx:
        started.append(Nginx(site, upstream, free_port(), free_port()))
        started[-1].start()
        return started[-1]

    yield fresh
    for each in started:
        each.remove()


@pytest.fixture(scope="module")
def nginx(echo):
    folder = _static_folder()
    site = (ROOT / "nginx.conf").read_text().replace("/opt/insurance-portal", str(folder))
    running = Nginx(site, echo, free_port(), free_port())
    running.static = folder
    running.start()
    yield running
    running.remove()
    remove_folder(folder)


def test_the_site_loads_as_it_is_beside_debians_default_site(echo):
    site = (ROOT / "nginx.conf").read_text()
    beside = "server { listen 80 default_server; listen [::]:80 default_server; server_name _; }\n"
    tried = Nginx(beside + site, echo, free_port(), free_port())
    result = tried.test()
    tried.remove()
    assert result.returncode == 0, result.stderr
    assert "warn" not in result.stderr


@pytest.mark.parametrize("given", [
    {}, {"domain": DOMAIN}, {"domain": DOMAIN, "servers": ("10.0.0.2:5050", "10.0.0.3:5050")},
])  # fmt: skip
def test_gixy_finds_nothing(given, certificate, tmp_path):
    gixy = Path(sys.executable).with_name("gixy")
    if not gixy.exists():
        pytest.skip("gixy-ng is not installed (requirements_test.txt)")
    (tmp_path / "site.conf").write_text(
        files.nginx_site((ROOT / "nginx.conf").read_text(), _plan(**given), "127.0.0.1:5050",
                         secure="domain" in given))
    main = "worker_rlimit_nofile 2048;\n" + MAIN.replace("include /etc/nginx/mime.types;", "")
    (tmp_path / "nginx.conf").write_text(main.format(folder=tmp_path))
    # The site must not take the place of Debian's default server, which has that flag.
    command = [str(gixy), "--skips", "default_server_flag", str(tmp_path / "nginx.conf")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stdout


def test_several_servers_stand_behind_one_nginx(run, echo):
    away = free_port()
    site = files.nginx_site((ROOT / "nginx.conf").read_text(), _plan(servers=(f"127.0.0.1:{away}",)), "127.0.0.1:5050",
                            secure=False)
    assert f"server 127.0.0.1:{away} max_fails=2 fail_timeout=5s;" in site
    running = run(site)
    # One of the two is down; nobody notices.
    assert [running.ask("/")[0] for _ in range(10)] == [200] * 10


def test_packed_static_files_are_sent_as_they_are(nginx):
    assert nginx.static is not None
    packed = nginx.static / "static" / "css" / "app.css.gz"
    packed.write_bytes(gzip.compress(b"body { margin: 1px }"))
    packed.chmod(0o644)
    status, headers, body = nginx.ask("/static/css/app.css", Accept_Encoding="gzip")
    packed.unlink()
    assert (status, headers["Content-Encoding"], gzip.decompress(body)) == (200, "gzip", b"body { margin: 1px }")
    assert nginx.ask("/static/css/app.css")[2] == b"body { margin: 0 }"


def test_every_name_of_the_machine_leads_to_the_portal(nginx):
    for host in (DOMAIN, "localhost", "192.0.2.7", "office-pc"):
        assert nginx.ask("/", Host=host)[0] == 200


def test_what_the_client_says_about_itself_is_overwritten(nginx):
    forged = {
        "X_Forwarded_For": "203.0.113.9",
        "X_Real_IP": "203.0.113.9",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Prefix": "/evil",
        "Forwarded": "for=203.0.113.9",
        "X_Request_ID": "forged",
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
    }
    seen = json.loads(nginx.ask("/clients?x=1", **forged)[2])
    assert seen["path"] == "/clients?x=1"
    passed_on = {name.lower(): value for name, value in seen["headers"].items()}
    assert (passed_on["x-forwarded-for"], passed_on["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")
    assert passed_on["x-forwarded-proto"] == "http"
    assert passed_on["host"] == DOMAIN
    assert len(passed_on["x-request-id"]) == 32
    assert not {"x-forwarded-host", "x-forwarded-prefix", "forwarded", "upgrade", "connection"} & set(passed_on)


def test_the_connection_to_the_portal_is_kept(nginx):
    """The echo speaks HTTP/1.1; nginx sends no Connection: close."""
    assert "connection" not in {name.lower() for name in json.loads(nginx.ask("/")[2])["headers"]}


def test_static_files_come_from_nginx_with_the_headers_of_every_answer(nginx):
    status, headers, body = nginx.ask("/static/css/app.css?v=abc")
    assert (status, body) == (200, b"body { margin: 0 }")
    assert headers["Content-Type"] == "text/css"
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-XSS-Protection"] == "1; mode=block"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Strict-Transport-Security" not in headers
    assert nginx.ask("/static/icon.svg")[1]["Cache-Control"] == "public, max-age=3600"


@pytest.mark.parametrize(
    "path",
    ["/static/secrets.env", "/static/book.xlsx", "/static/app.py", "/static/.hidden.css/", "/static/", "/.env",
     "/.git/config", "/static../config.py", "/static/../config.py", "/static/css/"],
)  # fmt: skip
def test_nothing_else_is_given_away(nginx, path):
    status, _, body = nginx.ask(path)
    assert b"margin" not in body
    # What leaves the folder is a question for the portal; everything else ends here.
    assert status == 404 or ".." in path


def test_methods_that_nobody_needs_are_refused(nginx):
    assert nginx.ask("/", "TRACE")[0] == 405
    assert nginx.ask("/", "PROPFIND")[0] == 405
    assert nginx.ask("/", "DELETE")[0] == 200


def test_bodies_have_a_limit_by_place(nginx):
    assert nginx.ask("/clients", "POST", body=b"x" * 1_000_000)[0] == 200
    assert nginx.ask("/clients", "POST", Content_Length=str(17 * 1024 * 1024))[0] == 413
    assert nginx.ask("/webhook", "POST", body=b"x" * 3_000_000)[0] == 200
    assert nginx.ask("/webhook", "POST", Content_Length=str(5 * 1024 * 1024))[0] == 413
    assert nginx.ask("/api/files/batch-upload", "POST", body=b"x" * 5_000_000)[0] == 200
    assert nginx.ask("/documents", "POST", Content_Length=str(311 * 1024 * 1024))[0] == 413


def test_attempts_to_sign_in_are_limited_and_the_form_is_not(nginx):
    attempts = [nginx.ask("/login", "POST", body=b"x")[0] for _ in range(40)]
    assert attempts[:15] == [200] * 15
    assert attempts[-1] == 429
    assert [nginx.ask("/login")[0] for _ in range(5)] == [200] * 5


def test_a_second_step_of_signing_in_counts_as_an_attempt_too(run):
    running = run((ROOT / "nginx.conf").read_text())
    attempts = [running.ask(path, "POST", body=b"x")[0] for _ in range(20) for path in ("/login/", "/login/code")]
    assert attempts[:15] == [200] * 15
    assert attempts[-1] == 429
    assert running.ask("/login-page", "POST", body=b"x")[0] == 200


def test_an_office_at_work_and_a_provider_that_reports_are_not_held_up(run):
    """One address each: 500 colleagues' 215 pages a second, and 70 messages' 210 reports, for three seconds at once."""
    running = run((ROOT / "nginx.conf").read_text())
    assert Counter(_ask_at_once(running, "/clients", 645)) == {200: 645}
    assert Counter(_ask_at_once(running, "/twilio/status", 630)) == {200: 630}


def _ask_at_once(running: Nginx, path: str, times: int) -> list[int]:
    """The answers to this many requests over ten connections, as fast as they can be asked."""
    def ask(count: int) -> list[int]:
        line = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=30)
        told = []
        for _ in range(count):
            line.request("GET", path, headers={"Host": DOMAIN})
            answer = line.getresponse()
            answer.read()
            told.append(answer.status)
        line.close()
        return told

    with ThreadPoolExecutor(10) as callers:
        return [status for told in callers.map(ask, [times // 10 + (n < times % 10) for n in range(10)])
                for status in told]


@pytest.mark.parametrize(("method", "path", "headers", "status"), [
    ("GET", "/{}.git/config", {}, 404),
    ("TRACE", "/{}", {}, 405),
    ("PROPFIND", "/{}clients", {}, 405),
    ("POST", "/{}clients", {"Content_Length": str(17 * 1024 * 1024)}, 413),
    ("GET", "/{}clients?too=many", {}, 429),
    ("GET", "/{}clients", {}, 503),
])  # fmt: skip
@pytest.mark.parametrize("place", ["", "api/"])
def test_what_nginx_refuses_itself_is_said_as_the_portal_says_it(run, method, path, headers, status, place):
    site = (ROOT / "nginx.conf").read_text()
    running = run(site.replace("rate=300r/s", "rate=1r/m").replace("burst=600 nodelay", "") if status == 429 else site,
                  *([free_port()] if status == 503 else []))
    if status == 429:
        running.ask(path.format(place))
    told, given, body = running.ask(path.format(place), method, **headers)
    assert told == status
    assert given["X-Frame-Options"] == "DENY"
    assert given["X-Content-Type-Options"] == "nosniff"
    assert given["X-XSS-Protection"] == "1; mode=block"
    assert given["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert given["Content-Security-Policy"].startswith("default-src 'none'")
    assert given["Retry-After"] == {429: "10", 503: "5"}.get(status)
    assert given.get_all("Content-Type") == ["application/problem+json" if place else "text/html"]
    if place:
        problem = json.loads(body)
        assert (problem["type"], problem["status"]) == ("about:blank", status)
        assert problem["title"] == HTTPStatus(status).phrase
        assert problem["detail"] and problem["reference"] == given["X-Request-ID"]
    else:
        assert body.startswith(b"<!doctype html>") and b"nginx" not in body


def test_what_the_portal_refuses_is_passed_on_as_it_is(nginx):
    status, headers, body = nginx.ask("/api/refused-by-the-portal")
    assert (status, body) == (404, b"the portal's own words")
    assert "Retry-After" not in headers


def test_the_log_has_the_path_and_nothing_of_the_person(nginx):
    nginx.ask("/search?q=asha", Referer="http://x/?q=asha", User_Agent="asha")
    nginx.ask("/media/signed-token/asha.pdf")
    wait_for(lambda: "/media/" in nginx.log(), "the log")
    lines = [json.loads(line) for line in nginx.log().splitlines()]
    assert {"/search", "/media/-"} <= {line["path"] for line in lines}
    assert {line["network"] for line in lines} == {"127.0.0.0"}
    assert "asha" not in nginx.log()
    assert "token" not in nginx.log()


def test_a_portal_that_does_not_answer_yet_is_excused(run):
    nobody_listens = free_port()
    waiting = run((ROOT / "nginx.conf").read_text(), nobody_listens)
    status, headers, body = waiting.ask("/clients")
    assert (status, headers["Retry-After"], headers["X-Frame-Options"]) == (503, "5", "DENY")
    assert headers["Content-Type"] == "text/html"
    assert b"Try again in a few seconds" in body


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate for the domain where certbot would have put it; answers its path."""
    folder = tmp_path / DOMAIN
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    monkeypatch.setattr(files, "CERTIFICATES", tmp_path)
    return folder / "fullchain.pem"


def test_without_a_certificate_the_domain_is_served_over_http_and_strangers_are_not(run):
    site = files.nginx_site((ROOT / "nginx.conf").read_text(), _plan(domain=DOMAIN), "127.0.0.1:5050", secure=False)
    running = run(site)
    assert running.ask("/")[0] == 200
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        running.ask("/", Host="evil.example")


def test_with_a_certificate_the_domain_is_served_over_https_alone(run, certificate):
    site = files.nginx_site((ROOT / "nginx.conf").read_text(), _plan(domain=DOMAIN), "127.0.0.1:5050", secure=True)
    running = run(site)
    status, headers, _ = running.ask("/clients?x=1")
    assert (status, headers["Location"]) == (308, f"https://{DOMAIN}/clients?x=1")
    seen = json.loads(_ask_over_tls(running, certificate, DOMAIN, "/clients"))
    assert seen["headers"]["X-Forwarded-Proto"] == "https"
    assert seen["headers"]["Host"] == DOMAIN
    with pytest.raises(OSError, match=r"(?i)unrecognized.name|reset|eof"):
        _ask_over_tls(running, certificate, "evil.example", "/")
    assert _ask_over_tls(running, certificate, DOMAIN, "/", host="evil.example") == b""


def _ask_over_tls(running: Nginx, certificate: Path, server_name: str, path: str, host: str = DOMAIN) -> bytes:
    """The body of the answer, checked against the certificate; empty when the connection was closed without one."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = server_name == DOMAIN
    with (
        socket.create_connection(("127.0.0.1", running.https_port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as connection,
    ):
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.partition(b"\r\n\r\n")[2]
