"""Pages to change the words of messages, with what the client would read beside them."""

from typing import Any

from flask import Response, make_response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, transaction
from portal.clients.inputs import LANGUAGES
from portal.outbox import queries, service, templates
from portal.outbox.inputs import TemplateInput
from portal.outbox.views.routes import blueprint
from portal.web import (
    SubmittedForm,
    actor,
    conflict_page,
    flash,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    submitted,
)

Row = dict[str, Any]
LABELS = {
    "subject": "Subject",
    "body": "Text",
    "html_body": "HTML",
    "provider_template_id": "The provider's template",
    "is_active": "In use",
}


@blueprint.get("/messages/templates")
@requires("settings.manage")
def template_list() -> Response:
    """Every text that the portal sends, by occasion, in its languages."""
    by_title: dict[str, dict[str, list[Row]]] = {}
    for row in queries.templates():
        by_title.setdefault(row["title"], {}).setdefault(row["channel"], []).append(row)
    return render("outbox/templates.html", by_title=by_title, channels=service.CHANNELS, languages=LANGUAGES)


@blueprint.get("/messages/templates/<int:template_id>")
@requires("settings.manage")
def template(template_id: int) -> Response:
    """One text for editing; the address may ask for the default or an earlier wording, which is then only shown."""
    stored = _stored(template_id)
    values = {**stored}
    if "default" in request.args and stored["default_body"]:
        values |= {name: stored[f"default_{name}"] for name in ("subject", "body", "html_body")}
    values |= _earlier(stored, request.args.get("before", ""))
    return _show(stored, prefilled(values))


def _earlier(stored: Row, audit_id: str) -> Row:
    """The text as it stood before a change; the changes made since then are undone one by one."""
    values: Row = {}
    for entry in queries.changes_of_template(stored["template_id"]) if audit_id.isdecimal() else []:
        if entry["audit_id"] < int(audit_id):
            break
        values |= {name: value for name, value in (entry["before"] or {}).items() if name in LABELS}
    return values


@blueprint.post("/messages/templates/<int:template_id>")
@requires("settings.manage")
def change_template(template_id: int) -> Response | BaseResponse:
    """Saves the text, or shows how it would read."""
    stored, form = _stored(template_id), submitted(TemplateInput)
    if form.data is not None:
        for name, sentence in templates.problems(stored, form.data).items():
            form.add_error(name, sentence)
    if request.form.get("action") == "preview":
        return _show(stored, form, 422 if form.errors else 200)
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                templates.change(tx, actor(), stored, form.data)
            flash(f"{stored['title']} ({LANGUAGES[stored['language']]}) is saved.")
            return redirect_to("outbox.template", template_id=template_id)
        except Conflict:
            fresh, here = _stored(template_id), f"/messages/templates/{template_id}"
            return conflict_page(fresh["title"], form, LABELS, fresh, fresh["version"], here, here)
    return _show(stored, form, 422)


@blueprint.post("/messages/templates/<int:template_id>/preview")
@requires("settings.manage")
def preview_template(template_id: int) -> Response:
    """How the typed text reads, as a part of the page."""
    stored, form = _stored(template_id), submitted(TemplateInput)
    return render("outbox/_preview.html", stored=stored, shown=templates.preview(stored, form.values))


@blueprint.get("/messages/templates/<int:template_id>/html")
@requires("settings.manage")
def template_html(template_id: int) -> Response:
    """The saved HTML of an e-mail, filled with examples, alone in the window."""
    stored = _stored(template_id)
    if not stored["html_body"]:
        not_found("This text has no HTML.")
    response = make_response(templates.preview_html(stored))
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _stored(template_id: int) -> Row:
    return queries.template_page(template_id) or not_found("There is no such text.")


def _show(stored: Row, form: SubmittedForm[Any], status: int = 200) -> Response:
    return render(
        "outbox/template.html",
        status,
        stored=stored,
        form=form,
        shown=templates.preview(stored, form.values),
        samples=templates.samples_of(stored),
        numbered=templates.numbered(stored, form.values),
        changes=queries.changes_of_template(stored["template_id"]),
        channels=service.CHANNELS,
        languages=LANGUAGES,
        labels=LABELS,
    )
