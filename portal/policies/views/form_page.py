"""The form of a policy as a page: its choices, the premium worked out so far, a stored record ready for editing."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from database_pool import BusinessRule, Duplicate
from portal.formats import compact, today
from portal.inputs import lenient
from portal.policies import queries, service, words
from portal.policies.inputs import PolicyInput, PremiumInput
from portal.policies.motor import is_named_by_number
from portal.policies.pricing import Book, Priced, earned_by, price
from portal.settings.queries import masters, trade_rules
from portal.web import SubmittedForm, may, render

Row = dict[str, Any]
PREMIUM_FIELDS = frozenset(PremiumInput.model_fields)
MOST_SPARE = 20
# Stored as 0 where nothing was entered; the form shows them empty.
NEVER_EMPTY = frozenset(
    {"net_premium", "addon_premium", "tp_premium", "commission_rate", "commission_tp_rate", *service.NOT_NULL}
)


@dataclass(frozen=True)
class Subject:
    """Whose policy a form is about: the client, the line, and the stored term when there is one."""

    client: Row
    line: str
    stored: Row | None = None

    @property
    def labels(self) -> dict[str, str]:
        return words.labels_of(self.line, with_commission=may("commission.read"))


def book_for(client_id: str, line: str) -> Book:
    """Everything a policy of this client and line is checked and priced against."""
    return Book(masters=masters(line), members=queries.members_of(client_id), rules=trade_rules(line))


def show(
    template: str, form: SubmittedForm[Any], subject: Subject, book: Book, *, status: int = 200, **more: Any
) -> Response:
    """The form page; `more` goes to the template as it is."""
    return render(
        template,
        status,
        form=form,
        subject=subject,
        client=subject.client,
        line=subject.line,
        stored=subject.stored,
        insurers=_options(book.masters.insurers, form.value("insurer_id")),
        products=_options(book.masters.products, form.value("product_id")),
        agents=_options(book.masters.agents, form.value("agent_id")),
        members=[(row["member_id"], f"{row['name']} ({row['relation']})") for row in book.eligible(subject.stored)],
        priced=preview(form, subject.line, book),
        spare=_spare(),
        words=words,
        today=today(),
        form_key=form.value("form_key") or uuid.uuid4().hex,
        **more,
    )


def _options(rows: list[Row], chosen: str) -> list[tuple[int, str]]:
    return [(row["id"], row["name"]) for row in rows if row["is_active"] or str(row["id"]) == chosen]


def _spare() -> int:
    """Empty rows for insured persons: one more with each press of the button, which needs no JavaScript."""
    typed = request.form.get("spare", "1")
    now = min(int(typed), MOST_SPARE) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 1
    return now + 1 if request.form.get("action") == "add-person" else now


def preview(form: SubmittedForm[Any], line: str, book: Book) -> Priced | None:
    """What the premium comes to with what can be read so far; None before there is a product to tax it by."""
    data = lenient(PremiumInput, {name: form.value(name) for name in PREMIUM_FIELDS})
    if data.product_id is None or data.policy_from is None:
        return None
    return price(data, line, book)


def outcome(form: SubmittedForm[Any], line: str) -> Response:
    """The part of the form that says what the premium comes to."""
    book = Book(masters=masters(line), members=[], rules=trade_rules(line))
    return render("policies/_form_total.html", priced=preview(form, line, book), line=line, words=words)


def keep_errors_of_premium(form: SubmittedForm[Any]) -> None:
    """Leaves only what concerns the premium: the rest of the form is not finished yet when it is recalculated."""
    form.errors = {name: sentence for name, sentence in form.errors.items() if name in PREMIUM_FIELDS}


def check(form: SubmittedForm[PolicyInput], subject: Subject, book: Book, *, pending: bool) -> None:
    """Adds to the form what the rules refuse."""
    if form.data is not None:
        for name, sentence in service.problems(
            form.data, subject.line, book, pending=pending, stored=subject.stored
        ).items():
            form.add_error(name, sentence)


def refuse_duplicate(form: SubmittedForm[PolicyInput], error: Duplicate) -> Row | None:
    """Notes on the form that the number exists, and answers the policy that has it; raises other duplicates again."""
    if error.constraint != "policies_number" or form.data is None:
        raise error
    form.add_error("policy_number", "A policy of this insurer has this number and start date already.")
    return queries.same_number(form.data.insurer_id, compact(form.data.policy_number), form.data.policy_from)


def once_key(form: SubmittedForm[PolicyInput], subject: Subject) -> str | None:
    """The same for the same form sent twice with the same content, so that a double click adds one policy.

    Another button is another wish: what was saved as pending can be saved as live from the same page.
    """
    form_key = form.value("form_key")
    if len(form_key) != 32 or form.data is None:
        return None
    wish = (form_key, subject.client["client_id"], subject.line, form.value("action"), form.data.model_dump_json())
    return hashlib.sha256("\0".join(wish).encode()).hexdigest()


def refuse_by_rule(form: SubmittedForm[PolicyInput], error: BusinessRule) -> None:
    """Shows on the form what the database refused in words for colleagues: the client went into the trash meanwhile."""
    if error.hint != "show":
        raise error
    form.add_error("", error.message)


def editable(record: Mapping[str, Any], line: str, book: Book) -> Row:
    """A stored term as its form shows it: what follows from a rule is left empty, so that it goes on following it."""
    values = without_zeros(record)
    by_rule = dict.fromkeys(("gst_rate", "gst_tp_rate", "gst_reason", "commission_rate", "commission_tp_rate"))
    unentered = {name: record[name] for name in PREMIUM_FIELDS if name in record} | by_rule
    priced = price(PremiumInput.model_construct(**unentered), line, book)
    if record["gst_rate"] == priced.tax.rule_rate and (
        not record["tp_premium"] or record["gst_tp_rate"] == priced.tax.rule_tp_rate
    ):
        values.update(gst_rate=None, gst_tp_rate=None, gst_reason=None)
    for name, rate in (("commission_rate", priced.terms.rate), ("commission_tp_rate", priced.terms.tp_rate)):
        # An agreed rate of 0 is written out: left empty it would follow the rule.
        values[name] = None if record[name] == rate else record[name]
    if record["commission_amount"] == earned_by(record):
        values["commission_amount"] = None
    if is_named_by_number(record):
        values["asset"] = None
    return values


def without_zeros(record: Mapping[str, Any]) -> Row:
    """A record for its form, without the amounts that nobody entered."""
    return {name: value for name, value in queries.as_entered(record).items() if value or name not in NEVER_EMPTY}


def names_of_choices(book: Book) -> dict[str, dict[str, str]]:
    """For the page of two versions: what stands behind the numbers of the choices."""

    def by_id(rows: list[Row], key: str = "id") -> dict[str, str]:
        return {str(row[key]): row["name"] for row in rows}

    return {
        "insurer_id": by_id(book.masters.insurers),
        "product_id": by_id(book.masters.products),
        "agent_id": by_id(book.masters.agents),
        "member_id": by_id(book.members, "member_id"),
    }
