"""The ladder of reminders by line: which messages go out how many days before and after a policy ends."""

from typing import Any

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, Duplicate, transaction
from portal.errors import Refused
from portal.formats import today
from portal.policies import words as policy_words
from portal.renewals import queries, service, words
from portal.renewals.inputs import StepEndInput, StepInput
from portal.renewals.views.routes import blueprint
from portal.web import SubmittedForm, actor, flash, not_found, prefilled, redirect_to, render, requires, submitted

Answer = Response | BaseResponse
CHANGED = "This step was changed by someone else meanwhile. Look at it again."


@blueprint.get("/renewals/ladder")
@requires("policies.write")
def ladder() -> Response:
    """Every step with its dates, and the form to add one."""
    return _show(prefilled({"valid_from": today()}))


@blueprint.post("/renewals/ladder")
@requires("settings.manage")
def add_step() -> Answer:
    """Adds a step to the ladder of a line."""
    form = submitted(StepInput)
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                service.add_step(tx, actor(), form.data, today=today())
            flash("The step is added.")
            return redirect_to("renewals.ladder")
        except Refused as refusal:
            form.refuse(refusal)
        except Duplicate:
            form.add_error("days", "This line has a step on this day already.")
    return _show(form, 422)


@blueprint.post("/renewals/ladder/<int:step_id>/end")
@requires("settings.manage")
def end_step(step_id: int) -> Answer:
    """Sets the last day on which a step is used."""
    stored = queries.step(step_id) or not_found("There is no such step.")
    form = submitted(StepEndInput)
    if form.data is None:
        flash(next(iter(form.errors.values())), "bad")
        return redirect_to("renewals.ladder")
    try:
        with transaction() as tx:
            service.end_step(tx, actor(), stored, form.data)
        flash("The step ends on that day.")
    except Refused as refusal:
        flash(refusal.sentence, "bad")
    except Conflict:
        flash(CHANGED, "bad")
    return redirect_to("renewals.ladder")


def _show(form: SubmittedForm[Any], status: int = 200) -> Response:
    steps = queries.ladder()
    return render(
        "renewals/ladder.html",
        status,
        form=form,
        by_line={line: [step for step in steps if step["line"] == line] for line in policy_words.LINES},
        today=today(),
        words=words,
        policy_words=policy_words,
    )
