"""Administration from the terminal: flask --app app_multiuser COMMAND --help."""

import fnmatch
import pathlib
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, TextIO

import click
from pydantic import ValidationError

import config
import database_pool
from batch_file_operations import batch_file_manager
from portal import audit, demo, measures
from portal.documents import queries as documents
from portal.documents import service as service_of_documents
from portal.documents.words import STORES
from portal.errors import Refused
from portal.formats import office_time
from portal.inputs import explain
from portal.monitoring import backups
from portal.monitoring.service import hold_sending
from portal.privacy import keys
from portal.staff import passwords, queries, service
from portal.staff.inputs import Invitation
from task_queue import TaskQueue, known_names

DEFAULT_WORKERS = 15
FIRST_SIGN_IN_NAME = "admin@portal.local"
SENDING_IS_PAUSED = """
Sending is paused, because this book does not know what went out since its backup.
1. Start the portal and resume the reminders under System health: then all that wants to go out stands
   under Messages, Outbox.
2. Cancel there what clients got meanwhile (the providers' own logs tell).
3. Resume sending under System health. For a drill on another machine, never do that.
"""


def ensure_administrator(say: Callable[[str], None]) -> None:
    """Where there is no user yet, makes one administrator and says the one-time password, this once."""
    if config.settings().uses("clerk") or not queries.there_is_nobody():
        return   # at Clerk whoever ADMIN_EMAILS names is one from the first sign-in
    email = next(iter(config.settings().admin_emails), FIRST_SIGN_IN_NAME)
    invitation = Invitation(name="Administrator", email=email, role="administrator")
    try:
        with database_pool.transaction() as tx:
            _, password = service.invite(tx, audit.THE_PORTAL, invitation)
    except database_pool.Duplicate:   # another process of this first start was quicker
        return
    say(f"Sign in as {email} with the one-time password {password} (shown only here; you choose your own at once).")


@click.command("create-admin")
@click.option("--email", prompt="E-mail", help="Address to sign in with.")
@click.option("--name", prompt="Name", help="Name shown to colleagues.")
@click.option("--password/--one-time-password", "ask", default=False,
              help="Ask for a password now, or print a one-time password (default).")
def create_admin(email: str, name: str, ask: bool) -> None:
    """Make an account with the role administrator."""
    if config.settings().uses("clerk"):
        _stop("People sign in through Clerk. Name the address in ADMIN_EMAILS and restart the portal: whoever proves "
              "it at Clerk is an administrator from the first sign-in.")
    _ready()
    try:
        invitation = Invitation(name=name, email=email, role="administrator")
    except ValidationError as problem:
        _stop(" ".join(explain(problem, Invitation).values()))
    chosen = click.prompt("Password", hide_input=True, confirmation_prompt=True) if ask else None
    try:
        if chosen is not None:
            passwords.check_rules(chosen, email=invitation.email, name=invitation.name)
        with database_pool.transaction() as tx:
            _, password = service.invite(tx, audit.THE_PORTAL, invitation, password=chosen)
    except Refused as refusal:
        _stop(refusal.sentence)
    except database_pool.Duplicate:
        _stop(f"{invitation.email} has an account already. An administrator can change its role under Users.")
    if chosen is None:
        click.echo(f"{invitation.email} can sign in with the one-time password {password}")
    else:
        click.echo(f"{invitation.email} can sign in.")


@click.command("ensure-admin")
def ensure_admin() -> None:
    """On the first start: make one administrator and print the one-time password. Later: do nothing."""
    _ready()
    ensure_administrator(click.echo)


@click.command()
def migrate() -> None:
    """Apply the migrations that the database does not have yet."""
    applied = _ready()
    for name in applied:
        click.echo(name)
    click.echo(f"{len(applied)} applied." if applied else "The schema is up to date.")


@click.command("seed-demo")
@click.option("--clients", default=2000, show_default=True, type=click.IntRange(1, 200_000), help="How many clients.")
@click.option("--seed", default=demo.DEFAULT_SEED, show_default=True, help="The same number makes the same book.")
@click.option("--if-empty", is_flag=True, help="Where there is a book already, say so and end well.")
def seed_demo(clients: int, seed: int, if_empty: bool) -> None:
    """Fill an empty portal with a made-up agency, its colleagues included."""
    _ready()
    try:
        report = demo.seed(clients, seed, say=click.echo)
    except demo.BookInUse as refusal:
        if not if_empty:
            _stop(refusal.sentence)
        click.echo(refusal.sentence)
        return
    except Refused as refusal:
        _stop(refusal.sentence)
    except database_pool.DatabaseError as problem:
        _stop(f"{problem} Run the command again: it goes on where it stood.")
    for line in report.lines():
        click.echo(line)


@click.command()
@click.option("--prune", is_flag=True, help="Remove what is older than BACKUP_KEEP_DAYS afterwards.")
def backup(prune: bool) -> None:
    """Copy database and documents into BACKUP_DIR, while everybody goes on working."""
    current = config.settings()
    _ready()
    try:
        made = backups.make(current.backup_dir, recipient=current.backup_recipient)
        gone = backups.prune(current.backup_dir, days=current.backup_keep_days) if prune else []
    except (database_pool.DatabaseError, OSError) as problem:
        _stop(str(problem))
    if made.missing:
        click.echo(f"The contents of {made.missing} documents were not where they should be.", err=True)
    kept = "encrypted, " if made.encrypted else ""
    click.echo(f"{made.folder}: {kept}{sum(made.rows.values()):,} rows, {made.documents:,} documents.")
    if gone:
        click.echo(f"{len(gone)} older backups removed.")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("--identity", type=click.File(), help="File with the secret key of an encrypted backup.")
