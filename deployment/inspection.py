"""Run inside the virtual environment: checks the configuration and talks to every service that it names.

    python -m deployment.inspection            as at every start: applies migrations too
    python -m deployment.inspection --look     changes nothing
    python -m deployment.inspection --where    reads the settings alone

The last line of the output is JSON for deploy_multiuser.py: {"problems": [...]} or {"web_bind", "port", "address",
"data_dir", "log_dir", "advice", "services": [{"name", "state": "right" | "unused" | "failed", "text", "cure"}]}.
"""
from __future__ import annotations

import json
import smtplib
import sys
import time
from http import HTTPStatus
from typing import Any

import redis
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from batch_file_operations import batch_file_manager
from cache_manager import CacheManager
from config import ConfigurationError, Settings, advice, load_settings, use_settings
from database_pool import DatabaseError, default_pool

Finding = dict[str, str]
PATIENCE = 5.0  # seconds for a service to answer
CHECK_REDIS = "Check REDIS_URL and that Redis runs, or remove it."


def main(arguments: list[str]) -> int:
    look = arguments in (["--look"], ["--where"])
    try:
        chosen = load_settings(make_secret_key=not look)
    except ConfigurationError as error:
        print(json.dumps({"problems": error.problems}))
        return 1
    if arguments == ["--where"]:
        print(json.dumps({"web_bind": chosen.web_bind, "data_dir": str(chosen.data_dir)}))
        return 0
    use_settings(chosen)
    services = [_database(chosen, look=look), *_redis(chosen), *_mail(chosen), *_drive(chosen),
                *_providers(chosen)]
    print(json.dumps({
        "web_bind": chosen.web_bind, "port": chosen.port, "address": chosen.app_base_url,
        "data_dir": str(chosen.data_dir), "log_dir": str(chosen.log_dir), "advice": advice(chosen),
        "services": services,
    }))
    return 1 if any(finding["state"] == "failed" for finding in services) else 0


def _database(chosen: Settings, *, look: bool) -> Finding:
    pool = default_pool()
    backend = pool.backend_name()
    name = {"embedded": "Database (embedded PostgreSQL)", "postgres": "Database (DATABASE_URL)",
            "supabase": "Database (Supabase)"}[backend]
    if look and backend == "embedded" and not (chosen.data_dir / "postgres").exists():
        return _finding(name, "right", f"is made in {chosen.data_dir} at the first start")
    try:
        applied = [] if look else pool.start()
        pool.ping()
        seconds = pool.ping()  # the first one opened the connection
    except (DatabaseError, OSError) as error:
        cure = {"embedded": f"Look into {chosen.data_dir / 'postgres'} and its log; the folder must be writable.",
                "postgres": "Check DATABASE_URL: host, port, name, user and password, and that the server runs.",
                "supabase": "Check SUPABASE_URL and SUPABASE_KEY, and apply supabase/migrations there."}[backend]
        return _finding(name, "failed", _first_line(error), cure)
    finally:
        pool.stop()
    done = f", {len(applied)} migrations applied" if applied else ""
    return _finding(name, "right", f"answers in {seconds * 1000:.1f} ms{done}")


def _redis(chosen: Settings) -> list[Finding]:
    if chosen.redis_url is None:
        return []
    cache, began = CacheManager(chosen.redis_url), time.monotonic()
    try:
        cache.set("inspection", "ping", ttl=60)
        stats = cache.get_stats()
    except (redis.RedisError, ValueError, OSError) as error:
        return [_finding("Redis", "failed", _first_line(error), CHECK_REDIS)]
    if stats["backend"] != "redis" or stats["state"] != "healthy":
        return [_finding("Redis", "failed", stats.get("last_error") or "it does not answer", CHECK_REDIS)]
    return [_finding("Redis", "right", f"answers in {(time.monotonic() - began) * 1000:.1f} ms")]


