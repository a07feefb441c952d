"""The reminder of one policy: the exact words on each channel, then sent at once or on a chosen day."""

from datetime import date, datetime, time
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, transaction
from portal.clients.inputs import LANGUAGES
from portal.errors import Refused
from portal.formats import OFFICE_ZONE, today
from portal.inputs import lenient
from portal.policies.notices import Way, ways_in_words
from portal.renewals import queries, reminding, words
from portal.renewals.inputs import ReminderInput
from portal.renewals.reminding import Reminder
from portal.renewals.views.routes import blueprint, known_facts
from portal.settings.queries import setting
from portal.web import SubmittedForm, actor, flash, prefilled, redirect_to, render, requires, shows, submitted

Answer = Response | BaseResponse
MORNING = time(9)  # when a reminder of a chosen day goes out, office time
SENT_TODAY = "A reminder for this policy was sent today already. Choose a later day."


@blueprint.get("/renewals/<int:policy_id>/reminder")
@requires("policies.write")
@shows("reminder", "policy", "policy_id")
def reminder(policy_id: int) -> Response:
    """What the client would read, in the client's language or the one asked for."""
    facts = known_facts(policy_id)
    asked = lenient(ReminderInput, request.args.to_dict())
    language = asked.language if "language" in request.args else facts["language"]
    usable = [way.channel for way in _ways(facts, language) if not way.why_not]
    return _show(facts, prefilled({"channels": usable, "language": language}))


@blueprint.post("/renewals/<int:policy_id>/reminder")
@requires("policies.write")
def send_reminder(policy_id: int) -> Answer:
    """Notes the reminder and puts its messages into the outbox; one per policy and day."""
    facts, form = known_facts(policy_id), submitted(ReminderInput)
    if reason := reminding.why_not(facts):
        form.add_error("", reason)
    if form.data is not None and not form.data.channels:
        form.add_error("channels", "Choose WhatsApp, e-mail or both.")
    if form.data is not None and form.ok:
        ways = _ways(facts, form.data.language, form.data.send_on)
        chosen = [way for way in ways if way.channel in form.data.channels]
        for way in chosen:
            if way.why_not:
                form.add_error("channels", f"{words.CHANNELS[way.channel]}: {way.why_not}")
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                reminding.note(tx, actor(), facts, _reminder(facts, form.data, chosen),
                               company=setting("company"), today=today())  # fmt: skip
            flash("The reminder is in the outbox.")
            return redirect_to("renewals.page", policy_id=policy_id)
        except Refused as refusal:
            form.refuse(refusal)
        except Conflict:
            form.add_error("send_on", SENT_TODAY)
    return _show(facts, form, 422)


def _reminder(facts: dict[str, Any], data: ReminderInput, chosen: list[Way]) -> Reminder:
    day = data.send_on or today()
    return Reminder(
        step=reminding.by_hand(day),
        occasion=reminding.occasion_of(facts, day),
        channels=chosen,
        language=data.language,
        not_before=_morning_of(data.send_on),
        good_until=reminding.good_until(facts, day),
        priority=2,
    )


def _morning_of(day: date | None) -> datetime | None:
    return datetime.combine(day, MORNING, OFFICE_ZONE) if day else None


def _ways(facts: dict[str, Any], language: str, send_on: date | None = None) -> list[Way]:
    key = reminding.template_key(reminding.occasion_of(facts, send_on or today()))
    read = {**facts, "language": language}
    return ways_in_words([read], lambda row: key, at=_morning_of(send_on))[facts["policy_id"]]


def _show(facts: dict[str, Any], form: SubmittedForm[Any], status: int = 200) -> Response:
    company = setting("company")
    occasion = reminding.occasion_of(facts, today())
    language = form.value("language") if form.value("language") in LANGUAGES else facts["language"]
    shown = [
        {"way": way, "message": reminding.preview(facts, occasion, way.channel, language, company)}
        for way in _ways(facts, language)
    ]
    return render(
        "renewals/reminder.html",
        status,
        facts=facts,
        form=form,
        shown=shown,
        why_not=reminding.why_not(facts),
        occasion=occasion,
        languages=LANGUAGES,
        last=queries.reminders_of(facts["policy_id"], facts["due_on"])[:1],
        today=today(),
        words=words,
    )
