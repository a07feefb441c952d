"""The page of one policy."""

import re
from datetime import date
from typing import Any

from flask import Response

from database_pool import Question
from portal.documents import queries as documents
from portal.documents import service as papers
from portal.formats import office_date, today
from portal.policies import queries, words
from portal.policies.clock import clock, rule_on_page
from portal.policies.payments import account
from portal.policies.premium import ZERO, calculate
from portal.policies.tds import deducted
from portal.policies.views.routes import any_chain, blueprint, living_policy
from portal.settings.queries import setting
from portal.web import may, render, requires, shows

MOST_DOCUMENTS = 25
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@blueprint.get("/policies/<int:policy_id>")
@requires("policies.read")
@shows("page", "policy", "policy_id")
def page(policy_id: int) -> Response:
    """One term: where it stands in its chain, what it costs and why, what it covers, who changed it."""
    policy, chain = any_chain(policy_id)
    parts = queries.parts_of(policy, _papers_question(policy))
    kept, awaited = _papers(policy, parts.papers)
    premium = calculate(
        policy["net_premium"],
        policy["addon_premium"],
        policy["tp_premium"],
        gst_rate=policy["gst_rate"],
        gst_tp_rate=policy["gst_tp_rate"],
    )
    return render(
        "policies/page.html",
        policy=policy,
        today=today(),
        parts=premium,
        round_off=policy["gross_premium"] - premium.gross + premium.round_off,
        details=parts.details,
        terms=chain,
        ledger=parts.ledger,
        account=account(policy, parts.ledger),
        tds=deducted(policy["commission_amount"], policy["tds_rate"] or ZERO, ZERO),
        place=chain.index(policy),
        clock=clock(policy, parts.details, rule_on_page(policy), today()),
        activity=[{**entry, "changes": _changes(entry, policy["line"])} for entry in parts.activity],
        words=words,
        documents=kept if may("documents.read") else None,
        papers=awaited,
        most=MOST_DOCUMENTS,
    )


def _papers_question(policy: dict[str, Any]) -> Question:
    """Which documents are looked at: a term's own, and while it waits for papers all of its client's."""
    if policy["state"] == "pending":
        return documents.question({"client_id_eq": policy["client_id"]})
    return documents.question({"policy_id_eq": policy["policy_id"]}, limit=MOST_DOCUMENTS)


def _papers(
    policy: dict[str, Any], found: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[tuple[str, bool]]]:
    """The documents of a term, and of one that waits for papers which of them are there."""
    if policy["state"] != "pending":
        return found, []
    own = [row for row in found if row["policy_id"] == policy["policy_id"]]
    return own[:MOST_DOCUMENTS], papers.checklist(policy, found)


@blueprint.get("/policies/<int:policy_id>/print")
@requires("policies.read")
@shows("print", "policy", "policy_id")
def print_view(policy_id: int) -> Response:
    """One term on A4, without anything around it."""
    policy, ledger = living_policy(policy_id), queries.ledger(policy_id)
    parts = calculate(
        policy["net_premium"],
        policy["addon_premium"],
        policy["tp_premium"],
        gst_rate=policy["gst_rate"],
        gst_tp_rate=policy["gst_tp_rate"],
    )
    office = setting("company")
    return render(
        "policies/print.html",
        policy=policy,
        details=policy,
        parts=parts,
        round_off=policy["gross_premium"] - parts.gross + parts.round_off,
        endorsements=[entry for entry in ledger if entry["entry"] == "endorsement"],
        payments=[entry for entry in ledger if entry["entry"] == "payment"],
        account=account(policy, ledger),
        office=office["value"] if office else {},
        today=today(),
        words=words,
    )


def _changes(entry: dict[str, Any], line: str) -> list[tuple[str, str, str]]:
    """What one entry of the trail changed, as (field, before, after); commission only for those who may see it."""
    before, after = entry["before"], entry["after"]
    if before is None or after is None:
        return []
    labels = {
        name: label
        for name, label in words.labels_of(line, with_commission=may("commission.read")).items()
        if not name.endswith("_id")
    }
    labels |= words.OTHER_LABELS
    return [
        (label, _as_text(before.get(name)), _as_text(after[name])) for name, label in labels.items() if name in after
    ]


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        rows = [
            " · ".join(str(part) for part in item.values() if part) if isinstance(item, dict) else str(item)
            for item in value
        ]
        return "\n".join(rows)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and ISO_DATE.fullmatch(value):
        return office_date(date.fromisoformat(value))
    return "" if value is None else str(value)
