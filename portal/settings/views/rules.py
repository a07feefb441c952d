"""Pages of the dated rules of the trade: what holds since when, by whose word, and what comes next."""

from typing import Any

from flask import Response, abort
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, Duplicate, transaction
from portal.errors import Refused
from portal.formats import office_date, today
from portal.settings import queries, rules
from portal.settings.rules import KINDS, RuleKind
from portal.settings.views.routes import blueprint
from portal.web import SubmittedForm, actor, flash, may, not_found, prefilled, redirect_to, render, requires, submitted

QUICKER = "Somebody else has just changed these rules. Look at them again, then save once more if yours still fits."


@blueprint.get("/rules")
@requires("policies.write")
def all_rules() -> Response:
    """The kinds of rules, each with what it decides."""
    return render("settings/rules.html", kinds=[kind for kind in KINDS.values() if _may_see(kind)])


@blueprint.get("/rules/<name>")
@requires("policies.write")
def rules_of_kind(name: str) -> Response:
    """The rules of one kind with their sources, and for administrators the form of a new one."""
    return _page(_kind(name), prefilled({"gst_rate": 18}))


@blueprint.post("/rules/<name>")
@requires("settings.manage")
def add_rule(name: str) -> Response | BaseResponse:
    """Adds a rule from a day on; the one before it ends the day before."""
    kind = _kind(name)
    form = submitted(kind.form)
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                rules.add_rule(tx, actor(), kind, form.data, _rows(kind), today=today())
            flash(f"The rule holds from {office_date(form.data.valid_from)}.")
            return redirect_to("settings.rules_of_kind", name=name)
        except Refused as refusal:
            form.refuse(refusal)
        except Duplicate:
            form.add_error("valid_from", "There is a rule for this from that day already.")
        except Conflict:
            form.add_error("", QUICKER)
            return _page(kind, form, 409)
    return _page(kind, form, 422)


@blueprint.post("/rules/<name>/<int:rule_id>/withdrawal")
@requires("settings.manage")
def withdraw_rule(name: str, rule_id: int) -> Response | BaseResponse:
    """Takes back a rule that has not begun yet."""
    kind = _kind(name)
    rows = _rows(kind)
    rule = next((row for row in rows if row[kind.key] == rule_id), None) or not_found(
        "There is no such rule. It may have been taken back already."
    )
    try:
        with transaction() as tx:
            rules.withdraw_rule(tx, actor(), kind, rule, rows, today=today())
        flash("The rule is taken back; the one before it goes on.")
    except Refused as refusal:
        flash(refusal.sentence, "bad")
    except Conflict:
        flash(QUICKER, "bad")
    return redirect_to("settings.rules_of_kind", name=name)


def _kind(name: str) -> RuleKind:
    kind = KINDS.get(name) or not_found("There are no rules of this kind.")
    if not _may_see(kind):
        abort(403)
    return kind


def _may_see(kind: RuleKind) -> bool:
    return may("commission.read") or not kind.about_commission


def _rows(kind: RuleKind) -> list[dict[str, Any]]:
    return queries.dated_rows(kind.table, tuple(field.name for field in kind.scope))


def _page(kind: RuleKind, form: SubmittedForm[Any], status: int = 200) -> Response:
    return render(
        "settings/rules_of_kind.html",
        status,
        kind=kind,
        rules=_rows(kind),
        form=form,
        today=today(),
        insurers=[row["name"] for row in queries.masters().insurers],
    )
