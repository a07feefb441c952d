"""The sign-in page while people sign in through Clerk: the one page with its scripts, under a policy of its own."""

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import session
from werkzeug.wrappers import Response

import config
from portal import web

# Majors, never "latest": a new major may take the components away, as the sixth of clerk-js did.
CLERK_JS = "/npm/@clerk/clerk-js@6/dist/clerk.browser.js"
CLERK_UI = "/npm/@clerk/ui@1/dist/ui.browser.js"
SIGNED_OUT_HERE = "ends_clerk_session"
# Where it lies in the cookies which of several instances on one domain a time belongs to.
UAT = "__client_uat"


def policy(frontend_api: str) -> str:
    """The Content-Security-Policy that Clerk's components need
    (https://clerk.com/docs/guides/secure/best-practices/csp-headers).
    """
    parts = urlsplit(frontend_api)
    clerk = f"{parts.scheme}://{parts.netloc}"
    return (f"default-src 'none'; script-src 'self' {clerk} https://challenges.cloudflare.com "
            f"https://*.protect.clerk.com; connect-src 'self' {clerk} https://*.protect.clerk.com:*; "
            "img-src 'self' data: https://img.clerk.com; style-src 'self' 'unsafe-inline'; font-src 'self'; "
            "worker-src 'self' blob:; frame-src https://challenges.cloudflare.com; manifest-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'")


def show(status: int, *, target: str, mode: str, sentence: str = "", rounds: int = 0) -> Response:
    """The page. `mode` is what its script does once Clerk is loaded:

    offer: hands in a token of Clerk's session where there is one, else shows Clerk's form; wait: hands one in again in
    two seconds; refused: nothing; over: ends Clerk's session first.
    """
    chosen = config.settings()
    api = chosen.clerk_frontend_api or ""
    response = web.render(
        "staff/clerk.html", status, fragment=False, next=target, mode=mode, sentence=sentence, rounds=rounds,
        publishable_key=chosen.clerk_publishable_key, scripts=(f"{api}{CLERK_UI}", f"{api}{CLERK_JS}"))
    response.headers["Content-Security-Policy"] = policy(api)
    return response


def note_signed_out() -> None:
    """Lets the next sign-in page of this browser end Clerk's session as well."""
    session[SIGNED_OUT_HERE] = True


def first_mode() -> str:
    """What a sign-in page that was simply opened does."""
    return "over" if session.pop(SIGNED_OUT_HERE, False) else "offer"


def says_signed_out(cookies: Mapping[str, str], publishable_key: str) -> bool:
    """Whether Clerk has noted in this browser that nobody is signed in: `__client_uat` is 0 then.

    Several instances may share a domain. Then the cookie with our instance's suffix counts, whatever the bare one says.
    """
    own = cookies.get(f"{UAT}_{suffix_of(publishable_key)}")
    return (cookies.get(UAT) if own is None else own) == "0"


def suffix_of(publishable_key: str) -> str:
    """What Clerk appends to the names of an instance's cookies."""
    digest = hashlib.sha1(publishable_key.encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).decode()[:8]
