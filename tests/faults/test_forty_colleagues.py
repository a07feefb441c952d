"""Forty colleagues at once on the same records, through gunicorn, on each way to the data.

Then the same with the database killed under them.
"""

import random
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from config import Settings
from database_pool import execute_query, migrate, transaction
from portal import sealing
from portal.demo import seed
from portal.staff import passwords
from tests import cast
from tests.colleague import Colleague, largest_form, path_of
from tests.conftest import point_portal_at, portal_settings
from tests.servers import pgbouncer, supabase_lite
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.portal import RunningPortal
from tests.servers.postgres import PostgresServer
from tests.servers.supabase_lite import SupabaseLite

pytestmark = pytest.mark.slow
COLLEAGUES = 40
SECONDS = 9.0
PATIENCE = 90.0  # seconds more, on a busy machine, until everything that is to be seen has happened
SHARED_CLIENTS, SHARED_POLICIES = 4, 6


@dataclass
class Diary:
    """What the colleagues were told, to be compared with what is stored afterwards."""

    notes: dict[str, list[str]] = field(default_factory=dict)  # client -> marks whose saving was acknowledged
    added: list[tuple[str, str]] = field(default_factory=list)  # (client id, name), acknowledged
    renewed: list[str] = field(default_factory=list)  # policy numbers, acknowledged
    tried: set[str] = field(default_factory=set)  # every mark, name and number that was ever sent
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    terms: list[int] = field(default_factory=list)  # the newest term of each shared policy
    day: str = field(default_factory=lambda: secrets.token_hex(3))  # begins each mark: an office sees several days
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_full(self) -> bool:
        """Whether everything that is looked at afterwards has happened at least once."""
        return bool(self.added and self.renewed and self.notes and self.statuses["edit 409"])


@dataclass
class Office:
    """The portal on one way to the data, and the PostgreSQL behind it (None: the one it brings itself)."""

    portal: RunningPortal
    postgres: PostgresServer | None = None
    between: Pgbouncer | SupabaseLite | None = None

    def kill_database(self) -> None:
        """PostgreSQL dies; a server that is not the portal's own is brought back as its supervisor would."""
        if self.postgres is None:
            self.portal.postmaster().kill()
        else:
            self.postgres.kill()
            self.postgres.come_back()

    def close(self) -> None:
        """Everything is gone."""
        self.portal.remove()
        for server in (self.between, self.postgres):
            if server is not None:
                server.remove()


