"""Run inside the virtual environment: checks the configuration and talks to every service that it names.

    python -m deployment.inspection            as at every start: applies migrations too
    python -m deployment.inspection --look     changes nothing
    python -m deployment.inspection --where    reads the settings alone

The last line of the output is JSON for deploy_multiuser.py: {"problems": [...]} or {"web_bind", "port", "address",
"data_dir", "log_dir", "backup_dir", "advice",
"services": [{"name", "state": "right" | "unused" | "failed", "text", "cure"}]}.
"""
from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import psycopg

from config import ConfigurationError, Settings, advice, load_settings, use_settings
from database_pool import DatabaseError, default_pool
from deployment.finding import Finding, finding, first_line

PATIENCE = 5   # seconds for the copy of the database to answer


def main(arguments: list[str]) -> int:
    look = arguments in (["--look"], ["--where"])
    try:
        chosen = load_settings(make_secret_key=not look)
    except ConfigurationError as error:
        print(json.dumps({"problems": error.problems}))
        return 1
    use_settings(chosen)
    if arguments == ["--where"]:
        print(json.dumps({"web_bind": chosen.web_bind, "data_dir": str(chosen.data_dir),
                          "database": default_pool().backend_name()}))
        return 0
    services = [_database(chosen, look=look), *_replica(chosen), _backups(chosen.backup_dir, look=look)]
    if chosen.redis_url or chosen.smtp_host or any(map(chosen.uses, ("drive", "twilio", "meta", "clerk"))):
        # Their libraries take most of a second to import, which each start without them would wait for.
        services += import_module("deployment.services").look_at_services(chosen)
    print(json.dumps({
        "web_bind": chosen.web_bind, "port": chosen.port, "address": chosen.app_base_url,
        "data_dir": str(chosen.data_dir), "log_dir": str(chosen.log_dir), "backup_dir": str(chosen.backup_dir),
        "advice": advice(chosen), "services": services,
    }))
    return 1 if any(finding["state"] == "failed" for finding in services) else 0


def _database(chosen: Settings, *, look: bool) -> Finding:
    pool = default_pool()
    backend = pool.backend_name()
    name = {"embedded": "Database (embedded PostgreSQL)", "postgres": "Database (DATABASE_URL)",
            "supabase": "Database (Supabase)"}[backend]
    if look and backend == "embedded" and not (chosen.data_dir / "postgres").exists():
        return finding(name, "right", f"is made in {chosen.data_dir} at the first start")
    try:
        applied = [] if look else pool.start()
        pool.ping()
        seconds = pool.ping()  # the first one opened the connection
    except (DatabaseError, OSError) as error:
        cure = {"embedded": f"Look into {chosen.data_dir / 'postgres'} and its log; the folder must be writable.",
                "postgres": "Check DATABASE_URL: host, port, name, user and password, and that the server runs.",
                "supabase": "Check SUPABASE_URL and SUPABASE_KEY, and apply supabase/migrations there."}[backend]
        return finding(name, "failed", first_line(error), cure)
    finally:
        pool.stop()
    done = f", {len(applied)} migrations applied" if applied else ""
    return finding(name, "right", f"answers in {seconds * 1000:.1f} ms{done}")


def _replica(chosen: Settings) -> list[Finding]:
    """Whether the copy for reads answers. The portal would ask the database itself instead, and tell nobody."""
    if chosen.database_replica_url is None:
        return []
    name, began = "Database (DATABASE_REPLICA_URL)", time.monotonic()
    try:
        with psycopg.connect(chosen.database_replica_url, connect_timeout=PATIENCE) as connection:
            connection.execute("select 1")
    except psycopg.Error as error:
        return [finding(name, "failed", first_line(error), "Check DATABASE_REPLICA_URL: host, port, name, user and "
                        "password, and that the copy runs; or remove it.")]
    return [finding(name, "right", f"answers in {(time.monotonic() - began) * 1000:.1f} ms")]


def _backups(folder: Path, *, look: bool) -> Finding:
    """Whether a backup could be written here by the user who runs this."""
    name = "Backups"
    try:
        if not look:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = next(each for each in (folder, *folder.parents) if each.exists())
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return finding(name, "failed", f"{folder} cannot be written ({error.strerror})",
                       "Give the folder to the portal's user, or set BACKUP_DIR to one that is. A disk: is it mounted?")
    return finding(name, "right", f"{folder} can be written" if place == folder else
                   f"{folder} is made with the first one")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
