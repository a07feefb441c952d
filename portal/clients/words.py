"""What the fields of clients are called, and how the trail of changes is told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.lists.service import Column

Row = dict[str, Any]

CLIENT_LABELS = {
    "client_type": "Type",
    "name": "Name",
    "phone": "Phone",
    "other_phone": "Other phone",
    "email": "E-mail",
    "date_of_birth": "Date of birth",
    "pan": "PAN",
    "gstin": "GSTIN",
    "address": "Address",
    "city": "City",
    "state": "State",
    "pin": "PIN code",
    "group_name": "Group",
    "subgroup": "Sub-group",
    "agent_id": "Agent",
    "language": "Language",
    "whatsapp_opt_in": "Consent to WhatsApp messages",
    "email_opt_in": "Consent to e-mails",
    "notes": "Notes",
}
MEMBER_LABELS = {
    "name": "Name",
    "relation": "Relation",
    "date_of_birth": "Date of birth",
    "gender": "Gender",
    "phone": "Phone",
    "nominee": "Nominee",
    "health_notes": "Health notes",
}
COLUMNS = (
    Column("phone", "Phone", "phone"),
    Column("email", "E-mail", "email", at_first=False),
    Column("city", "City", "city"),
    Column("group", "Group", "group_name", at_first=False),
    Column("members", "Members", "members", at_first=False),
    Column("policies", "Live policies", "live_policies"),
    Column("gross", "Gross a year", "gross_premium"),
    Column("due", "Next expiry", "next_due"),
    Column("agent", "Agent", "agent_name"),
    Column("added", "Added", "created_at", at_first=False),
    Column("note", "To note", "to_note"),
)
COMMISSION = ("commission_rate", "commission_amount", "commission_received")
VERBS = {
    "add": "added",
    "change": "changed",
    "delete": "deleted",
    "restore": "restored",
    "renew": "renewed",
    "cancel": "cancelled",
    "lose": "marked as lost",
    "complete": "completed",
}


@dataclass(frozen=True)
class Happening:
    """One line of a client's activity: who did what to what, and the fields that changed."""

    when: datetime
    who: str
    verb: str
    what: str
    name: str
    link: str
    fields: str


def told(activity: list[Row], members: list[Row], policies: list[Row], *, with_commission: bool) -> list[Happening]:
    """The trail of a client as sentences, with the names that its members and policies have now.

    That a commission was changed is told only `with_commission`.
    """
    hidden = () if with_commission else COMMISSION
    names = {("member", str(member["member_id"])): member["name"] for member in members}
    names |= {("policy", str(policy["policy_id"])): policy["policy_number"] or "" for policy in policies}
    return [_told(entry, names.get((entry["record_type"], entry["record_id"]), ""), hidden) for entry in activity]


def _told(entry: Row, name: str, hidden: tuple[str, ...]) -> Happening:
    changed = [field for field in entry["after"] or () if field not in hidden] if entry["action"] == "change" else []
    labels = {"client": CLIENT_LABELS, "member": MEMBER_LABELS}.get(entry["record_type"])
    action: str = entry["action"]
    return Happening(
        when=entry["happened_at"],
        who=entry["user_name"] or "The portal",
        verb=VERBS.get(action, action),
        what=entry["record_type"],
        name=name,
        link=f"/policies/{entry['record_id']}" if entry["record_type"] == "policy" else "",
        fields=", ".join(_labelled(changed, labels)),
    )


def _labelled(fields: list[str], labels: dict[str, str] | None) -> list[str]:
    """What the changed fields are called; of a policy the plain names, without the numbers of other records."""
    if labels is not None:
        return [label for field, label in labels.items() if field in fields]
    return sorted(field.replace("_", " ") for field in fields if not field.endswith("_id"))
