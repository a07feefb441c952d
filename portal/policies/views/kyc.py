"""Asking the clients of ticked missing documents for their KYC papers: first what they would read, then the job."""

import uuid
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import transaction
from portal.documents.inputs import GapFilter
from portal.documents.queries import gaps_of
from portal.formats import today
from portal.lists.service import selection
from portal.policies import kyc_requests
from portal.policies.inputs import KycRequestInput
from portal.policies.views.routes import blueprint
from portal.settings.queries import setting
from portal.web import actor, exact_filters, flash, redirect_home, render, requires, submitted

NOTHING_CHOSEN = "Tick the rows first, or choose all that match."
LIST = "/documents/missing"


@blueprint.post("/documents/missing/requests")
@requires("policies.write")
def choose_kyc_requests() -> Response | BaseResponse:
    """Shows whom a request would reach and what the first of them would read. Nothing is sent by looking."""
    wanted = selection(request.form.to_dict(flat=False))
    if not wanted:
        flash(NOTHING_CHOSEN, "warn")
        return redirect_home(f"{LIST}?{wanted.query}")
    gaps = gaps_of(exact_filters(GapFilter, wanted.arguments)) if wanted.everything else list(wanted.ids)
    found = kyc_requests.choose(gaps)
    return render("policies/kyc_requests.html", selection=found, sample=_sample(found), gaps=gaps,
                  key=uuid.uuid4().hex, back=f"{LIST}?{wanted.query}")  # fmt: skip


@blueprint.post("/documents/missing/requests/confirmed")
@requires("policies.write")
def start_kyc_requests() -> BaseResponse:
    """Starts the job. The key of the preview makes a double click one job."""
    form = submitted(KycRequestInput)
    if form.data is None:
        flash(NOTHING_CHOSEN, "warn")
        return redirect_home(LIST)
    found = kyc_requests.choose(form.data.gaps)
    with transaction() as tx:
        batch_id = kyc_requests.start(tx, actor(), found, key=form.data.key, day=today())
    return redirect_home(f"/jobs/{batch_id}")


def _sample(found: kyc_requests.Selection) -> dict[str, Any] | None:
    if not found.ready:
        return None
    client = found.ready[0]
    way = next(way for way in found.ways[client["client_id"]] if not way.why_not)
    message = kyc_requests.preview(client, way.channel, setting("company"))
    return {"name": client["name"], "channel": "WhatsApp" if way.channel == "whatsapp" else "E-mail",
            "message": message}  # fmt: skip
