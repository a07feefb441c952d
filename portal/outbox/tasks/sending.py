"""One message, one attempt at a time: decided, claimed, sent, and what came of it written down."""

import json
import time
import uuid
from datetime import datetime
from typing import Any

from database_pool import call_function
from portal import measures
from portal.errors import Refused
from portal.formats import now
from portal.gateways.channels import gateway_for
from portal.gateways.interface import Gateway, Outgoing, SendFailed, Template
from portal.outbox import delivery, queries, wording
from portal.outbox.tasks import documents, outcomes, reconciling
from task_queue import EndsWith, Gathering, Postpone, come_near, take_turn, task

Row = dict[str, Any]

# A person who waits may get some messages at once; WhatsApp lets 45 to one recipient be borrowed from later.
BURST = {1: 10, 2: 3, 3: 1}
# A provider counts messages as they arrive. So the turns leave room for those that come late, whose place is not lost
# then: a process that shares its processor is held up for tens of milliseconds now and again, before it sends and while
# it does.
PART_OF_THE_PACE = 0.945
MAY_BE_LATE = 0.035   # seconds; 1 / PART_OF_THE_PACE - 1 is the room, and the rest of it is the way's
CLAIM_TAKES = 0.15   # seconds, at most and mostly much less
CLAIM_EARLY = 0.1   # seconds that a claim may come before it must, when that saves a trip of its own
# Seconds until a recipient may get one more, with all that was borrowed. What asks for more was written by a clock that
# has been set back since, or was changed a moment ago: the next look tells.
LONGEST_DISTANCE = 120.0
GATHER_READ = 0.002   # seconds: tasks that were claimed together begin together


@task("outbox.deliver", priority=2, attempts=8, lease=60.0)
def deliver(message_id: int) -> dict[str, Any] | EndsWith | None:
    """Sends a message that waits, or finds out what became of one whose attempt ended in the dark."""
    message = _messages.ask(message_id, within=GATHER_READ)
    if message is None:
        return None
    gateway = gateway_for(message["channel"])
    if message["state"] in ("sending", "unclear"):
        if (found := reconciling.look_up(message, gateway)) is not None:
            return found
        return _attempt(message, gateway, from_state="unclear")
    if message["state"] != "queued":
        return {"state": message["state"]}
    return _attempt(message, gateway, from_state="queued")


def _attempt(message: Row, gateway: Gateway, *, from_state: str) -> dict[str, Any] | EndsWith:
    decision = delivery.decide(message, now(), window=gateway.capabilities.window)
    if isinstance(decision, delivery.Drop):
        outcomes.drop(message, decision)
        return {"state": decision.state}
    if isinstance(decision, delivery.Wait):
        outcomes.wait(message, decision)
        raise Postpone(until=decision.until)
    try:
        outgoing = _outgoing(message, gateway, as_template=decision.as_template)
    except Refused as refusal:
        outcomes.drop(message, delivery.Drop("failed", refusal.sentence))
        return {"state": "failed"}
    # Before the claim: who waits for a turn holds nothing, and the message may still be cancelled.
    pace = gateway.capabilities.per_second * PART_OF_THE_PACE
    turn = take_turn(gateway.name, per_second=pace, late=MAY_BE_LATE)
    come_near(turn, CLAIM_TAKES + CLAIM_EARLY)
    token = uuid.uuid4().hex
    asked = {"token": token, "from_state": from_state, "as_template": decision.as_template}
    attempt = _claimed(message, gateway, asked, within=turn.seconds_left() - CLAIM_TAKES)
    if attempt is None:
        return {"state": "taken"}
    turn.come()
    return _send(message, gateway, outgoing, token, attempt)


def _claimed(message: Row, gateway: Gateway, asked: Row, *, within: float) -> int | None:
    """The number of the attempt that is now ours; None when somebody else has the message. Raises Postpone."""
    answer = _claims.ask({
        **asked, "id": message["message_id"], "spacing": gateway.capabilities.spacing,
        "burst": BURST[message["priority"]], "to": message["recipient"]},
        within=within)  # fmt: skip
    if answer.get("wait_until"):
        wait = datetime.fromisoformat(answer["wait_until"]) - now()
        raise Postpone(after=min(wait.total_seconds(), LONGEST_DISTANCE))
    return int(answer["attempt"]) if answer["claimed"] else None


def _claim(wanted: list[Row]) -> list[Row]:
    # In the order of recipients: two processes that claim several never wait for each other.
    places = sorted(range(len(wanted)), key=lambda place: (wanted[place]["to"], wanted[place]["id"]))
    ordered = [{name: value for name, value in wanted[place].items() if name != "to"} for place in places]
    answers = call_function("claim_messages", {"wanted": json.dumps(ordered)}, read_only=True)
    by_place = dict(zip(places, answers, strict=True))
    return [by_place[place] for place in range(len(wanted))]


def _send(
    message: Row, gateway: Gateway, outgoing: Outgoing, token: str, attempt: int
) -> dict[str, Any] | EndsWith:
    stamped = Outgoing(**{**vars(outgoing), "own_id": f"{message['message_id']}.{attempt}"})
    began = time.perf_counter()
    try:
        accepted = gateway.send(stamped)
    except SendFailed as error:
        measures.provider_answered(gateway.name, error.verdict.kind, since=began)
        pause = outcomes.failed(message, token, attempt, error, gateway)
        if pause is not None:
            raise Postpone(after=pause.total_seconds()) from error
        return {"state": "failed", "code": error.code}
    measures.provider_answered(gateway.name, "accepted", since=began)
    return outcomes.accepted(message, token, attempt, accepted, gateway.name, as_template=outgoing.template is not None)


def _outgoing(message: Row, gateway: Gateway, *, as_template: bool) -> Outgoing:
    """The message as the gateway takes it. Raises Refused for what can never be sent."""
    template = None
    if as_template:
        names = message["template_variables"] or []
        template = Template(message["provider_template_id"], message["language"],
                            wording.provider_variables(names, message["variables"]),
                            bool(message["template_has_document"]))  # fmt: skip
    return Outgoing(
        own_id="", to=message["recipient"], text=message["body"], subject=message["subject"] or "",
        html=message["html_body"] or "", template=template, expires_at=message["expires_at"],
        attachments=documents.attached(message, gateway.capabilities),
        may_unsubscribe=message["purpose"] == "marketing",
    )  # fmt: skip


_messages: Gathering[int, Row | None] = Gathering(queries.messages)
_claims: Gathering[Row, Row] = Gathering(_claim, early=CLAIM_EARLY)
