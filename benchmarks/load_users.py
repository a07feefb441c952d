"""What colleagues do all day, for locust: benchmarks/load.py starts it against a portal behind nginx.

500 of them read (80 of 100 clicks), search, edit, and upload now and then; 250 more upload at the same moment, each
five minutes. Whatever is no answer of success counts as a failure; nothing is tried again.
"""

import json
import os
import random
import re
import time
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPParseError
from geventhttpclient.url import URL
from locust import User, between, events, task

from tests.colleague import largest_form

TOLD: dict[str, Any] = json.loads(Path(os.environ["LOAD_FACTS"]).read_text())
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
VERSION = re.compile(r'name="version" value="(\d+)"')
WORDS = ("mehta", "98200", "MH 02", "kavita iy", "5417", "patel 2026", "zzzz", "shah", "iyer", "GJ 01")
PDF = bytes.fromhex(TOLD["pdf"])
NUMBERS = iter(range(10**9))
SESSION = "session="
AT_ONCE = 64 * 1024   # bytes read from a line
PATIENCE = 60.0   # seconds


@events.spawning_complete.add_listener
def _begin(**_: object) -> None:
    Path(TOLD["begun"]).write_text(str(time.time()))


class Answer(NamedTuple):
    """What came back; status 0 when nothing did."""

    status: int
    text: str


class SignedIn(User):
    """Somebody with a session of their own and one line to the portal, as a browser keeps it.

    locust's own client looks all cookies through for each request and reads pages in pieces of 4 kB; the crowd shares
    the portal's two processors.
    """

    abstract = True
    number = 0
    asks_with: ClassVar[dict[str, str]] = {}
    _token = ""

    def on_start(self) -> None:
        """With a session that exists already: 750 people do not sign in at one moment, and the portal would slow it."""
        portal = URL(self.host)
        self._line = HTTPClient(portal.host, portal.port, block_size=AT_ONCE, connection_timeout=PATIENCE,
                                network_timeout=PATIENCE)
        self._cookie = SESSION + TOLD["cookies"][self.number]
        found = TOKEN.search(self.ask("GET", "/account", "begin", 200).text)
        assert found, "no session"
        self._token = found[1]

    def ask(self, method: str, path: str, name: str, *good: int, body: bytes = b"", kind: str = "") -> Answer:
        """One request, which fails with any status that is not `good`. A redirect is not followed."""
        headers = {"Cookie": self._cookie, **self.asks_with}
        if kind:
            headers |= {"Content-Type": kind, "X-CSRFToken": self._token, "Sec-Fetch-Site": "same-origin"}
        began, answer = time.perf_counter(), Answer(0, "")
        failure: Exception | None = None
        try:
            came = self._line.request(method, path, body=body, headers=headers)
            answer = Answer(came.status_code, came.read().decode("utf-8", "replace"))
            self._keep_session(came.get("set-cookie"))
            if answer.status not in good:
                failure = AssertionError(f"{name}: {answer.status} {answer.text[:200]}")
        except (OSError, HTTPParseError) as error:
            failure = error
        self.environment.events.request.fire(
            request_type=method, name=name, response_time=1000 * (time.perf_counter() - began),
            response_length=len(answer.text), exception=failure, context={})
        return answer

    def _keep_session(self, told: str | list[str] | None) -> None:
        for each in [told] if isinstance(told, str) else told or []:
            if each.startswith(SESSION):
                self._cookie = each.partition(";")[0]

    def see(self, path: str, name: str, *good: int) -> Answer:
        """A page; a redirect is none, unless it is `good`."""
        return self.ask("GET", path, name, 200, *good)

    def upload(self, client_id: str, name: str) -> None:
        """One small PDF that is unlike all others."""
        line = "portalload" + str(next(NUMBERS))
        content = PDF + f"% {line} {time.time_ns()}\n".encode()
        body = b"".join((
            f'--{line}\r\nContent-Disposition: form-data; name="client_id"\r\n\r\n{client_id}\r\n'.encode(),
            f'--{line}\r\nContent-Disposition: form-data; name="files"; filename="paper.pdf"\r\n'
            "Content-Type: application/pdf\r\n\r\n".encode(), content, f"\r\n--{line}--\r\n".encode()))
        self.ask("POST", "/api/files/batch-upload", name, 202, body=body, kind=f"multipart/form-data; boundary={line}")


