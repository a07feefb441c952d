"""A Clerk instance of the tests' own: its key, its tokens good and bad, its signed events, its people.

`TABLE` holds 25 tokens: what each is like, what the portal says to it (None: it is good; else the reason), and whether
`@clerk/backend` accepts it when it is told the key and the origins.
"""

import base64
import datetime
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "http://localhost:5050"
ISSUER = "https://clerk.example.com"
PUBLISHABLE_KEY = "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"
KEY_ID = "ins_2portal"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"the tests' own signing secret 01").decode()

OWN = generate_private_key(65537, 2048)
STRANGERS = generate_private_key(65537, 2048)
PEM = OWN.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SETTINGS = {
    "CLERK_SECRET_KEY": "sk_test_1", "CLERK_PUBLISHABLE_KEY": PUBLISHABLE_KEY, "CLERK_FRONTEND_API": ISSUER,
    "CLERK_JWT_KEY": PEM, "CLERK_WEBHOOK_SECRET": WEBHOOK_SECRET, "ADMIN_EMAILS": "asha@example.in",
}  # fmt: skip


def claims(user: str = "user_asha", session: str = "sess_1", **changed: Any) -> dict[str, Any]:
    """What Clerk's second version of tokens says; a change to ... takes a claim away."""
    now = int(time.time())
    whole = {"azp": ORIGIN, "exp": now + 60, "iat": now, "nbf": now - 10, "iss": ISSUER, "sub": user, "sid": session,
             "jti": uuid.uuid4().hex, "fva": [0, -1], "v": 2, "sts": "active", **changed}  # fmt: skip
    return {name: value for name, value in whole.items() if value is not ...}


def token(
    *, key: RSAPrivateKey | str = OWN, algorithm: str = "RS256", header: dict[str, Any] | None = None, **said: Any
) -> str:
    """A token with these claims changed. `header` is added to the usual one."""
    return jwt.encode(claims(**said), key, algorithm=algorithm,
                      headers={"kid": KEY_ID, "cat": "cl_B7d4PD111AAA", **(header or {})})  # fmt: skip


def svix_signature(event_id: str, moment: str, body: bytes, secret: str = WEBHOOK_SECRET) -> str:
    """What Svix writes into svix-signature."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{event_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def jwks(*, key: RSAPrivateKey = OWN, key_id: str = KEY_ID) -> dict[str, Any]:
    """What the instance publishes."""
    described = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {"keys": [{**described, "kid": key_id, "use": "sig", "alg": "RS256"}]}


def event(kind: str, data: dict[str, Any], *, event_id: str = "msg_1", at: float | None = None,
          secret: str = WEBHOOK_SECRET) -> dict[str, Any]:  # fmt: skip
    """The body and the headers of one signed event, as arguments of a test client's `post`."""
    body = json.dumps({"type": kind, "object": "event", "data": data}).encode()
    moment = str(int(time.time() if at is None else at))
    signature = f"v1a,b2xk {svix_signature(event_id, moment, body, secret)}"
    headers = {"svix-id": event_id, "svix-timestamp": moment, "svix-signature": signature}
    return {"data": body, "headers": headers, "content_type": "application/json"}


def person(name: str, *, changed: int = 1, verified: bool = True, email: str | None = None, **more: Any,
           ) -> dict[str, Any]:  # fmt: skip
    """Clerk's user object of user_<name>. `changed` is a number of seconds: later news have a larger one."""
    at = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=changed)
    return {
        "id": f"user_{name}", "object": "user", "first_name": name.capitalize(), "last_name": "Rane",
        "primary_email_address_id": "idn_1", "banned": False, "updated_at": int(at.timestamp() * 1000),
        "email_addresses": [
            {"id": "idn_0", "email_address": "other@example.in", "verification": {"status": "verified"}},
            {"id": "idn_1", "email_address": email or f"{name}@example.in",
             "verification": {"status": "verified" if verified else "unverified"}}],
        **more}  # fmt: skip


def _spent(seconds: int) -> str:
    now = int(time.time())
    return token(iat=now - seconds - 60, nbf=now - seconds - 70, exp=now - seconds)


def _hmac_with_the_public_key() -> str:
    """PyJWT refuses to make one: a header, the claims, and an HMAC that uses what everybody may know as its secret."""
    parts = [{"alg": "HS256", "typ": "JWT", "kid": KEY_ID}, claims()]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    signed = hmac.new(PEM.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"


def _without_key_id() -> str:
    return jwt.encode(claims(), OWN, algorithm="RS256")


def _in(seconds: int) -> int:
    return int(time.time()) + seconds


TABLE: dict[str, tuple[Callable[[], str], str | None, bool]] = {
    "good": (token, None, True),
    "ended three seconds ago": (lambda: _spent(3), None, True),
    "begins in three seconds": (lambda: token(nbf=_in(3)), None, True),
    "with an audience": (lambda: token(aud="https://elsewhere.example"), None, True),
    "of the first version, without sts": (lambda: token(sts=..., v=...), None, True),
    "ended 30 seconds ago": (lambda: _spent(30), "expired", False),
    "begins in a minute": (lambda: token(nbf=_in(60)), "not yet", False),
    "made in the future": (lambda: token(iat=_in(60)), "not yet", False),
    "signed with another key": (lambda: token(key=STRANGERS), "signature", False),
    "unsigned": (lambda: token(key="", algorithm="none"), "algorithm", False),
    "HMAC with the public key": (_hmac_with_the_public_key, "algorithm", False),
    "RS512": (lambda: token(algorithm="RS512"), "algorithm", False),
    "cut short": (lambda: token()[:-20], "not a token", False),
    "not a token": (lambda: "a.b", "not a token", False),
    "of another site": (lambda: token(azp="https://evil.example"), "origin", False),
    "of no site": (lambda: token(azp=...), "no azp", False),
    "of another issuer": (lambda: token(iss="https://clerk.evil.example"), "issuer", True),
    "without an end": (lambda: token(exp=...), "no exp", False),
    "without a person": (lambda: token(sub=...), "no sub", False),
    "of a template, without a session": (lambda: token(sid=...), "no sid", True),
    "without a beginning": (lambda: token(nbf=...), "no nbf", True),
    "without the time it was made": (lambda: token(iat=...), "no iat", True),
    "without the id of its key": (_without_key_id, "no key id", True),
    "of a session that is not finished": (lambda: token(sts="pending"), "pending", True),
    "of somebody who acts for another": (lambda: token(act={"sub": "user_boss"}), "impersonation", True),
}
