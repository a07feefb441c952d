"""What the tests of messages start from: clients who agreed, and a provider that can be told how to behave."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from database_pool import execute_query, transaction
from portal.audit import THE_PORTAL
from portal.formats import now
from portal.gateways.interface import Accepted, Capabilities, Kind, Outgoing, Report, SendFailed, Verdict
from portal.outbox import delivery, service
from portal.outbox.tasks import judging, sending, upkeep

Row = dict[str, Any]
NUMBERS = itertools.count(10_001)


@dataclass
class Scripted:
    """Stands where a provider's gateway would: answers what the test wrote down, then accepts everything."""

    name: str = "twilio"
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(window=True, echoes=True, asks=True, finds=True, media="link",
                                             largest_media=10**6, per_second=100_000.0))  # fmt: skip
    answers: list[SendFailed | Accepted] = field(default_factory=list)
    sent: list[Outgoing] = field(default_factory=list)
    there: list[Report] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def send(self, message: Outgoing) -> Accepted:
        self.sent.append(message)
        answer = self.answers.pop(0) if self.answers else Accepted(f"SM{message.own_id}")
        if isinstance(answer, SendFailed):
            raise answer
        return answer

    def judge(self, code: str) -> Verdict:
        return self.verdicts.get(code, Verdict(Kind.PERMANENT, "Nobody knows why."))

    def ask(self, provider_id: str) -> Report | None:
        return next((report for report in self.there if report.provider_id == provider_id), None)

    def find(self, to: str, since: datetime) -> list[Report]:
        return self.there


@pytest.fixture
def provider(database: object, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The gateway of both channels, in the hands of the test."""
    scripted = Scripted()
    for module in (sending, judging, upkeep):
        monkeypatch.setattr(module, "gateway_for", lambda channel: scripted)
    return scripted


@pytest.fixture(autouse=True)
def daytime(monkeypatch: pytest.MonkeyPatch) -> None:
    """No quiet hours, whenever the tests run; the tests of quiet hours set their own clock."""
    monkeypatch.setattr(delivery, "end_of_quiet_hours", lambda moment: None)


@pytest.fixture
def add_client(database: object) -> Callable[..., Row]:
    """A client with a phone and an address of its own, who agreed to both channels."""

    def add(**given: Any) -> Row:
        number = next(NUMBERS)
        row = {
            "client_id": f"MS{number}", "name": f"Client {number}", "phone": f"+9198201{number}",
            "email": f"client{number}@example.in", "whatsapp_opt_in": True, "email_opt_in": True, **given,
        }  # fmt: skip
        return execute_query("clients", "insert", data=row).data[0]

    return add


@pytest.fixture
def queue(add_client: Callable[..., Row]) -> Callable[..., int]:
    """Puts a message into the outbox, to a client of its own where the test names none, and answers its id."""

    def put(**given: Any) -> int:
        number = next(NUMBERS)
        client = given.pop("client", None) or add_client()
        channel = given.get("channel", "whatsapp")
        message = service.NewMessage(**{
            "channel": channel, "purpose": "service", "key": f"test:{number}", "client_id": client["client_id"],
            "to": client["phone" if channel == "whatsapp" else "email"], "text": f"Message {number}", **given,
        })  # fmt: skip
        with transaction() as tx:
            message_id = service.queue_message(tx, THE_PORTAL, message)
        assert message_id is not None
        return message_id

    return put


@pytest.fixture
def queue_open(queue: Callable[..., int]) -> Callable[..., int]:
    """Like `queue`, to somebody who has just written to us."""

    def put(**given: Any) -> int:
        message_id = queue(**given)
        wrote(stored(message_id)["recipient"])
        return message_id

    return put


def stored(message_id: int) -> Row:
    """The message as the database has it."""
    return execute_query("messages", filters={"message_id_eq": message_id}).data[0]


def wrote(address: str, text: str = "HI", **given: Any) -> Row:
    """Somebody wrote to us just now: the 24 hours are open."""
    row = {
        "provider": "meta", "provider_id": f"wamid.{next(NUMBERS)}", "address": address, "phone": address,
        "body": text, "received_at": now(), **given,
    }  # fmt: skip
    return execute_query("inbound_messages", "insert", data=row).data[0]


def heard(message_id: int | None, attempt: int | None, provider_id: str, status: str, code: str | None = None) -> None:
    """The provider reports something about an attempt of a message."""
    execute_query("message_events", "insert", data={
        "message_id": message_id, "attempt": attempt, "source": "twilio", "provider_id": provider_id, "status": status,
        "error_code": code})  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_left(database: object) -> Iterator[None]:
    """Each test begins with an empty queue: what another left waiting is not run by this one."""
    yield
    execute_query("tasks", "delete", filters={"state_in": ["queued", "running", "done", "dead"]})
    execute_query("channel_pauses", "delete", filters={"channel_in": ["whatsapp", "email"]})