def _mail(chosen: Settings) -> list[Finding]:
    if chosen.smtp_host is None:
        return []
    connect = smtplib.SMTP_SSL if chosen.smtp_tls == "tls" else smtplib.SMTP
    try:
        with connect(chosen.smtp_host, chosen.smtp_port, timeout=PATIENCE) as server:
            if chosen.smtp_tls == "starttls":
                server.starttls()
            if chosen.smtp_username is not None and chosen.smtp_password is not None:
                server.login(chosen.smtp_username, chosen.smtp_password)
            server.noop()
    except (smtplib.SMTPException, OSError) as error:
        return [_finding("E-mail", "failed", _first_line(error),
                         "Check the SMTP_ settings and that the server can be reached, or remove them.")]
    return [_finding("E-mail", "right", f"{chosen.smtp_host} answers")]


def _drive(chosen: Settings) -> list[Finding]:
    if not chosen.uses("drive"):
        return []
    problems = batch_file_manager.problems()
    batch_file_manager.close()
    if problems:
        return [_finding("Google Drive", "failed", problems[0], " ".join(problems[1:]))]
    return [_finding("Google Drive", "right", "the root folder can be used")]


def _providers(chosen: Settings) -> list[Finding]:
    """Whether the accounts exist and the keys open them; nothing is sent."""
    found = []
    if chosen.uses("twilio"):
        base = chosen.twilio_api_base_url or "https://api.twilio.com"
        found.append(_account("Twilio", f"{base}/2010-04-01/Accounts/{chosen.twilio_account_sid}.json",
                              auth=(chosen.twilio_account_sid or "", chosen.twilio_auth_token or "")))
    if chosen.uses("meta"):
        base = chosen.whatsapp_api_base_url or "https://graph.facebook.com"
        found.append(_account("Meta's Cloud API", f"{base}/{chosen.whatsapp_api_version}/{chosen.whatsapp_phone_id}",
                              headers={"Authorization": f"Bearer {chosen.whatsapp_token}"}))
    if chosen.uses("clerk"):
        found.append(_clerk(chosen))
    return found


def _clerk(chosen: Settings) -> Finding:
    """Whether the instance answers with the keys that tokens are checked with, CLERK_JWT_KEY among them if set."""
    unreachable = "Check CLERK_FRONTEND_API and this machine's way to the internet."
    try:
        answer = requests.get(f"{chosen.clerk_frontend_api}/.well-known/jwks.json", timeout=PATIENCE,
                              headers={"User-Agent": "insurance-portal"})
        listed = answer.json()["keys"] if answer.status_code == HTTPStatus.OK else None
        keys = [_as_pem(PyJWK(entry, algorithm="RS256").key) for entry in listed or ()]
    except (requests.JSONDecodeError, KeyError, TypeError, AttributeError, PyJWTError):
        keys = []
    except requests.RequestException as error:
        return _finding("Clerk", "failed", f"cannot be reached ({type(error).__name__})", unreachable)
    if not keys:
        return _finding("Clerk", "failed", f"no keys at {chosen.clerk_frontend_api} (HTTP {answer.status_code})",
                        unreachable)
    if chosen.clerk_jwt_key and _as_pem(load_pem_public_key(chosen.clerk_jwt_key.encode())) not in keys:
        return _finding("Clerk", "failed", "CLERK_JWT_KEY is not a key of this instance",
                        "Copy the PEM public key of the same instance, or remove CLERK_JWT_KEY.")
    return _finding("Clerk", "right", "the instance answers with its keys")


def _as_pem(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _account(title: str, url: str, **access: Any) -> Finding:
    try:
        status = requests.get(url, timeout=PATIENCE, **access).status_code
    except requests.RequestException as error:
        return _finding(title, "failed", f"cannot be reached ({type(error).__name__})",
                        "Check this machine's way to the internet, and the address if you set another one.")
    if status == HTTPStatus.OK:
        return _finding(title, "right", "the account answers")
    return _finding(title, "failed", f"the account is refused (HTTP {status})",
                    f"Check the ids and keys of {title} in .env against the provider's console.")


def _finding(name: str, state: str, text: str, cure: str = "") -> Finding:
    return {"name": name, "state": state, "text": text, "cure": cure}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
