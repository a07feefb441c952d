"""How often one caller may ask: a group of limits for each kind of request, counted before anything else is done."""

from collections.abc import Callable
from typing import TypeVar

from flask import Flask, current_app, request

import config
from cache_manager import address_of_caller, count_request, enforce
from portal.web import access

View = TypeVar("View", bound=Callable[..., object])
WEBHOOK_PATHS = ("/webhook", "/twilio/", "/clerk/webhook")
UNLIMITED = ("static", "health", "favicon")


def limited(group: str) -> Callable[[View], View]:
    """Counts a view with a group of its own ("exports", "sign-in") instead of the one that its path belongs to."""

    def mark(view: View) -> View:
        view.limit_group = group  # type: ignore[attr-defined]
        return view

    return mark


def connect(app: Flask, settings: config.Settings) -> None:
    """Sets the limits before every request. Comes before the gate: who may not come in is counted as well."""
    rates = {"pages": settings.rate_limit_pages, "api": settings.rate_limit_api,
             "sign-in": settings.rate_limit_sign_in, "webhooks": settings.rate_limit_webhooks,
             "exports": settings.rate_limit_exports}
    app.extensions["rate_limit.rates"] = {group: rate for group, rate in rates.items() if rate is not None}
    app.extensions["rate_limit.caller"] = caller
    app.before_request(_limit)


def caller() -> str:
    """Who is counted: the colleague who is signed in, else the address behind the trusted proxies."""
    user = access.user_or_none()
    return f"user-{user.user_id}" if user is not None else address_of_caller(request.remote_addr)


def _limit() -> None:
    group = _group()
    rate = current_app.extensions["rate_limit.rates"].get(group)
    if rate is None:
        return
    # A provider and somebody who signs in have no name yet: nothing is asked from the database for them.
    nameless = group in ("webhooks", "sign-in")
    who = address_of_caller(request.remote_addr) if nameless else caller()
    enforce(count_request(group, who, limit=rate.limit, window=rate.window))


def _group() -> str:
    if request.endpoint in UNLIMITED:
        return ""
    view = current_app.view_functions.get(request.endpoint or "")
    marked = getattr(view, "limit_group", "")
    if marked:
        return str(marked)
    if request.path.startswith("/api/"):
        return "api"
    if request.path.startswith(WEBHOOK_PATHS):
        return "webhooks"
    return "pages"
