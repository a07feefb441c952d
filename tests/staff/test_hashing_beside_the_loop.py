"""Hashing a password takes tens of milliseconds of a processor; under gevent nobody else may wait for it."""

import subprocess
import sys

SCRIPT = """
from gevent import monkey
monkey.patch_all()
import time, gevent
from portal.staff import passwords

stored = passwords.hashed("one dark monsoon evening")
longest, last = 0.0, time.perf_counter()

def tick():
    global longest, last
    while True:
        gevent.sleep(0.002)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now

ticker = gevent.spawn(tick)
gevent.sleep(0.01)
began = time.perf_counter()
sign_ins = [gevent.spawn(passwords.matches, stored, "one dark monsoon evening") for _ in range(8)]
gevent.joinall(sign_ins)
whole = time.perf_counter() - began
gevent.sleep(0.01)   # the tick that had to wait
print(all(one.value for one in sign_ins), whole, longest)
"""


def test_the_loop_goes_on_while_eight_colleagues_sign_in():
    outcome = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    right, whole, longest = outcome.stdout.split()
    assert right == "True"
    assert float(longest) < float(whole) / 3


def test_the_loop_would_stand_still_without_the_thread():
    blocking = SCRIPT.replace("passwords.matches, stored", "passwords._hasher.verify, stored")
    outcome = subprocess.run([sys.executable, "-c", blocking], capture_output=True, text=True, timeout=120, check=True)
    _, whole, longest = outcome.stdout.split()
    assert float(longest) > float(whole) / 2
