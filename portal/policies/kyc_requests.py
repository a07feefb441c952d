"""Asking many clients at once for the KYC papers that the portal misses: who can be asked, and the job that asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from config import settings
from database_pool import Transaction, execute_query
from portal import audit
from portal.documents.queries import missing_documents_of
from portal.jobs.service import JobItem, Skipped, start_job
from portal.outbox.queries import consents_of, template
from portal.outbox.service import NewMessage, queue_messages
from portal.outbox.wording import fill
from portal.policies.chasing import PAPERS
from portal.policies.notices import Way, agency_name, agency_phone, ways_to

Row = dict[str, Any]
TEMPLATE = "client.papers"
CLIENT = "client_id, name, phone, email, language, deleted_at"
FROM_THE_INSURER = "The policy schedule comes from the insurer, not from the client."
NOT_MISSING = "Nothing is missing of this client any more."


@dataclass(frozen=True)
class Selection:
    """Whom a request would reach: `ready` clients with the ways to them, and who is left out and why."""

    ready: list[Row]
    ways: Mapping[str, list[Way]]
    left: list[Skipped]


def choose(gaps: Sequence[str]) -> Selection:
    """The clients of ticked rows of missing documents. Each is asked once, whatever is ticked of him or her."""
    rows = missing_documents_of(gaps)
    there = {row["gap"] for row in rows}
    left = [Skipped("gap", gap, NOT_MISSING, gap) for gap in gaps if gap not in there]
    left += [
        Skipped("policy", str(row["policy_id"]), FROM_THE_INSURER, f"{row['policy_number']} · {row['client_name']}")
        for row in rows
        if row["sort"] != "kyc"
    ]
    clients = clients_of([row["client_id"] for row in rows if row["sort"] == "kyc"])
    ways = ways_of(clients)
    ready = [client for client in clients if any(not way.why_not for way in ways[client["client_id"]])]
    left += [
        Skipped("client", client["client_id"], " ".join(way.why_not for way in ways[client["client_id"]]),
                client["name"])
        for client in clients
        if client not in ready
    ]  # fmt: skip
    return Selection(ready, ways, left)


def clients_of(client_ids: Sequence[str]) -> list[Row]:
    """What a request needs to know of these clients, without those in the trash."""
    filters = {"client_id_in": sorted(set(client_ids)), "deleted_at_is": None}
    return execute_query("clients", columns=CLIENT, filters=filters, order="client_id").data if client_ids else []


def ways_of(clients: Sequence[Row]) -> dict[str, list[Way]]:
    """The channels to each client, by client_id, with one question for all."""
    consents = consents_of(client["client_id"] for client in clients)
    return {client["client_id"]: ways_to(client, consents[client["client_id"]]) for client in clients}


def preview(client: Row, channel: str, company: Row | None) -> Row | None:
    """The message exactly as it would go out; None when no active template says it."""
    found = template(TEMPLATE, channel, client["language"])
    if found is None:
        return None
    variables = _variables(client, found["language"], company)
    return {"language": found["language"], "subject": fill(found["subject"] or "", variables),
            "body": fill(found["body"], variables)}  # fmt: skip


def start(tx: Transaction, actor: audit.Actor, selection: Selection, *, key: str, day: date) -> str:
    """Starts the job that asks all ready clients, and answers its batch_id; same key, same job."""
    number = len(selection.ready)
    return start_job(
        tx,
        actor,
        kind="policies.ask_for_kyc",
        title=f"KYC papers asked of {number} {'client' if number == 1 else 'clients'}",
        task="policies.ask_for_kyc",
        items=[
            JobItem("client", client["client_id"], {"client_id": client["client_id"], "day": day.isoformat()},
                    client["name"])
            for client in selection.ready
        ],
        skipped=selection.left,
        key=key,
        most_a_day=settings().bulk_records_per_day,
    )  # fmt: skip


def ask(
    tx: Transaction, actor: audit.Actor, client: Row, ways: Sequence[Way], *, company: Row | None, day: str,
    batch_id: str | None,
) -> int:  # fmt: skip
    """Puts the request into the outbox on every usable way, each once a day; how many messages that were."""
    messages = [
        NewMessage(
            channel=way.channel,
            purpose="service",
            key=f"{TEMPLATE}:client {client['client_id']}:{day}:{way.channel}",
            to=way.address,
            client_id=client["client_id"],
            language=client["language"],
            template=TEMPLATE,
            variables=_variables(client, client["language"], company),
            priority=3,
            batch_id=batch_id,
        )
        for way in ways
        if not way.why_not
    ]
    sent = sum(message_id is not None for message_id in queue_messages(tx, actor, messages))
    if sent:
        audit.record(tx, actor, "ask for papers", "client", client["client_id"], client_id=client["client_id"],
                     after={"waiting_for": ["KYC"]})  # fmt: skip
    return sent


def _variables(client: Row, language: str, company: Row | None) -> dict[str, str]:
    words = PAPERS[language if language in PAPERS else "en"]
    return {"name": client["name"], "papers": words["KYC"], "agency": agency_name(company),
            "agency_phone": agency_phone(company)}  # fmt: skip
