"""Masters: one set of operations for each kind."""

from functools import partial
from typing import Any

from flask import Response

from database_pool import Duplicate
from portal.api.operations import Operation
from portal.api.records import MASTERS
from portal.api.shapes import of_form
from portal.api.views.lists import listed, parameters
from portal.api.views.routes import (
    Asked,
    created_once,
    done,
    guarded,
    operation,
    page_of,
    record,
    refuse,
    repeated,
    require_version,
)
from portal.inputs import LARGEST_ID, Input, ShortText
from portal.paging import Sort
from portal.settings import merging, queries, service
from portal.settings.inputs import MergeInput
from portal.settings.kinds import KINDS, Kind
from portal.web import actor, not_found

Row = dict[str, Any]
TAG = "Masters"
TAKEN = "Another one has this name already."


class MasterFilter(Input):
    """What a list of masters may be narrowed by."""

    q: ShortText | None = None


def register(kind: Kind) -> None:
    """Makes the operations of one kind of masters."""
    one, shape, word = f"/{kind.slug}/<int:record_id>", MASTERS[kind.slug], kind.table
    described = partial(Operation, tag=TAG, answer=shape)
    sorts = [Sort("name", "name", kind.key, key_kind="whole")]
    operation(described(
        f"list_{word}", "GET", f"/{kind.slug}", "policies.read", f"The {kind.plural}", many=True,
        query=parameters(MasterFilter, sorts)))(partial(_list, kind, sorts))  # fmt: skip
    operation(described(
        f"add_{word}", "POST", f"/{kind.slug}", "policies.write", f"Adds {kind.a_word}, in use at once", status=201,
        once=True, body=lambda: of_form(kind.form, without=("version", "is_active"))))(partial(_add, kind))  # fmt: skip
    operation(described(
        f"show_{word}", "GET", one, "policies.read",
        f"One {kind.word}; the id of one that was merged answers the other"))(partial(_show, kind))  # fmt: skip
    operation(described(
        f"change_{word}", "PUT", one, "settings.manage",
        "Saves every field; is_active false retires it, the line of a product stays", guarded=True, refuses=(409,),
        body=lambda: of_form(kind.form, without=("version",))))(partial(_change, kind))  # fmt: skip
    operation(Operation(
        f"merge_{word}", "POST", f"{one}/merge", "settings.manage",
        f"Makes everything that names this {kind.word} name another one, and removes it", TAG, status=204,
        guarded=True, refuses=(409,),
        body=lambda: of_form(MergeInput, without=("version",))))(partial(_merge, kind))  # fmt: skip


def _list(kind: Kind, sorts: list[Sort], asked: Asked) -> Response:
    wanted = listed(asked, sorts)
    page = queries.page_of_masters(kind.relation, wanted, name_contains=asked.filter(MasterFilter).q)
    return page_of(asked.operation, page, wanted)


def _add(kind: Kind, asked: Asked) -> Response:
    if (before := repeated(asked)) is not None:
        return before
    data = asked.form(kind.form)
    try:
        return created_once(asked, lambda tx: service.add_master(tx, actor(), kind, data),
                            lambda record_id: f"/api/{kind.slug}/{record_id}", partial(_stored, kind))  # fmt: skip
    except Duplicate:
        refuse(409, TAKEN, {"name": TAKEN})


def _show(kind: Kind, asked: Asked, record_id: int) -> Response:
    now_id = queries.merged_into(kind.table, record_id) if record_id <= LARGEST_ID else None
    return record(asked.operation, _stored(kind, now_id or record_id))


def _change(kind: Kind, asked: Asked, record_id: int) -> Response:
    stored = _stored(kind, record_id)
    require_version(asked, stored)
    data = asked.form(kind.form, version=asked.version)
    try:
        guarded(lambda tx: service.change_master(tx, actor(), kind, stored, data))
    except Duplicate:
        refuse(409, TAKEN, {"name": TAKEN})
    return record(asked.operation, _stored(kind, record_id))


def _merge(kind: Kind, asked: Asked, record_id: int) -> Response:
    stored = _stored(kind, record_id)
    require_version(asked, stored)
    data = asked.form(MergeInput, version=asked.version)
    into = queries.one_master(kind.relation, kind.key, data.into_id)
    if into is None:
        refuse(422, "Some fields cannot be used.", {"into_id": f"There is no {kind.word} with this number."})
    try:
        guarded(lambda tx: merging.merge(tx, actor(), kind, stored, into, data))
    except Duplicate:
        clashes = queries.merge_preview(kind.table, record_id, data.into_id).clashes
        refuse(409, "Both have what may exist only once.", clashes=clashes)
    return done()


def _stored(kind: Kind, record_id: int) -> Row:
    found = queries.one_master(kind.relation, kind.key, record_id) if record_id <= LARGEST_ID else None
    return found or not_found(f"There is no {kind.word} with this number.")


for _kind in KINDS.values():
    register(_kind)
