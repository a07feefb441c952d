"""Policies of all lines, and what becomes of a term."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from flask import Response

from database_pool import Duplicate, Transaction
from portal.api.operations import BODY_PARTS, Operation
from portal.api.records import POLICY, POLICY_SUMMARY
from portal.api.shapes import COMPONENTS, Schema, of_form
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
from portal.audit import Actor
from portal.formats import compact, now, today
from portal.policies import ending, queries, renewal, service
from portal.policies.inputs import FORMS, CancellationInput, LossInput, PolicyFilter, PolicyInput
from portal.policies.pricing import Book
from portal.settings.queries import masters, trade_rules
from portal.web import actor, may, not_found

Row = dict[str, Any]
Answer = TypeVar("Answer")
TAG = "Policies"
ONE = "/policies/<int:policy_id>"
HEADERS = ("version", "form_key")
PENDING: dict[str, Schema] = {
    "pending": {"type": "boolean", "description": "The papers are awaited; then no number is needed"}}
OWNER: dict[str, Schema] = {"client_id": {"type": "string", "maxLength": 20}}
COMMISSION = ("commission_rate", "commission_amount", "commission_received")


def _any_line() -> Schema:
    """A body of whichever line the stored term has."""
    return {"anyOf": [{"$ref": f"{COMPONENTS}{line.capitalize()}Policy"} for line in FORMS]}


def _body_of(line: str, extra: dict[str, Schema]) -> Schema:
    schema = of_form(FORMS[line], without=HEADERS, extra=extra)
    return {**schema, "required": [name for name in schema["required"] if name != "pending"]}


@operation(Operation(
    "list_policies", "GET", "/policies", "policies.read", "Policies, narrowed and ordered as on the page", TAG,
    POLICY_SUMMARY, many=True,
    query=parameters(PolicyFilter, list(queries.SORTS.values()))))  # fmt: skip
def list_policies(asked: Asked) -> Response:
    narrowed = asked.filter(PolicyFilter)
    first = queries.sorts_of(narrowed.view)[0]
    sorts = [first, *(sort for sort in queries.SORTS.values() if sort != first)]
    wanted = listed(asked, sorts)
    filters = queries.filters_of(narrowed, today(), with_commission=may("commission.read"))
    page = queries.page_of_policies(wanted, filters)
    return page_of(asked.operation, replace(page, total=queries.totals(filters).policies), wanted)


@operation(Operation("show_policy", "GET", ONE, "policies.read", "One term with the details of its line", TAG, POLICY))
def show_policy(asked: Asked, policy_id: int) -> Response:
    return record(asked.operation, _policy(policy_id))


def _register_adding(line: str) -> None:
    described = Operation(
        f"add_{line}_policy", "POST", f"/policies/{line}", "policies.write",
        f"Adds a {line} policy; premium, GST and commission are worked out as on the page", TAG, POLICY, status=201,
        once=True, body=lambda: _body_of(line, {**OWNER, **PENDING}))  # fmt: skip
    operation(described)(lambda asked: _add(asked, line))


def _add(asked: Asked, line: str) -> Response:
    if (before := repeated(asked)) is not None:
        return before
    data, pending = _checked_form(asked, line), bool(asked.body.get("pending"))
    client = queries.client(asked.body["client_id"])
    if client is None:
        refuse(422, "Some fields cannot be used.", {"client_id": "There is no client with this id."})
    book = _book(client["client_id"], line)
    _refuse_problems(data, line, book, pending=pending)

    def create(tx: Transaction) -> int:
        return service.add(tx, actor(), client["client_id"], line, data, book=book, pending=pending,
                           with_commission=may("commission.read"))  # fmt: skip

    return _naming_the_rival(data, lambda: created_once(asked, create, _place, _policy))


@operation(Operation(
    "change_policy", "PUT", ONE, "policies.write", "Saves every field of a term; what is left out is emptied", TAG,
    POLICY, guarded=True, refuses=(409,), body=_any_line))  # fmt: skip
def change_policy(asked: Asked, policy_id: int) -> Response:
    stored = _policy(policy_id)
    require_version(asked, stored)
    line = stored["line"]
    data = _checked_form(asked, line, version=asked.version)
    pending = stored["state"] == "pending" and bool(asked.body.get("pending"))
    book = _book(stored["client_id"], line)
    without_number = pending or (stored["state"] == "lost" and stored["policy_number"] is None)
    _refuse_problems(data, line, book, pending=without_number, stored=stored["as_entered"])
    _naming_the_rival(data, lambda: guarded(lambda tx: service.change(
        tx, actor(), stored["as_entered"], data, book=book, pending=pending,
        with_commission=may("commission.read"))))  # fmt: skip
    return record(asked.operation, _policy(policy_id))


@operation(Operation(
    "renew_policy", "POST", f"{ONE}/renewal", "policies.write", "Adds the next term beside this one, which stays", TAG,
    POLICY, status=201, guarded=True, once=True, body=_any_line))  # fmt: skip
def renew_policy(asked: Asked, policy_id: int) -> Response:
    if (before := repeated(asked)) is not None:
        return before
    old = _policy(policy_id)
    require_version(asked, old)
    if old["state"] not in renewal.RENEWABLE:
        refuse(409, f"A policy that is {old['state']} cannot be renewed.")
    line, pending = old["line"], bool(asked.body.get("pending"))
    data, book = _checked_form(asked, line, version=asked.version), _book(old["client_id"], line)
    if data.policy_from <= old["policy_from"]:
        refuse(422, "Some fields cannot be used.", {"policy_from": "The new term must start after the old one."})
    _refuse_problems(data, line, book, pending=pending)
    return _naming_the_rival(data, lambda: created_once(
        asked, lambda tx: renewal.renew(tx, actor(), old["as_entered"], data, book=book, pending=pending,
                                        with_commission=may("commission.read")), _place, _policy))  # fmt: skip


def _register_ending(name: str, path: str, summary: str, form: Any, end: Callable[..., None]) -> None:
    described = Operation(name, "POST", f"{ONE}/{path}", "policies.write", summary, TAG, POLICY, guarded=True,
                          refuses=(409,), body=lambda: of_form(form, without=HEADERS))  # fmt: skip

    def view(asked: Asked, policy_id: int) -> Response:
        stored = _policy(policy_id)
        require_version(asked, stored)
        data = asked.form(form, version=asked.version)
        guarded(lambda tx: end(tx, actor(), stored["as_entered"], data))
        return record(described, _policy(policy_id))

    operation(described)(view)


def _cancel(tx: Transaction, who: Actor, stored: dict[str, Any], data: CancellationInput) -> None:
    ledger, book = queries.ledger(stored["policy_id"]), _book(stored["client_id"], stored["line"])
    ending.cancel(tx, who, stored, data, ledger, book=book)


_register_ending("cancel_policy", "cancellation", "Ends a live term on a day", CancellationInput, _cancel)
_register_ending("lose_policy", "loss", "Marks a term as lost, for a reason of the list", LossInput, ending.mark_lost)


@operation(Operation(
    "reopen_policy", "POST", f"{ONE}/reopening", "policies.write", "Takes back a cancellation or a loss", TAG, POLICY,
    guarded=True))  # fmt: skip
def reopen_policy(asked: Asked, policy_id: int) -> Response:
    stored = _policy(policy_id)
    require_version(asked, stored)
    guarded(lambda tx: ending.reopen(tx, actor(), stored["as_entered"], asked.version, at=now()))
    return record(asked.operation, _policy(policy_id))


@operation(Operation(
    "delete_policy", "DELETE", ONE, "policies.delete", "Moves a term to the trash, for 30 days", TAG, status=204,
    guarded=True, refuses=(422,)))  # fmt: skip
def delete_policy(asked: Asked, policy_id: int) -> Response:
    stored = _policy(policy_id)
    require_version(asked, stored)
    guarded(lambda tx: ending.delete(tx, actor(), stored["as_entered"], asked.version, at=now()))
    return done()


@operation(Operation(
    "restore_policy", "POST", f"{ONE}/restoration", "policies.delete", "Takes a term out of the trash", TAG, POLICY,
    guarded=True, refuses=(409, 422)))  # fmt: skip
def restore_policy(asked: Asked, policy_id: int) -> Response:
    stored = queries.policy(policy_id)
    if stored is None or stored["deleted_at"] is None:
        not_found("There is no policy with this number in the trash.")
    require_version(asked, stored)
    guarded(lambda tx: ending.restore(tx, actor(), stored, asked.version))
    return record(asked.operation, _policy(policy_id))


def _place(policy_id: int) -> str:
    return f"/api/policies/{policy_id}"


def _policy(policy_id: int) -> Row:
    """One living term: its own columns, its `details`, and `as_entered`, all of it as the rules know it."""
    found = queries.in_full(policy_id)
    if found is None or found["deleted_at"] is not None:
        not_found("There is no policy with this number.")
    names = {name for name in queries.as_entered(found) if name not in POLICY.columns}
    _, columns = queries.DETAILS.get(found["line"], ("", ()))
    details = {name: found[name] for name in (*columns, "persons") if name in names}
    return {**found, "details": details, "as_entered": found}


def _book(client_id: str, line: str) -> Book:
    return Book(masters=masters(line), members=queries.members_of(client_id), rules=trade_rules(line))


def _checked_form(asked: Asked, line: str, **known: Any) -> PolicyInput:
    """The body as the form of the line; 422 for another line's, 403 for commission that is not this colleague's."""
    mine = set(asked.body) & set(COMMISSION)
    if mine and not may("commission.read"):
        refuse(403, "Commission is not yours to set.", dict.fromkeys(mine, "Leave this out."))
    foreign = set(asked.body) - set(FORMS[line].model_fields) - {*PENDING, *OWNER}
    if foreign:
        refuse(422, "Some fields cannot be used.", dict.fromkeys(foreign, f"A {line} policy has no such field."))
    return asked.form(FORMS[line], **known)


def _refuse_problems(data: PolicyInput, line: str, book: Book, *, pending: bool, stored: Row | None = None) -> None:
    if found := service.problems(data, line, book, pending=pending, stored=stored):
        refuse(422, "Some fields cannot be used.", found)


def _naming_the_rival(data: PolicyInput, write: Callable[[], Answer]) -> Answer:
    """409 with the policy that has the number already, or with what renewed the term first."""
    try:
        return write()
    except Duplicate as error:
        if error.constraint == "policies_renewal":
            refuse(409, "This term was renewed by someone else meanwhile.")
        rival = queries.same_number(data.insurer_id, compact(data.policy_number), data.policy_from)
        sentence = "A policy of this insurer has this number and start date already."
        refuse(409, sentence, {"policy_number": sentence}, **({"policy_id": rival["policy_id"]} if rival else {}))


for _line in FORMS:
    _register_adding(_line)
    BODY_PARTS[f"{_line.capitalize()}Policy"] = _body_of(_line, PENDING)
