"""Reminders and notices for many policies at once: a job in the background, and what it leaves out."""

import uuid

from flask import Response

from database_pool import transaction
from portal.api.operations import Operation
from portal.api.records import BULK_JOB
from portal.api.shapes import of_form
from portal.api.views.routes import Asked, operation, record
from portal.formats import today
from portal.renewals import bulk
from portal.renewals.bulk import Selection
from portal.renewals.inputs import BulkRequest
from portal.web import actor

TAG = "Bulk"


@operation(Operation(
    "send_reminders", "POST", "/bulk/send-reminders", "policies.write",
    "Reminds the clients of these policies; the same `key` again is the same job", TAG, BULK_JOB, status=202,
    body=lambda: of_form(BulkRequest)))  # fmt: skip
def send_reminders(asked: Asked) -> Response:
    data = asked.form(BulkRequest)
    selection = bulk.choose_for_reminders(data.policy_ids, today())
    with transaction() as tx:
        batch_id = bulk.start_reminders(tx, actor(), selection, key=_key("remind", data), today=today())
    return _accepted(asked, batch_id, selection)


@operation(Operation(
    "notify_policy_issued", "POST", "/bulk/notify-policy-issued", "policies.write",
    "Tells the clients that their policies are issued; the same `key` again is the same job", TAG, BULK_JOB,
    status=202, body=lambda: of_form(BulkRequest)))  # fmt: skip
def notify_policy_issued(asked: Asked) -> Response:
    data = asked.form(BulkRequest)
    selection = bulk.choose_for_notices(data.policy_ids)
    with transaction() as tx:
        batch_id = bulk.start_notices(tx, actor(), selection, key=_key("issued", data))
    return _accepted(asked, batch_id, selection)


def _key(what: str, data: BulkRequest) -> str:
    return f"{what}:{data.key}" if data.key else uuid.uuid4().hex


def _accepted(asked: Asked, batch_id: str, selection: Selection) -> Response:
    skipped = [{"policy_id": one.policy_id, "reason": one.reason} for one in selection.left]
    told = {"batch_id": batch_id, "queued": len(selection.ready), "skipped": skipped}
    return record(asked.operation, told, 202)
