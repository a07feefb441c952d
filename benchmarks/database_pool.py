"""Our data layer against the libraries it is made from, in one run, as ratios.

    venv/bin/python benchmarks/database_pool.py [--seconds 0.5] [--rounds 21]

Under gevent, as the portal runs: execute_query by primary key on the embedded database against psycopg_pool as it
comes; the round trips of a transaction; execute_query over Supabase's REST interface against clients used directly.
Rounds are interleaved, so that a machine that slows down slows down everybody. Exit code 1 when a target is missed.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import httpx
from gevent import queue, server, socket
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from supabase import Client, create_client
from supabase.lib.client_options import SyncClientOptions

from config import load_settings
from database_pool import DatabasePool
from tests.servers import supabase_lite
from tests.servers.supabase_lite import SupabaseLite

CONNECTIONS = 15
CLIENTS = 2000
Ask = Callable[[str], object]


@dataclass
class Measured:
    """What the rounds of one variant gave; times in seconds."""

    rates: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    worst: float = 0.0

    def add(self, waits: list[list[float]], seconds: float, processor: float) -> None:
        """One round: the waits of each greenlet, the time it took, and this process's processor time in it."""
        every = sorted(itertools.chain.from_iterable(waits))
        self.costs.append(processor / len(every))
        self.rates.append(len(every) / seconds)
        self.tails.append(every[int(len(every) * 0.99)])
        self.worst = max(self.worst, every[-1])
        self.shares.append(min(len(one) for one in waits) * len(waits) / len(every))

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        return statistics.median(self.costs)

    @property
    def share(self) -> float:
        """What the slowest greenlet got, as a part of what everybody got on average."""
        return statistics.median(self.shares)

    @property
    def tail(self) -> float:
        return statistics.median(self.tails)


class CountingProxy:
    """Hands bytes on to PostgreSQL's socket and counts how often the client waited for an answer."""

    def __init__(self, target: str) -> None:
        self.target, self.round_trips = target, 0
        self._server = server.StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port: int = self._server.server_port

    def _serve(self, client: socket.socket, _address: object) -> None:
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(self.target)
        answered = [True]

        def answers() -> None:
            while data := upstream.recv(65536):
                answered[0] = True
                client.sendall(data)

        answering = gevent.spawn(answers)
        while data := client.recv(65536):
            if answered[0]:
                self.round_trips += 1
                answered[0] = False
            upstream.sendall(data)
        answering.kill()
        upstream.close()


def run(ask: Ask, greenlets: int, seconds: float, ids: list[str]) -> tuple[list[list[float]], float, float]:
    """Greenlets ask for random clients for `seconds`: time of each call by greenlet, of all, and of the processor."""
    start, spent = time.perf_counter(), time.process_time()
    end = start + seconds

    def work(seed: int) -> list[float]:
        choose, waits = random.Random(seed), []
        while (began := time.perf_counter()) < end:
            ask(choose.choice(ids))
            waits.append(time.perf_counter() - began)
        return waits

    workers = [gevent.spawn(work, seed) for seed in range(greenlets)]
    gevent.joinall(workers, raise_error=True)
    return [worker.value for worker in workers], time.perf_counter() - start, time.process_time() - spent


def compare(
    variants: dict[str, Ask], greenlets: int, arguments: argparse.Namespace, ids: list[str]
) -> dict[str, Measured]:
    """All variants in turn, round by round."""
    results = {name: Measured() for name in variants}
    for ask in variants.values():
        run(ask, greenlets, 0.3, ids)
    for number in range(arguments.rounds):
        order = list(variants) if number % 2 else list(reversed(variants))
        for name in order:
            results[name].add(*run(variants[name], greenlets, arguments.seconds, ids))
    print(f"\n{greenlets} greenlets, {arguments.rounds} rounds of {arguments.seconds:g} s")
    for name, result in results.items():
        tail, worst = result.tail * 1000, result.worst * 1000
        print(
            f"  {name:<26} {result.rate:8,.0f}/s   p99 {tail:7.2f} ms   worst wait {worst:7.2f} ms"
            f"   processor {result.cost * 1e6:5.0f} us each   slowest greenlet {result.share:.2f} of the mean"
        )
    return results


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median over the rounds of what one round gave: neighbours in time saw the same machine."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


