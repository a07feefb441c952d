"""What forty colleagues do at once, as a process of its own: under gevent as the portal runs, or with threads.

    python -m tests.database.load gevent|threads SCENARIO [JSON]

The database comes from the environment. The findings are printed as one line of JSON.
"""

import sys

if __name__ == "__main__" and sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()

import collections
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from database_pool import Conflict, DatabaseError, DatabasePool

COLLEAGUES = 40
POLICIES = (1, 2, 3, 4)  # the terms that everybody wants to renew
CLIENT = "RV01"  # the client that everybody edits
Findings = dict[str, Any]


class Tally:
    """Counts what happened, from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.done: collections.Counter[str] = collections.Counter()
        self.conflicts: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.given: list[str] = []

    def attempt(self, what: str, act: Callable[[], str | None]) -> None:
        """Does it and notes how it ended."""
        try:
            given = act()
        except Conflict:
            with self._lock:
                self.conflicts[what] += 1
        except DatabaseError as error:
            with self._lock:
                self.errors[f"{what}: {type(error).__name__}: {error}"] += 1
        else:
            with self._lock:
                self.done[what] += 1
                if given is not None:
                    self.given.append(given)

    def findings(self) -> Findings:
        return {"done": self.done, "conflicts": self.conflicts, "errors": self.errors, "given": self.given}


def together(work: Iterable[Callable[[], object]]) -> None:
    """Runs all at once and waits for the last."""
    threads = [threading.Thread(target=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def rivals(pool: DatabasePool, rounds: int = 6) -> Findings:
    """Everybody renews the same terms, edits the same client and adds new ones."""
    tally = Tally()

    def colleague(seed: int) -> None:
        choose = random.Random(seed)
        for turn in map(str, range(rounds)):
            actions: list[tuple[str, Callable[[], str | None]]] = [
                ("renew", lambda: renew(pool, choose.choice(POLICIES), seed)),
                ("edit", lambda: edit(pool)),
                ("add", partial(add, pool, seed, turn)),
            ]
            choose.shuffle(actions)
            for what, act in actions:
                tally.attempt(what, act)

    together(partial(colleague, seed) for seed in range(COLLEAGUES))
    return {**tally.findings(), "statistics": pool.statistics()}


def renew(pool: DatabasePool, policy_id: int, who: int) -> None:
    """The next term of a policy, which takes the old one out of the living: of all who try, one succeeds."""
    old = pool.execute_query("policies", filters={"policy_id_eq": policy_id}).data[0]
    new_id = pool.new_id("policies")
    with pool.transaction() as tx:
        tx.update("policies", {"state": "renewed"}, expect=1,
                  filters={"policy_id_eq": policy_id, "version_eq": old["version"], "state_eq": "live"})  # fmt: skip
        tx.insert("policies", {
            "policy_id": new_id, "client_id": old["client_id"], "insurer_id": old["insurer_id"], "line": old["line"],
            "product_id": old["product_id"], "policy_number": f"{old['policy_number']}/{new_id}",
            "policy_from": "2027-04-01", "policy_to": "2028-03-31", "due_on": "2028-03-31", "remarks": f"by {who}",
            "renewed_from_id": policy_id,
        })  # fmt: skip
        tx.insert("audit", {"action": "renew", "record_type": "policy", "record_id": str(policy_id)})


def edit(pool: DatabasePool) -> None:
    """Counts one more in the client's notes, guarded by the version that was seen."""
    seen = pool.execute_query("clients", columns="notes, version", filters={"client_id_eq": CLIENT}).data[0]
    with pool.transaction() as tx:
        tx.update("clients", {"notes": str(int(seen["notes"]) + 1)}, expect=1,
                  filters={"client_id_eq": CLIENT, "version_eq": seen["version"]})  # fmt: skip


def add(pool: DatabasePool, who: int, turn: str) -> str:
    """A new client under the next free id of one prefix."""
    client_id: str = pool.call_function("next_client_id", {"wanted_prefix": "NEW"})
    with pool.transaction() as tx:
        tx.insert("clients", {"client_id": client_id, "name": f"Client {who}/{turn}"})
    return client_id


def crossing(pool: DatabasePool, rounds: int = 10) -> Findings:
    """Pairs of colleagues change the same two clients in opposite order: PostgreSQL ends a deadlock by undoing one."""
    tally = Tally()

    def colleague(number: int) -> None:
        pair = [f"XA{number // 2}", f"XB{number // 2}"][:: 1 if number % 2 else -1]
        for _ in range(rounds):
            tally.attempt("cross", lambda: cross(pool, pair))

    together(partial(colleague, number) for number in range(8))
    return tally.findings()


