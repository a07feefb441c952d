"""Where Twilio's API would be: accepts messages, remembers them, and behaves as badly as it is told.

    stub = TwilioStub(port, busy=0.02, dropped=0.02)
    stub.start()
    stub.accepted            # what a real provider would have sent on to phones, in order

`python -m tests.servers.twilio_stub PORT LATENCY [BUSY DROPPED]` runs one in a process of its own, which prints a line
per message: the monotonic second it came in, and its recipient. SIGUSR1 makes it slow, SIGUSR2 as quick as before.
"""

import base64
import itertools
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from twilio.request_validator import RequestValidator

from tests.servers.processes import free_port

ACCOUNT, TOKEN = "AC" + "0" * 32, "token-of-the-tests"
NUMBER = "whatsapp:+14155238886"
SLOW = 8.0   # seconds for each answer


@dataclass
class Message:
    """One message that was accepted."""

    sid: str
    fields: dict[str, str]
    at: float

    @property
    def own_id(self) -> str:
        """What the callback's address carries: the portal's own id of the attempt."""
        query = urlsplit(self.fields.get("StatusCallback", "")).query
        return parse_qs(query).get("oid", [""])[0]


@dataclass
class TwilioStub:
    """`busy`: share answered 429 without effect. `dropped`: share accepted, then cut off without an answer."""

    latency: float = 0.0
    busy: float = 0.0
    dropped: float = 0.0
    seed: int = 7
    on_message: Callable[[Message], None] | None = None
    accepted: list[Message] = field(default_factory=list)
    refused: int = 0
    answers: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.random = random.Random(self.seed)
        self.server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def start(self, port: int | None = None) -> None:
        """It answers, in threads of this process."""
        handler = type("Handler", (_Handler,), {"stub": self})
        self.server = _Server(("127.0.0.1", port or free_port()), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """It answers no more."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()

    def take(self, fields: dict[str, str]) -> Message | None:
        """One request to send: None for 429, else the message; the caller drops the connection where it is told to."""
        with self.lock:
            if self.random.random() < self.busy:
                self.refused += 1
                return None
            message = Message(f"SM{next(self.numbers):032x}", fields, time.monotonic())
            self.accepted.append(message)
        if self.on_message is not None:
            self.on_message(message)
        return message


class _Server(ThreadingHTTPServer):
    request_queue_size = 200
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed leaves a broken connection; the tests look at `accepted`."""


class _Handler(BaseHTTPRequestHandler):
    stub: TwilioStub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        if len(body.encode()) < length:   # its sender was killed while it wrote: no provider takes half a request
            self.close_connection = True
            return None
        fields = {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}
        time.sleep(self.stub.latency)
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            return self.answer(401, problem(20003, 401, "Authenticate"))
        if self.stub.answers:
            return self.answer(*self.stub.answers.pop(0))
        message = self.stub.take(fields)
        if message is None:
            return self.answer(429, problem(20429, 429, "Too Many Requests"), {"Retry-After": "1"})
        if self.stub.random.random() < self.stub.dropped:
            self.close_connection = True
            return None
        return self.answer(201, resource(message, "queued"))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        to = parse_qs(parts.query).get("To", [""])[0]
        with self.stub.lock:
            found = [m for m in reversed(self.stub.accepted) if not to or m.fields["To"] == to]
        sid = parts.path.rpartition("/")[2].removesuffix(".json")
        if sid != "Messages":
            one = next((m for m in found if m.sid == sid), None)
            if one is None:
                return self.answer(404, problem(20404, 404, "Not found"))
            return self.answer(200, resource(one, "sent"))
        listed = [resource(m, "sent") for m in found[:50]]
        place = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        return self.answer(200, {
            "messages": listed, "page": 0, "page_size": 50, "start": 0, "end": max(0, len(listed) - 1), "uri": place,
            "first_page_uri": place, "next_page_uri": None, "previous_page_uri": None})  # fmt: skip

    def answer(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)),
                            **(headers or {})}.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at `accepted`."""


def problem(code: int, status: int, text: str) -> dict[str, Any]:
    """An error as Twilio words it."""
    return {"code": code, "message": text, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}


def resource(message: Message, status: str) -> dict[str, Any]:
    """A message as Twilio shows it."""
    when = formatdate(time.time() - (time.monotonic() - message.at), localtime=False).replace("-0000", "+0000")
    place = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{message.sid}"
    return {
        "sid": message.sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": message.fields.get("Body", ""),
        "date_created": when, "date_sent": when, "date_updated": when, "direction": "outbound-api", "error_code": None,
        "error_message": None, "from": message.fields.get("From"), "messaging_service_sid": None, "num_media": "0",
        "num_segments": "1", "price": None, "price_unit": "USD", "status": status,
        "subresource_uris": {"media": f"{place}/Media.json"}, "to": message.fields["To"], "uri": f"{place}.json",
    }  # fmt: skip


def signature(url: str, fields: dict[str, str], token: str = TOKEN) -> str:
    """X-Twilio-Signature of a form, made by Twilio's own library."""
    return str(RequestValidator(token).compute_signature(url, fields))


def main(port: int, latency: float, busy: float = 0.0, dropped: float = 0.0) -> None:
    def tell(message: Message) -> None:
        sys.stdout.write(f"{message.at:.4f} {message.fields['To']}\n")
        sys.stdout.flush()

    stub = TwilioStub(latency=latency, busy=busy, dropped=dropped, on_message=tell)
    signal.signal(signal.SIGUSR1, lambda *_: setattr(stub, "latency", SLOW))
    signal.signal(signal.SIGUSR2, lambda *_: setattr(stub, "latency", latency))
    stub.start(port)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(float, sys.argv[2:]))
