"""Asking a client for what a pending policy waits for: which of it is the client's to bring, and in which words."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.outbox.queries import template
from portal.outbox.wording import fill
from portal.policies.notices import Notice, Way, tell, variables_of

Row = dict[str, Any]
TEMPLATE: Literal["policy.papers"] = "policy.papers"
ASKED_TODAY = "The client was asked today already."
# The policy document comes from the insurer, so no client is asked for it.
PAPERS: Mapping[str, Mapping[str, str]] = {
    "en": {"payment": "the payment", "inspection": "a day for the inspection",
           "KYC": "KYC papers (PAN and address proof)", "proposal": "the signed proposal form"},
    "hi": {"payment": "प्रीमियम का भुगतान", "inspection": "निरीक्षण के लिए एक दिन",
           "KYC": "केवाईसी कागज़ात (पैन और पते का प्रमाण)", "proposal": "हस्ताक्षर किया हुआ प्रस्ताव फ़ॉर्म"},
    "gu": {"payment": "પ્રીમિયમની ચુકવણી", "inspection": "નિરીક્ષણ માટે એક દિવસ",
           "KYC": "કેવાયસી કાગળો (પાન અને સરનામાનો પુરાવો)", "proposal": "સહી કરેલું પ્રપોઝલ ફોર્મ"},
    "mr": {"payment": "प्रीमियमचा भरणा", "inspection": "तपासणीसाठी एक दिवस",
           "KYC": "केवायसी कागदपत्रे (पॅन आणि पत्त्याचा पुरावा)", "proposal": "सही केलेला प्रस्ताव अर्ज"},
}  # fmt: skip


def why_not(policy: Row) -> str:
    """Why the client of a term is not asked for anything; "" when there is something to ask for."""
    if policy["state"] != "pending":
        return "This policy does not wait for papers any more."
    if not papers_of(policy, "en"):
        return "Nothing is awaited from the client."
    return ""


def papers_of(policy: Row, language: str) -> str:
    """What the client is asked for, in words of the language; "" when it is nothing."""
    words = PAPERS[language if language in PAPERS else "en"]
    return ", ".join(words[thing] for thing in policy["waiting_for"] if thing in words)


def preview(policy: Row, facts: Row, channel: str, company: Row | None) -> Row | None:
    """The message exactly as it would go out; None when no active template says it."""
    found = template(TEMPLATE, channel, facts["language"])
    if found is None:
        return None
    variables = {**variables_of(facts, company), "papers": papers_of(policy, found["language"])}
    return {"language": found["language"], "subject": fill(found["subject"] or "", variables),
            "body": fill(found["body"], variables)}  # fmt: skip


def ask(
    tx: Transaction, actor: audit.Actor, policy: Row, facts: Row, ways: Sequence[Way], *, company: Row | None, day: date
) -> None:
    """Puts the request into the outbox on every usable way, once a day. Raises Refused when nothing can be sent."""
    if reason := why_not(policy):
        raise Refused(reason)
    if all(way.why_not for way in ways):
        raise Refused(" ".join(way.why_not for way in ways))
    notice = Notice(TEMPLATE, day, more={"papers": papers_of(policy, facts["language"])})
    if not tell(tx, actor, facts, ways, notice, company=company):
        raise Refused(ASKED_TODAY)
    audit.record(
        tx, actor, "ask for papers", "policy", policy["policy_id"], client_id=policy["client_id"],
        after={"waiting_for": policy["waiting_for"]},
    )  # fmt: skip