def cross(pool: DatabasePool, pair: list[str]) -> None:
    with pool.transaction() as tx:
        for client_id in pair:
            tx.update("clients", {"city": "Pune"}, filters={"client_id_eq": client_id}, expect=1)


def writing(pool: DatabasePool, seconds: float = 8.0) -> Findings:
    """Everybody writes for a while, each row with a token of its own; whatever was acknowledged is in "given"."""
    tally, end = Tally(), time.monotonic() + seconds

    def colleague(number: int) -> None:
        for turn in range(1_000_000):
            if time.monotonic() > end:
                return
            tally.attempt("write", partial(note, pool, f"{number}/{turn}"))
            tally.attempt("edit", lambda: edit(pool))
            time.sleep(0.01)

    together(partial(colleague, number) for number in range(COLLEAGUES))
    pool.execute_query("clients", limit=1)
    return {**tally.findings(), "statistics": pool.statistics()}


def note(pool: DatabasePool, token: str) -> str:
    with pool.transaction() as tx:
        tx.insert("audit", {"action": "note", "record_type": "token", "record_id": token})
        tx.insert("members", {"client_id": CLIENT, "name": token})
    return token


def exhausted(pool: DatabasePool) -> Findings:
    """Twelve at once on three connections, each for a second, with half a second of patience."""
    small = DatabasePool(2, 1, 0.5)
    tally, waits = Tally(), list[float]()

    def colleague() -> None:
        began = time.monotonic()
        tally.attempt("slow", lambda: small.call_function("slow", {"seconds": 1.0}))
        waits.append(time.monotonic() - began)

    small.execute_query("clients", limit=1)
    together([colleague] * 12)
    after = time.monotonic()
    together([lambda: small.execute_query("clients", limit=1)] * 12)
    return {
        **tally.findings(), "longest": max(waits), "after": time.monotonic() - after, "statistics": small.statistics(),
    }  # fmt: skip


def interrupted(pool: DatabasePool) -> Findings:
    """Greenlets are killed and timed out while they open, wait and read; whoever comes after finds the pool whole."""
    import gevent  # only under gevent is there anything to interrupt

    choose, outcomes = random.Random(7), collections.Counter[str]()

    def ask() -> None:
        with gevent.Timeout(choose.uniform(0, 0.5), False):
            pool.call_function("slow", {"seconds": choose.choice([0.0, 0.01, 0.05])})
            outcomes["answered"] += 1

    for _ in range(12):
        greenlets = [gevent.spawn(ask) for _ in range(120)]
        gevent.sleep(choose.uniform(0.01, 0.1))
        gevent.killall(choose.sample(greenlets, 60), block=False)
        gevent.joinall(greenlets)
    gevent.sleep(0.3)
    idle = pool.statistics()
    began = time.monotonic()
    answers: list[Any] = []
    together([lambda: answers.append(pool.execute_query("clients", limit=1).data)] * 90)
    return {"outcomes": outcomes, "idle": idle, "seconds": time.monotonic() - began, "answers": len(answers),
            "statistics": pool.statistics()}  # fmt: skip


def forked(pool: DatabasePool) -> Findings:
    """A process that has used the pool forks; parent and children ask at once and get only their own answers."""

    def ask(name: str) -> list[int]:
        wrong = [n for n in range(100) if pool.call_function("echo", {"word": f"{name} {n}"}) != f"{name} {n}"]
        ids = [pool.new_id("policies") for _ in range(10)]
        return [len(wrong), *ids]

    ask("before")
    pool.new_id("policies")
    pipes = {}
    for number in range(3):
        reading, writing_end = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writing_end, json.dumps(ask(f"child {number}")).encode())
            os._exit(0)
        pipes[child] = reading
    mine = ask("parent")
    children = [json.loads(os.read(pipe, 65536)) for pipe in pipes.values()]
    for child in pipes:
        os.waitpid(child, 0)  # gevent knows of this one, and reaps its children before os.wait() sees them
    return {"answers": [mine, *children], "afterwards": ask("after")[0]}


def starting(pool: DatabasePool, stay: float = 0.0) -> Findings:
    """Makes the database ready, as each process of the portal does at its start."""
    applied = pool.start()
    rows = pool.execute_query("gst_rules", count=True).count
    time.sleep(stay)
    return {"applied": applied, "rules": rows}


SCENARIOS: dict[str, Callable[..., Findings]] = {
    "rivals": rivals, "crossing": crossing, "writing": writing, "exhausted": exhausted, "interrupted": interrupted,
    "forked": forked, "starting": starting,
}  # fmt: skip


def main() -> None:
    """Runs the scenario named on the command line."""
    pool = DatabasePool()
    given = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    findings = SCENARIOS[sys.argv[2]](pool, **given)
    pool.stop()
    print(json.dumps(findings))


if __name__ == "__main__":
    main()
