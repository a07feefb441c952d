"""What becomes of a term: renewed, cancelled, lost, deleted, restored."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from flask import Response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from database_pool import BusinessRule, Conflict, Duplicate, Transaction, transaction
from portal.errors import Refused
from portal.formats import compact, now, today
from portal.inputs import Input, lenient
from portal.policies import ending, queries, renewal, words
from portal.policies.inputs import (
    FORMS,
    CancellationDay,
    CancellationInput,
    LossInput,
    PolicyInput,
    RenewalWish,
    VersionInput,
)
from portal.policies.pricing import Book, price
from portal.policies.views import form_page
from portal.policies.views.form_page import Subject
from portal.policies.views.routes import CHANGED, any_policy, blueprint, living_policy
from portal.policies.views.writing import UNFINISHED, UPLOAD, upload_link
from portal.settings.queries import lost_reasons
from portal.web import SubmittedForm, actor, flash, may, prefilled, redirect_to, render, requires, shows, submitted

Answer = Response | BaseResponse
RENEWAL = "policies/renewal.html"
UNDONE_BY = {"cancel": "policies.reopen", "lose": "policies.reopen", "delete": "policies.restore"}


@blueprint.get("/policies/<int:policy_id>/renewal")
@requires("policies.write")
@shows("form", "policy", "policy_id")
def renewal_form(policy_id: int) -> Answer:
    """The old term beside the form of the next one."""
    old = living_policy(policy_id)
    if old["state"] not in renewal.RENEWABLE:
        return _cannot_renew(old)
    subject, book = _subject(old)
    form = prefilled(form_page.without_zeros(renewal.suggestion(old, book, today())))
    return _show_renewal(form, subject, book, old)


@blueprint.post("/policies/<int:policy_id>/renewal")
@requires("policies.write")
def renew(policy_id: int) -> Answer:
    """Adds the next term beside the old one. Of two colleagues at once, one renews and the other is told so."""
    old = living_policy(policy_id)
    subject, book = _subject(old)
    form = submitted(FORMS[old["line"]])
    claimed = bool(form.value("claimed"))
    if request.form.get("action") in UNFINISHED:
        if claimed and "no_claim_bonus" in form.values:
            form.values["no_claim_bonus"] = "0"
        form_page.keep_errors_of_premium(form)
        return _show_renewal(form, subject, book, old, status=422 if form.errors else 200)
    pending = request.form.get("action") == "pending"
    form_page.check(form, Subject(subject.client, subject.line), book, pending=pending)
    if form.data is not None:
        for name, sentence in renewal.problems(old, form.data, claimed=claimed).items():
            form.add_error(name, sentence)
    taken = None
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                new_id = renewal.renew(
                    tx, actor(), old, form.data, book=book, pending=pending, with_commission=may("commission.read"),
                    tell_client=bool(form.value("tell_client")),
                )  # fmt: skip
            link = upload_link({"client_id": old["client_id"], "policy_id": new_id})
            flash(f"Policy {old['policy_number'] or ''} is renewed.", link=link, label=UPLOAD)
            return redirect_to("policies.page", policy_id=new_id)
        except Duplicate as error:
            if error.constraint == "policies_renewal":
                return _second_click(form.data, subject, book) or _too_late(form, subject, book)
            taken = form_page.refuse_duplicate(form, error)
        except BusinessRule as error:
            form_page.refuse_by_rule(form, error)
        except Conflict:
            return _second_click(form.data, subject, book) or _too_late(form, subject, book)
    return _show_renewal(form, subject, book, old, taken=taken, status=422)


def _subject(old: dict[str, Any]) -> tuple[Subject, Book]:
    client = {"client_id": old["client_id"], "name": old["client_name"]}
    return Subject(client, old["line"], old), form_page.book_for(old["client_id"], old["line"])


def _spelt(text: str) -> str:
    """A field such that 8,900 and 8900, or two spellings of a number plate, are no difference."""
    return text if "." in text else compact(text)


def _second_click(data: PolicyInput, subject: Subject, book: Book) -> BaseResponse | None:
    """Leads somebody to the term that the same wish of theirs has just made; None for any other wish."""
    rival = queries.renewal_of((subject.stored or {})["policy_id"])
    wish = {
        "created_by": actor().user_id,
        "insurer_id": data.insurer_id,
        "number_key": compact(data.policy_number),
        "policy_from": data.policy_from,
        "gross_premium": price(data, subject.line, book).premium.gross,
    }
    if rival is None or any(rival[name] != value for name, value in wish.items()):
        return None
    return redirect_to("policies.page", policy_id=rival["policy_id"])


def _too_late(form: SubmittedForm[PolicyInput], subject: Subject, book: Book) -> Response:
    """409 with everything typed, the old term as it is now, and the term that somebody else added, if one did."""
    old = living_policy((subject.stored or {})["policy_id"])
    form.values["version"] = str(old["version"])
    return _show_renewal(
        form,
        Subject(subject.client, subject.line, old),
        book,
        old,
        status=409,
        changed=True,
        rival=queries.renewal_of(old["policy_id"]),
    )


def _show_renewal(
    form: SubmittedForm[Any], subject: Subject, book: Book, old: dict[str, Any], *, status: int = 200, **more: Any
) -> Response:
    """The two terms side by side, with advice and with what differs between them."""
    before = prefilled(form_page.editable(old, subject.line, book))
    wish = lenient(RenewalWish, {name: form.value(name) for name in RenewalWish.model_fields})
    return form_page.show(
        RENEWAL,
        form,
        subject,
        book,
        old=old,
        status=status,
        advice=renewal.advice(old, book, wish),
        differs=[
            label for name, label in subject.labels.items() if _spelt(form.value(name)) != _spelt(before.value(name))
        ],
        **more,
    )


def _cannot_renew(old: dict[str, Any]) -> BaseResponse:
    rival = queries.renewal_of(old["policy_id"])
    flash(
        "This term has been renewed already. This is the term that followed."
        if rival
        else f"A policy that is {old['state']} cannot be renewed.",
        "warn",
    )
    return redirect_to("policies.page", policy_id=(rival or old)["policy_id"])


@blueprint.get("/policies/<int:policy_id>/cancellation")
@requires("policies.write")
def cancellation_form(policy_id: int) -> Answer:
    """Asks for the day and the reason."""
    old = living_policy(policy_id)
    day = min(max(today(), old["policy_from"]), old["policy_to"])
    return _end_form("cancel", old, prefilled({"version": old["version"], "cancelled_on": day}))


@blueprint.post("/policies/<int:policy_id>/cancellation")
@requires("policies.write")
def cancel(policy_id: int) -> Answer:
    """Ends a live term on a day."""
    old, form = living_policy(policy_id), submitted(CancellationInput)
    book = form_page.book_for(old["client_id"], old["line"])

    def with_refund(tx: Transaction, who: Any, stored: dict[str, Any], data: CancellationInput) -> None:
        ending.cancel(tx, who, stored, data, queries.ledger(policy_id), book=book)

    return _end("cancel", old, form, with_refund, "Policy {number} is cancelled.")


@blueprint.get("/policies/<int:policy_id>/loss")
@requires("policies.write")
def loss_form(policy_id: int) -> Answer:
    """Asks why the business was lost."""
    old = living_policy(policy_id)
    return _end_form("lose", old, prefilled({"version": old["version"]}))


@blueprint.post("/policies/<int:policy_id>/loss")
@requires("policies.write")
def lose(policy_id: int) -> Answer:
    """Marks a term as lost."""
    old, form = living_policy(policy_id), submitted(LossInput)
    return _end("lose", old, form, ending.mark_lost, "Policy {number} is marked as lost.")


def _end(
    what: str,
    old: dict[str, Any],
    form: SubmittedForm[Any],
    change: Callable[[Transaction, Any, dict[str, Any], Any], None],
    done: str,
) -> Answer:
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                change(tx, actor(), old, form.data)
            undo = url_for(UNDONE_BY[what], policy_id=old["policy_id"])
            told = done.format(number=old["policy_number"] or "without a number")
            flash(told, undo=undo, version=form.data.version + 1)
            return redirect_to("policies.page", policy_id=old["policy_id"])
        except Refused as refusal:
            form.refuse(refusal)
        except Duplicate:
            form.add_error("endorsement_number", "This policy has an endorsement of this number already.")
        except Conflict:
            fresh = living_policy(old["policy_id"])
            form.values["version"] = str(fresh["version"])
            return _end_form(what, fresh, form, 409, changed=True)
    return _end_form(what, old, form, 422)


def _end_form(
    what: str, old: dict[str, Any], form: SubmittedForm[Input], status: int = 200, *, changed: bool = False
) -> Response:
    return render(
        "policies/end.html",
        status,
        what=what,
        old=old,
        suggested=_suggested_refund(old, form) if what == "cancel" else None,
        form=form,
        changed=changed,
        words=words,
        today=today(),
        CHANGED=CHANGED,
        lost_reasons=[(name, name) for name in lost_reasons()] if what == "lose" else [],
    )


def _suggested_refund(old: dict[str, Any], form: SubmittedForm[Input]) -> Decimal:
    """What a proportionate refund comes to on the day in the form."""
    day = lenient(CancellationDay, {"cancelled_on": form.value("cancelled_on")}).cancelled_on or today()
    return ending.proportionate_refund(old, queries.ledger(old["policy_id"]), day)


@blueprint.get("/policies/<int:policy_id>/deletion")
@requires("policies.delete")
def deletion_form(policy_id: int) -> Answer:
    """Asks whether the policy really belongs into the trash."""
    old = living_policy(policy_id)
    return _end_form("delete", old, prefilled({"version": old["version"]}))


@blueprint.post("/policies/<int:policy_id>/deletion")
@requires("policies.delete")
def delete(policy_id: int) -> Answer:
    """Puts a term into the trash, from where its page brings it back."""

    def into_trash(tx: Transaction, who: Any, stored: dict[str, Any], data: VersionInput) -> None:
        ending.delete(tx, who, stored, data.version, at=now())

    return _end("delete", living_policy(policy_id), submitted(VersionInput), into_trash, "Policy {number} is deleted.")


@blueprint.post("/policies/<int:policy_id>/restoration")
@requires("policies.delete")
def restore(policy_id: int) -> Answer:
    """Takes a term out of the trash."""
    stored, form = any_policy(policy_id), submitted(VersionInput)
    if form.data is None or stored["deleted_at"] is None:
        return redirect_to("policies.page", policy_id=policy_id)
    try:
        with transaction() as tx:
            ending.restore(tx, actor(), stored, form.data.version)
        flash(f"Policy {stored['policy_number'] or 'without a number'} is back.")
    except Duplicate:
        flash("Another policy has this number or renewed the same term meanwhile, so this one stays deleted.", "bad")
    except Conflict:
        flash(CHANGED, "bad")
    return redirect_to("policies.page", policy_id=policy_id)


@blueprint.post("/policies/<int:policy_id>/reopening")
@requires("policies.write")
def reopen(policy_id: int) -> Answer:
    """Takes back a cancellation or a loss."""
    stored, form = living_policy(policy_id), submitted(VersionInput)
    try:
        with transaction() as tx:
            ending.reopen(tx, actor(), stored, form.data.version if form.data else 0, at=now())
        flash(f"Policy {stored['policy_number'] or 'without a number'} is open again.")
    except Conflict:
        flash(CHANGED, "bad")
    return redirect_to("policies.page", policy_id=policy_id)