@pytest.fixture(scope="module", params=["embedded", "pooler", "supabase"])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An office with a demo book and forty colleagues, on each of the three ways; durable throughout."""
    folder = tmp_path_factory.mktemp("office")
    opened = _open_office(request.param, folder)
    try:
        opened.portal.start()
        with point_portal_at(_settings_of(opened.portal, folder)):
            seed(clients=60)
            _hire()
            yield opened
    finally:
        opened.close()


def _open_office(way: str, folder: Path) -> Office:
    if way == "embedded":
        return Office(RunningPortal(workers=2))
    if way == "pooler" and pgbouncer.find_pgbouncer() is None:
        pytest.skip(pgbouncer.MISSING)
    if way == "supabase" and (reason := supabase_lite.missing()):
        pytest.skip(reason)
    postgres = PostgresServer(durable=True)
    postgres.start()
    postgres.create_database("office")
    if way == "pooler":
        pooler = Pgbouncer(postgres.port)
        pooler.start()
        return Office(RunningPortal(workers=2, DATABASE_URL=pooler.address("office")), postgres, pooler)
    with point_portal_at(portal_settings(folder, DATABASE_URL=postgres.address("office"))):
        migrate()
    lite = SupabaseLite(postgres.folder, postgres.port, "office")
    lite.start()
    return Office(RunningPortal(workers=2, SUPABASE_URL=lite.url, SUPABASE_KEY=lite.secret_key), postgres, lite)


def _settings_of(portal: RunningPortal, folder: Path) -> Settings:
    """The test's own way to the portal's data."""
    names = ("DATABASE_URL", "SUPABASE_URL", "SUPABASE_KEY")
    named = {name: value for name, value in portal.environment.items() if name in names}
    own = {"DATABASE_URL": f"postgresql://postgres@/postgres?host={portal.folder}/data/postgres"}
    return portal_settings(folder, **(named or own))


def _hire() -> None:
    stored = passwords.hashed(cast.PASSWORD)
    with transaction() as tx:
        tx.insert("users", [{"email": f"colleague{n}@example.in", "name": f"Colleague {n}", "role": "manager",
                             "password_hash": stored} for n in range(COLLEAGUES)])


def _edit(colleague: Colleague, diary: Diary, client_id: str, mark: str) -> requests.Response:
    page = colleague.get(f"/clients/{client_id}/edit")
    if page.status_code != 200:
        return page
    form = largest_form(page.text)
    answer = colleague.send(form, to=f"/clients/{client_id}/edit", notes=f"{form.fields['notes']}\n{mark}".strip())
    if answer.status_code == 303:
        with diary.lock:
            diary.notes.setdefault(client_id, []).append(mark)
    return answer


def _add(colleague: Colleague, diary: Diary, mark: str) -> requests.Response:
    name = f"Zubin {mark}"
    answer = colleague.fill_in("/clients/new", name=name, prefix="ZZ")
    if answer.status_code == 409:  # names this alike are asked about; it is somebody else
        page = largest_form(answer.text)
        answer = colleague.send(page, to="/clients/new")
    if answer.status_code == 303:
        with diary.lock:
            diary.added.append((path_of(answer).rsplit("/", 1)[1], name))
    return answer


def _renew(colleague: Colleague, diary: Diary, place: int, mark: str) -> requests.Response:
    term = diary.terms[place]
    page = colleague.get(f"/policies/{term}/renewal")
    if page.status_code != 200:  # renewed meanwhile: the portal leads to the newer term
        return page
    answer = colleague.send(largest_form(page.text), to=f"/policies/{term}/renewal",
                            policy_number=mark, net_premium="10000")
    if answer.status_code == 303:
        with diary.lock:
            diary.renewed.append(mark)
            diary.terms[place] = int(path_of(answer).rsplit("/", 1)[1])
    return answer


def _work(
    colleague: Colleague, number: int, diary: Diary, clients: list[str], until: float, bearable: set[int]
) -> None:
    chance = random.Random(number)
    for turn in range(10_000):
        if time.monotonic() > until + (0 if diary.is_full else PATIENCE):
            return
        mark = f"{diary.day}m{number}x{turn}"
        with diary.lock:
            diary.tried.add(mark)
        kind = chance.choice(["edit", "edit", "add", "renew"])
        try:
            if kind == "edit":
                answer = _edit(colleague, diary, chance.choice(clients), mark)
            elif kind == "add":
                answer = _add(colleague, diary, mark)
            else:
                answer = _renew(colleague, diary, chance.randrange(SHARED_POLICIES), mark)
        except requests.RequestException as error:
            with diary.lock:
                diary.wrong.append(f"{kind}: {error!r}")
            continue
        with diary.lock:
            diary.statuses[f"{kind} {answer.status_code}"] += 1
            if answer.status_code not in bearable:
                diary.wrong.append(f"{kind} {answer.status_code}: {re.sub('<[^>]+>', ' ', answer.text)[-400:]}")
            if answer.status_code == 409 and kind == "edit" and "changed" not in answer.text:
                diary.wrong.append("a conflict page that does not say what happened")


def _an_office_day(office: Office, bearable: set[int], disturb: Callable[[], None] = lambda: None) -> Diary:
    clients = [row["client_id"] for row in execute_query("clients", columns="client_id", order="client_id",
                                                         limit=SHARED_CLIENTS).data]
    terms = execute_query("policies", columns="policy_id", order="policy_id", limit=SHARED_POLICIES,
                          filters={"state": "live", "line_in": ["fire", "travel", "other"]}).data
    diary = Diary(terms=[row["policy_id"] for row in terms[:SHARED_POLICIES]])
    assert len(diary.terms) == SHARED_POLICIES
    colleagues = [Colleague(office.portal.url, f"colleague{n}@example.in", cast.PASSWORD) for n in range(COLLEAGUES)]
    until = time.monotonic() + SECONDS
    threads = [threading.Thread(target=_work, args=(colleague, n, diary, clients, until, bearable))
               for n, colleague in enumerate(colleagues)]
    for thread in threads:
        thread.start()
    disturb()
    for thread in threads:
        thread.join(PATIENCE + 120)
    assert not any(thread.is_alive() for thread in threads), "a colleague still waits: something is stuck"
    return diary


def _compare_with_what_is_stored(diary: Diary) -> None:
    for client_id, marks in diary.notes.items():
        row = execute_query("clients", filters={"client_id": client_id}).data[0]
        notes = sealing.opened(row)["notes"].split()
        stored = Counter(note for note in notes if note.startswith(diary.day))
        assert set(marks) <= set(stored), f"{client_id} lost acknowledged edits: {set(marks) - set(stored)}"
        assert max(stored.values()) == 1, f"{client_id}: an edit was stored twice"
        assert set(stored) <= diary.tried
    added = execute_query("clients", columns="client_id, name", filters={"name_like": f"Zubin {diary.day}m%"}).data
    assert len({row["client_id"] for row in added}) == len(added)
    assert max(Counter(row["name"] for row in added).values(), default=1) == 1, "a client was added twice"
    assert {(row["client_id"], row["name"]) for row in added} >= set(diary.added), "an acknowledged client is lost"
    assert len({client_id for client_id, _ in diary.added}) == len(diary.added), "two clients got one id"
    terms = execute_query("policies", columns="policy_number, renewed_from_id",
                          filters={"policy_number_like": f"{diary.day}m%x%"}).data
    assert max(Counter(row["policy_number"] for row in terms).values(), default=1) == 1, "a renewal was stored twice"
    assert {row["policy_number"] for row in terms} >= set(diary.renewed), "an acknowledged renewal is lost"
    old = [row["renewed_from_id"] for row in terms]
    assert len(set(old)) == len(old), "one term was renewed twice"
    if old:
        states = execute_query("policies", columns="state", filters={"policy_id_in": old}).data
        assert {row["state"] for row in states} == {"renewed"}


def _with_the_log(wrong: list[str], office: Office) -> str:
    """What went wrong, and what the portal wrote down under the references that its pages named."""
    log = office.portal.logs().splitlines()
    named = re.findall(r"Reference:\s+(\w+)", " ".join(wrong))
    told = [line[:6000] for line in log if any(reference in line for reference in named)]
    return "\n".join([*wrong, *told])


def test_nobody_loses_an_update_and_each_conflict_is_a_clear_page(office: Office) -> None:
    diary = _an_office_day(office, bearable={303, 409})
    assert not diary.wrong, _with_the_log(diary.wrong[:5], office)
    assert diary.added and diary.renewed and diary.notes, f"nothing happened: {diary.statuses}"
    assert diary.statuses["edit 409"], f"forty colleagues on four clients met no conflict: {diary.statuses}"
    assert "deadlock" not in office.portal.logs()
    _compare_with_what_is_stored(diary)


def test_the_database_killed_under_forty_colleagues_heals_and_loses_nothing(office: Office) -> None:
    def kill_twice() -> None:
        for _ in range(2):
            time.sleep(SECONDS / 3)
            office.kill_database()

    diary = _an_office_day(office, bearable={303, 409, 503}, disturb=kill_twice)
    assert not diary.wrong, _with_the_log(diary.wrong[:5], office)
    assert diary.added and diary.renewed and diary.notes, f"nothing happened: {diary.statuses}"
    _compare_with_what_is_stored(diary)
    assert Colleague(office.portal.url, "colleague1@example.in", cast.PASSWORD).get("/clients").status_code == 200
