"""Fills an empty portal with the demo book, in chunks, so that a run which died is finished by the next one.

The row `demo_seed` of the settings says what is being written and how far it is; it moves in the transaction of each
chunk, guarded by its version. So a chunk is there completely or not at all, whoever continues knows the place, and of
two runs at once the one that was overtaken stops at its next chunk. Nothing is ever deleted: the book is generated
again from seed and day, and what is written already is passed over.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from typing import Any

from database_pool import Change, Conflict, Duplicate, Transaction, call_function, execute_query, transaction
from portal import audit, formats
from portal.demo.book import Book
from portal.demo.contacts import EMAIL_DOMAIN
from portal.demo.products import CLERKS
from portal.demo.records import ClientFile
from portal.demo.writing import Ids, write_files, write_masters
from portal.errors import Refused
from portal.settings.queries import setting, trade_rules
from portal.staff import passwords
from portal.staff import queries as staff
from portal.staff.inputs import Invitation, Role
from portal.staff.service import invite, reset_password

DEFAULT_SEED = 16
CLIENTS_AT_ONCE = 100
# A run says with every chunk that it lives; one that was silent for so long has died.
SILENCE = timedelta(seconds=60)
STATE = "demo_seed"
USERS: tuple[tuple[str, str, Role], ...] = (
    ("anjali", "Anjali Deshpande", "administrator"),
    ("nilesh", "Nilesh Parikh", "manager"),
    ("priya", "Priya Menon", "staff"),
    ("farhan", "Farhan Merchant", "staff"),
    ("sneha", "Sneha Kulkarni", "staff"),
    ("melvin", "Melvin Pereira", "accounts"),
    ("garima", "Garima Saxena", "read-only"),
)
FIRST_CLERK = 2  # the staff among USERS


class BookInUse(Refused):
    """There are clients already, made up or real; a demo book is only written into an empty portal."""


@dataclass(frozen=True)
class SignIn:
    """How one demo user signs in. The password exists nowhere else in readable form."""

    email: str
    role: str
    password: str


@dataclass
class Report:
    """What was written, and the ways in."""

    clients: int
    seed_number: int
    today: date
    rows: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    continued: bool = False
    sign_ins: list[SignIn] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as a command prints it; the only time the passwords are shown."""
        begun = "Finished the demo book that was begun earlier" if self.continued else "Made a demo book"
        counts = ", ".join(f"{number} {table.replace('_', ' ')}" for table, number in self.rows.items() if number)
        width = max((len(one.email) for one in self.sign_ins), default=0)
        heading = ["Sign in with (the passwords are shown only here):"] if self.sign_ins else []
        return [
            f"{begun}: {self.clients} clients as of {formats.office_date(self.today)}, seed {self.seed_number}.",
            f"Written in {self.seconds:.1f} s: {counts or 'nothing was missing'}.",
            *heading,
            *(f"  {one.email:{width}}  {one.password}  {one.role}" for one in self.sign_ins),
        ]


@dataclass
class _Run:
    """The row of the settings. Its version proves at every chunk that this run has not been overtaken."""

    clients: int
    seed_number: int
    today: date
    users: list[int]
    invited: list[int]
    written: int = 0
    version: int = 0

    def value(self, state: str = "running") -> dict[str, Any]:
        return {
            "state": state,
            "clients": self.clients,
            "seed_number": self.seed_number,
            "today": self.today.isoformat(),
            "users": self.users,
            "invited": self.invited,
            "written": self.written,
        }

    def move(self, tx: Transaction, state: str = "running") -> Change:
        """Notes in `tx` how far the run is. Its end raises Conflict when another run has taken over."""
        return tx.update(
            "settings", {"value": self.value(state)}, filters={"key_eq": STATE, "version_eq": self.version}, expect=1
        )

    @property
    def clerks(self) -> list[int]:
        return self.users[FIRST_CLERK : FIRST_CLERK + CLERKS]


def seed(
    clients: int = 2000,
    seed_number: int = DEFAULT_SEED,
    today: date | None = None,
    *,
    say: Callable[[str], None] | None = None,
) -> Report:
    """Fills an empty portal with a demo agency and answers how to sign in. Same seed and day, same book.

    A run that died is continued with the size, seed and day it had. `today` is the day the book ends on (default: the
    office's), `say` hears how far it is. Raises BookInUse when there are clients already, Refused while another run
    writes.
    """
    began = time.monotonic()
    stored = setting(STATE)
    if stored is not None and stored["value"]["state"] == "running":
        run, ids, sign_ins = _take_over(stored)
        report = Report(run.clients, run.seed_number, run.today, continued=True, sign_ins=sign_ins)
    else:
        _refuse_a_used_book(stored)
        run, ids, sign_ins = _begin(_Run(clients, seed_number, today or formats.today(), [], []))
        report = Report(run.clients, run.seed_number, run.today, sign_ins=sign_ins)
    for files in _chunks_to_come(run):
        report.rows += _write(run, ids, files)
        if say and run.written // 1000 > (run.written - len(files)) // 1000:
            say(f"{run.written} of {run.clients} clients")
    _finish(run, report)
    call_function("gather_statistics")   # the first lists are opened before the server has noticed all the rows
    report.seconds = time.monotonic() - began
    return report


