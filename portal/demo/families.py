"""Clients with their members: families of one surname, firms with a partner or two, and the untidiness of a real book.

Of a hundred clients 18 share a group with others, 9 a telephone number, and 6 are somebody entered a second time under
a slightly other name: lists, bills and the search for duplicates need such clients to prove themselves.
"""

from collections import deque
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from portal.demo.contacts import email, gstin, pan, phone
from portal.demo.names import FEMALE, MALE, Pool, firm_name, misspelt, pick_pool
from portal.demo.places import Place, pick_language, pick_place
from portal.demo.products import AGENTS, CLERKS
from portal.demo.records import ClientFile, Row

FIRMS = 0.14
NEAR_DUPLICATES = 0.06
SHARED_PHONES = 0.05  # besides those of near-duplicates: together nine of a hundred
STARTS_GROUP = 0.078  # groups of two to four: 18 clients of a hundred are in one
NO_PHONE = 0.03
NO_EMAIL = 0.37
WHATSAPP = 0.81
FAMILY_SIZES = ((1, 22), (2, 22), (3, 20), (4, 24), (5, 8), (6, 4))
NOTES = (
    "Calls after six in the evening only.",
    "Wants all papers by e-mail.",
    "Pays by cheque, collect from the office.",
    "Decides together with the accountant.",
    "Referred by an old client.",
    "Send the quote a month ahead.",
)


@dataclass
class _Group:
    name: str
    pool: Pool
    surname: str
    members_to_come: int


class Registry:
    """Takes in one client after the other. The same random numbers and day give the same clients."""

    def __init__(self, rng: Random, today: date) -> None:
        self._rng = rng
        self._today = today
        self._count = 0
        self._group: _Group | None = None
        self._recent: deque[ClientFile] = deque(maxlen=60)

    def next_client(self) -> ClientFile:
        """The next client of the book, with members and without policies."""
        self._count += 1
        persons = [file for file in self._recent if not file.is_firm]
        if persons and self._rng.random() < NEAR_DUPLICATES:
            return self._again(self._rng.choice(persons))
        self._open_or_close_group()
        file = self._firm() if self._rng.random() < FIRMS / (1 - NEAR_DUPLICATES) else self._person()
        self._recent.append(file)
        return file

    def _open_or_close_group(self) -> None:
        if self._group and self._group.members_to_come:
            self._group.members_to_come -= 1
            return
        self._group = None
        if self._rng.random() < STARTS_GROUP:
            pool = pick_pool(self._rng)
            surname = self._rng.choice(pool.surnames)
            size = self._rng.choices((2, 3, 4), (55, 30, 15))[0]
            name = f"{surname} {self._rng.choice(('Group', 'Family'))}, {pick_place(self._rng).locality}"
            self._group = _Group(name, pool, surname, size - 1)

    def _person(self) -> ClientFile:
        rng = self._rng
        pool, surname = self._pool_and_surname()
        gender = MALE if rng.random() < 0.82 else FEMALE
        first = pool.first_name(rng, gender)
        middle = f" {pool.first_name(rng, MALE, but=(first,))}" if rng.random() < 0.45 else ""  # the father's
        name = f"{first}{middle} {surname}"
        born = self._born(round(rng.triangular(28, 72, 43)))
        file = self._file("individual", name, pick_place(rng), born=born)
        file.members = family(rng, file.client, pool, surname, gender, self._today)
        return file

    def _firm(self) -> ClientFile:
        rng = self._rng
        pool, owner = self._pool_and_surname()
        name, client_type, trade = firm_name(rng, owner)
        place = pick_place(rng, business=True)
        file = self._file(client_type, name, place, born=None)
        file.trade = trade
        file.client["gstin"] = gstin(place.city.gst_state, file.client["pan"]) if rng.random() < 0.8 else None
        for _ in range(rng.choices((0, 1, 2), (35, 50, 15))[0]):
            born = self._born(rng.randint(28, 65))
            file.members.append(_member(file.client, f"{pool.first_name(rng, MALE)} {owner}", "partner", born, MALE))
        return file

    def _pool_and_surname(self) -> tuple[Pool, str]:
        if self._group:
            return self._group.pool, self._group.surname
        pool = pick_pool(self._rng)
        return pool, self._rng.choice(pool.surnames)

    def _again(self, known: ClientFile) -> ClientFile:
        """The same person once more: other spelling, mostly the same phone or birthday, maybe without the family."""
        rng = self._rng
        name = misspelt(rng, known.client["name"])
        file = self._file("individual", name, known.place, born=known.client["date_of_birth"])
        file.client["pan"] = known.client["pan"] if rng.random() < 0.5 else None
        file.client["group_name"] = known.client["group_name"]
        if rng.random() < 0.7:
            file.client["phone"] = known.client["phone"]
            file.client["whatsapp_opt_in"] = known.client["whatsapp_opt_in"]
        elif rng.random() < 0.5:
            file.client["date_of_birth"] = None
        head, *others = known.members
        file.members = [_member(file.client, name, "self", file.client["date_of_birth"], head["gender"])]
        if rng.random() < 0.6:
            file.members += [dict(other) for other in others]
        return file

    def _file(self, client_type: str, name: str, place: Place, *, born: date | None) -> ClientFile:
        rng = self._rng
        number = None if rng.random() < NO_PHONE else phone(rng)
        if number and self._recent and rng.random() < SHARED_PHONES:
            number = rng.choice(self._recent).client["phone"] or number
        address = None if rng.random() < NO_EMAIL else email(name, self._count)
        wants_whatsapp = bool(number) and rng.random() < WHATSAPP / (1 - NO_PHONE)
        client: Row = {
            "client_type": client_type,
            "name": name,
            "phone": number,
            "other_phone": phone(rng) if rng.random() < 0.12 else None,
            "email": address,
            "date_of_birth": born,
            "pan": pan(rng, client_type, name) if rng.random() < 0.55 or client_type != "individual" else None,
            "gstin": None,
            "address": place.address,
            "city": place.city.name,
            "state": place.city.state,
            "pin": place.pin,
            "group_name": self._group.name if self._group else None,
            "language": pick_language(rng, place.city),
            "whatsapp_opt_in": wants_whatsapp,
            "email_opt_in": address is not None and rng.random() < 0.9,
            "notes": rng.choice(NOTES) if rng.random() < 0.08 else None,
        }
        agent = rng.choices(*zip(*AGENTS, strict=True))[0]
        return ClientFile(self._count, client, [], place, agent or None, rng.randrange(CLERKS))

    def _born(self, age: int) -> date:
        return self._today - timedelta(days=round(age * 365.25) + self._rng.randrange(365))