@contextmanager
def embedded_database() -> Iterator[tuple[DatabasePool, Path, int]]:
    """The portal's own PostgreSQL with 2,000 clients; the pool, the folder of its socket, its port."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        Path(folder).chmod(0o755)
        environment = {"DATA_DIR": folder, "LOG_DIR": f"{folder}/logs", "FLASK_ENV": "testing"}
        pool = DatabasePool(CONNECTIONS, 0, configuration=load_settings(environment))
        pool.start()
        with pool.transaction() as tx:
            tx.insert("insurers", {"insurer_id": 1, "name": "Example General"})
            tx.insert("products", {"product_id": 1, "name": "Fire Cover", "line": "fire"})
            tx.insert("clients", [
                {"client_id": f"BM{n:04}", "name": f"Client number {n}", "city": "Pune", "phone": f"+9198{n:08}",
                 "email": f"client{n}@example.com", "date_of_birth": "1980-01-31", "notes": "x" * 60}
                for n in range(CLIENTS)])  # fmt: skip
        lines = (Path(folder) / "postgres" / "postmaster.pid").read_text().splitlines()
        try:
            yield pool, Path(lines[4]), int(lines[3])
        finally:
            pool.stop()


def direct_way(
    pool: DatabasePool, socket_folder: Path, port: int, arguments: argparse.Namespace, ids: list[str]
) -> list[str]:
    """execute_query against psycopg_pool; the targets that were missed."""
    columns = list(pool.execute_query("clients", limit=1).data[0])
    statement = f"select {', '.join(columns)} from clients where client_id = %s"
    address = f"host={socket_folder} port={port} user=postgres dbname=postgres"
    theirs = ConnectionPool(address, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False,
                            kwargs={"autocommit": True, "row_factory": dict_row})  # fmt: skip
    theirs.open()
    theirs.wait()

    def ask_theirs(client_id: str) -> object:
        with theirs.connection() as connection:
            return connection.execute(statement.encode(), (client_id,)).fetchall()

    def ask_ours(client_id: str) -> object:
        return pool.execute_query("clients", filters={"client_id_eq": client_id}).data

    if ask_ours(ids[7]) != ask_theirs(ids[7]):
        raise SystemExit("the two ways do not give the same row")
    missed = []
    print(f"\nOne row of {len(columns)} columns by primary key, {CONNECTIONS} connections")
    for greenlets in (20, 200):
        results = compare(
            {"psycopg_pool as it comes": ask_theirs, "execute_query": ask_ours}, greenlets, arguments, ids
        )
        their, our = results.values()
        faster, later = ratio(our.rates, their.rates), ratio(our.tails, their.tails)
        print(f"  ratio: {faster:.2f} times the queries per second, p99 {later:.2f} times theirs")
        if faster < 1.3:
            missed.append(f"{greenlets} greenlets: {faster:.2f} times the queries per second, wanted 1.3")
        if later > 1:
            missed.append(f"{greenlets} greenlets: p99 {later:.2f} times theirs, wanted 1 at most")
        if our.share < 0.5:
            missed.append(f"{greenlets} greenlets: the slowest greenlet got less than half of its share")
    theirs.close()
    return missed


def transactions(pool: DatabasePool, socket_folder: Path, port: int, folder: str) -> list[str]:
    """Round trips of a renewal with five changes; the targets that were missed."""
    proxy = CountingProxy(f"{socket_folder}/.s.PGSQL.{port}")
    address = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
    environment = {"DATABASE_URL": address, "DATA_DIR": folder, "FLASK_ENV": "testing"}
    counted = DatabasePool(CONNECTIONS, 0, configuration=load_settings(environment))
    renew(counted, "BM0001")
    trips = []
    for number in range(2, 22):
        before = proxy.round_trips
        renew(counted, f"BM{number:04}")
        trips.append(proxy.round_trips - before)
    counted.close()
    waits = []
    for number in range(100, 200):
        began = time.perf_counter()
        renew(pool, f"BM{number:04}")
        waits.append(time.perf_counter() - began)
    print(
        f"\nA transaction of 5 changes with a new id: {statistics.mean(trips):.2f} round trips on average,"
        f" {max(trips)} at most; {statistics.median(waits) * 1000:.2f} ms each, alone"
    )
    return [f"{max(trips)} round trips for a transaction, wanted 2 at most"] if max(trips) > 2 else []


def renew(pool: DatabasePool, client_id: str) -> None:
    """Five changes that belong together, with an id taken beforehand."""
    policy_id = pool.new_id("policies")
    with pool.transaction() as tx:
        tx.insert("policies", {
            "policy_id": policy_id, "client_id": client_id, "insurer_id": 1, "product_id": 1, "line": "fire",
            "policy_number": f"B/{client_id}/{policy_id}", "policy_from": "2026-04-01", "policy_to": "2027-03-31",
            "due_on": "2027-03-31",
        })  # fmt: skip
        tx.insert("fire_details", {"policy_id": policy_id, "building": 1000000})
        tx.insert("members", {"client_id": client_id, "name": "Member"})
        tx.update("clients", {"notes": "renewed"}, filters={"client_id_eq": client_id}, expect=1)
        tx.insert("audit", {"action": "renew", "record_type": "policy", "record_id": str(policy_id)})


def supabase_way(
    socket_folder: Path, port: int, folder: str, arguments: argparse.Namespace, ids: list[str]
) -> list[str]:
    """execute_query against Supabase clients used directly, each with one connection; the targets that were missed."""
    if reason := supabase_lite.missing():
        print(f"\nSupabase left out: {reason}")
        return []
    lite = SupabaseLite(socket_folder, port, "postgres")
    lite.start()
    environment = {"SUPABASE_URL": lite.url, "SUPABASE_KEY": lite.secret_key, "FLASK_ENV": "testing"}
    pool = DatabasePool(CONNECTIONS, 0, configuration=load_settings({**environment, "DATA_DIR": folder}))
    columns = ",".join(pool.execute_query("clients", limit=1).data[0])
    clients: queue.Queue[Client] = queue.Queue()
    certificates = httpx.create_ssl_context()
    for _ in range(CONNECTIONS):
        http = httpx.Client(http2=False, verify=certificates, limits=httpx.Limits(max_connections=1))
        clients.put(create_client(lite.url, lite.secret_key, SyncClientOptions(httpx_client=http)))

    def ask_theirs(client_id: str) -> object:
        client = clients.get()
        try:
            return client.table("clients").select(columns).eq("client_id", client_id).execute().data
        finally:
            clients.put(client)

    def ask_ours(client_id: str) -> object:
        return pool.execute_query("clients", filters={"client_id_eq": client_id}).data

    print("\nThe same over Supabase's REST interface")
    missed = []
    for greenlets in (20, 200):
        results = compare(
            {"15 clients used directly": ask_theirs, "execute_query": ask_ours}, greenlets, arguments, ids
        )
        their, our = results.values()
        faster = ratio(our.rates, their.rates)
        print(f"  ratio: {faster:.2f} times the queries per second")
        if faster < 0.9:
            missed.append(f"Supabase, {greenlets} greenlets: {faster:.2f} times the queries per second, wanted 0.9")
    pool.close()
    lite.remove()
    return missed


def main() -> int:
    """Runs everything; 0 when every target was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a round")
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    ids = [f"BM{n:04}" for n in range(CLIENTS)]
    with embedded_database() as (pool, socket_folder, port), tempfile.TemporaryDirectory() as folder:
        missed = direct_way(pool, socket_folder, port, arguments, ids)
        missed += transactions(pool, socket_folder, port, folder)
        missed += supabase_way(socket_folder, port, folder, arguments, ids)
    print("\n" + ("\n".join(f"MISSED {one}" for one in missed) or "All targets met."))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
