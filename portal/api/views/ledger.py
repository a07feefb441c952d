"""What happens to a term while it runs: endorsements of the insurer, and payments."""

from typing import Any

from flask import Response

from database_pool import Duplicate, transaction
from portal.api.operations import Operation
from portal.api.records import ENDORSEMENT, PAYMENT
from portal.api.shapes import of_form
from portal.api.views.routes import (
    Asked,
    all_of,
    created_once,
    done,
    guarded,
    operation,
    record,
    refuse,
    repeated,
    require_version,
)
from portal.formats import now
from portal.inputs import LARGEST_ID
from portal.policies import endorsement, payments, queries, withdrawal
from portal.policies.inputs import EndorsementInput, PaymentInput
from portal.policies.pricing import Book
from portal.settings.queries import masters, trade_rules
from portal.web import actor, not_found

Row = dict[str, Any]
TAG = "Policies"
ENDORSEMENTS = "/policies/<int:policy_id>/endorsements"
PAYMENTS = "/policies/<int:policy_id>/payments"
NUMBER_TAKEN = "This policy has an endorsement of this number already."


@operation(Operation(
    "list_endorsements", "GET", ENDORSEMENTS, "policies.read",
    "The endorsements of a term, oldest first, withdrawn ones too", TAG, ENDORSEMENT, many=True))  # fmt: skip
def list_endorsements(asked: Asked, policy_id: int) -> Response:
    return all_of(asked.operation, queries.endorsements_of(_policy(policy_id)["policy_id"]))


@operation(Operation(
    "show_endorsement", "GET", f"{ENDORSEMENTS}/<int:endorsement_id>", "policies.read", "One endorsement", TAG,
    ENDORSEMENT))  # fmt: skip
def show_endorsement(asked: Asked, policy_id: int, endorsement_id: int) -> Response:
    return record(asked.operation, _endorsement(policy_id, endorsement_id))


@operation(Operation(
    "endorse_policy", "POST", ENDORSEMENTS, "policies.write",
    "Adds an endorsement and changes the term by it; tax follows its own day", TAG, ENDORSEMENT, status=201,
    guarded=True, once=True, body=lambda: of_form(EndorsementInput, without=("version",))))  # fmt: skip
def endorse_policy(asked: Asked, policy_id: int) -> Response:
    if (before := repeated(asked)) is not None:
        return before
    stored = _policy(policy_id)
    require_version(asked, stored)
    if stored["state"] not in endorsement.ENDORSABLE:
        refuse(409, f"A policy that is {stored['state']} cannot be endorsed.")
    data = asked.form(EndorsementInput, version=asked.version)
    if data.kind not in endorsement.kinds_for(stored["line"]):
        sentence = "A policy of this line has no endorsement of this kind."
        refuse(422, sentence, {"kind": sentence})
    line = stored["line"]
    book = Book(masters=masters(line), members=queries.members_of(stored["client_id"]), rules=trade_rules(line))
    try:
        return created_once(
            asked,
            lambda tx: endorsement.endorse(tx, actor(), stored, data, book=book),
            lambda endorsement_id: f"/api/policies/{policy_id}/endorsements/{endorsement_id}",
            lambda endorsement_id: _endorsement(policy_id, endorsement_id),
        )
    except Duplicate:
        refuse(409, NUMBER_TAKEN, {"endorsement_number": NUMBER_TAKEN})


@operation(Operation(
    "withdraw_endorsement", "POST", f"{ENDORSEMENTS}/<int:endorsement_id>/withdrawal", "policies.write",
    "Takes back an endorsement: the term has again what it had before", TAG, ENDORSEMENT, guarded=True,
    refuses=(409, 422)))  # fmt: skip
def withdraw_endorsement(asked: Asked, policy_id: int, endorsement_id: int) -> Response:
    stored = _policy(policy_id)
    require_version(asked, stored)
    ledger = queries.ledger(policy_id)
    entry = next((one for one in ledger if (one["entry"], one["entry_id"]) == ("endorsement", endorsement_id)), None)
    if entry is None:
        not_found("There is no such endorsement. It may have been taken back already.")
    guarded(lambda tx: withdrawal.withdraw(tx, actor(), stored, entry, asked.version, at=now()))
    return record(asked.operation, _endorsement(policy_id, endorsement_id))


@operation(Operation(
    "list_payments", "GET", PAYMENTS, "policies.read", "What was paid for a term, oldest first", TAG, PAYMENT,
    many=True))  # fmt: skip
def list_payments(asked: Asked, policy_id: int) -> Response:
    return all_of(asked.operation, queries.payments_of(_policy(policy_id)["policy_id"]))


@operation(Operation(
    "show_payment", "GET", f"{PAYMENTS}/<int:payment_id>", "policies.read", "One payment", TAG, PAYMENT,
))  # fmt: skip
def show_payment(asked: Asked, policy_id: int, payment_id: int) -> Response:
    return record(asked.operation, _payment(policy_id, payment_id))


@operation(Operation(
    "add_payment", "POST", PAYMENTS, "policies.write",
    "Notes a payment; the policy counts as paid once all is in, or with the first instalment", TAG, PAYMENT,
    status=201, once=True, body=lambda: of_form(PaymentInput)))  # fmt: skip
def add_payment(asked: Asked, policy_id: int) -> Response:
    if (before := repeated(asked)) is not None:
        return before
    data = asked.form(PaymentInput)
    return payments.in_turn(lambda: created_once(
        asked,
        lambda tx: payments.record_payment(tx, actor(), _policy(policy_id), data, queries.ledger(policy_id)),
        lambda payment_id: f"/api/policies/{policy_id}/payments/{payment_id}",
        lambda payment_id: _payment(policy_id, payment_id),
    ))  # fmt: skip


@operation(Operation(
    "remove_payment", "DELETE", f"{PAYMENTS}/<int:payment_id>", "policies.write",
    "Takes back a payment that was noted by mistake", TAG, status=204, refuses=(409,)))  # fmt: skip
def remove_payment(asked: Asked, policy_id: int, payment_id: int) -> Response:
    payments.in_turn(lambda: _take_back(policy_id, payment_id))
    return done()


def _take_back(policy_id: int, payment_id: int) -> None:
    policy, ledger = _policy(policy_id), queries.ledger(policy_id)
    entry = next((one for one in ledger if (one["entry"], one["entry_id"]) == ("payment", payment_id)), None)
    if entry is None:
        not_found("There is no such payment. It may have been taken back already.")
    with transaction() as tx:
        payments.remove_payment(tx, actor(), policy, entry, ledger, at=now())


def _policy(policy_id: int) -> Row:
    found = queries.in_full(policy_id) if policy_id <= LARGEST_ID else None
    if found is None or found["deleted_at"] is not None:
        not_found("There is no policy with this number.")
    return found


def _endorsement(policy_id: int, endorsement_id: int) -> Row:
    rows = queries.endorsements_of(_policy(policy_id)["policy_id"])
    found = next((row for row in rows if row["endorsement_id"] == endorsement_id), None)
    return found or not_found("This policy has no such endorsement.")


def _payment(policy_id: int, payment_id: int) -> Row:
    rows = queries.payments_of(_policy(policy_id)["policy_id"])
    found = next((row for row in rows if row["payment_id"] == payment_id), None)
    return found or not_found("There is no such payment. It may have been taken back already.")
