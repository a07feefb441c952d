"""Clients and their members."""

from typing import Any

from flask import Response

from database_pool import Transaction
from portal.api.operations import Operation
from portal.api.records import CLIENT, CLIENT_SUMMARY, MEMBER
from portal.api.shapes import of_form
from portal.api.views.lists import listed, parameters
from portal.api.views.routes import (
    Asked,
    all_of,
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
from portal.clients import queries, service
from portal.clients.inputs import ChangedClientInput, ClientFilter, MemberInput, NewClientInput
from portal.inputs import LARGEST_ID
from portal.web import actor, not_found

Row = dict[str, Any]
TAG = "Clients"
ONE = "/clients/<client_id>"
MEMBERS = "/clients/<client_id>/members"
ONE_MEMBER = "/clients/<client_id>/members/<int:member_id>"


@operation(Operation(
    "list_clients", "GET", "/clients", "clients.read", "Clients, narrowed and ordered as on the page", TAG,
    CLIENT_SUMMARY, many=True, query=parameters(ClientFilter, queries.SORTS)))  # fmt: skip
def list_clients(asked: Asked) -> Response:
    wanted = listed(asked, queries.SORTS)
    return page_of(asked.operation, queries.page_of_clients(wanted, asked.filter(ClientFilter)), wanted)


@operation(Operation(
    "add_client", "POST", "/clients", "clients.write",
    "Adds a client. 409 with `alike` when it may be known already: name their ids in same_as_known to add it anyway",
    TAG, CLIENT, status=201, once=True, body=lambda: of_form(NewClientInput, without=("form_key",))))  # fmt: skip
def add_client(asked: Asked) -> Response:
    if (before := repeated(asked)) is not None:
        return before
    data = asked.form(NewClientInput)
    _refuse_lookalikes(service.lookalikes(data))
    client_id = service.allot_client_id(data)

    def create(tx: Transaction) -> str:
        service.add_client(tx, actor(), client_id, data)
        return client_id

    return created_once(asked, create, lambda added: f"/api/clients/{added}", _client)


@operation(Operation("show_client", "GET", ONE, "clients.read", "One client", TAG, CLIENT))
def show_client(asked: Asked, client_id: str) -> Response:
    return record(asked.operation, _client(client_id))


@operation(Operation(
    "change_client", "PUT", ONE, "clients.write", "Saves every field of a client; what is left out is emptied", TAG,
    CLIENT, guarded=True, refuses=(409,),
    body=lambda: of_form(ChangedClientInput, without=("version",))))  # fmt: skip
def change_client(asked: Asked, client_id: str) -> Response:
    stored = _client(client_id)
    require_version(asked, stored)
    data = asked.form(ChangedClientInput, version=asked.version)
    _refuse_lookalikes(service.lookalikes(data, stored=stored))
    guarded(lambda tx: service.change_client(tx, actor(), stored, data, asked.version))
    return record(asked.operation, _client(client_id))


@operation(Operation(
    "delete_client", "DELETE", ONE, "clients.delete", "Moves a client to the trash, for 30 days", TAG,
    status=204, guarded=True, refuses=(422,)))  # fmt: skip
def delete_client(asked: Asked, client_id: str) -> Response:
    stored = _client(client_id)
    require_version(asked, stored)
    guarded(lambda tx: service.delete_client(tx, actor(), stored, asked.version))
    return done()


@operation(Operation(
    "restore_client", "POST", f"{ONE}/restoration", "clients.delete", "Takes a client out of the trash", TAG,
    CLIENT, guarded=True))  # fmt: skip
def restore_client(asked: Asked, client_id: str) -> Response:
    stored = queries.client(client_id) if len(client_id) <= 20 else None
    if stored is None or stored["deleted_at"] is None:
        not_found("There is no client with this id in the trash.")
    require_version(asked, stored)
    guarded(lambda tx: service.restore_client(tx, actor(), stored, asked.version))
    return record(asked.operation, _client(client_id))


@operation(Operation("list_members", "GET", MEMBERS, "clients.read", "The members of a client", TAG, MEMBER, many=True))
def list_members(asked: Asked, client_id: str) -> Response:
    members = queries.members_of(_client(client_id)["client_id"])
    return all_of(asked.operation, [row for row in members if row["deleted_at"] is None])


@operation(Operation(
    "add_member", "POST", MEMBERS, "clients.write", "Adds a member to a client", TAG, MEMBER, status=201, once=True,
    body=lambda: of_form(MemberInput, without=("version",))))  # fmt: skip
def add_member(asked: Asked, client_id: str) -> Response:
    if (before := repeated(asked)) is not None:
        return before
    _client(client_id)
    data = asked.form(MemberInput)
    return created_once(
        asked,
        lambda tx: service.add_member(tx, actor(), client_id, data),
        lambda member_id: f"/api/clients/{client_id}/members/{member_id}",
        lambda member_id: _member(client_id, member_id),
    )


@operation(Operation("show_member", "GET", ONE_MEMBER, "clients.read", "One member of a client", TAG, MEMBER))
def show_member(asked: Asked, client_id: str, member_id: int) -> Response:
    return record(asked.operation, _member(client_id, member_id))


@operation(Operation(
    "change_member", "PUT", ONE_MEMBER, "clients.write",
    "Saves every field of a member; what is left out is emptied", TAG, MEMBER, guarded=True,
    body=lambda: of_form(MemberInput, without=("version",))))  # fmt: skip
def change_member(asked: Asked, client_id: str, member_id: int) -> Response:
    stored = _member(client_id, member_id)
    require_version(asked, stored)
    data = asked.form(MemberInput, version=asked.version)
    guarded(lambda tx: service.change_member(tx, actor(), stored, data))
    return record(asked.operation, _member(client_id, member_id))


@operation(Operation(
    "remove_member", "DELETE", ONE_MEMBER, "clients.write", "Takes a member off a client", TAG, status=204,
    guarded=True, refuses=(422,)))  # fmt: skip
def remove_member(asked: Asked, client_id: str, member_id: int) -> Response:
    stored = _member(client_id, member_id)
    require_version(asked, stored)
    guarded(lambda tx: service.remove_member(tx, actor(), stored, asked.version))
    return done()


def _client(client_id: str) -> Row:
    found = queries.client(client_id) if len(client_id) <= 20 else None
    if found is None or found["deleted_at"] is not None:
        not_found("There is no client with this id.")
    return found


def _member(client_id: str, member_id: int) -> Row:
    _client(client_id)
    found = queries.member(client_id, member_id) if member_id <= LARGEST_ID else None
    if found is None or found["deleted_at"] is not None:
        not_found("This client has no such member.")
    return found


def _refuse_lookalikes(alike: list[service.Lookalike]) -> None:
    if alike:
        told = [{"client_id": like.client_id, "name": like.name, "shared": list(like.shared)} for like in alike]
        refuse(409, "This may be a client whom you know already.", alike=told)
