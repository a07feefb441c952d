"""The cache and the limits against what they are made from, in one run, as ratios.

    venv/bin/python benchmarks/cache.py [--seconds 0.5] [--rounds 11]
    venv/bin/python benchmarks/cache.py --outage [--seconds 30]      Redis dies under load and comes back

Under gevent, as the portal runs: get and set against redis-py over the same pool; memory against cachetools under the
same lock; a view with a limit against one without. The second form loads two web processes with wrk through Redis's
death. Rounds are interleaved. Exit code 1 when a target is missed.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import contextlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import requests
from cachetools import TTLCache

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import app_multiuser
import config
from cache_manager import CacheManager, rate_limit, reset_cache
from portal import web
from tests.servers.portal import RunningPortal
from tests.servers.redis import RedisServer

GREENLETS = 20
VALUE = {"client_id": "C001", "name": "Kavita Iyer", "policies": [1, 2, 3], "renewal_due": True}
Work = Callable[[], object]


def rate(work: Work, seconds: float, greenlets: int) -> float:
    """Calls a second of `work` by so many greenlets at once."""
    counts, end = [0] * greenlets, time.perf_counter() + seconds

    def loop(number: int) -> None:
        while time.perf_counter() < end:
            for _ in range(20):
                work()
            counts[number] += 20

    began = time.perf_counter()
    gevent.joinall([gevent.spawn(loop, number) for number in range(greenlets)], raise_error=True)
    return sum(counts) / (time.perf_counter() - began)


def compare(title: str, theirs: Work, ours: Work, target: float, arguments: argparse.Namespace,
            greenlets: int = GREENLETS) -> list[str]:
    """One line for the comparison; what was missed."""
    found: dict[str, list[float]] = {"theirs": [], "ours": []}
    for work in (theirs, ours):
        rate(work, 0.2, greenlets)
    for number in range(arguments.rounds):
        order = [("theirs", theirs), ("ours", ours)]
        for name, work in order if number % 2 else reversed(order):
            found[name].append(rate(work, arguments.seconds, greenlets))
    ratio = statistics.median(our / their for our, their in zip(found["ours"], found["theirs"], strict=True))
    their, our = (statistics.median(found[name]) for name in ("theirs", "ours"))
    print(f"  {title:<42} {their:9,.0f}/s   ours {our:9,.0f}/s   ratio {ratio:.2f} (wanted {target})")
    return [f"{title}: {ratio:.2f}, wanted {target}"] if ratio < target else []


def on_redis(server: RedisServer, arguments: argparse.Namespace) -> list[str]:
    cache = CacheManager(server.url)
    cache.set("value", VALUE)
    held = cache.redis()
    if held is None:
        raise SystemExit("Redis does not answer")
    client, text = held.client, held.client.get("cache:value")
    print(f"\nOn Redis, {GREENLETS} greenlets, the same pool")
    return [
        *compare("get, bare redis-py", lambda: client.get("cache:value"), lambda: cache.get("value"), 0.85, arguments),
        *compare("set, bare redis-py", lambda: client.set("cache:value", text, px=300_000),
                 lambda: cache.set("value", VALUE, 300), 0.85, arguments)]


def in_memory(arguments: argparse.Namespace) -> list[str]:
    cache, lock = CacheManager(""), threading.Lock()
    theirs: TTLCache[str, object] = TTLCache(20_000, 300)

    def get() -> object:
        with lock:
            return theirs.get("value")

    def put() -> None:
        with lock:
            theirs["value"] = VALUE

    put()
    cache.set("value", VALUE)
    print("\nIn memory")
    return [*compare("get, cachetools.TTLCache", get, lambda: cache.get("value"), 0.5, arguments, 1),
            *compare("set, cachetools.TTLCache", put, lambda: cache.set("value", VALUE, 300), 0.5, arguments, 1)]


def limited_view(server: RedisServer, arguments: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load_settings({
            "FLASK_ENV": "testing", "DATA_DIR": folder, "LOG_DIR": folder, "REDIS_URL": server.url,
            "RATE_LIMIT_PAGES": "off", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"})
        config.use_settings(settings)
        reset_cache()
        app = app_multiuser.create_app(settings)

        def empty() -> str:
            return ""

        app._got_first_request = False
        app.add_url_rule("/free", "free", web.public(empty))
        app.extensions["rate_limit.caller"] = lambda: "benchmark"
        app.add_url_rule("/limited", "limited", web.public(rate_limit(limit=10**9, window=3600)(empty)))
        client = app.test_client()
        for path in ("/free", "/limited"):
            if client.get(path).status_code != 200:
                raise SystemExit(f"{path} does not answer")
        print("\nAn empty view of the portal")
        environment = client.application.test_request_context

        def call(path: str) -> Work:
            builder = environment(path).request.environ

            def ask() -> object:
                return b"".join(app.wsgi_app(dict(builder), lambda *_: lambda _data: None))

            return ask

        return compare("without a limit", call("/free"), call("/limited"), 0.85, arguments)


def outage(server: RedisServer, seconds: int) -> list[str]:
    """wrk with 50 connections on a signed-in page; Redis dies for `seconds`. What was missed."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed (Debian and Ubuntu: apt-get install wrk)")
    portal = RunningPortal(workers=2, REDIS_URL=server.url, RATE_LIMIT_PAGES="9000000/minute")
    try:
        portal.start()
        portal.run("seed-demo")
        cookie = signed_in(portal)
        command = ["wrk", "-t2", "-c50", f"-d{seconds}s", "--timeout", "10s", "--latency", "-H", f"Cookie: {cookie}",
                   f"{portal.url}/account"]
        before = measured(command)
        with meanwhile(server.kill):   # requests are in flight then
            during = measured(command)
        returned: list[float] = []
        with meanwhile(lambda: returned.append(back_on_redis(server, portal, cookie))):
            after = measured(command)
        back = returned[0]
    finally:
        portal.remove()
    print("\nwrk -c50 on a signed-in page: requests a second, p99 in ms, failed")
    print(f"  before {before}\n  during {during}\n  after  {after}\n  back in {back:.1f} s")
    missed = [f"{when}: {one[2]} failed requests" for when, one in (
        ("before", before), ("during", during), ("after", after)) if one[2]]
    if during[1] > 2 * before[1]:
        missed.append(f"p99 during the outage {during[1]:.0f} ms, before {before[1]:.0f} ms, wanted 2 times at most")
    return missed + ([f"back on Redis after {back:.1f} s, wanted 10"] if back > 10 else [])


