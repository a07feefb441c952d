"""Talks to every service outside that the configuration names: Redis, mail, Drive, the providers, Clerk."""
from __future__ import annotations

import smtplib
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
from config import Settings
from deployment.finding import Finding, finding, first_line

PATIENCE = 5.0  # seconds for a service to answer
CHECK_REDIS = "Check REDIS_URL and that Redis runs, or remove it."


def look_at_services(chosen: Settings) -> list[Finding]:
    """One finding for each service that is named."""
    return [*_redis(chosen), *_mail(chosen), *_drive(chosen), *_providers(chosen)]


def _redis(chosen: Settings) -> list[Finding]:
    if chosen.redis_url is None:
        return []
    cache, began = CacheManager(chosen.redis_url), time.monotonic()
    try:
        cache.set("inspection", "ping", ttl=60)
        stats = cache.get_stats()
    except (redis.RedisError, ValueError, OSError) as error:
        return [finding("Redis", "failed", first_line(error), CHECK_REDIS)]
    if stats["backend"] != "redis" or stats["state"] != "healthy":
        return [finding("Redis", "failed", stats.get("last_error") or "it does not answer", CHECK_REDIS)]
    return [finding("Redis", "right", f"answers in {(time.monotonic() - began) * 1000:.1f} ms")]


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
        return [finding("E-mail", "failed", first_line(error),
                         "Check the SMTP_ settings and that the server can be reached, or remove them.")]
    return [finding("E-mail", "right", f"{chosen.smtp_host} answers")]


def _drive(chosen: Settings) -> list[Finding]:
    if not chosen.uses("drive"):
        return []
    problems = batch_file_manager.problems()
    batch_file_manager.close()
    if problems:
        return [finding("Google Drive", "failed", problems[0], " ".join(problems[1:]))]
    return [finding("Google Drive", "right", "the root folder can be used")]


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
        found.append(clerk(chosen))
    return found


def clerk(chosen: Settings) -> Finding:
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
        return finding("Clerk", "failed", f"cannot be reached ({type(error).__name__})", unreachable)
    if not keys:
        return finding("Clerk", "failed", f"no keys at {chosen.clerk_frontend_api} (HTTP {answer.status_code})",
                        unreachable)
    if chosen.clerk_jwt_key and _as_pem(load_pem_public_key(chosen.clerk_jwt_key.encode())) not in keys:
        return finding("Clerk", "failed", "CLERK_JWT_KEY is not a key of this instance",
                        "Copy the PEM public key of the same instance, or remove CLERK_JWT_KEY.")
    return finding("Clerk", "right", "the instance answers with its keys")


def _as_pem(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _account(title: str, url: str, **access: Any) -> Finding:
    try:
        status = requests.get(url, timeout=PATIENCE, **access).status_code
    except requests.RequestException as error:
        return finding(title, "failed", f"cannot be reached ({type(error).__name__})",
                        "Check this machine's way to the internet, and the address if you set another one.")
    if status == HTTPStatus.OK:
        return finding(title, "right", "the account answers")
    return finding(title, "failed", f"the account is refused (HTTP {status})",
                    f"Check the ids and keys of {title} in .env against the provider's console.")