@click.option("--incomplete", is_flag=True, help="Restore although contents of documents are missing.")
def restore(folder: pathlib.Path, identity: TextIO | None, incomplete: bool) -> None:
    """Put the backup in FOLDER back into the configured, empty database, and compare what is there."""
    _ready()
    try:
        put_back = backups.restore(folder.absolute(), identity=identity.read() if identity else None,
                                   incomplete=incomplete, held=_hold_sending)
    except Refused as refusal:
        _stop(refusal.sentence)
    except (database_pool.DatabaseError, OSError) as problem:
        _stop(str(problem))
    backup = put_back.backup
    for sentence in put_back.problems:
        click.echo(sentence, err=True)
    click.echo(f"Restored and compared: {sum(backup.rows.values()):,} rows, {backup.documents:,} documents, as of "
               f"{office_time(backup.made_at)}.")
    if put_back.migrations:
        click.echo(f"{len(put_back.migrations)} newer migrations applied.")
    if backup.missing:
        click.echo(f"{backup.missing} documents had no content when the backup was made.")
    click.echo(f"Everybody signs in again: sessions are not part of a backup.\n{SENDING_IS_PAUSED}")
    _check_keys()
    if put_back.problems:
        sys.exit(1)


def _hold_sending() -> None:
    with database_pool.transaction() as tx:
        hold_sending(tx)


@click.command("seal-data")
def seal_data() -> None:
    """Seal sensitive fields with the first of DATA_ENCRYPTION_KEY. Stopped, it goes on where it stood."""
    _ready()
    try:
        report = keys.seal_everything(click.echo)
    except database_pool.DatabaseError as problem:
        _stop(f"{problem} Run the command again: it goes on where it stood.")
    others = report.pop("other_keys")
    click.echo(f"{sum(report.values())} rows sealed anew." if any(report.values()) else "Everything is sealed.")
    if others:
        _stop(f"Something is still sealed with {', '.join(others)}: keep that key, restart every process, and run this "
              "again.")
    click.echo("Nothing needs another key than the first: older ones may be taken out of DATA_ENCRYPTION_KEY.")


@click.command("make-backup-key")
def make_backup_key() -> None:
    """Print a key pair for encrypted backups."""
    public, secret = backups.new_key()
    click.echo(f"BACKUP_RECIPIENT={public}")
    click.echo("\nKeep the next line away from this machine: it alone opens the backups, and nobody can replace it.")
    click.echo(secret)


def _ready() -> list[str]:
    """Starts the embedded database where it is used, and applies what is missing of the schema."""
    try:
        applied = database_pool.start_database()
    except (database_pool.DatabaseError, config.ConfigurationError) as problem:
        _stop(str(problem))
    _check_keys()
    return applied


def _check_keys() -> None:
    try:
        keys.check_keys()
    except (database_pool.DatabaseError, config.ConfigurationError) as problem:
        _stop(str(problem))


def _stop(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(1)


@click.command()
@click.option("--names", multiple=True, metavar="PATTERN",
              help="Run only tasks whose names meet it, such as 'outbox.*'; may be given several times.")
@click.option("--workers", type=click.IntRange(1, 500), help="Tasks at once. Default: TASK_WORKERS; 15 when that is 0.")
def work(names: tuple[str, ...], workers: int | None) -> None:
    """Run tasks without serving pages, until SIGTERM or Ctrl-C: what runs ends, what waits is left to others."""
    _ready()
    met = [name for name in known_names() if any(fnmatch.fnmatchcase(name, pattern) for pattern in names or ("*",))]
    if not met:
        _stop(f"No task is called like {', '.join(names)}. There are: {', '.join(known_names())}.")
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    queue = TaskQueue(workers or config.settings().task_workers or DEFAULT_WORKERS)
    queue.start(names or None)
    measures.start_reporting()
    click.echo(f"Running {len(met)} kinds of tasks, {queue.max_workers} at once (Ctrl-C stops).")
    asked_to_stop.wait()
    ended = queue.stop(config.settings().web_graceful_timeout)
    click.echo("Stopped." if ended else "Stopped; what was still running is tried again by another process.")
    database_pool.stop_database()


@click.command("documents-check")
def documents_check() -> None:
    """Say where new documents go, and what is wrong with that place."""
    problems = batch_file_manager.problems()
    for sentence in problems:
        click.echo(sentence, err=True)
    if problems:
        sys.exit(1)
    click.echo(f"New documents go to {STORES[batch_file_manager.store_name]}, which works.")


@click.command("documents-migrate")
def documents_migrate() -> None:
    """Move every document from this machine's disk to Google Drive. Stopped, it goes on where it stood."""
    _ready()
    if batch_file_manager.store_name != "drive":
        _stop("Google Drive is not configured: set GOOGLE_CREDENTIALS_FILE and ROOT_FOLDER_ID first.")
    for sentence in batch_file_manager.problems():
        _stop(sentence)
    moved, left, last = 0, 0, 0
    while found := documents.on_this_machine(last):
        for last in found:
            try:
                moved += service_of_documents.move_to_drive(last)
            except Refused as refusal:
                left += 1
                click.echo(f"Document {last}: {refusal.sentence}", err=True)
        click.echo(f"{moved} moved, {left} left behind")
    click.echo(f"{moved} documents moved to Google Drive." if not left else
               f"{moved} documents moved, {left} left behind: run the command again.")


COMMANDS = (create_admin, ensure_admin, migrate, seed_demo, documents_check, documents_migrate, work,
            backup, restore, make_backup_key, seal_data)