def _refuse_a_used_book(stored: dict[str, Any] | None) -> None:
    if stored is not None:
        raise BookInUse("This portal has its demo book already.")
    if execute_query("clients", columns="client_id", limit=1).data:
        raise BookInUse("This portal has clients already. A demo book is only written into an empty one.")


def _begin(run: _Run) -> tuple[_Run, Ids, list[SignIn]]:
    """Marks the portal as a demo and adds users and masters, all or nothing."""
    try:
        with transaction() as tx:
            sign_ins = _invite_users(tx, run)
            ids = write_masters(tx, run.clerks)
            tx.upsert("settings", {"key": "demo_mode", "value": True})
            begun = tx.insert("settings", {"key": STATE, "value": run.value()})
    except Duplicate:
        raise Refused("Another demo book was begun at the same moment. Wait until it is done.") from None
    run.version = begun.rows[0]["version"]
    return run, ids, sign_ins


def _invite_users(tx: Transaction, run: _Run) -> list[SignIn]:
    """One user of each role, three of staff. Whoever has such an address already stays as is, without a new password.

    The passwords are made up here and need not be changed at the first sign-in: a demo is often shown by several.
    """
    sign_ins = []
    for place, name, role in USERS:
        address = f"{place}@{EMAIL_DOMAIN}"
        known = staff.credentials_of(address)
        if known:
            run.users.append(known["user_id"])
            continue
        invitation = Invitation(name=name, email=address, role=role)
        user_id, password = invite(tx, audit.THE_PORTAL, invitation, password=passwords.one_time_password())
        run.users.append(user_id)
        run.invited.append(user_id)
        sign_ins.append(SignIn(address, role, password))
    return sign_ins


def _take_over(stored: dict[str, Any]) -> tuple[_Run, Ids, list[SignIn]]:
    """Continues a run that died. Its passwords died with it, so its users get new ones."""
    value = stored["value"]
    if formats.now() - stored["updated_at"] < SILENCE:
        raise Refused(
            f"A demo book is being written ({value['written']} of {value['clients']} clients). "
            "If that run has died, try again in a minute: it will be continued."
        )
    run = _Run(
        value["clients"],
        value["seed_number"],
        date.fromisoformat(value["today"]),
        value["users"],
        value["invited"],
        value["written"],
        stored["version"],
    )
    try:
        with transaction() as tx:
            moved = run.move(tx)
            ids = write_masters(tx, run.clerks)
            users = [user for user in map(staff.colleague, run.invited) if user]
            sign_ins = [
                SignIn(user["email"], user["role"], reset_password(tx, audit.THE_PORTAL, user, version=user["version"]))
                for user in users
            ]
    except Conflict:
        raise Refused("Another run has just continued the demo book. Wait until it is done.") from None
    run.version = moved.rows[0]["version"]
    return run, ids, sign_ins


def _chunks_to_come(run: _Run) -> Iterator[list[ClientFile]]:
    """The clients not written yet, some at a time, so that the largest book needs no more memory than a small one."""
    files = Book(run.seed_number, run.today, trade_rules()).files(run.clients)
    to_come = islice(files, run.written, None)
    while chunk := list(islice(to_come, CLIENTS_AT_ONCE)):
        yield chunk


def _write(run: _Run, ids: Ids, files: list[ClientFile]) -> Counter[str]:
    """Writes one chunk and answers its rows per table."""
    run.written += len(files)
    try:
        written, moved = _write_once(run, ids, files, attempts=3)
    except Conflict as rival:
        if isinstance(rival, Duplicate):
            raise
        raise Refused("Another run has continued this demo book. This one stops.") from None
    run.version = moved.rows[0]["version"]
    return written


def _write_once(run: _Run, ids: Ids, files: list[ClientFile], *, attempts: int) -> tuple[Counter[str], Change]:
    """All or nothing. Where a colleague took one of the numbers at the same moment, they are counted again."""
    try:
        with transaction() as tx:
            # The run moves before the rows come, so that one that was overtaken hears that and not of numbers taken.
            moved = run.move(tx)
            written = write_files(tx, files, ids)
    except Duplicate:
        if attempts == 1:
            raise
        return _write_once(run, ids, files, attempts=attempts - 1)
    return written, moved


def _finish(run: _Run, report: Report) -> None:
    with transaction() as tx:
        run.move(tx, "done")
        audit.record(
            tx,
            audit.THE_PORTAL,
            "seeded demo book",
            "settings",
            STATE,
            after={"clients": run.clients, "seed_number": run.seed_number, "today": run.today, **report.rows},
        )
