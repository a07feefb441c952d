"""The token of a page's forms, written in when the rest of the page is there.

A template writes a place for it instead: what stands around a form is then the same for everybody and may be kept
(portal/web/fragments.py), which a token of each session's own would forbid.
"""

import secrets

from cachetools import LRUCache
from flask import Flask, current_app, session
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

PLACE = secrets.token_hex(16)   # nobody's text can hold it: it never leaves the process
SESSIONS = 5000   # whose token a process remembers; a token has no time limit, so it may be shown again


def connect(app: Flask) -> None:
    """Gives every template the place of the token as `csrf_token()`, instead of Flask-WTF's token itself."""
    app.extensions["portal.form_tokens"] = LRUCache[str, str](SESSIONS)
    app.jinja_env.globals["csrf_token"] = _place
    app.context_processor(lambda: {"csrf_token": _place})


def fill_in(page: str) -> str:
    """A page with this session's token in its places. A page without any begins no session."""
    return page.replace(PLACE, _token()) if PLACE in page else page


def _token() -> str:
    known: LRUCache[str, str] = current_app.extensions["portal.form_tokens"]
    raw = session.setdefault("csrf_token", secrets.token_hex(20))
    token = known.get(raw)
    if token is None:
        signed = URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="wtf-csrf-token", signer=_WithoutTime)
        token = known[raw] = str(signed.dumps(raw))
    return token


class _WithoutTime(TimestampSigner):
    """Signs with the same moment always, so that a session has one token in all processes.

    Flask-WTF's own changes with each second: two answers that say the same would differ, and whoever compares answers
    (a test, a scanner) takes that for an effect of what it sent.
    """

    def get_timestamp(self) -> int:
        return 1


def _place() -> str:
    return PLACE
