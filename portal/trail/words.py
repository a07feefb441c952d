"""The trail in words: what was done to what, and each field that changed with what it was and what it became."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from portal.clients.words import CLIENT_LABELS, COMMISSION, MEMBER_LABELS
from portal.formats import office_date, office_time
from portal.policies.words import COMMISSION_LABELS, COMMON_LABELS, LINE_LABELS, OTHER_LABELS
from portal.settings.kinds import KINDS

Row = dict[str, Any]

HIDDEN = "hidden"
EMPTY = "empty"
# About a person or reaching one. Who has no right to personal data sees that these changed, not from what to what.
PERSONAL = frozenset({
    "phone", "other_phone", "email", "date_of_birth", "pan", "gstin", "address", "pin", "nominee", "notes", "gender",
    "text", "body", "to", "risk_address", "persons", "bank_account"})  # fmt: skip
_POLICY_LABELS = {**COMMON_LABELS, **OTHER_LABELS, **COMMISSION_LABELS,
                  **{name: label for labels in LINE_LABELS.values() for name, label in labels.items()}}  # fmt: skip
LABELS: Mapping[str, Mapping[str, str]] = {
    "client": CLIENT_LABELS, "member": MEMBER_LABELS, "policy": _POLICY_LABELS}  # fmt: skip
VERBS = {
    "add": "added", "change": "changed", "delete": "moved to the trash", "restore": "restored",
    "erase": "erased for good",
    "renew": "added as a renewal", "renewed": "renewed", "cancel": "cancelled", "lose": "marked as lost",
    "complete": "completed", "reopen": "opened again", "merge": "merged into another", "retire": "retired",
    "take back merge": "brought back from a merge", "export": "exported", "withdraw": "had an endorsement taken back",
    "revoke": "revoked",
    **{done: done for done in ("signed in", "signed out", "invited", "disabled", "enabled", "reset password")},
}  # fmt: skip
_PAGES = {"client": "/clients/{}", "policy": "/policies/{}", "user": "/users/{}", "document": "/documents/{}",
          "message": "/messages/{}",
          **{kind.record_type: f"/settings/{kind.slug}/{{}}" for kind in KINDS.values()}}  # fmt: skip
KINDS_OF_RECORDS = (
    "client", "member", "policy", "document", "message", "consent", "contact", "message template", "job", "task name",
    "list", "user", "token", "setting", "trail", *(kind.record_type for kind in KINDS.values()))  # fmt: skip
KINDS_READ = ("client", "member", "policy", "document", "message", "contact")
_NO_CHANGE = {"deleted_at", "created_by", "updated_by", "search"}


@dataclass(frozen=True)
class Field:
    """One field of a change, in words."""

    name: str
    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """One line of the trail, in words. `link` leads to the record's page, "" where it has none."""

    audit_id: int
    when: datetime
    who: str
    verb: str
    record: str
    link: str
    fields: tuple[Field, ...]
    request_id: str
    ip: str

    @property
    def as_text(self) -> str:
        """The changed fields in one line: "Phone: empty → +91 98200 12345; City: Pune → Mumbai"."""
        return "; ".join(f"{field.label}: {field.before} → {field.after}" for field in self.fields)


def told(rows: Iterable[Row], *, personal: bool, commission: bool) -> list[Entry]:
    """Entries in words. Values about persons are shown with `personal`, what was earned with `commission` alone."""
    return [_told(row, personal=personal, commission=commission) for row in rows]


def link_to(kind: str, record_id: str) -> str:
    """The page of a record; "" where there is none."""
    return _PAGES[kind].format(record_id) if kind in _PAGES and record_id else ""


def shown_fields(row: Row, *, personal: bool, commission: bool) -> tuple[Row | None, Row | None]:
    """`before` and `after` of an entry as far as they may be seen: what may not is HIDDEN, commission is left out."""
    left_out = set() if commission else set(COMMISSION)
    hidden = set() if personal else PERSONAL

    def seen(values: Row | None) -> Row | None:
        if values is None:
            return None
        return {name: HIDDEN if name in hidden and value is not None else value
                for name, value in values.items() if name not in left_out}  # fmt: skip

    return seen(row["before"]), seen(row["after"])


def _told(row: Row, *, personal: bool, commission: bool) -> Entry:
    before, after = shown_fields(row, personal=personal, commission=commission)
    kind: str = row["record_type"]
    action: str = row["action"]
    by = row["user_name"] or "The portal"
    return Entry(
        audit_id=row["audit_id"],
        when=row["happened_at"],
        who=f"{by}, through {row['token_name']}" if row["token_name"] else by,
        verb=VERBS.get(action, action),
        record=f"{kind} {row['record_id']}".strip(),
        link=link_to(kind, row["record_id"]),
        fields=_fields(LABELS.get(kind, {}), before or {}, after or {}),
        request_id=row["request_id"] or "",
        ip=row["ip"] or "",
    )


def _fields(labels: Mapping[str, str], before: Row, after: Row) -> tuple[Field, ...]:
    names = [name for name in {**after, **before} if name not in _NO_CHANGE and _worth_telling(name, before, after)]
    order = {name: place for place, name in enumerate(labels)}
    return tuple(
        Field(
            name,
            labels.get(name) or name.replace("_", " ").capitalize(),
            _value(before.get(name)),
            _value(after.get(name)),
        )
        for name in sorted(names, key=lambda name: (order.get(name, len(order)), name))
    )


def _worth_telling(name: str, before: Row, after: Row) -> bool:
    """The number of another record says nothing where its name stands beside it."""
    if name.endswith("_id") and f"{name[:-3]}_name" in {**before, **after}:
        return False
    return before.get(name) not in (None, "", [], {}) or after.get(name) not in (None, "", [], {})


def _value(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return EMPTY
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, dict):
        return " ".join(str(inner) for name, inner in value.items() if inner is not None and not name.endswith("_id"))
    return _day(value) if isinstance(value, str) else str(value)


def _day(text: str) -> str:
    """A date or a moment as the office writes it; any other text as it is."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(T[\d:.]+([+-]\d\d:\d\d|Z)?)?", text):
        return text
    try:
        return office_time(datetime.fromisoformat(text)) if "T" in text else office_date(date.fromisoformat(text))
    except ValueError:
        return text
