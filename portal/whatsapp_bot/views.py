"""The bot's conversations: where each stands, and the button that gives one back to the bot."""

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, transaction
from portal.paging import listing
from portal.web import actor, flash, not_found, redirect_to, render, requires
from portal.whatsapp_bot import queries, service, words

blueprint = Blueprint("whatsapp_bot", __name__, url_prefix="/whatsapp_bot")


@blueprint.get("")
@requires("clients.write")
def index() -> Response:
    """Every conversation, the latest first; or those alone that wait for a colleague."""
    arguments = request.args.to_dict()
    waiting = arguments.get("show") == "waiting"
    page = queries.page_of_sessions(listing(arguments, queries.SORTS), waiting=waiting)
    return render("whatsapp_bot/list.html", page=page, waiting=waiting, words=words)


@blueprint.post("/hand-back")
@requires("clients.write")
def hand_back() -> BaseResponse:
    """Lets the bot answer a sender again."""
    address = request.form.get("address", "")[:200]
    stored = queries.listed_session(address) or not_found("There is no such conversation.")
    try:
        with transaction() as tx:
            service.hand_back(tx, actor(), stored)
        flash("The bot answers this sender again.")
    except Conflict:
        flash("The person wrote again in this moment. Look at the conversation, then try again.", "warn")
    return redirect_to("whatsapp_bot.index")