@contextlib.contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Does `work` one second after the block has begun."""
    done = gevent.spawn_later(1, work)
    yield
    done.get(timeout=120)


def back_on_redis(server: RedisServer, portal: RunningPortal, cookie: str) -> float:
    """Starts Redis; the seconds until the portal uses it again."""
    server.start()
    began = time.monotonic()
    while not keys_of(server, portal, cookie) and time.monotonic() - began < 30:
        time.sleep(0.1)
    return time.monotonic() - began


def keys_of(server: RedisServer, portal: RunningPortal, cookie: str) -> list[str]:
    """What the portal counts in Redis after one more request."""
    requests.get(f"{portal.url}/account", headers={"Cookie": cookie}, timeout=10)
    with contextlib.suppress(OSError):
        return [str(key) for key in server.client().keys("rate_limit:*")]
    return []


def signed_in(portal: RunningPortal) -> str:
    """The cookie of a colleague of the demo book."""
    printed = portal.run("create-admin", "--email", "bench@example.in", "--name", "Bench Mark")
    password = re.search(r"([a-z2-9]{4}(?:-[a-z2-9]{4}){3})", printed)
    if password is None:
        raise SystemExit("create-admin printed no one-time password")
    browser = requests.Session()

    def token(path: str) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(portal.url + path, timeout=20).text)
        return found[1] if found else ""

    browser.post(f"{portal.url}/login", timeout=20, data={
        "csrf_token": token("/login"), "email": "bench@example.in", "password": password[1]})
    browser.post(f"{portal.url}/account/password", timeout=20, data={
        "csrf_token": token("/account/password"), "current_password": password[1],
        "new_password": "one dark monsoon evening", "new_password_again": "one dark monsoon evening"})
    if browser.get(f"{portal.url}/account", timeout=20, allow_redirects=False).status_code != 200:
        raise SystemExit("signing in did not work")
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def measured(command: list[str]) -> tuple[float, float, int]:
    """Requests a second, p99 in ms, failed requests."""
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", printed)
    speed = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    failed = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", printed))
    for line in re.findall(r"Socket errors: (.+)", printed):
        print(f"  {line}")
        failed += sum(int(number) for number in re.findall(r"\d+", line))
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    return (float(speed[1]) if speed else 0.0, float(tail[1]) * unit[tail[2]] if tail else 0.0, failed)


def main() -> int:
    """Runs what was asked for; 0 when every target was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="length of a round (0.5), of each load (30)")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--outage", action="store_true", help="Redis dies under load, instead of the comparisons")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (30 if arguments.outage else 0.5)
    server = RedisServer()
    server.start()
    try:
        if arguments.outage:
            missed = outage(server, int(arguments.seconds))
        else:
            missed = [*on_redis(server, arguments), *in_memory(arguments), *limited_view(server, arguments)]
    finally:
        server.remove()
    print("\n" + ("\n".join(f"MISSED {one}" for one in missed) or "All targets met."))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
