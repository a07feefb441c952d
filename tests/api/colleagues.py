"""The colleagues as whom the examination sends every example, and what each of them must not be answered."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from flask import Flask
from requests import PreparedRequest
from schemathesis import Case, Response

from database_pool import transaction
from portal.staff.service import permissions_of
from tests.api.conftest import token_for
from tests.cast import CAST, email_of, make_cast

# What only those with the permission may read, wherever it stands in an answer. The trail says "hidden" in its place.
SECRETS = {
    "commission.read": frozenset({"commission_rate", "commission_amount", "commission_received"}),
    "clients.write": frozenset({"pan", "gstin", "health_notes"}),
    "staff.manage": frozenset({"one_time_password"}),
    "nobody's": frozenset({"password_hash", "token_hash", "totp_secret"}),
}
# Refused before anything is looked at: the address or its headers, the sign-in, the role, the method, Accept.
REFUSALS = {400, 401, 403, 404, 405, 406}
NEEDED = re.compile(r"Needs the permission `([a-z.]+)`")


class Colleagues:
    """One of each role, with tokens that an examination cannot end."""

    def __init__(self, app: Flask, who: tuple[str, ...] = tuple(CAST)) -> None:
        self._client, self._ids = app.test_client(use_cookies=False), make_cast()
        self.restore()
        self.tokens = {one: token_for(self._ids[one]) for one in who}

    def restore(self) -> None:
        """Everybody active again, in their own role and with the tokens they had."""
        with transaction() as tx:
            for who, (name, role) in CAST.items():
                values = {"email": email_of(who), "name": name, "role": role, "is_active": True,
                          "must_change_password": False}  # fmt: skip
                tx.update("users", values, filters={"user_id_eq": self._ids[who]})
            tx.update("api_tokens", {"revoked_at": None}, filters={"user_id_in": list(self._ids.values())})

    def ask(self, who: str, sent: PreparedRequest) -> Response:
        """What this colleague is answered to the same request, byte for byte. It does not pass a socket."""
        own = sent.copy()
        own.headers["Authorization"] = f"Bearer {self.tokens[who]}"
        headers = [(name, _text(value)) for name, value in own.headers.items() if name.lower() != "content-length"]
        origin = urljoin(own.url or "", "/")
        with self._client.open(own.path_url, base_url=origin, method=own.method, headers=headers, data=own.body
                               ) as answer:  # fmt: skip
            fields = {name.lower(): answer.headers.getlist(name) for name, _ in answer.headers}
            return Response(answer.status_code, fields, answer.get_data(), own, elapsed=0.0, verify=False)


def changes_colleagues(sent: PreparedRequest, status: int) -> bool:
    """Whether it may have disabled, demoted or signed out somebody."""
    return sent.method != "GET" and sent.path_url.startswith("/api/users") and status < 300


def what_it_may_not(who: str, case: Case[Any], response: Response) -> str:
    """What this colleague's role should not have been answered; "" when there is nothing."""
    mine = permissions_of(CAST[who][1])
    needed = NEEDED.search(case.operation.definition.raw.get("description", ""))
    own_method = case.method.upper() == case.operation.method.upper()
    if own_method and needed and needed[1] not in mine and response.status_code not in REFUSALS:
        return f"answered {response.status_code} without {needed[1]}"
    if response.status_code >= 400 or "json" not in response.headers.get("content-type", [""])[0]:
        return ""
    hidden = frozenset().union(*(names for permission, names in SECRETS.items() if permission not in mine))
    seen = {name for name, value in _members(response.json()) if name in hidden and value not in (None, "hidden")}
    return f"sees {', '.join(sorted(seen))}" if seen else ""


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _members(inner)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
