"""What the bot answers: from where a conversation stands and what was said to the next standing and the replies.

Nothing is written here and nothing sent. Who cannot be identified gets a polite answer and no data; documents go to
numbers that are kept on the client and to nobody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from portal.formats import office_date, show_vehicle
from portal.whatsapp_bot import queries, words
from portal.whatsapp_bot.words import Meaning, meaning

Row = dict[str, Any]
SESSION = timedelta(minutes=30)
PER_PAGE = 8
MOST_MISSES = 3
MOST_TRIES = 3
LOCKED_FOR = timedelta(hours=24)
SHORTEST_POLICY_NUMBER = 4
BACK, MORE = 0, 9
OPTIONS: dict[int, words.Sort] = {1: "policies", 2: "due", 3: "document", 4: "staff"}
WRITTEN = ("text", "button", "interactive", "list")
Consent = Literal["stop", "stop promotions", "start"]
CONFIRMED: dict[Consent, str] = {
    "stop": "bot.stopped", "stop promotions": "bot.promotions_stopped", "start": "bot.started"}  # fmt: skip


@dataclass(frozen=True)
class Sender:
    """Who is writing: the address to answer to, the phone if WhatsApp shows it, and what the outbox knows of them."""

    address: str
    phone: str | None
    opted_out: bool = False
    waits_for_staff: bool = False


@dataclass(frozen=True)
class Talk:
    """Where a conversation stands. `choices` are what was shown last, in order: ids of clients or policies."""

    step: str = "start"
    client_id: str | None = None
    verified: bool = False
    language: str = "en"
    choices: tuple[Any, ...] = ()
    page: int = 0
    misses: int = 0
    tries: int = 0
    locked_until: datetime | None = None


@dataclass(frozen=True)
class Reply:
    """One message back: the key of its template and what it names, with documents."""

    template: str
    variables: dict[str, str] = field(default_factory=dict)
    document_ids: tuple[int, ...] = ()
    policy_id: int | None = None


@dataclass(frozen=True)
class Turn:
    """What follows from one message. `calls_staff` asks a colleague to look, `consent` stops or starts messages to the
    sender, and stops them to `numbers` as well.
    """

    talk: Talk
    replies: tuple[Reply, ...]
    understood: str
    calls_staff: bool = False
    consent: Literal["", "stop", "stop promotions", "start"] = ""
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """One message: what it means, its words, and whether it is words at all."""

    text: str
    kind: str
    at: datetime
    today: date

    @property
    def meaning(self) -> Meaning:
        return meaning(self.text)


def answer(talk: Talk, sender: Sender, said: Said, *, last_at: datetime | None) -> Turn:
    """The turn that follows. `last_at` is when the conversation last moved; after 30 minutes it begins anew."""
    meant = said.meaning
    stale = last_at is None or said.at - last_at > SESSION
    numbers = _numbers_behind(talk, sender)
    talk = _in_language(_begun_anew(talk) if stale else talk, meant)
    if meant.sort == "stop" or meant.sort == "stop promotions":
        return _consent(talk, sender, meant.sort, numbers)
    if meant.sort == "start" and sender.opted_out:
        return _consent(talk, sender, "start", ())
    called_back = meant.sort == "menu" or (stale and meant.sort in ("greeting", "start"))
    # Colleagues are answering, until the person asks for the menu or says hello after a while.
    if (sender.waits_for_staff and not called_back) or _is_locked(talk, said.at):
        return Turn(talk, (), "left to staff", calls_staff=True)
    if talk.step == "staff":
        talk = _begun_anew(talk)
    if sender.phone is None:
        return _of_somebody_without_number(talk, sender, said)
    clients = queries.clients_of_phone(sender.phone)
    if not clients:
        return Turn(replace(talk, step="staff"), (Reply("bot.unknown"),), "unknown sender", calls_staff=True)
    return _of_known_number(talk, sender, said, clients)


def _consent(talk: Talk, sender: Sender, wish: Consent, numbers: tuple[str, ...]) -> Turn:
    """Stops or starts messages. Who shows no number gets them on those of a client; where nobody knows which these are,
    or whether they may be written to again, a colleague sees to it.
    """
    left_open = sender.phone is None and not numbers
    return Turn(replace(talk, step="start"), (Reply(CONFIRMED[wish]),), wish, left_open, wish, numbers)


def _numbers_behind(talk: Talk, sender: Sender) -> tuple[str, ...]:
    """The numbers of the client that a sender without one proved to be when we last talked."""
    known = queries.client(talk.client_id) if sender.phone is None and talk.verified and talk.client_id else None
    return tuple(sorted({known["phone"], known["other_phone"]} - {None})) if known else ()


def _begun_anew(talk: Talk) -> Talk:
    """Failed checks are remembered: waiting half an hour must not give a guesser new tries."""
    return Talk(language=talk.language, tries=talk.tries, locked_until=talk.locked_until)


def _in_language(talk: Talk, meant: Meaning) -> Talk:
    """Devanagari alone does not tell Hindi from Marathi: it changes nothing for who has been read as Marathi."""
    if not meant.language or (meant.language == "hi" and talk.language == "mr"):
        return talk
    return replace(talk, language=meant.language)


def _is_locked(talk: Talk, at: datetime) -> bool:
    return talk.locked_until is not None and talk.locked_until > at


def _of_somebody_without_number(talk: Talk, sender: Sender, said: Said) -> Turn:
    """Who has a name instead of a number: a policy number and the digits of the known phone are asked, no guessing."""
    if talk.verified and talk.client_id and (client := queries.client(talk.client_id)):
        return _of_client(talk, sender, said, client)
    if talk.locked_until is not None:
        talk = replace(talk, tries=0, locked_until=None)
    number = words.plain(said.text)
    if talk.step == "ask policy" and len(number.replace(" ", "")) >= SHORTEST_POLICY_NUMBER:
        # Asked for the digits whether or not there is such a policy: the answer must not tell.
        found = queries.clients_of_policy_number(said.text)
        return Turn(replace(talk, step="ask digits", choices=tuple(found)), (Reply("bot.ask_digits"),), "policy number")
    if talk.step == "ask digits":
        return _checked(talk, said, number)
    return Turn(replace(talk, step="ask policy", choices=()), (Reply("bot.ask_policy"),), "asked for the policy")


def _checked(talk: Talk, said: Said, digits: str) -> Turn:
    clients = [client for client_id in talk.choices[:2] if (client := queries.client(client_id))]
    fitting = [client for client in clients if _has_digits(client, digits)]
    if len(fitting) == 1:
        client = fitting[0]
        known = replace(talk, client_id=client["client_id"], verified=True, language=client["language"], tries=0)
        return _menu(known, client, "verified")
    tries = talk.tries + 1
    if tries < MOST_TRIES:
        again = replace(talk, step="ask policy", choices=(), tries=tries)
        return Turn(again, (Reply("bot.ask_policy"),), "check failed")
    locked = replace(talk, step="staff", choices=(), tries=tries, locked_until=said.at + LOCKED_FOR)
    return Turn(locked, (Reply("bot.not_verified"),), "check failed too often", calls_staff=True)


def _has_digits(client: Row, digits: str) -> bool:
    phones = [client["phone"] or "", client["other_phone"] or ""]
    return len(digits) == 4 and digits.isdecimal() and any(phone.endswith(digits) for phone in phones if phone)


def _of_known_number(talk: Talk, sender: Sender, said: Said, clients: Sequence[Row]) -> Turn:
    ids = [client["client_id"] for client in clients]
    if len(ids) > 1 and talk.step == "which client":
        number, shown = said.meaning.number, list(talk.choices)
        chosen = shown[number - 1] if said.meaning.sort == "number" and 0 < number <= len(shown) else None
        if chosen in ids:
            talk = replace(talk, client_id=chosen, step="menu", misses=0)
            client = next(client for client in clients if client["client_id"] == chosen)
            return _menu(replace(talk, language=client["language"]), client, "chose a client")
        if said.meaning.sort not in ("greeting", "menu", "start"):
            return _not_understood(talk)
    known = next((client for client in clients if client["client_id"] == talk.client_id), None)
    if known is None and len(ids) > 1:
        shown_list = "\n".join(f"{number} {client['name']}" for number, client in enumerate(clients, 1))
        asked = replace(talk, step="which client", client_id=None, choices=tuple(ids))
        return Turn(asked, (Reply("bot.which_client", {"list": shown_list}),), "asked which client")
    return _of_client(talk, sender, said, known or clients[0])


def _of_client(talk: Talk, sender: Sender, said: Said, client: Row) -> Turn:
    talk = replace(talk, client_id=client["client_id"], language=client["language"])
    meant = said.meaning
    if said.kind not in WRITTEN:
        return Turn(replace(talk, step="staff"), (Reply("bot.staff"),), said.kind, calls_staff=True)
    if meant.sort in ("greeting", "menu", "start") or (meant.sort == "number" and meant.number == BACK):
        return _menu(talk, client, meant.sort)
    if talk.step in ("policies", "documents") and meant.sort == "number":
        return _chosen(talk, sender, client, meant.number)
    wish = OPTIONS.get(meant.number, "text") if meant.sort == "number" else meant.sort
    if wish == "policies":
        return _policies(talk, queries.policies_of(client["client_id"]), "policies", page=0)
    if wish == "document":
        having = [row for row in queries.policies_of(client["client_id"]) if row["document_id"] is not None]
        return _policies(talk, having, "documents", page=0)
    if wish == "due":
        return _due(talk, queries.due_of(client["client_id"], said.today))
    if wish == "staff":
        return Turn(replace(talk, step="staff"), (Reply("bot.staff"),), "staff", calls_staff=True)
    return _not_understood(talk)


def _menu(talk: Talk, client: Row, understood: str) -> Turn:
    talk = replace(talk, step="menu", choices=(), page=0, misses=0)
    return Turn(talk, (Reply("bot.menu", {"name": client["name"]}),), understood)


def _not_understood(talk: Talk) -> Turn:
    misses = talk.misses + 1
    if misses >= MOST_MISSES:
        return Turn(replace(talk, step="staff", misses=0), (Reply("bot.handed_over"),), "handed over", calls_staff=True)
    if talk.step == "which client":
        return Turn(replace(talk, misses=misses), (_which_again(talk),), "not understood")
    return Turn(replace(talk, step="menu", misses=misses), (Reply("bot.not_understood"),), "not understood")


def _which_again(talk: Talk) -> Reply:
    names = [(queries.client(client_id) or {"name": "-"})["name"] for client_id in talk.choices[: queries.MOST_CLIENTS]]
    return Reply("bot.which_client", {"list": "\n".join(f"{place} {name}" for place, name in enumerate(names, 1))})


def _policies(talk: Talk, rows: Sequence[Row], step: str, *, page: int) -> Turn:
    """One page of policies, numbered from 1; "9" shows the next."""
    if not rows:
        return Turn(replace(talk, step="menu", choices=(), misses=0), (Reply("bot.no_policies"),), step)
    start = page * PER_PAGE if page * PER_PAGE < len(rows) else 0
    shown, more = rows[start : start + PER_PAGE], len(rows) > start + PER_PAGE
    talk = replace(talk, step=step, page=start // PER_PAGE, misses=0, choices=tuple(row["policy_id"] for row in shown))
    listed = {"list": _list_of(shown, talk.language)}
    return Turn(talk, (Reply("bot.policies_more" if more else "bot.policies", listed),), step)


def _list_of(rows: Sequence[Row], language: str) -> str:
    return "\n".join(f"{number} {_line(row, language)}" for number, row in enumerate(rows, 1))


def _line(row: Row, language: str) -> str:
    pattern = words.ENDED if row["is_over"] else words.UNTIL
    ends = pattern[language].format(office_date(row["due_on"]))
    return f"{_named(row)}, {row['policy_number']}, {row['insurer_short']}, {ends}"


def _named(row: Row) -> str:
    asset = show_vehicle(row["asset"]) if row["line"] == "motor" else ""
    return f"{row['product_name']} {asset}".strip()


def _due(talk: Talk, rows: Sequence[Row]) -> Turn:
    talk = replace(talk, step="menu", choices=(), misses=0)
    if not rows:
        return Turn(talk, (Reply("bot.nothing_due"),), "due")
    lines = [f"• {_line(row, talk.language)}" for row in rows[:PER_PAGE]]
    if len(rows) > PER_PAGE:
        lines.append(words.AND_MORE[talk.language].format(len(rows) - PER_PAGE))
    return Turn(talk, (Reply("bot.due", {"list": "\n".join(lines)}),), "due")


def _chosen(talk: Talk, sender: Sender, client: Row, number: int) -> Turn:
    """The document of a policy of the list shown last, or the next page of that list."""
    if number == MORE:
        rows = queries.policies_of(client["client_id"])
        wanted = [row for row in rows if talk.step == "policies" or row["document_id"] is not None]
        return _policies(talk, wanted, talk.step, page=talk.page + 1)
    chosen = talk.choices[number - 1] if 0 < number <= len(talk.choices) else None
    policy = queries.policy(chosen) if chosen is not None else None
    if policy is None or policy["client_id"] != client["client_id"]:
        return _not_understood(talk)
    talk, named = replace(talk, misses=0), {"policy_number": policy["policy_number"], "product": _named(policy)}
    if not _is_known_number(sender, client):
        return Turn(talk, (Reply("bot.document_refused"),), "document refused", calls_staff=True)
    if policy["document_id"] is None:
        return Turn(talk, (Reply("bot.document_missing", named),), "document missing", calls_staff=True)
    reply = Reply("bot.document", named, (policy["document_id"],), policy["policy_id"])
    return Turn(talk, (reply,), "document")


def _is_known_number(sender: Sender, client: Row) -> bool:
    stored = queries.client(client["client_id"])
    return sender.phone is not None and stored is not None and sender.phone in (stored["phone"], stored["other_phone"])
