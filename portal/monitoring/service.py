"""Alerts that begin and end, who is told of them, and how the portal stood minute by minute."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.formats import office_time
from portal.jobs.service import pause_name
from portal.monitoring import queries
from portal.monitoring.inputs import AlertsInput
from portal.outbox.service import NewMessage, queue_messages
from portal.settings.service import save_setting

Row = dict[str, Any]
KEPT_SAMPLES = timedelta(days=1)
KEPT_ALERTS = timedelta(days=90)
# Longer than that ago an alert says nothing to whoever reads it.
GOOD_FOR = timedelta(hours=12)
SENDING, REMINDERS = "outbox.deliver", "renewals.note_due_reminders"


def note_alerts(
    tx: Transaction, wrong: Iterable[Mapping[str, str]], known: Sequence[Row], limits: AlertsInput, *, moment: datetime
) -> tuple[list[Row], list[Row]]:
    """Begins the alerts that are new, keeps the others, ends those not seen for the time of quiet.

    `known` are the open ones. Answers what began and what ended. Two processes at the same moment: one's transaction
    ends in Duplicate, for an alert is open once.
    """
    began, by_name = [], {row["name"]: row for row in known}
    seen = {alert["name"]: alert for alert in wrong}
    for name, alert in seen.items():
        if name in by_name:
            tx.update("alerts", {"seen_at": moment, "message": alert["message"]},
                      filters={"alert_id_eq": by_name[name]["alert_id"]})
        else:
            row = {"alert_id": new_id("alerts"), "name": name, "severity": alert["severity"],
                   "message": alert["message"], "began_at": moment, "seen_at": moment}
            tx.insert("alerts", row, returning=False)
            began.append({**row, "title": alert["title"]})
    quiet = moment - timedelta(minutes=limits.quiet_minutes)
    ended = [row for name, row in by_name.items() if name not in seen and row["seen_at"] <= quiet]
    for row in ended:
        tx.update("alerts", {"ended_at": moment}, filters={"alert_id_eq": row["alert_id"], "ended_at_is": None})
    return began, ended


def tell(
    tx: Transaction, began: Sequence[Row], ended: Sequence[Row], titles: Mapping[str, str], limits: AlertsInput, *,
    administrators: Sequence[str], portal: str,
) -> None:
    """Puts one message for each alert that began and one all-clear for each that ended into the outbox.

    Without addresses of their own, e-mails go to `administrators`. `portal` is the address of the portal.
    """
    told = [("begin", alert, f"{alert['title']}: {alert['message']}") for alert in began]
    told += [("end", alert, f"All clear: {titles.get(alert['name'], alert['name'])}. It was so from "
                            f"{office_time(alert['began_at'])} on.") for alert in ended]
    addresses = _parts(limits.emails) or list(administrators) if limits.by_email else []
    ways = [("email", address) for address in addresses]
    ways += [("whatsapp", phone) for phone in (_parts(limits.phones) if limits.by_whatsapp else [])]
    queue_messages(tx, audit.THE_PORTAL, [
        NewMessage(channel="email" if channel == "email" else "whatsapp", purpose="service", to=address, priority=1,
                   key=f"alert:{alert['alert_id']}:{occasion}:{channel}:{address}", subject=_subject(text),
                   text=f"{text}\n\n{portal}/monitoring", expires_at=_expiry(alert, occasion))
        for occasion, alert, text in told for channel, address in ways])  # fmt: skip


def keep_sample(tx: Transaction, figures: Row, *, moment: datetime) -> None:
    """Notes how the portal stands at this moment, and lets go of yesterday's notes and of old alerts."""
    tx.insert("monitoring_samples", {"sampled_at": moment, "figures": figures}, returning=False)
    tx.delete("monitoring_samples", filters={"sampled_at_lt": moment - KEPT_SAMPLES})
    tx.delete("alerts", filters={"ended_at_lt": moment - KEPT_ALERTS})


def hold_sending(tx: Transaction) -> None:
    """Lets messages and the reminders of each morning wait until a colleague resumes them under System health.

    For a restored book: it does not know what went out since its backup, and it may be a drill on another machine.
    """
    for name in (SENDING, REMINDERS):
        pause_name(tx, audit.THE_PORTAL, name)


def save_limits(tx: Transaction, actor: audit.Actor, data: AlertsInput, stored: Row | None) -> None:
    """Saves thresholds and recipients. Conflict when somebody else saved them since `data.version`."""
    value = data.model_dump(exclude={"version"})
    save_setting(tx, actor, queries.SETTING, value, stored=stored, version=data.version)


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _subject(text: str) -> str:
    return f"Portal: {text.split(':')[0]}" if not text.startswith("All clear") else f"Portal: {text.split('.')[0]}"


def _expiry(alert: Row, occasion: str) -> datetime | None:
    return alert["began_at"] + GOOD_FOR if occasion == "begin" else None
