"""Pages that merge two masters which are one, with a look at what would move, and take a merge back."""

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import BusinessRule, Conflict, Duplicate, transaction
from portal.errors import Refused
from portal.formats import now
from portal.inputs import LARGEST_ID, Input, RecordId, lenient
from portal.settings import merging, queries
from portal.settings.inputs import MergeInput
from portal.settings.kinds import KINDS, Kind
from portal.settings.views.routes import MASTER, blueprint, stored_master
from portal.web import SubmittedForm, actor, flash, not_found, prefilled, redirect_to, render, requires, submitted

CHANGED = "One of the two was changed or merged by someone else meanwhile. Nothing was merged. Please look again."


class Target(Input):
    """The other one, as the address of the preview names it."""

    into_id: RecordId | None = None


@blueprint.get(f"/<{MASTER}:name>/<int:record_id>/merge")
@requires("settings.manage")
def merge_form(name: str, record_id: int) -> Response:
    """Asks which other one is meant; once one is chosen, shows what would move."""
    kind = KINDS[name]
    stored = stored_master(kind, record_id)
    into_id = lenient(Target, request.args.to_dict()).into_id
    return _merge_page(kind, stored, prefilled({"version": stored["version"], "into_id": into_id}))


@blueprint.post(f"/<{MASTER}:name>/<int:record_id>/merge")
@requires("settings.manage")
def merge(name: str, record_id: int) -> Response | BaseResponse:
    """Merges the master of the address into another one."""
    kind = KINDS[name]
    stored = stored_master(kind, record_id)
    form = submitted(MergeInput)
    into = _other(kind, form.data.into_id) if form.data else None
    if form.data is None or into is None:
        form.add_error("into_id", f"Merge into: please choose {kind.a_word} of the list.")
        return _merge_page(kind, stored, form, 422)
    try:
        with transaction() as tx:
            merging.merge(tx, actor(), kind, stored, into, form.data)
    except Refused as refusal:
        form.refuse(refusal)
        return _merge_page(kind, stored, form, 422)
    except Duplicate:
        form.add_error("into_id", "Both have what may exist only once. It is listed below.")
        return _merge_page(kind, stored, form, 422)
    except Conflict:
        flash(CHANGED, "bad")
        return redirect_to("settings.masters", name=name)
    flash(f"{stored['name']} is merged into {into['name']}. It can be taken back for 7 days, under Merges.")
    return redirect_to("settings.masters", name=name)


@blueprint.get(f"/<{MASTER}:name>/merges")
@requires("settings.manage")
def merges(name: str) -> Response:
    """The latest merges of one kind, and which of them can still be taken back."""
    kind = KINDS[name]
    return render("settings/merges.html", kind=kind, merges=queries.merges(kind.table), now=now())


@blueprint.post(f"/<{MASTER}:name>/merges/<int:merge_id>/undo")
@requires("settings.manage")
def take_back_merge(name: str, merge_id: int) -> BaseResponse:
    """Takes a merge back."""
    kind = KINDS[name]
    done = queries.merge(kind.table, merge_id) if merge_id <= LARGEST_ID else None
    if done is None:
        not_found("There is no such merge.")
    try:
        with transaction() as tx:
            merging.take_back(tx, actor(), kind, done)
        flash(f"{done['from_name']} is back, with everything that was moved.")
    except Refused as refusal:
        flash(refusal.sentence, "bad")
    except Duplicate:
        flash(f"There is another {kind.word} called {done['from_name']} by now. Rename it, then take back.", "bad")
    except Conflict:
        flash("This merge was taken back already.", "bad")
    except BusinessRule as refusal:
        flash(refusal.message, "bad")
    return redirect_to("settings.merges", name=name)


def _other(kind: Kind, record_id: int) -> dict[str, Any] | None:
    return queries.one_master(kind.relation, kind.key, record_id)


def _merge_page(kind: Kind, stored: dict[str, Any], form: SubmittedForm[Any], status: int = 200) -> Response:
    chosen = form.value("into_id")
    into = _other(kind, int(chosen)) if chosen.isdecimal() and int(chosen) <= LARGEST_ID else None
    same = into is not None and into[kind.key] == stored[kind.key]
    preview = queries.merge_preview(kind.table, stored[kind.key], into[kind.key]) if into and not same else None
    return render(
        "settings/merge.html",
        status,
        kind=kind,
        stored=stored,
        form=form,
        into=into,
        preview=preview,
        moved=merging.told(preview.records) if preview else [],
        others=[(row["id"], row["name"]) for row in merging.candidates(kind, stored)],
    )
