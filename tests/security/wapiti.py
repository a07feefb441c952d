"""A scan of the whole portal by wapiti, signed in as an administrator of a demo agency.

    python3 -m venv scanner && scanner/bin/pip install -r requirements_security.txt
    venv/bin/python -m tests.security.wapiti --wapiti scanner/bin/wapiti [--minutes 20]

The portal under test runs on this machine alone, with a database of its own, and is thrown away; the scan sends
its forms too, so point it at nothing else. Prints what was found; exit code 1 for anything above informational.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import trustme

from tests.colleague import Colleague, largest_form
from tests.servers.portal import RunningPortal

EMAIL, PASSWORD = "scan@example.in", "one dark monsoon evening"
# They ask servers elsewhere for lists of known programs, or look at what a portal on this machine does not have.
NEEDS_THE_INTERNET = {"nikto", "wapp", "htp", "wp_enum", "takeover"}
# TLS is nginx's in production (tests/deploy/test_nginx_site.py); the certificate here is made for the scan.
NOT_OURS = {"ssl", "https_redirect"}
# Each would end the scan's own session or account; tests/staff tests them.
LEFT_ALONE = ("/logout", "/account/password", "/account/sessions/end-others", "/account/two-step", "/login")
INFORMATIONAL = 0
COOKIE = "__Host-session"


class PortalOverTLS(RunningPortal):
    """The portal with a certificate of its own making: its cookie is as in production."""

    def __init__(self) -> None:
        super().__init__(workers=2)
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        certificate, key, known = (self.folder / name for name in ("certificate.pem", "key.pem", "authority.pem"))
        issued.private_key_pem.write_to_path(str(key))
        for part in issued.cert_chain_pems:
            part.write_to_path(str(certificate), append=True)
        authority.cert_pem.write_to_path(str(known))
        os.environ["REQUESTS_CA_BUNDLE"] = str(known)
        self._trusted = ssl.create_default_context(cafile=str(known))
        self.url = f"https://127.0.0.1:{self.port}"
        self.environment |= {"APP_BASE_URL": self.url,
                             "GUNICORN_CMD_ARGS": f"--certfile {certificate} --keyfile {key}"}  # fmt: skip

    def is_healthy(self) -> bool:
        """Whether it answers at this moment."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=self._trusted)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def administrator(portal: RunningPortal) -> str:
    """Signs a new administrator in; the value of the session's cookie."""
    printed = portal.run("create-admin", "--email", EMAIL, "--name", "Scan")
    once = re.search(r"([a-z2-9]{4}(?:-[a-z2-9]{4}){3})", printed)
    if once is None:
        raise SystemExit("create-admin printed no one-time password")
    person = Colleague(portal.url, EMAIL, once[1])
    person.send(largest_form(person.get("/account/password").text), to="/account/password", current_password=once[1],
                new_password=PASSWORD, new_password_again=PASSWORD)  # fmt: skip
    if person.get("/clients").status_code != 200:
        raise SystemExit("signing in did not work")
    return person.cookies()[COOKIE]


def scan(program: str, portal: RunningPortal, arguments: argparse.Namespace) -> dict[str, Any]:
    """Wapiti's report."""
    report, cookies = portal.folder / "wapiti.json", portal.folder / "cookies.json"
    cookies.write_text(json.dumps({"127.0.0.1": {"/": {COOKIE: {
        "version": 0, "value": administrator(portal), "port": None, "port_specified": False,
        "domain": "127.0.0.1", "domain_specified": False, "domain_initial_dot": False, "path_specified": True,
        "secure": True, "expires": None, "discard": True, "comment": None, "comment_url": None, "rfc2109": False,
        "rest": {}}}}}))  # fmt: skip
    command = [
        program, "-u", f"{portal.url}/", "--scope", "folder", "-m", arguments.modules, "-l", "1", "-c", str(cookies),
        "--depth", "6", "--max-links-per-page", "60", "--max-files-per-dir", "25", "--max-parameters", "25",
        # A fifth of the time for finding pages, the rest for some thirty modules.
        "--max-scan-time", str(arguments.minutes * 12), "--max-attack-time", str(max(5, arguments.minutes * 48 // 32)),
        "--tasks", "1", "-t", "20", "-f", "json", "-o", str(report), "--flush-session", "--no-bugreport",
        "--store-session", str(portal.folder), "--store-config", str(portal.folder),
        *(part for path in LEFT_ALONE for part in ("-x", f"{portal.url}{path}*"))]  # fmt: skip
    try:
        subprocess.run(command, cwd=portal.folder, timeout=arguments.minutes * 90, check=False,
                       stdout=None if arguments.verbose else subprocess.DEVNULL)  # fmt: skip
    except subprocess.TimeoutExpired:
        print("The scan did not end in time.")
    if not report.exists():
        raise SystemExit("wapiti left no report")
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def findings(report: dict[str, Any]) -> list[tuple[int, str]]:
    """(level, sentence) for everything that the report holds; additional remarks are informational."""
    told = []
    for part in ("vulnerabilities", "anomalies", "additionals"):
        for kind, entries in report.get(part, {}).items():
            for entry in entries:
                level = INFORMATIONAL if part == "additionals" else max(1, int(entry.get("level", 1)))
                told.append((level, f"{kind}: {entry['method']} {entry['path']} "
                                    f"{entry.get('parameter') or ''}: {entry['info']}"))  # fmt: skip
    return sorted(told, reverse=True)


def main() -> int:
    """Scans; 1 when something above informational was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wapiti", default=shutil.which("wapiti"), help="the program; default: the one on the path")
    parser.add_argument("--modules", default="all")
    parser.add_argument("--minutes", type=int, default=20, help="for the scan, about")
    parser.add_argument("--clients", type=int, default=40, help="size of the demo agency")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if arguments.wapiti is None:
        raise SystemExit("wapiti is not installed: see requirements_security.txt")
    arguments.wapiti = str(Path(arguments.wapiti).absolute())
    if arguments.modules == "all":
        arguments.modules = "all," + ",".join(f"-{name}" for name in sorted(NEEDS_THE_INTERNET | NOT_OURS))
    portal = PortalOverTLS()
    try:
        portal.start()
        portal.run("seed-demo", "--clients", str(arguments.clients))
        report = scan(arguments.wapiti, portal, arguments)
        errors = [line for line in portal.logs().splitlines() if "unexpected error" in line]
    finally:
        portal.remove()
    told = findings(report)
    print(f"wapiti {report['infos'].get('version')}: {report['infos'].get('crawled_pages_nbr')} pages, "
          f"{len(told)} findings, {len(errors)} unexpected errors in the portal's log")  # fmt: skip
    for level, sentence in told:
        print(f"  {level}  {sentence}")
    print("\n".join(errors[:20]))
    return 1 if errors or any(level > INFORMATIONAL for level, _ in told) else 0


if __name__ == "__main__":
    sys.exit(main())
