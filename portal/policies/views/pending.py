"""Policies that wait for papers: the list with its views, the papers that arrive, and completing one side by side."""

from dataclasses import replace
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import BusinessRule, Conflict, Duplicate, transaction
from portal.errors import Refused
from portal.formats import now, today
from portal.paging import listing
from portal.policies import chasing, queries, service, waiting, words
from portal.policies.inputs import FORMS, ArrivalInput, PendingFilter, VersionInput
from portal.policies.notices import Way, ways_of_many
from portal.policies.views import form_page
from portal.policies.views.routes import CHANGED, blueprint, living_policy
from portal.policies.views.writing import UNFINISHED, saved_page, stored_subject, upload_link
from portal.settings.queries import setting
from portal.web import (
    actor,
    current_user,
    flash,
    list_filters,
    may,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)

Answer = Response | BaseResponse
COMPLETION = "policies/completion.html"


@blueprint.get("/pending")
@requires("policies.read")
def pending() -> Response:
    """Policies that wait, oldest first, by what they wait for; with the age of each and who looks after it."""
    arguments = request.args.to_dict()
    wanted = list_filters(PendingFilter, arguments)
    filters = queries.pending_filters(wanted, current_user().user_id)
    page = queries.page_of_policies(listing(arguments, queries.PENDING_SORTS), filters)
    totals = queries.totals(filters)
    return render(
        "policies/pending.html",
        page=replace(page, total=totals.policies),
        totals=totals,
        wanted=wanted,
        words=words,
        age=lambda row: (now() - row["created_at"]).days,
    )


@blueprint.get("/policies/<int:policy_id>/completion")
@requires("policies.write")
@shows("form", "policy", "policy_id")
def completion_form(policy_id: int) -> Answer:
    """What was captured beside the form that completes it."""
    subject, book = stored_subject(policy_id)
    stored = subject.stored or {}
    if stored["state"] != "pending":
        flash("This policy does not wait for papers any more.", "warn")
        return redirect_to("policies.page", policy_id=policy_id)
    form = prefilled(form_page.editable(stored, subject.line, book))
    return form_page.show(COMPLETION, form, subject, book)


@blueprint.post("/policies/<int:policy_id>/completion")
@requires("policies.write")
def complete(policy_id: int) -> Answer:
    """Makes a pending policy live with its number, every other field as it is in the form."""
    subject, book = stored_subject(policy_id)
    stored = subject.stored or {}
    form = submitted(FORMS[subject.line])
    if request.form.get("action") in UNFINISHED:
        form_page.keep_errors_of_premium(form)
        return form_page.show(COMPLETION, form, subject, book, status=422 if form.errors else 200)
    still_pending = request.form.get("action") == "pending"
    form_page.check(form, subject, book, pending=still_pending)
    taken = None
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                service.change(
                    tx, actor(), stored, form.data, book=book, pending=still_pending,
                    with_commission=may("commission.read"), only_from="pending",
                )  # fmt: skip
            saved = tx.changes[0].rows[0]
            return saved_page(form.data, saved, book, link=upload_link(saved))
        except Duplicate as error:
            taken = form_page.refuse_duplicate(form, error)
        except BusinessRule as error:
            form_page.refuse_by_rule(form, error)
        except Conflict:
            fresh, book = stored_subject(policy_id)
            form.values["version"] = str((fresh.stored or {})["version"])
            return form_page.show(COMPLETION, form, fresh, book, status=409, changed=True)
    return form_page.show(COMPLETION, form, subject, book, status=422, taken=taken)


@blueprint.post("/policies/<int:policy_id>/arrivals")
@requires("policies.write")
def arrive(policy_id: int) -> Answer:
    """Ticks off one thing that a pending policy waited for."""
    stored, form = living_policy(policy_id), submitted(ArrivalInput)
    return _small_change(policy_id, form.data, lambda tx, data: waiting.receive(tx, actor(), stored, data))


@blueprint.post("/policies/<int:policy_id>/ownership")
@requires("policies.write")
def take_over(policy_id: int) -> Answer:
    """Makes the colleague who presses it the one who looks after a policy."""
    stored, form, user = living_policy(policy_id), submitted(VersionInput), current_user()
    return _small_change(
        policy_id, form.data, lambda tx, data: waiting.take_over(tx, actor(), stored, data.version, user.name)
    )


@blueprint.get("/policies/<int:policy_id>/papers")
@requires("policies.write")
@shows("request for papers", "policy", "policy_id")
def papers_request(policy_id: int) -> Response:
    """What the client would read who is asked for what a pending policy waits for."""
    return _papers_page(living_policy(policy_id))


@blueprint.post("/policies/<int:policy_id>/papers")
@requires("policies.write")
def ask_for_papers(policy_id: int) -> Answer:
    """Asks the client, on every channel that may be used; once a day."""
    policy, facts = living_policy(policy_id), queries.notice_facts(policy_id)
    try:
        with transaction() as tx:
            chasing.ask(tx, actor(), policy, facts or {}, _ways(facts), company=setting("company"), day=today())
    except Refused as refusal:
        return _papers_page(policy, refusal.sentence)
    flash("The request is in the outbox.")
    return redirect_to("policies.page", policy_id=policy_id)


def _papers_page(policy: dict[str, Any], refused: str = "") -> Response:
    facts, company = queries.notice_facts(policy["policy_id"]), setting("company")
    why_not = refused or chasing.why_not(policy)
    ways = [] if why_not or facts is None else _ways(facts)
    shown = [(way, chasing.preview(policy, facts or {}, way.channel, company)) for way in ways]
    return render("policies/papers.html", 422 if refused else 200, policy=policy, why_not=why_not, shown=shown)


def _ways(facts: dict[str, Any] | None) -> list[Way]:
    return ways_of_many([facts])[facts["policy_id"]] if facts else []


def _small_change(policy_id: int, data: Any, change: Any) -> Answer:
    try:
        if data is None:
            flash(CHANGED, "bad")
        else:
            with transaction() as tx:
                flash(change(tx, data))
    except Conflict:
        flash(CHANGED, "bad")
    if request.form.get("back") == "pending":
        return redirect_to("policies.pending")
    return redirect_to("policies.page", policy_id=policy_id)
