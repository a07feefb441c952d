"""The inbox: who wrote, what was said, how long free text is still allowed, and the answer."""

import secrets

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Duplicate, transaction
from portal.errors import Refused
from portal.formats import now
from portal.outbox import consent, conversations, queries
from portal.outbox.inputs import ReplyInput, ThreadFilter
from portal.outbox.queries import Row
from portal.outbox.views.routes import blueprint
from portal.outbox.words import KINDS, STATES
from portal.paging import listing
from portal.web import (
    SubmittedForm,
    actor,
    flash,
    fresh,
    list_filters,
    may,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)


@blueprint.get("/messages")
@requires("messages.read")
def inbox() -> Response:
    """Who wrote to us, the latest first."""
    arguments = request.args.to_dict()
    narrowed = list_filters(ThreadFilter, arguments)
    page = queries.page_of_threads(listing(arguments, queries.THREAD_SORTS), narrowed, fresh())
    return render("outbox/inbox.html", page=page, narrowed=narrowed, form=prefilled(narrowed.model_dump()), kinds=KINDS,
                  open_until=conversations.open_until)  # fmt: skip


@blueprint.get("/messages/threads/<int:contact_id>")
@requires("messages.read")
@shows("conversation", "contact", "contact_id")
def thread(contact_id: int) -> Response:
    """One conversation. Whoever may answer has then read it."""
    found = _thread(contact_id)
    if found["unread"] and may("messages.write"):
        with transaction() as tx:
            conversations.mark_read(tx, found)
    return _page(found, prefilled({"form_key": secrets.token_hex(16)}))


@blueprint.post("/messages/threads/<int:contact_id>/answer")
@requires("messages.write")
def answer(contact_id: int) -> Response | BaseResponse:
    """Sends an answer into a conversation."""
    found = _thread(contact_id)
    form = submitted(ReplyInput)
    if form.data is None or not form.ok:
        return _page(found, form, status=422)
    try:
        with transaction() as tx:
            conversations.answer(tx, actor(), found, form.data)
    except Refused as refusal:
        form.refuse(refusal)
        return _page(found, form, status=422)
    except Duplicate:
        pass   # the same form twice at once: the other one is the answer
    return redirect_to("outbox.thread", contact_id=contact_id, _anchor="end")


@blueprint.post("/messages/threads/<int:contact_id>/stop")
@requires("messages.write")
def stop(contact_id: int) -> BaseResponse:
    """Notes that this person wants no more messages (said so on the phone, say)."""
    found = _thread(contact_id)
    with transaction() as tx:
        consent.opt_out(tx, actor(), channel=found["channel"], address=found["address"])
    flash("Nothing more goes to this address, except answers to what the person writes.")
    return redirect_to("outbox.thread", contact_id=contact_id)


@blueprint.post("/messages/threads/<int:contact_id>/start")
@requires("messages.write")
def start(contact_id: int) -> BaseResponse:
    """Notes that this person wants messages again."""
    found = _thread(contact_id)
    with transaction() as tx:
        consent.opt_in(tx, actor(), channel=found["channel"], address=found["address"])
    flash("Messages go to this address again.")
    return redirect_to("outbox.thread", contact_id=contact_id)


@blueprint.post("/messages/threads/<int:contact_id>/done")
@requires("messages.write")
def done(contact_id: int) -> BaseResponse:
    """Hands a conversation back: staff has dealt with it, the bot may answer again."""
    found = _thread(contact_id)
    with transaction() as tx:
        conversations.hand_back(tx, actor(), found["channel"], found["address"])
    flash("Done. The next message is answered automatically again.")
    return redirect_to("outbox.inbox")


def _thread(contact_id: int) -> Row:
    return queries.thread(contact_id) or not_found("There is no such conversation.")


def _page(found: Row, form: SubmittedForm[ReplyInput], *, status: int = 200) -> Response:
    return render(
        "outbox/thread.html", status, thread=found, form=form, states=STATES, kinds=KINDS, moment=now(),
        messages_here=queries.conversation(found["channel"], found["address"]),
        until=conversations.open_until(found["last_inbound_at"]), why_not=conversations.why_no_answer(found),
    )  # fmt: skip
