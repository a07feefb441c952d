"""One renewal: its stage, who looks after it, what was quoted, and which reminders went out."""

from typing import Any

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, ReferenceMissing, transaction
from portal.formats import today
from portal.policies import words as policy_words
from portal.policies.notices import ways_of_many
from portal.renewals import queries, reminding, service, words
from portal.renewals.inputs import RenewalInput
from portal.renewals.views.routes import blueprint, known_facts, known_renewal
from portal.web import (
    SubmittedForm,
    actor,
    conflict_page,
    current_user,
    flash,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)

Answer = Response | BaseResponse
NO_SUCH_COLLEAGUE = "Looked after by: please choose one of the list."


@blueprint.get("/renewals/<int:policy_id>")
@requires("policies.read")
@shows("renewal", "policy", "policy_id")
def page(policy_id: int) -> Answer:
    """Where a renewal stands, and its reminders."""
    row = known_renewal(policy_id)
    suggested = row["owner_id"] or (current_user().user_id if row["renewal_version"] == 0 else None)
    return _show(row, prefilled({**_still_to_come(row), "owner_id": suggested, "version": row["renewal_version"]}))


def _still_to_come(row: dict[str, Any]) -> dict[str, Any]:
    """A renewal for its form: a day until which it was snoozed cannot be saved again once it has come."""
    until = row["snoozed_until"]
    return {**row, "snoozed_until": until if until is not None and until > today() else None}


@blueprint.post("/renewals/<int:policy_id>")
@requires("policies.write")
def change(policy_id: int) -> Answer:
    """Notes where a renewal stands."""
    row, form = known_renewal(policy_id), submitted(RenewalInput)
    if row["state"] != "live":
        form.add_error("", f"This policy is {row['state']} by now. Its renewal needs no more work.")
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                service.change_renewal(tx, actor(), row, form.data)
            flash(f"Renewal of {row['policy_number']} is saved.")
            return redirect_to("renewals.page", policy_id=policy_id)
        except ReferenceMissing:
            form.add_error("owner_id", NO_SUCH_COLLEAGUE)
        except Conflict:
            return _both_versions(row, form)
    return _show(row, form, 422)


def _both_versions(row: dict[str, Any], form: SubmittedForm[Any]) -> Response:
    fresh = _still_to_come(known_renewal(row["policy_id"]))
    here = f"/renewals/{row['policy_id']}"
    names = {
        "owner_id": {str(one["user_id"]): one["name"] for one in queries.colleagues()},
        "stage": words.STAGES,
    }
    title = f"Renewal of {fresh['policy_number']}"
    return conflict_page(title, form, words.LABELS, fresh, fresh["renewal_version"], here, here, names=names)


def _show(row: dict[str, Any], form: SubmittedForm[Any], status: int = 200) -> Response:
    schedule, noted = queries.schedule_of(row["policy_id"]), queries.reminders_of(row["policy_id"], row["due_on"])
    facts = known_facts(row["policy_id"])
    return render(
        "renewals/work.html",
        status,
        renewal=row,
        form=form,
        steps=_steps(schedule, noted),
        by_hand=[one for one in noted if one["step"].startswith(reminding.BY_HAND)],
        ways=ways_of_many([facts])[row["policy_id"]],
        why_not=reminding.why_not(facts),
        owners=[(one["user_id"], one["name"]) for one in queries.colleagues()],
        today=today(),
        words=words,
        policy_words=policy_words,
    )


def _steps(schedule: list[dict[str, Any]], noted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ladder of a term, each step with the reminder it led to (None when it led to none, or not yet)."""
    by_step = {one["step"]: one for one in noted}
    return [{**step, "noted": by_step.get(step["step"])} for step in schedule]
