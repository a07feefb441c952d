"""Clerk's session tokens, good and bad: the portal's strict table, and Clerk's own library as the second opinion."""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from portal.staff import clerk_tokens
from portal.staff.clerk_tokens import TokenRefused, UnknownKey
from tests import clerk

SERVERS = Path(__file__).parents[1] / "servers"
BACKEND = SERVERS / "node_modules" / "@clerk" / "backend"
OPINION = """
import { verifyToken } from "@clerk/backend"
const { tokens, jwtKey, authorizedParties } = JSON.parse(await new Promise((done) => {
  let text = ""; process.stdin.on("data", (part) => (text += part)).on("end", () => done(text)) }))
globalThis.fetch = () => { throw new Error("no network") }
const said = {}
for (const [name, token] of Object.entries(tokens)) {
  try { await verifyToken(token, { jwtKey, authorizedParties }); said[name] = true } catch { said[name] = false }
}
console.log(JSON.stringify(said))
"""


def check(token, *, parties=(clerk.ORIGIN,), keys=None):
    known = {clerk.KEY_ID: clerk.OWN.public_key()} if keys is None else keys
    return clerk_tokens.check(token, key_of=known.get, issuer=clerk.ISSUER, parties=parties)


@pytest.mark.parametrize("what", clerk.TABLE)
def test_each_token_is_refused_where_the_table_says(what):
    make, reason, _ = clerk.TABLE[what]
    if reason is None:
        claims = check(make())
        assert (claims.clerk_user_id, claims.clerk_session_id) == ("user_asha", "sess_1")
        return
    with pytest.raises(TokenRefused) as refused:
        check(make())
    assert refused.value.reason == reason


@pytest.mark.parametrize(("what", "changed"), {
    "an empty person": {"sub": ""}, "a path as person": {"sub": "../../v1/users"}, "a number as session": {"sid": 7},
    "a list as origin": {"azp": [clerk.ORIGIN]}, "a text as end": {"exp": "never"}, "an origin that begins alike":
    {"azp": f"{clerk.ORIGIN}.evil.example"}, "an origin with a path": {"azp": f"{clerk.ORIGIN}/"},
    "a session that was abandoned": {"sts": "abandoned"},
}.items())  # fmt: skip
def test_odd_claims_are_refused(what, changed):
    with pytest.raises(TokenRefused):
        check(clerk.token(**changed))


@pytest.mark.parametrize("header", [
    {"jku": "https://evil.example/jwks.json"}, {"x5u": "https://evil.example/key.pem"}, {"crit": ["exp"]},
    {"jwk": {"kty": "RSA"}}, {"kid": "../../etc/passwd"}, {"kid": "' or 1=1 --"}, {"kid": "k" * 201},
])  # fmt: skip
def test_a_token_does_not_say_where_its_key_comes_from(header):
    asked: list[str] = []
    with pytest.raises(TokenRefused):
        clerk_tokens.check(clerk.token(header=header), key_of=asked.append, issuer=clerk.ISSUER, parties=())
    assert asked == []


def test_an_unknown_key_is_told_apart_before_anything_is_believed():
    with pytest.raises(UnknownKey):
        check(clerk.token(key=clerk.STRANGERS, header={"kid": "ins_new"}))


@pytest.mark.parametrize("text", ["", "x" * 9000, "é.é.é", "...", "a b.c.d", clerk.token() + "\n"])
def test_what_is_no_token_at_all_is_refused_quickly(text):
    with pytest.raises(TokenRefused):
        check(text)


def test_all_spellings_of_a_token_are_one():
    """The last letter of an RSA signature has four spare bits, which a lenient decoder does not look at."""
    whole = clerk.token()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = whole[:-1] + letters[letters.index(whole[-1]) ^ 1]
    fingerprint = check(whole).fingerprint
    with contextlib.suppress(TokenRefused):   # a strict decoder is as good
        assert check(other).fingerprint == fingerprint


def test_the_second_factor_is_read_from_the_token():
    assert not check(clerk.token()).has_second_factor
    assert check(clerk.token(fva=[3, 0])).has_second_factor
    assert not check(clerk.token(fva=...)).has_second_factor


def test_weak_and_foreign_keys_are_no_keys():
    for described in ({"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {}):
        with pytest.raises(ValueError, match=r"."):
            clerk_tokens.key_from_jwk(described)
    key = clerk_tokens.key_from_jwk(clerk.jwks()["keys"][0])
    assert key.public_numbers() == clerk.OWN.public_key().public_numbers()


@pytest.mark.slow
def test_clerks_own_library_says_the_same_but_for_what_it_leaves_to_its_caller():
    if not BACKEND.is_dir() or shutil.which("node") is None:
        pytest.skip("@clerk/backend is not installed (npm ci in tests/servers)")
    asked = {"tokens": {what: make() for what, (make, _, _) in clerk.TABLE.items()}, "jwtKey": clerk.PEM,
             "authorizedParties": [clerk.ORIGIN]}
    answered = subprocess.run(
        ["node", "--input-type=module", "-e", OPINION], cwd=SERVERS, input=json.dumps(asked), capture_output=True,
        text=True, timeout=60, check=False)  # fmt: skip
    assert answered.returncode == 0, answered.stderr
    said = json.loads(answered.stdout)
    assert said == {what: theirs for what, (_, _, theirs) in clerk.TABLE.items()}
    # Nothing that Clerk's own library refuses is let through here.
    assert [what for what, (_, reason, _) in clerk.TABLE.items() if reason is None and not said[what]] == []
