"""What happens to a term while it runs: endorsements of the insurer and payments, each with a form of its own."""

import hashlib
import uuid
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, Duplicate, transaction
from portal.errors import Refused
from portal.formats import now, today
from portal.policies import endorsement, payments, queries, withdrawal, words
from portal.policies.inputs import EndorsementInput, PaymentInput, VersionInput
from portal.policies.views import form_page
from portal.policies.views.routes import CHANGED, any_policy, blueprint, living_policy
from portal.web import (
    SubmittedForm,
    actor,
    flash,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)

Answer = Response | BaseResponse


@blueprint.get("/policies/<int:policy_id>/endorsements/new")
@requires("policies.write")
@shows("form", "policy", "policy_id")
def new_endorsement(policy_id: int) -> Answer:
    """Step 1 chooses the kind, step 2 shows what that kind may change, as it stands."""
    old = living_policy(policy_id)
    if old["state"] not in endorsement.ENDORSABLE:
        flash(f"A policy that is {old['state']} cannot be endorsed.", "warn")
        return redirect_to("policies.page", policy_id=policy_id)
    kind, kinds = request.args.get("kind", ""), endorsement.kinds_for(old["line"])
    if kind not in kinds:
        return render("policies/endorse.html", old=old, kind=None, kinds=kinds, words=words)
    values = {name: old.get(name) for name in endorsement.CHANGES[kind][old["line"]]}
    return _endorsement_form(old, kind, prefilled({**values, "version": old["version"], "effective_on": today()}))


@blueprint.post("/policies/<int:policy_id>/endorsements/new")
@requires("policies.write")
def endorse(policy_id: int) -> Answer:
    """Adds the endorsement and changes the term by it."""
    old, form = living_policy(policy_id), submitted(EndorsementInput)
    kind = form.value("kind")
    if kind not in endorsement.kinds_for(old["line"]):
        not_found("A policy of this line has no endorsement of this kind.")
    if form.data is not None and form.ok:
        book = form_page.book_for(old["client_id"], old["line"])
        try:
            with transaction() as tx:
                endorsement.endorse(tx, actor(), old, form.data, book=book)
            flash("The endorsement is saved.")
            return redirect_to("policies.page", policy_id=policy_id)
        except Refused as refusal:
            form.refuse(refusal)
        except Duplicate:
            form.add_error("endorsement_number", "This policy has an endorsement of this number already.")
        except Conflict:
            fresh = living_policy(policy_id)
            form.values["version"] = str(fresh["version"])
            return _endorsement_form(fresh, kind, form, 409, changed=True)
    return _endorsement_form(old, kind, form, 422)


def _endorsement_form(
    old: dict[str, Any], kind: str, form: SubmittedForm[Any], status: int = 200, *, changed: bool = False
) -> Response:
    book = form_page.book_for(old["client_id"], old["line"])
    return render(
        "policies/endorse.html",
        status,
        old=old,
        kind=kind,
        form=form,
        changed=changed,
        CHANGED=CHANGED,
        names=[name for name in endorsement.CHANGES[kind][old["line"]] if not name.startswith("person_")],
        asks=endorsement.CHANGES[kind][old["line"]],
        members=[(row["member_id"], f"{row['name']} ({row['relation']})") for row in book.eligible(None)],
        persons=[(row["insured_person_id"], row["name"]) for row in old.get("persons", [])],
        words=words,
    )


@blueprint.post("/policies/<int:policy_id>/endorsements/<int:endorsement_id>/withdrawal")
@requires("policies.write")
def withdraw_endorsement(policy_id: int, endorsement_id: int) -> Answer:
    """Takes back an endorsement that was noted by mistake."""
    policy, form = living_policy(policy_id), submitted(VersionInput)
    entry = _entry(queries.ledger(policy_id), "endorsement", endorsement_id)
    try:
        with transaction() as tx:
            withdrawal.withdraw(tx, actor(), policy, entry, form.data.version if form.data else 0, at=now())
        flash("The endorsement is taken back. The policy has again what it had before.")
    except Refused as refusal:
        flash(refusal.sentence, "bad")
    except Conflict:
        flash(CHANGED, "bad")
    return redirect_to("policies.page", policy_id=policy_id)


@blueprint.get("/policies/<int:policy_id>/payments/new")
@requires("policies.write")
def new_payment(policy_id: int) -> Answer:
    """The form of a payment, with what is open."""
    policy = living_policy(policy_id)
    open_amount = payments.account(policy, queries.ledger(policy_id)).open
    return _payment_form(policy, prefilled({"paid_on": today(), "amount": open_amount if open_amount > 0 else None}))


@blueprint.post("/policies/<int:policy_id>/payments/new")
@requires("policies.write")
def pay(policy_id: int) -> Answer:
    """Notes a payment; a double click notes it once."""
    policy, form = living_policy(policy_id), submitted(PaymentInput)
    data = form.data
    if data is not None and form.ok:
        key = form.value("form_key")
        once = hashlib.sha256(f"{policy_id} {key} {data.model_dump_json()}".encode()).hexdigest()
        try:
            payments.in_turn(lambda: _note(policy_id, data, once if key else None))
            flash("The payment is noted.")
            return redirect_to("policies.page", policy_id=policy_id)
        except Duplicate:
            return redirect_to("policies.page", policy_id=policy_id)
        except Refused as refusal:
            form.refuse(refusal)
        except Conflict:
            form.add_error("", CHANGED)
    return _payment_form(policy, form, 422)


def _note(policy_id: int, data: PaymentInput, form_key: str | None) -> None:
    with transaction() as tx:
        policy, ledger = living_policy(policy_id), queries.ledger(policy_id)
        payments.record_payment(tx, actor(), policy, data, ledger, form_key=form_key)


def _payment_form(policy: dict[str, Any], form: SubmittedForm[Any], status: int = 200) -> Response:
    return render(
        "policies/payment.html",
        status,
        policy=policy,
        form=form,
        account=payments.account(policy, queries.ledger(policy["policy_id"])),
        form_key=form.value("form_key") or uuid.uuid4().hex,
        words=words,
    )


@blueprint.post("/policies/<int:policy_id>/payments/<int:payment_id>/removal")
@requires("policies.write")
def remove_payment(policy_id: int, payment_id: int) -> Answer:
    """Takes back a payment that was noted by mistake."""
    try:
        payments.in_turn(lambda: _take_back(policy_id, payment_id))
        flash("The payment is taken back.")
    except Conflict:
        flash(CHANGED, "bad")
    return redirect_to("policies.page", policy_id=policy_id)


def _take_back(policy_id: int, payment_id: int) -> None:
    with transaction() as tx:
        policy, ledger = any_policy(policy_id), queries.ledger(policy_id)
        payments.remove_payment(tx, actor(), policy, _entry(ledger, "payment", payment_id), ledger, at=now())


def _entry(ledger: list[dict[str, Any]], word: str, entry_id: int) -> dict[str, Any]:
    found = next((entry for entry in ledger if (entry["entry"], entry["entry_id"]) == (word, entry_id)), None)
    return found or not_found(f"There is no such {word}. It may have been taken back already.")
