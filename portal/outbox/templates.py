"""The words of messages as the office may change them: what a text may name, what it must not contain, how it reads."""

import re
from collections.abc import Mapping
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.outbox.inputs import TemplateInput
from portal.outbox.wording import fill, places_of

Row = dict[str, Any]
# Twilio takes a template and its variables up to 1,024 characters (error 63021).
LONGEST_WHATSAPP = 1024
LONGEST_EMAIL = 20_000
# What each kind of text may name, with an example as the client would read it.
SAMPLES = {
    "name": "Rohan Mehta",
    "member": "Neha Mehta",
    "policy_number": "2856/204511/2026",
    "insurer": "Example General Insurance",
    "product": "Family Health Floater",
    "policy_from": "23/11/2026",
    "policy_to": "22/11/2027",
    "due_date": "22/11/2026",
    "premium": "₹18,540",
    "last_premium": "₹18,540",
    "renewal_premium": "₹19,870",
    "grace_ends": "22/12/2026",
    "bonus_lost_on": "20/02/2027",
    "agency": "Your insurance agency",
    "agency_phone": "+91 98200 12345",
}
# What only some kinds of texts may name.
MORE_SAMPLES = {
    "policy.papers": {"papers": "the payment, the signed proposal form"},
    "client.papers": {"papers": "KYC papers (PAN and address proof)"},
}
LIST_SAMPLE = "1 Family Health Floater, 2856/204511/2026\n2 Private Car Package MH 02 DN 4417, 3001/A/118822"
OF_THE_BOT = "bot."
BRACES = re.compile(r"\{\{|\}\}")
ACTIVE_CONTENT = re.compile(r"(?i)<\s*(script|iframe|object|embed|form)\b|\son\w+\s*=|javascript:")
FIELDS = ("subject", "body", "html_body", "provider_template_id", "is_active")


def samples_of(template: Row) -> dict[str, str]:
    """What a template may name: for the bot what its own default names and the agency, else every fact of a policy."""
    if not template["key"].startswith(OF_THE_BOT):
        return {**SAMPLES, **MORE_SAMPLES.get(template["key"], {})}
    names = {*(template["default_variables"] or template["variables"]), "agency"}
    return {name: LIST_SAMPLE if name == "list" else SAMPLES.get(name, name) for name in sorted(names)}


def problems(template: Row, data: TemplateInput) -> dict[str, str]:
    """Why a text cannot be saved, one sentence per field; empty when it can."""
    found: dict[str, str] = {}
    allowed = samples_of(template)
    for field in ("subject", "body", "html_body"):
        text = getattr(data, field) or ""
        unknown = [name for name in places_of(text) if name not in allowed]
        if unknown:
            possible = ", ".join(f"{{{{{name}}}}}" for name in allowed)
            found[field] = f"There is no {{{{{unknown[0]}}}}} here. Possible are {possible}."
        elif BRACES.search(_without_places(text)):
            found[field] = "A variable stands between two pairs of braces, in small letters, for example {{name}}."
    if template["key"].startswith(OF_THE_BOT) and "list" in allowed and "list" not in places_of(data.body):
        found.setdefault("body", "This text needs {{list}}: there stands what the person may choose from.")
    if template["channel"] == "email" and not data.subject:
        found["subject"] = "An e-mail needs a subject."
    if data.html_body and ACTIVE_CONTENT.search(data.html_body):
        found.setdefault("html_body", "Scripts, frames and forms are removed by mail programs. Please take them out.")
    if not found:
        found.update(_too_long(template, data, allowed) or _unlike_approved(template, data))
    return found


def numbered(template: Row, values: Mapping[str, Any]) -> list[str]:
    """What stands for {{1}}, {{2}} and so on of the provider's template: as long as that one stays, in the order in
    which it was approved, however the words here are turned.
    """
    if _stays_approved(template, values.get("provider_template_id")):
        return list(template["variables"])
    first = "" if template["channel"] == "whatsapp" else f"{values.get('subject') or ''} "
    return places_of(first + (values.get("body") or ""))


def _stays_approved(template: Row, provider_template_id: str | None) -> bool:
    return bool(template["provider_template_id"]) and provider_template_id == template["provider_template_id"]


def _unlike_approved(template: Row, data: TemplateInput) -> dict[str, str]:
    """Another set of variables is another template: sent with the old one, values would stand in wrong places."""
    if not _stays_approved(template, data.provider_template_id):
        return {}
    named, approved = set(places_of(data.body)), template["variables"]
    if named == set(approved):
        return {}
    listed = ", ".join(f"{{{{{name}}}}}" for name in approved) or "no variable"
    return {"body": f"The provider approved its template with {listed}. A text that names something else needs a new "
                    "one: enter that one's id below."}  # fmt: skip


def _without_places(text: str) -> str:
    for name in places_of(text):
        text = re.sub(r"\{\{\s*" + name + r"\s*\}\}", "", text)
    return text


def _too_long(template: Row, data: TemplateInput, samples: Mapping[str, str]) -> dict[str, str]:
    longest = LONGEST_WHATSAPP if template["channel"] == "whatsapp" else LONGEST_EMAIL
    long = len(fill(data.body, samples))
    return (
        {"body": f"With its variables this text has {long:,} characters; {longest:,} are possible."}
        if long > longest
        else {}
    )


def preview(template: Row, values: Mapping[str, str]) -> dict[str, str]:
    """How subject and body read with the examples; what is not known stays as it was typed."""
    samples = dict(samples_of(template))
    shown = {}
    for field in ("subject", "body"):
        text = values.get(field) or ""
        unknown = {name: f"{{{{{name}}}}}" for name in places_of(text) if name not in samples}
        shown[field] = fill(text, {**samples, **unknown})
    return shown


def preview_html(template: Row) -> str:
    """The stored HTML of an e-mail with the examples, each escaped."""
    return fill(template["html_body"] or "", samples_of(template), as_html=True)


def change(tx: Transaction, actor: audit.Actor, stored: Row, data: TemplateInput) -> None:
    """Saves the words of a template. Conflict when somebody else saved since `data.version`."""
    values = {name: getattr(data, name) for name in FIELDS}
    tx.update(
        "message_templates",
        {**values, "variables": numbered(stored, values), "updated_by": actor.user_id},
        filters={"template_id_eq": stored["template_id"], "version_eq": data.version},
        expect=1,
    )
    audit.record(tx, actor, "change", "message template", stored["template_id"], before=stored, after=values)
