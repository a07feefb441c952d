"""Puts the portal together: for the web server (`create_app`), for the commands, and for `python app_multiuser.py`."""

if __name__ == "__main__":
    # Before anything opens a socket or starts a thread: one process then serves many at once.
    from gevent import monkey

    monkey.patch_all()

import datetime
import hashlib
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import Any

import click
import gevent
from flask import Flask, Response, get_flashed_messages, jsonify, redirect, url_for
from gevent.pywsgi import WSGIServer
from werkzeug.wrappers import Response as BaseResponse

import config
import database_pool
import portal.areas
import portal.commands
from portal import formats, web
from portal.privacy import keys
from portal.settings import queries as settings_queries
from portal.staff import service as staff
from portal.staff import views as staff_views
from portal.web import (
    access,
    application,
    fragments,
    limits,
    logs,
    metrics,
    problems,
    protection,
    reads,
    styles,
    templates,
    tokens,
    turns,
    uploads,
)
from task_queue import task_queue

ROOT = pathlib.Path(__file__).resolve().parent
PORTAL_NAME = "Insurance Portal"
LARGEST_UPLOAD = 60 * 1024 * 1024
MOST_FORM_PARTS = 2000
TASKS_END_WITHIN = 10.0   # seconds, when the one process that serves is asked to stop


def create_app(settings: config.Settings | None = None) -> Flask:
    """The portal as a WSGI application. Opens nothing: the first request or command that needs the database does.

    Raises config.ConfigurationError for settings that cannot work and RuntimeError for a view that declares no access.
    """
    if settings is None:
        settings = config.settings()
    else:
        config.use_settings(settings)
    app = application.Portal(__name__)
    _configure(app, settings)
    logs.configure(settings.log_dir, largest=settings.log_file_mb, console=settings.flask_env == "development")
    metrics.connect(app)
    protection.connect(app)
    limits.connect(app, settings)
    reads.connect(app)
    access.connect(app, staff_views.load_user, staff_views.load_program, staff.PERMISSIONS)
    protection.limit_forms(app)
    # Within the turns of uploads: who waits for one of those holds nobody up at the door.
    app.extensions["door"] = door = turns.Turns(settings.web_at_once)
    app.wsgi_app = turns.behind_the_door(app.wsgi_app, door)  # type: ignore[method-assign, assignment]
    uploads.connect(app)
    form_tokens = protection.FormTokens(app)
    tokens.connect(app)
    problems.connect(app)
    _add_own_routes(app)
    for blueprint in portal.areas.blueprints():
        app.register_blueprint(blueprint)
    for view in app.view_functions.values():
        if getattr(view, "signed_by_sender", False):
            form_tokens.exempt(view)
    for command in portal.commands.COMMANDS:
        app.cli.add_command(command)
    styles.connect(app)
    fragments.connect(app)
    _equip_templates(app)
    access.check_every_view_declares_access(app)
    app.wsgi_app = protection.front_door(  # type: ignore[method-assign, assignment]
        app.wsgi_app, base_url=settings.app_base_url, proxies=settings.trusted_proxies)
    app.logger.info("portal ready, database: %s", database_pool.default_pool().backend_name())
    return app


def _configure(app: Flask, settings: config.Settings) -> None:
    over_https = settings.app_base_url.startswith("https://")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        TESTING=settings.flask_env == "testing",
        APP_BASE_URL=settings.app_base_url,
        METRICS_TOKEN=settings.metrics_token,
        SIGN_IN_BY="clerk" if settings.uses("clerk") else "password",
        MAX_CONTENT_LENGTH=LARGEST_UPLOAD,
        MAX_FORM_MEMORY_SIZE=protection.LARGEST_FORM,
        MAX_FORM_PARTS=MOST_FORM_PARTS,
        SESSION_COOKIE_NAME="__Host-session" if over_https else "session",
        SESSION_COOKIE_SECURE=over_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=staff.LONGEST_SESSION,
        WTF_CSRF_TIME_LIMIT=None,   # a form stays good as long as the session it was made in
        TEMPLATES_AUTO_RELOAD=False,
    )
    # /clients and /clients/ are one page, without a detour that would lose a form.
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]


def _add_own_routes(app: Flask) -> None:
    @app.get("/health")
    @web.public
    def health() -> Response:
        """Says that this process lives; asks nobody else, so that a slow database does not get it restarted."""
        return jsonify(status="healthy", timestamp=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    @app.get("/favicon.ico")
    @web.public
    def favicon() -> BaseResponse:
        """Some programs ask for this name whatever the page says."""
        return redirect(url_for("static", filename="icon.svg"), 301)

    web.public(app.view_functions["static"])


def _equip_templates(app: Flask) -> None:
    """Gives every template what it may use, and compiles all of them: a broken one stops the start, not a colleague."""
    environment = app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters.update(formats.FILTERS, initials=_initials)
    environment.globals.update(
        portal_name=PORTAL_NAME, areas=frozenset(app.blueprints), may=web.may, signs_in_by=app.config["SIGN_IN_BY"],
        messages=lambda: get_flashed_messages(with_categories=True), company=_company)
    kept = _kept_channels()
    app.context_processor(lambda: {"kept_channels": kept})
    app.context_processor(lambda: {"user": problems.user_for_page()})
    app.url_defaults(_with_version(pathlib.Path(app.static_folder or "")))
    templates.keep_compiled(environment, config.settings().data_dir / "compiled")
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def _kept_channels() -> tuple[str, ...]:
    """Channels without a provider: every page says that their messages are kept and not sent."""
    chosen = config.settings()
    whatsapp = chosen.uses("twilio") or chosen.uses("meta")
    return (*(() if whatsapp else ("WhatsApp",)), *(() if chosen.uses("smtp") else ("E-mail",)))


def _company() -> dict[str, Any]:
    """Whose portal this is, for the sign-in page and for paper; nothing when the database cannot say."""
    try:
        return settings_queries.company()
    except database_pool.DatabaseError:
        return {}


def _initials(name: str) -> str:
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def _with_version(folder: pathlib.Path) -> Callable[[str, dict[str, Any]], None]:
    """Adds to each static address what its content hashes to, so that browsers may keep the file for a year."""
    versions: dict[str, str] = {}

    def add(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            name = values["filename"]
            if name not in versions:
                versions[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]
            values["v"] = versions[name]

    return add


def serve() -> None:
    """Serves the portal from this one process until Ctrl-C or SIGTERM, with the embedded database where it is used."""
    for number in (signal.SIGINT, signal.SIGTERM):   # both end it in order, also where a shell has switched Ctrl-C off
        signal.signal(number, signal.default_int_handler)
    settings = config.settings()
    try:
        database_pool.start_database()
        keys.check_keys()
        app = create_app(settings)
        portal.commands.ensure_administrator(click.echo)
        server = WSGIServer(("127.0.0.1", settings.port), app, log=None)
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, server.stop)
        task_queue.start()
        click.echo(f"Portal at {settings.app_base_url} (Ctrl-C stops it)")
        server.serve_forever()
        click.echo("Stopped.")
    except KeyboardInterrupt:
        click.echo("Stopped before it began.")
    finally:
        task_queue.stop(TASKS_END_WITHIN)
        reads.flush()
        database_pool.stop_database()


if __name__ == "__main__":
    try:
        serve()
    except (config.ConfigurationError, database_pool.DatabaseError) as error:
        click.echo(error, err=True)
        sys.exit(1)