def family(rng: Random, client: Row, pool: Pool, surname: str, gender: str, today: date) -> list[Row]:
    """The client as first member, then spouse, children 24 to 33 years younger, and parents in the largest families."""
    born: date = client["date_of_birth"]
    members = [_member(client, client["name"], "self", born, gender)]

    def join(relation: str, of_gender: str, of_birth: date) -> None:
        taken = {member["name"].split()[0] for member in members}
        name = f"{pool.first_name(rng, of_gender, taken)} {surname}"
        members.append(_member(client, name, relation, of_birth, of_gender))

    sizes, weights = zip(*FAMILY_SIZES, strict=True)
    to_come = rng.choices(sizes, weights)[0] - 1
    if to_come and rng.random() < 0.93:
        husband = gender == MALE
        years_between = timedelta(days=rng.randint(-900, 2200))
        join("spouse", FEMALE if husband else MALE, born + (years_between if husband else -years_between))
        to_come -= 1
    parents = rng.randint(0, min(2, to_come)) if to_come >= 3 else 0
    child_born = born + timedelta(days=round(365.25 * rng.uniform(24, 31)))
    for _ in range(to_come - parents):
        if child_born > today:
            child_born = today - timedelta(days=rng.randint(40, 900))
        child = rng.choice((FEMALE, MALE))
        join("daughter" if child == FEMALE else "son", child, child_born)
        child_born += timedelta(days=rng.randint(500, 1500))
    for relation, of_gender in (("mother", FEMALE), ("father", MALE))[:parents]:
        join(relation, of_gender, born - timedelta(days=round(365.25 * rng.uniform(21, 29))))
    _name_nominees(members)
    _give_phones(rng, client, members)
    return members


def _member(client: Row, name: str, relation: str, born: date | None, gender: str) -> Row:
    return {
        "name": name,
        "relation": relation,
        "date_of_birth": born,
        "gender": gender,
        "phone": client["phone"] if relation == "self" else None,
        "nominee": None,
    }


def _name_nominees(members: list[Row]) -> None:
    if len(members) > 1:
        members[0]["nominee"] = members[1]["name"]
        for member in members[1:]:
            member["nominee"] = members[0]["name"]


def _give_phones(rng: Random, client: Row, members: list[Row]) -> None:
    for member in members[1:]:
        if member["relation"] == "spouse" and rng.random() < 0.6:
            member["phone"] = phone(rng) if rng.random() < 0.85 else client["phone"]
