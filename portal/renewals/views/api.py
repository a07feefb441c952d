"""Reminders and notices in bulk for programs: JSON in, the batch and what was left out in the answer."""

import uuid
from typing import Any

from flask import Response, jsonify, request
from pydantic import ValidationError

from database_pool import transaction
from portal.errors import Refused
from portal.formats import today
from portal.inputs import explain
from portal.renewals import bulk
from portal.renewals.bulk import Selection
from portal.renewals.inputs import BulkRequest
from portal.renewals.views.routes import blueprint
from portal.web import actor, requires


@blueprint.post("/api/bulk/send-reminders")
@requires("policies.write")
def send_reminders() -> Response:
    """{"policy_ids": [...], "key": "..."?} -> 202 {"batch_id", "queued", "skipped": [{"policy_id", "reason"}]}."""
    asked = _asked()
    selection = bulk.choose_for_reminders(asked.policy_ids, today())
    with transaction() as tx:
        batch_id = bulk.start_reminders(tx, actor(), selection, key=_key("remind", asked), today=today())
    return _accepted(batch_id, selection)


@blueprint.post("/api/bulk/notify-policy-issued")
@requires("policies.write")
def notify_policy_issued() -> Response:
    """Tells the clients that their policies are issued; same question and answer as for reminders."""
    asked = _asked()
    selection = bulk.choose_for_notices(asked.policy_ids)
    with transaction() as tx:
        batch_id = bulk.start_notices(tx, actor(), selection, key=_key("issued", asked))
    return _accepted(batch_id, selection)


def _asked() -> BulkRequest:
    content: Any = request.get_json(silent=True)
    if not isinstance(content, dict):
        raise Refused('Send JSON like {"policy_ids": [1, 2, 3]}.')
    try:
        return BulkRequest.model_validate(content)
    except ValidationError as error:
        raise Refused(" ".join(explain(error, BulkRequest).values())) from None


def _key(what: str, asked: BulkRequest) -> str:
    return f"{what}:{asked.key}" if asked.key else uuid.uuid4().hex


def _accepted(batch_id: str, selection: Selection) -> Response:
    skipped = [{"policy_id": one.policy_id, "reason": one.reason} for one in selection.left]
    response = jsonify(batch_id=batch_id, queued=len(selection.ready), skipped=skipped)
    response.status_code = 202
    return response
