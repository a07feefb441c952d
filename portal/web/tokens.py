"""The token of a page's forms, written in when the rest of the page is there.

A template writes a place for it instead: what stands around a form is then the same for everybody and may be kept
(portal/web/fragments.py), which a token of each session's own would forbid.
"""

import secrets

from cachetools import LRUCache
from flask import Flask, current_app, session
from flask_wtf.csrf import generate_csrf

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
    token = known.get(session.get("csrf_token", ""))
    if token is None:
        token = generate_csrf()
        known[session["csrf_token"]] = token
    return token


def _place() -> str:
    return PLACE
