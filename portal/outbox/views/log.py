"""Lists of what goes out, and the page of one message."""

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, transaction
from portal.errors import Refused
from portal.outbox import queries, service
from portal.outbox.inputs import LogFilter
from portal.outbox.queries import Row
from portal.outbox.views.routes import blueprint
from portal.outbox.words import PURPOSES, SOURCES, STATES, STEPS
from portal.paging import listing
from portal.web import actor, flash, list_filters, not_found, prefilled, redirect_to, render, requires, shows

MEANWHILE = "Nothing was done: the message moved on meanwhile. Look at it again."


@blueprint.get("/messages/outbox")
@requires("messages.read")
def waiting() -> Response:
    """What waits or is on its way, what is due first."""
    return _list({"sort": "due", **request.args.to_dict(), "state": "waiting"}, template="outbox/waiting.html")


@blueprint.get("/messages/log")
@requires("messages.read")
def log() -> Response:
    """Everything that was written, the latest first."""
    return _list(request.args.to_dict(), template="outbox/log.html")


@blueprint.get("/messages/<int:message_id>")
@requires("messages.read")
@shows("page", "message", "message_id")
def show(message_id: int) -> Response:
    """One message with its text and everything that happened to it."""
    found = _message(message_id)
    return render(
        "outbox/message.html", message=found, listed=queries.message_page(message_id), states=STATES, steps=STEPS,
        sources=SOURCES, purposes=PURPOSES, channels=service.CHANNELS, events=queries.events_of(message_id),
        thread=queries.thread_of(found["channel"], found["recipient"]),
    )  # fmt: skip


@blueprint.post("/messages/<int:message_id>/cancellation")
@requires("messages.write")
def cancel(message_id: int) -> BaseResponse:
    """Cancels a message that waits."""
    found = _message(message_id)
    try:
        with transaction() as tx:
            service.cancel(tx, actor(), found)
    except Conflict:
        flash(MEANWHILE, "warn")
    else:
        flash("The message is cancelled and will not be sent.")
    return redirect_to("outbox.show", message_id=message_id)


@blueprint.post("/messages/<int:message_id>/retry")
@requires("messages.write")
def retry(message_id: int) -> BaseResponse:
    """Sends a message again that failed or was held back."""
    found = _message(message_id)
    try:
        with transaction() as tx:
            service.retry(tx, actor(), found)
    except Conflict:
        flash(MEANWHILE, "warn")
    except Refused as refusal:
        flash(refusal.sentence, "bad")
    else:
        flash("The message waits in the queue again.")
    return redirect_to("outbox.show", message_id=message_id)


def _list(arguments: dict[str, str], *, template: str) -> Response:
    narrowed = list_filters(LogFilter, arguments)
    page = queries.page_of_messages(listing(arguments, queries.SORTS), narrowed)
    return render(
        template, page=page, narrowed=narrowed, form=prefilled(narrowed.model_dump()), states=STATES,
        channels=service.CHANNELS, templates=queries.template_choices() if template == "outbox/log.html" else [],
        pauses=queries.pauses(),
    )  # fmt: skip


def _message(message_id: int) -> Row:
    return queries.message(message_id) or not_found("There is no such message.")
