"""The small forms above every list: save this view, forget a view, choose the columns."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from database_pool import Duplicate, transaction
from portal.inputs import LARGEST_ID
from portal.lists import queries, service
from portal.lists.inputs import SavedViewInput
from portal.web import actor, flash, may, not_found, redirect_home, signed_in, submitted

blueprint = Blueprint("lists", __name__, url_prefix="/lists")


@blueprint.post("/<any(clients, policies, renewals):name>/views")
@signed_in
def save_view(name: str) -> Response:
    """Saves the list as it is shown under a name."""
    form = submitted(SavedViewInput)
    back = request.form.get("next")
    if form.data is None:
        flash(f"The view was not saved. {next(iter(form.errors.values()))}", "warn")
        return redirect_home(back)
    try:
        with transaction() as tx:
            service.save_view(tx, actor(), name, form.data)
    except Duplicate:
        flash(f"You have a view “{form.data.name}” here already. Choose another name.", "warn")
        return redirect_home(back)
    flash(f"The view “{form.data.name}” is saved.")
    return redirect_home(f"/{name}?{service.canonical(form.data.query)}")


@blueprint.post("/<any(clients, policies, renewals):name>/views/<int:view_id>/deletion")
@signed_in
def delete_view(name: str, view_id: int) -> Response:
    """Forgets a saved view; the list itself stays as it is."""
    view = queries.saved_view(view_id) if view_id <= LARGEST_ID else None
    if view is None or view["list"] != name:
        not_found("This view was deleted meanwhile.")
    with transaction() as tx:
        service.delete_view(tx, actor(), view, may_all=may("staff.manage"))
    flash(f"The view “{view['name']}” is deleted.")
    return redirect_home(f"/{name}")


@blueprint.post("/<any(clients, policies, renewals):name>/columns")
@signed_in
def choose_columns(name: str) -> Response:
    """Keeps which columns of a list the colleague wants to see."""
    with transaction() as tx:
        service.choose_columns(tx, actor(), name, request.form.getlist("column"))
    return redirect_home(request.form.get("next"))
