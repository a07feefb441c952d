"""Adding and changing policies: choose client and line, fill in the form of the line, save or recalculate."""

from typing import Any

from flask import Response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from database_pool import BusinessRule, Conflict, Duplicate, transaction
from portal.formats import today
from portal.policies import queries, service, words
from portal.policies.inputs import FORMS, PolicyInput, PremiumInput
from portal.policies.pricing import Book, price
from portal.policies.views import form_page
from portal.policies.views.form_page import Subject
from portal.policies.views.routes import blueprint, living_policy
from portal.web import (
    SubmittedForm,
    actor,
    conflict_page,
    flash,
    may,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)

Answer = Response | BaseResponse
FORM = "policies/form.html"
SAVED_AND_DELETED = (
    "This form was saved before, and the policy has been deleted since. Press the button again to add it anew."
)
UPLOAD = "Upload its document"
UNFINISHED = ("recalculate", "add-person")


@blueprint.get("/policies/new")
@requires("policies.write")
def new() -> Answer:
    """Step 1 chooses client and line, step 2 is the form of that line."""
    client_id, line = request.args.get("client_id", "")[:20], request.args.get("line", "")
    client = queries.client(client_id) if client_id else None
    if client is None or line not in FORMS:
        return _choose(client, asked_for=client_id)
    subject = Subject(client, line)
    book = form_page.book_for(client_id, line)
    form = prefilled(
        {
            "policy_from": today(),
            "business_type": "new",
            "agent_id": client["agent_id"],
            "group_name": client["group_name"],
            "subgroup": client["subgroup"],
            "member_id": _known_member(book),
            "one_time": line == "travel",
        }
    )
    return form_page.show(FORM, form, subject, book)


def _known_member(book: Book) -> int | None:
    wanted = request.args.get("member_id", "")
    found = [row["member_id"] for row in book.members if str(row["member_id"]) == wanted]
    return found[0] if found else None


def _choose(client: dict[str, Any] | None, *, asked_for: str = "") -> Response:
    q = request.args.get("q", "")
    return render(
        "policies/choose.html",
        client=client,
        asked_for=asked_for,
        q=q,
        words=words,
        line=request.args.get("line", ""),
        found=queries.clients_like(q) if q and client is None else [],
    )


@blueprint.post("/policies/new")
@requires("policies.write")
def create() -> Answer:
    """Adds a policy, live or pending; or shows the form again with what was asked for."""
    client_id, line = request.form.get("client_id", "")[:20], request.form.get("line", "")
    # Deleted while the form was typed: the database refuses it below, and the form stays.
    client = queries.client(client_id, or_deleted=True)
    if client is None or line not in FORMS:
        not_found("There is no such client, or no such line of business.")
    subject = Subject(client, line)
    book = form_page.book_for(client_id, line)
    form = submitted(FORMS[line])
    if request.form.get("action") in UNFINISHED:
        return _show_again(form, subject, book)
    pending = request.form.get("action") == "pending"
    form_page.check(form, subject, book, pending=pending)
    taken = None
    if form.data is not None and form.ok:
        try:
            with transaction(form_page.once_key(form, subject)) as tx:
                service.add(
                    tx,
                    actor(),
                    client_id,
                    line,
                    form.data,
                    book=book,
                    pending=pending,
                    with_commission=may("commission.read"),
                )
            saved = tx.changes[0].rows[0]
            if queries.is_there(saved["policy_id"]):
                shown = saved_page(form.data, saved, book, link=upload_link(saved))
                again = {"client_id": client_id, "line": line}
                return redirect_to("policies.new", **again) if request.form.get("action") == "another" else shown
            form.values.pop("form_key")
            form.add_error("", SAVED_AND_DELETED)
        except Duplicate as error:
            taken = form_page.refuse_duplicate(form, error)
        except BusinessRule as error:
            form_page.refuse_by_rule(form, error)
    return form_page.show(FORM, form, subject, book, status=422, taken=taken)


@blueprint.post("/policies/premium")
@requires("policies.write")
def premium() -> Answer:
    """What the premium of a form comes to as it stands, as a piece of the page: asked for while somebody types."""
    line = request.args.get("line", "")
    if line not in FORMS:
        not_found("There is no such line of business.")
    return form_page.outcome(submitted(PremiumInput), line)


