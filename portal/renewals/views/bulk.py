"""Many renewals at once: first what would happen, then the job; and giving them to a colleague."""

import uuid
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import ReferenceMissing, transaction
from portal.errors import NotPermitted
from portal.formats import today
from portal.lists.service import Selection, selection
from portal.renewals import bulk, queries, reminding, service, words
from portal.renewals.inputs import MOST_AT_ONCE, AssignmentInput, BulkInput, RenewalFilter
from portal.renewals.views import desk
from portal.renewals.views.routes import blueprint
from portal.settings.queries import setting
from portal.web import (
    SubmittedForm,
    actor,
    current_user,
    exact_filters,
    flash,
    limited,
    may,
    redirect_home,
    render,
    requires,
    submitted,
)

Answer = Response | BaseResponse
NOTHING_CHOSEN = "Tick the policies first, or choose all that match."


@blueprint.post("/renewals/bulk")
@requires("policies.read")
@limited("exports")
def choose() -> Answer:
    """Reads the selection, and does or shows what the wanted action would do with it."""
    wanted = selection(request.form.to_dict(flat=False))
    if not wanted:
        flash(NOTHING_CHOSEN, "warn")
        return redirect_home(f"/renewals?{wanted.query}")
    action = request.form.get("action")
    if action == "export":
        return desk.exported(wanted.arguments, _filters(wanted))
    if not may("policies.write"):
        raise NotPermitted("Your role may look at renewals, not work on them.")
    policy_ids = _chosen(wanted)
    if action == "assign":
        return _assignment(policy_ids, submitted(AssignmentInput), 200)
    return _preview(policy_ids, wanted.query)


def _chosen(wanted: Selection) -> list[int]:
    """The ticked policies; or all of the filter, resolved here and now, so that later changes do not widen it."""
    if not wanted.everything:
        return _numbers(wanted)
    return queries.ids_of(_filters(wanted), MOST_AT_ONCE)


def _filters(wanted: Selection) -> dict[str, Any]:
    if not wanted.everything:
        return {"policy_id_in": _numbers(wanted)}
    return queries.filters_of(exact_filters(RenewalFilter, wanted.arguments), today(), current_user().user_id)


def _numbers(wanted: Selection) -> list[int]:
    return [int(text) for text in wanted.ids if text.isascii() and text.isdigit() and len(text) < 19]


def _preview(policy_ids: list[int], query: str) -> Response:
    found = bulk.choose_for_reminders(policy_ids, today())
    return render(
        "renewals/remind.html",
        selection=found,
        sample=_sample(found),
        key=uuid.uuid4().hex,
        back=f"/renewals?{query}",
        words=words,
    )


def _sample(found: bulk.Selection) -> dict[str, Any] | None:
    """What the first of the clients would read, on the first channel that reaches them."""
    if not found.ready:
        return None
    facts = found.ready[0]
    way = next(way for way in found.ways[facts["policy_id"]] if not way.why_not)
    occasion = reminding.occasion_of(facts, today())
    shown = reminding.preview(facts, occasion, way.channel, facts["language"], setting("company"))
    return {"label": bulk.label_of(facts), "channel": words.CHANNELS[way.channel], "message": shown}


@blueprint.post("/renewals/reminders")
@requires("policies.write")
def remind() -> Answer:
    """Starts the job. The key of the preview makes a double click one job."""
    form = submitted(BulkInput)
    if form.data is None:
        flash(NOTHING_CHOSEN, "warn")
        return redirect_home("/renewals")
    found = bulk.choose_for_reminders(form.data.policy_ids, today())
    with transaction() as tx:
        batch_id = bulk.start_reminders(tx, actor(), found, key=form.data.key, today=today())
    return redirect_home(f"/jobs/{batch_id}")


def _assignment(policy_ids: list[int], form: SubmittedForm[Any], status: int) -> Response:
    return render(
        "renewals/assign.html",
        status,
        form=form,
        rows=queries.renewals(policy_ids),
        policy_ids=policy_ids,
        key=uuid.uuid4().hex,
        colleagues=queries.colleagues(),
    )


@blueprint.post("/renewals/assignment")
@requires("policies.write")
def assign() -> Answer:
    """Gives the chosen renewals to a colleague, or to nobody."""
    form = submitted(AssignmentInput)
    if form.data is None:
        flash(NOTHING_CHOSEN, "warn")
        return redirect_home("/renewals")
    rows = [row for row in queries.renewals(form.data.policy_ids) if row["state"] == "live"]
    try:
        with transaction(key=form.data.key) as tx:
            service.assign(tx, actor(), rows, form.data.owner_id)
    except ReferenceMissing:
        form.add_error("owner_id", "Looked after by: please choose one of the list.")
        return _assignment(form.data.policy_ids, form, 422)
    flash(f"{len(rows)} {'renewal is' if len(rows) == 1 else 'renewals are'} assigned.")
    return redirect_home("/renewals?view=mine" if form.data.owner_id == current_user().user_id else "/renewals")