class Colleague(SignedIn):
    """80 of 100 clicks read, 10 search, 8 edit, 2 upload."""

    fixed_count = TOLD["users"]
    wait_time = between(*TOLD["pause"])
    _taken: ClassVar[list[int]] = []

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.number = len(self._taken) % TOLD["users"]
        self._taken.append(self.number)
        self._forms: dict[str, dict[str, str]] = {}
        self.mine = TOLD["clients"][self.number::TOLD["users"]] or TOLD["clients"]

    @task(14)
    def today(self) -> None:
        self.see("/", "today")

    @task(16)
    def clients(self) -> None:
        self.see("/clients", "clients")

    @task(18)
    def client(self) -> None:
        self.see(f"/clients/{random.choice(TOLD['clients'])}", "a client")

    @task(12)
    def policies(self) -> None:
        self.see("/policies", "policies")

    @task(14)
    def policy(self) -> None:
        self.see(f"/policies/{random.choice(TOLD['policies'])}", "a policy")

    @task(4)
    def renewals(self) -> None:
        self.see("/renewals", "renewals")

    @task(2)
    def messages(self) -> None:
        self.see("/messages", "messages")

    @task(5)
    def search(self) -> None:
        self.see(f"/search?q={random.choice(WORDS).replace(' ', '+')}", "search", 303)   # one record: there at once

    @task(5)
    def palette(self) -> None:
        self.see(f"/search/palette?q={random.choice(WORDS).replace(' ', '+')}", "palette")

    @task(8)
    def edit(self) -> None:
        client_id = random.choice(self.mine)
        page = self.see(f"/clients/{client_id}/edit", "edit: form")
        if page.status != 200:
            return
        fields = self._filled(client_id, page.text)
        fields["notes"] = f"Called at {time.time():.0f}"
        self.ask("POST", f"/clients/{client_id}/edit", "edit: save", 303, body=urlencode(fields).encode(),
                 kind="application/x-www-form-urlencoded")

    def _filled(self, client_id: str, page: str) -> dict[str, str]:
        """The fields of the form as a browser would send them unchanged. Only the version differs from the last time:
        to read the whole page each time would take the crowd as long as the portal takes to write it.
        """
        if client_id not in self._forms:
            self._forms[client_id] = largest_form(page).fields
        version = VERSION.search(page)
        assert version, "no version in the form"
        return {**self._forms[client_id], "version": version[1]}

    @task(2)
    def paper(self) -> None:
        self.upload(random.choice(self.mine), "upload")


class Scanner(SignedIn):
    """All of them upload at the same moment: 20 seconds after the crowd is complete, then each five minutes."""

    fixed_count = TOLD["scanners"]
    # nginx would close a line that is idle for so long, maybe just as it is used again; a browser would then ask anew.
    asks_with: ClassVar[dict[str, str]] = {"Connection": "close"}
    _next: float | None = None

    def wait_time(self) -> float:
        if self._next is None:
            begun = Path(TOLD["begun"])
            if not begun.exists():
                return 1.0
            self._next = float(begun.read_text()) + 20
        return max(0.0, self._next - time.time())

    @task
    def scan(self) -> None:
        if self._next is not None:
            self._next += 300
            self.upload(random.choice(TOLD["clients"]), "upload at once")


class Manager(SignedIn):
    """Sends the reminders of two hundred policies, each half minute."""

    fixed_count = 1
    wait_time = between(25, 30)

    @task
    def remind(self) -> None:
        chosen = random.sample(TOLD["policies"], min(200, len(TOLD["policies"])))
        self.ask("POST", "/api/bulk/send-reminders", "bulk job", 202,
                 body=json.dumps({"policy_ids": chosen}).encode(), kind="application/json")
