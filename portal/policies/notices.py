"""What clients are told about a policy: where a message may go, the facts it may name, and the notices of this area."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

from database_pool import Transaction
from portal import audit
from portal.formats import office_date, show_phone, show_vehicle, whole_rupees
from portal.outbox import reach
from portal.outbox.queries import CHANNELS, Consent, consents_of
from portal.outbox.service import Channel, NewMessage, queue_messages

Row = dict[str, Any]
NO_NUMBER = "The client has no phone number."
NO_ADDRESS = "The client has no e-mail address."
NO_CONSENT = {
    "whatsapp": "There is no consent to WhatsApp messages.",
    "email": "There is no consent to e-mails.",
}


@dataclass(frozen=True)
class Way:
    """One channel to a client: the address, and a sentence why it cannot be used ("" when it can)."""

    channel: Channel
    address: str
    why_not: str


def ways_to(facts: Row, consents: Mapping[str, Consent]) -> list[Way]:
    """The channels to the client of a term; `consents` by channel, as the outbox knows them."""
    ways = []
    missing = {"whatsapp": NO_NUMBER, "email": NO_ADDRESS}
    for channel in CHANNELS:
        address, consent = facts["phone" if channel == "whatsapp" else "email"], consents[channel]
        reason = "" if consent.service else consent.why_not or NO_CONSENT[channel]
        ways.append(Way(channel, address or "", reason if address else missing[channel]))
    return ways


def ways_in_words(
    rows: Sequence[Row], template_of: Callable[[Row], str], *, at: datetime | None = None
) -> dict[int, list[Way]]:
    """`ways_of_many` for certain words: no way over WhatsApp where it takes none but an approved template, now or at a
    moment to come, and there is none of that key.
    """
    ways = ways_of_many(rows)
    words = {row["policy_id"]: reach.Words(row["phone"], template_of(row), row["language"]) for row in rows
             if any(way.channel == "whatsapp" and not way.why_not for way in ways[row["policy_id"]])}  # fmt: skip
    closed = reach.not_taken(words.values(), at=at)
    for policy_id, wanted in words.items():
        if wanted in closed:
            ways[policy_id] = [replace(way, why_not=reach.NO_TEMPLATE) if way.channel == "whatsapp" else way
                               for way in ways[policy_id]]  # fmt: skip
    return ways


def ways_of_many(rows: Sequence[Row]) -> dict[int, list[Way]]:
    """`ways_to` for several terms, by policy_id, with one question for all."""
    consents = consents_of(row["client_id"] for row in rows)
    return {row["policy_id"]: ways_to(row, consents[row["client_id"]]) for row in rows}


def agency_name(setting: Row | None) -> str:
    """Who signs a message: the office as it stands in the settings, a neutral word while it has not said its name."""
    return (setting["value"] if setting else {}).get("name") or "Your insurance agency"


def agency_phone(setting: Row | None) -> str:
    """Where clients can call, "-" while the settings do not say."""
    return show_phone((setting["value"] if setting else {}).get("phone")) or "-"


def variables_of(facts: Row, company: Row | None) -> dict[str, str]:
    """What a template about a policy may name, as the client reads it. `company` is the setting of that name."""
    asset = show_vehicle(facts["asset"]) if facts["line"] == "motor" else facts["asset"] or ""
    gross, quoted = facts["gross_premium"], facts["quoted_premium"]
    return {
        "name": facts["client_name"],
        "member": facts["member_name"] or facts["client_name"],
        "policy_number": facts["policy_number"] or "-",
        "insurer": facts["insurer_name"],
        "product": f"{facts['product_name']}, {asset}" if asset else facts["product_name"],
        "policy_from": office_date(facts["policy_from"]),
        "policy_to": office_date(facts["policy_to"]),
        "due_date": office_date(facts["due_on"]),
        "premium": whole_rupees(gross),
        "last_premium": whole_rupees(gross),
        "renewal_premium": whole_rupees(gross if quoted is None else quoted),
        "grace_ends": office_date(facts["grace_ends"]),
        "bonus_lost_on": office_date(facts["bonus_lost_on"]),
        "agency": agency_name(company),
        "agency_phone": agency_phone(company),
    }


@dataclass(frozen=True)
class Notice:
    """A notice about a policy: the template's key, the day it is for (one a day), what goes with it and what `more` its
    words may name.
    """

    template: Literal["policy.issued", "renewal.confirmed", "policy.papers"]
    day: date
    document_ids: tuple[int, ...] = ()
    batch_id: str | None = None
    priority: int = 2
    more: Mapping[str, str] = field(default_factory=dict)


def tell(
    tx: Transaction, actor: audit.Actor, facts: Row, ways: Sequence[Way], notice: Notice, *, company: Row | None
) -> int:
    """Puts a notice into the outbox on every usable way, and answers how many messages that were; each once a day."""
    messages = [
        NewMessage(
            channel=way.channel,
            purpose="service",
            key=f"{notice.template}:policy {facts['policy_id']}:{notice.day.isoformat()}:{way.channel}",
            to=way.address,
            client_id=facts["client_id"],
            policy_id=facts["policy_id"],
            language=facts["language"],
            template=notice.template,
            variables={**variables_of(facts, company), **notice.more},
            document_ids=notice.document_ids,
            priority=notice.priority,
            batch_id=notice.batch_id,
        )
        for way in ways
        if not way.why_not
    ]
    return sum(message_id is not None for message_id in queue_messages(tx, actor, messages))