@blueprint.get("/policies/<int:policy_id>/edit")
@requires("policies.write")
@shows("form", "policy", "policy_id")
def edit(policy_id: int) -> Answer:
    """The form with the stored term in it."""
    subject, book = stored_subject(policy_id)
    return form_page.show(FORM, prefilled(form_page.editable(subject.stored or {}, subject.line, book)), subject, book)


@blueprint.post("/policies/<int:policy_id>/edit")
@requires("policies.write")
def change(policy_id: int) -> Answer:
    """Saves the term as entered, unless somebody else changed it meanwhile: then both versions are shown."""
    subject, book = stored_subject(policy_id)
    stored = subject.stored or {}
    form = submitted(FORMS[subject.line])
    if request.form.get("action") in UNFINISHED:
        return _show_again(form, subject, book)
    pending = stored["state"] == "pending" and request.form.get("action") == "pending"
    without_number = pending or (stored["state"] == "lost" and stored["policy_number"] is None)
    form_page.check(form, subject, book, pending=without_number)
    taken = None
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                service.change(
                    tx, actor(), stored, form.data, book=book, pending=pending, with_commission=may("commission.read")
                )
            saved = tx.changes[0].rows[0]
            link = upload_link(saved) if stored["state"] == "pending" and saved["state"] == "live" else ""
            return saved_page(form.data, saved, book, link=link)
        except Duplicate as error:
            taken = form_page.refuse_duplicate(form, error)
        except BusinessRule as error:
            form_page.refuse_by_rule(form, error)
        except Conflict:
            return _show_both(form, policy_id)
    return form_page.show(FORM, form, subject, book, status=422, taken=taken)


def stored_subject(policy_id: int) -> tuple[Subject, Book]:
    """A stored term as the subject of its form, and what it is checked against."""
    stored = living_policy(policy_id)
    client = {"client_id": stored["client_id"], "name": stored["client_name"]}
    return Subject(client, stored["line"], stored), form_page.book_for(stored["client_id"], stored["line"])


def _show_again(form: SubmittedForm[PolicyInput], subject: Subject, book: Book) -> Response:
    form_page.keep_errors_of_premium(form)
    recalculated = request.form.get("action") == "recalculate"
    return form_page.show(FORM, form, subject, book, status=422 if form.errors else 200, recalculated=recalculated)


def _show_both(form: SubmittedForm[PolicyInput], policy_id: int) -> Response:
    subject, book = stored_subject(policy_id)
    fresh = subject.stored or {}
    # Both versions in one spelling, so that "1,500" and "1500" are no difference.
    mine = prefilled({**(form.data.model_dump() if form.data else {}), "action": form.value("action")})
    return conflict_page(
        f"Policy {fresh['policy_number'] or 'without a number yet'}",
        mine,
        subject.labels,
        form_page.editable(fresh, subject.line, book),
        fresh["version"],
        url_for("policies.change", policy_id=policy_id),
        url_for("policies.page", policy_id=policy_id),
        names=form_page.names_of_choices(book),
    )


def upload_link(policy: dict[str, Any]) -> str:
    """The address of the form for a policy's own document; nothing for whoever may not add one."""
    wanted = {"client_id": policy["client_id"], "policy_id": policy["policy_id"], "kind": "policy-schedule"}
    return url_for("documents.choose", **wanted) if may("documents.write") else ""


def saved_page(data: PolicyInput, row: dict[str, Any], book: Book, *, link: str = "") -> BaseResponse:
    """Sends the browser to a policy just saved, with a word on what it still waits for and on an unusual tax. `link`
    leads to the form for its document.
    """
    number = row["policy_number"] or "without a number yet"
    waits = f" It waits for: {', '.join(row['waiting_for'])}." if row["waiting_for"] else ""
    pending = " as pending" if row["state"] == "pending" else ""
    flash(f"Policy {number} is saved{pending}.{waits}", link=link, label=UPLOAD)
    for warning in price(data, row["line"], book).tax.warnings:
        flash(warning, "warn")
    return redirect_to("policies.page", policy_id=row["policy_id"])
