"""Every setting of the portal: read once, typed, checked, explained.

This is the only module that reads the environment. A setting is one field of `Settings`; its parser, default,
explanation and example stand in its declaration; the checks, the error lines and `.env.example` all come from there.

    python config.py                 print .env.example
    python config.py --check         say what is wrong with the configuration of this machine; exit code 1 if anything
"""
from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import pathlib
import secrets
import sys
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values

import setting_values as parse
from setting_values import GROUPS, Network, Parser, Rate, Setting

ENV_FILE = parse.ROOT / ".env"
SECRET_FILE = "secret_key"  # noqa: S105 - a file name
MINIMUM_SECRET_LENGTH = 32
# By itself the portal takes no more of a large machine: each costs some 80 MB and up to 45 database connections.
MOST_WEB_PROCESSES = 17


class ConfigurationError(Exception):
    """The portal cannot start with these settings. `problems`: one line each, with its cure, without secrets."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _processors() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def _setting(group: str, parser: Parser, default: object, explanation: str, example: str = "", *,
             secret: bool = False, needed: bool = False) -> Any:
    """A field of Settings. `needed`: its group is complete only with it."""
    parts = {"group": group, "parse": parser, "default": default, "explanation": explanation, "example": example,
             "secret": secret, "needed": needed}
    return dataclasses.field(default=None if callable(default) else default, metadata=parts)


_HTTP = parse.url("http", "https", example="https://api.example.com")
_POSTGRES = parse.url("postgresql", "postgres", example="postgresql://user:password@host:5432/portal")
_ENVIRONMENTS = {word: word for word in ("development", "production", "testing")}
_TLS_WORDS = {"starttls": "starttls", "tls": "tls", "none": "none", "true": "starttls", "yes": "starttls",
              "on": "starttls", "1": "starttls", "ssl": "tls", "false": "none", "no": "none", "off": "none",
              "0": "none"}


@dataclasses.dataclass(frozen=True, repr=False)
class Settings:
    """All settings, typed. An attribute has the lower-case name of its setting; absent optional ones are None."""

    flask_env: Literal["development", "production", "testing"] = _setting(
        "portal", parse.choice(_ENVIRONMENTS), "development",
        "production on the agency's server: SECRET_KEY is then required.", "production")
    secret_key: str = _setting(
        "portal", parse.text, "", "Signs sessions and links. Absent outside production, one is made and kept in "
        "DATA_DIR/secret_key. Make one: python -c \"import secrets; print(secrets.token_hex(32))\"",
        "change-me-to-the-output-of-the-command-above", secret=True)
    app_base_url: str = _setting(
        "portal", parse.url("http", "https", example="https://portal.example.com", bare=True), "",
        "The public address. Links and signatures are made from it, never from the Host header. "
        "Absent: http://localhost:PORT.", "https://portal.example.com")
    data_dir: pathlib.Path = _setting(
        "portal", parse.path, "data", "Folder of the embedded database, local documents and the upload spool.",
        "/var/lib/insurance-portal")
    log_dir: pathlib.Path = _setting(
        "portal", parse.path, "logs", "Folder of the log files.", "/var/log/insurance-portal")
    log_file_mb: int = _setting(
        "portal", parse.number(0, 10_000), 10, "Size in MB at which a log file is put aside; the last nine are kept. "
        "0: never, because logrotate does it by days (deploy/insurance-portal.logrotate).", "10")
    backup_dir: pathlib.Path = _setting(
        "portal", parse.path, "backups", "Folder of the nightly backups; best on another disk or machine.",
        "/mnt/backup/insurance-portal")
    backup_recipient: str | None = _setting(
        "portal", parse.age_recipient, None, "Encrypts backups for the holder of this age key. Make a pair, and keep "
        "the secret half elsewhere: flask --app app_multiuser make-backup-key",
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
    backup_keep_days: int = _setting(
        "portal", parse.number(1, 3650), 14, "Days that a backup is kept; the first of each month stays a year.", "30")
    admin_emails: tuple[str, ...] = _setting(
        "portal", parse.several(parse.email), (),
        "Staff with one of these addresses are administrators from their first sign-in.",
        "asha@example.com,ravi@example.com")
    data_encryption_key: tuple[str, ...] = _setting(
        "portal", parse.several(parse.encryption_key), (), "Encrypts secrets in the database, such as those of "
        "two-step sign-in. Absent: a key made from SECRET_KEY. Several, with commas: the first encrypts, all decrypt, "
        "so that a new one can be put in front. Make one: python -c "
        "\"import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())\"",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", secret=True)
    reads_keep_days: int = _setting(
        "portal", parse.number(30, 3650), 400, "Days that the list of who read which person's data is kept.", "400")
    require_two_step: Literal["nobody", "administrators", "everybody"] = _setting(
        "portal", parse.choice({word: word for word in ("nobody", "administrators", "everybody")}), "nobody",
        "Who has to sign in with a code from an app besides the password.", "administrators")
    metrics_token: str | None = _setting(
        "portal", parse.text, None,
        "Monitoring reads /metrics from other machines with Authorization: Bearer and this.",
        "a-long-random-word", secret=True)

    port: int = _setting("web", parse.number(1, 65535), 5050, "TCP port of the portal.", "5050")
    web_bind: str = _setting(
        "web", parse.text, "", "Where gunicorn listens. Absent: 127.0.0.1:PORT, because nginx stands in front of it "
        "and nothing should get around nginx.", "unix:/run/insurance-portal/web.sock")
    trusted_proxies: tuple[Network, ...] = _setting(
        "web", parse.several(parse.network), "127.0.0.1,::1",
        "Proxies whose X-Forwarded-For and -Proto headers are believed.",
        "127.0.0.1,::1")
    web_concurrency: int = _setting(
        "web", parse.number(1, 256), lambda: min(_processors() * 2 + 1, MOST_WEB_PROCESSES),
        f"Web processes. Absent: twice the processors plus one, {MOST_WEB_PROCESSES} at most.", "5")
    web_connections: int = _setting(
        "web", parse.number(1, 100_000), 1000, "Connections that one web process serves at once.", "1000")
    web_at_once: int = _setting(
        "web", parse.number(1, 10_000), 8,
        "Requests that a web process answers at once; the others wait for their turn. More where the database is far.",
        "8")
    web_timeout: int = _setting(
        "web", parse.number(1, 3600), 60, "Seconds of silence after which a web process counts as stuck.", "60")
    web_graceful_timeout: int = _setting(
        "web", parse.number(1, 3600), 30, "Seconds that requests in flight have to finish when the portal stops.", "30")
    web_max_requests: int = _setting(
        "web", parse.number(0, 10_000_000), 50_000, "Requests after which a web process is replaced; 0: never.",
        "50000")
    web_max_requests_jitter: int = _setting(
        "web", parse.number(0, 10_000_000), 25_000, "Random addition to it: they are not replaced all at once.",
        "25000")
    web_keepalive: int = _setting(
        "web", parse.number(1, 3600), 5, "Seconds that an idle connection stays open. More than keepalive_timeout of "
        "nginx's upstream (4 s), or requests meet a closing connection.", "5")
    web_preload: Literal["yes", "no"] = _setting(
        "web", parse.choice({"yes": "yes", "no": "no"}), "yes", "Whether the application is imported once and shared; "
        "no: by each web process, which takes several times the memory and lets HUP bring new code.", "yes")
    web_tmp_dir: pathlib.Path | None = _setting(
        "web", parse.path, None, "Folder of the files by which web processes show that they live. Absent: /dev/shm "
        "where there is one, because a slow disk must not look like a stuck process.", "/run/insurance-portal")

    database_url: str | None = _setting(
        "database", _POSTGRES, None, "Any PostgreSQL, for reading and writing.",
        "postgresql://portal:password@localhost:5432/portal", secret=True, needed=True)
    database_replica_url: str | None = _setting(
        "database", _POSTGRES, None, "A copy of it for reads that may lag a little.",
        "postgresql://portal:password@replica:5432/portal", secret=True)

    supabase_url: str | None = _setting(
        "supabase", _HTTP, None, "Address of the project.", "https://abcdefghijklmnopqrst.supabase.co", needed=True)
    supabase_key: str | None = _setting(
        "supabase", parse.supabase_key, None, "The secret key (sb_secret_... or service_role), never the public one.",
        "sb_secret_your-key", secret=True, needed=True)

    db_pool_size: int = _setting("pool", parse.number(1, 1000), 15, "Database connections that stay open.", "20")
    db_max_overflow: int = _setting("pool", parse.number(0, 1000), 30, "Further ones that open under load.", "40")
    task_workers: int = _setting(
        "pool", parse.number(0, 500), 15, "Task workers in each web process; 0 where a worker service runs.", "20")
    file_workers: int = _setting("pool", parse.number(1, 500), 10, "Parallel uploads.", "15")
    messages_per_second: int = _setting(
        "pool", parse.number(1, 1000), 70, "WhatsApp messages a second, all processes together; WhatsApp allows 80 for "
        "one sender, messages that come in included.", "70")
    bulk_records_per_day: int = _setting(
        "pool", parse.number(1, 1_000_000), 2000, "Clients that one colleague may write to in a day by bulk jobs of "
        "one kind.", "2000")
    task_broker_url: str | None = _setting(
        "pool", parse.url("amqp", "amqps", "redis", "rediss", "sqs", example="amqp://user:password@host/portal"), None,
        "Accepted and checked, and not used: worker services find their tasks in the database, which needs no broker.",
        "amqp://localhost/portal",
        secret=True)

    rate_limit_pages: Rate | None = _setting(
        "limits", parse.rate, "600/minute", "Pages, by colleague; before sign-in by address. off: no limit.",
        "600/minute")
    rate_limit_api: Rate | None = _setting("limits", parse.rate, "300/minute", "Requests under /api/.", "300/minute")
    rate_limit_sign_in: Rate | None = _setting(
        "limits", parse.rate, "30/minute", "Attempts to sign in from one address, besides the pauses after wrong "
        "passwords.", "30/minute")
    rate_limit_webhooks: Rate | None = _setting(
        "limits", parse.rate, "30000/minute", "Events from one address of a provider; each message is reported up to "
        "three times.", "30000/minute")
    rate_limit_exports: Rate | None = _setting(
        "limits", parse.rate, "20/minute", "Lists taken out as files.", "20/minute")

    redis_url: str | None = _setting(
        "redis", parse.redis_url, None,
        "Cache and limits shared by all processes and machines: redis://, rediss:// (TLS), unix://, "
        "redis+sentinel://host,host/service or redis+cluster://host,host.", "redis://localhost:6379/0", secret=True,
        needed=True)

    clerk_secret_key: str | None = _setting(
        "clerk", parse.starting("sk_", where="the secret key of the Clerk instance"), None,
        "Secret key of the instance.", "sk_live_your-key", secret=True, needed=True)
    clerk_publishable_key: str | None = _setting(
        "clerk", parse.publishable_key, None, "Publishable key; browsers see it. It holds the address of the front-end "
        "API.", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", needed=True)
    clerk_frontend_api: str | None = _setting(
        "clerk", lambda value: _HTTP(value if "://" in value else f"https://{value}"), None,
        "Address of the instance's front-end API.", "https://clerk.example.com", needed=True)
    clerk_jwt_key: str | None = _setting(
        "clerk", parse.public_key, None,
        "Public key that session tokens are checked with; absent: fetched from the instance.",
        "-----BEGIN PUBLIC KEY----- "
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3MQbQXhfGWKhh+8Zvps57mNUFhPMAN9SWVMz"
        "1U9E75KX9pkgQEiTPU109WAJg9r3nkLx5keEb7z7ksaCV7yoVHzu3TelZ1+ppIhdpKykEcrMo9PMgY3F"
        "+5emkJatOR94iXSi8kFUu4FReGiCGtayhWUKVO34w/MrLPQLrDCUG0Gsus2nqj3NRrDa310PLLK8XhgM"
        "G0lU9FGSYR1h1uQGnt/J24YiBPrP/KXM1oWDEFo2i0FqVsc1fbhIgcsO2MVGelFPPF+EdpzWQfKK7VNa"
        "08VLUMslmQxTa/EIyc/YZ/GXffldq9iX1x0Z/eMxVfmADsGsXkXhTSnuSP/JXyoDOQIDAQAB"
        " -----END PUBLIC KEY-----")
    clerk_webhook_secret: str | None = _setting(
        "clerk", parse.starting("whsec_", where="the signing secret of the webhook endpoint"), None,
        "Signing secret of /clerk/webhook; absent: user events are refused.", "whsec_your-secret", secret=True)
    clerk_api_base_url: str | None = _setting(
        "clerk", _HTTP, None, "Another endpoint in place of Clerk's own API.", "http://127.0.0.1:9003")
    clerk_authorized_parties: tuple[str, ...] = _setting(
        "clerk", parse.several(parse.url("http", "https", example="https://portal.example.com", bare=True)), (),
        "Origins that session tokens may come from. Absent: APP_BASE_URL alone.", "https://portal.example.com")

    google_credentials_file: pathlib.Path | None = _setting(
        "drive", parse.existing_file, None, "JSON key file of the service account.", "/etc/insurance-portal/drive.json",
        needed=True)
    root_folder_id: str | None = _setting(
        "drive", parse.text, None, "Id of the folder that all client folders are in.", "1AbCdEfGhIjKlMnOpQrStUvWxYz",
        needed=True)
    drive_writes_per_second: int = _setting(
        "drive", parse.number(1, 1000), 3, "Files and folders made a second, in the long run, by all processes. "
        "Google allows one account 3.", "3")
    google_api_base_url: str | None = _setting(
        "drive", _HTTP, None, "Another endpoint in place of Google's.", "http://127.0.0.1:9000")

    twilio_account_sid: str | None = _setting(
        "twilio", parse.starting("AC", where="the account SID from the Twilio console"), None, "Account SID.",
        "AC00000000000000000000000000000000", needed=True)
    twilio_auth_token: str | None = _setting(
        "twilio", parse.text, None, "Auth token; it also proves Twilio's webhooks genuine.", "your-token", secret=True,
        needed=True)
    twilio_whatsapp_from: str | None = _setting(
        "twilio", parse.whatsapp_number, None, "Sender.", "whatsapp:+14155238886", needed=True)
    twilio_messaging_service_sid: str | None = _setting(
        "twilio", parse.starting("MG", where="the SID of the messaging service"), None,
        "Messaging service to send through.", "MG00000000000000000000000000000000")
    twilio_api_base_url: str | None = _setting(
        "twilio", _HTTP, None, "Another endpoint in place of Twilio's.", "http://127.0.0.1:9001")

    whatsapp_token: str | None = _setting(
        "meta", parse.text, None, "Access token of the system user.", "your-token", secret=True, needed=True)
    whatsapp_phone_id: str | None = _setting(
        "meta", parse.text, None, "Phone number ID of the sender.", "106540352242922", needed=True)
    verify_token: str | None = _setting(
        "meta", parse.text, None, "Word that Meta repeats when it verifies /webhook.", "a-random-word", secret=True,
        needed=True)
    whatsapp_app_secret: str | None = _setting(
        "meta", parse.text, None, "App secret. Without it Meta's events cannot be proven genuine and are "
        "refused; sending works.", "your-app-secret", secret=True)
    whatsapp_api_version: str = _setting(
        "meta", parse.graph_version, "v25.0", "Version of Meta's Graph API; each lives about two years.", "v25.0")
    whatsapp_api_base_url: str | None = _setting(
        "meta", _HTTP, None, "Another endpoint in place of Meta's.", "http://127.0.0.1:9002")

    smtp_host: str | None = _setting("smtp", parse.text, None, "Mail server.", "smtp.example.com", needed=True)
    smtp_port: int = _setting("smtp", parse.number(1, 65535), 587, "Its port.", "587")
    smtp_from: str | None = _setting("smtp", parse.email, None, "Sender's address.", "office@example.com", needed=True)
    smtp_username: str | None = _setting("smtp", parse.text, None, "User name, where the server wants one.", "office")
    smtp_password: str | None = _setting("smtp", parse.text, None, "Password.", "your-password", secret=True)
    smtp_tls: Literal["starttls", "tls", "none"] = _setting(
        "smtp", parse.choice(_TLS_WORDS), "starttls", "starttls (or true), tls (from the first byte, port 465), "
        "none (or false).", "starttls")

    @property
    def production(self) -> bool:
        return self.flask_env == "production"

    def uses(self, group: str) -> bool:
        """Whether this group of settings ("redis", "twilio", ...) is configured."""
        needed = [s for s in TABLE if s.group == group and s.needed]
        return bool(needed) and all(getattr(self, s.name.lower()) is not None for s in needed)

    def __repr__(self) -> str:
        shown = {s.name.lower(): getattr(self, s.name.lower()) for s in TABLE}
        hidden = {s.name.lower() for s in TABLE if s.secret}
        parts = (f"{name}={'***' if name in hidden and value else repr(value)}" for name, value in shown.items())
        return f"Settings({', '.join(parts)})"


TABLE: tuple[Setting, ...] = tuple(Setting(name=field.name.upper(), **field.metadata)
                                   for field in dataclasses.fields(Settings))


# Reading.

_current: Settings | None = None


def settings() -> Settings:
    """The settings of this process, read at the first call. Raises ConfigurationError."""
    if _current is None:
        use_settings(load_settings())
    assert _current is not None  # noqa: S101 - tells mypy what the line above did
    return _current


def use_settings(chosen: Settings | None) -> Settings | None:
    """Make `chosen` the settings of this process and answer those before; None: read them afresh at the next call."""
    global _current
    before, _current = _current, chosen
    return before


def load_settings(environ: Mapping[str, str] | None = None, env_file: pathlib.Path | None = None, *,
                  make_secret_key: bool = True) -> Settings:
    """Read the settings from `environ` and, where it is silent, from `env_file`.

    Without `environ` they come from the environment and from `.env` in the portal's folder; a given `environ` stands
    alone, so that a test does not depend on the machine. An empty value counts as absent.
    Raises ConfigurationError with all problems at once. Makes DATA_DIR/secret_key where SECRET_KEY may be absent,
    unless `make_secret_key` is False: then the key is empty, good for a look at the configuration.
    """
    if environ is None:
        environ, env_file = os.environ, env_file or ENV_FILE
    from_file = dotenv_values(env_file, interpolate=False) if env_file and env_file.is_file() else {}
    given = {s.name: value.strip() for s in TABLE
             if (value := environ.get(s.name) or from_file.get(s.name) or "").strip()}
    problems = _misspelt(from_file)
    values: dict[str, Any] = {}
    for setting in TABLE:
        try:
            values[setting.name.lower()] = _value(setting, given)
        except ValueError as cause:
            now = "" if setting.secret else f" (now: {parse.without_password(given[setting.name])!r})"
            problems.append(f"{setting.name}: {cause}{now}.")
    problems += _half_set(given) + _contradictions(given)
    if problems:
        raise ConfigurationError(problems)
    values["app_base_url"] = values["app_base_url"] or f"http://localhost:{values['port']}"
    values["web_bind"] = values["web_bind"] or f"127.0.0.1:{values['port']}"
    if make_secret_key and not values["secret_key"]:
        values["secret_key"] = _kept_secret_key(values["data_dir"])
    return Settings(**values)


def advice(chosen: Settings) -> list[str]:
    """What is allowed but worth saying at start-up, one sentence each."""
    said = []
    if chosen.uses("meta") and not chosen.whatsapp_app_secret:
        said.append("WHATSAPP_APP_SECRET is absent: Meta's events cannot be proven genuine and are refused; "
                    "sending works.")
    if chosen.uses("clerk") and not chosen.clerk_webhook_secret:
        said.append("CLERK_WEBHOOK_SECRET is absent: whoever is banned, removed or signed out at Clerk stays signed in "
                    "here until the session's end; signing in works.")
    if chosen.uses("clerk") and not chosen.admin_emails:
        said.append("ADMIN_EMAILS is absent: nobody who signs in through Clerk becomes an administrator by that.")
    if chosen.production and not chosen.app_base_url.startswith("https://"):
        said.append("APP_BASE_URL is not an https:// address: links point to "
                    f"{chosen.app_base_url} and cookies are not limited to HTTPS.")
    return said


def example_file() -> str:
    """The text of .env.example: copied to .env as it is, it changes nothing."""
    lines = ["# Settings of the portal. Copy to .env, remove the # of a line and write your value.",
             "# The environment wins over this file. A group is either absent or complete.",
             "# This file is generated: python config.py > .env.example"]
    for key, group in GROUPS.items():
        absent = f". Absent: {group.absent}" if group.absent else ""
        lines += ["", f"## {group.title}{absent}."]
        for setting in (s for s in TABLE if s.group == key):
            default = f" Default: {setting.default_text}." if setting.default_text else ""
            required = " (required in this group)" if setting.needed else ""
            lines += ["", f"# {setting.explanation}{default}{required}", f"#{setting.name}={setting.example}"]
    return "\n".join(lines) + "\n"


def _value(setting: Setting, given: Mapping[str, str]) -> object:
    if setting.name in given:
        return setting.parse(given[setting.name])
    if callable(setting.default):
        return setting.default()
    return setting.parse(setting.default) if isinstance(setting.default, str) and setting.default else setting.default


def _misspelt(from_file: Mapping[str, str | None]) -> list[str]:
    """Names in .env that are nearly ours. In the environment other programs have theirs; the file is the portal's."""
    names = [s.name for s in TABLE]
    near = {name: difflib.get_close_matches(name.upper(), names, 1, 0.88) for name in from_file if name not in names}
    return [f"{name}: there is no such setting; write {match[0]} in .env." for name, match in near.items() if match]


def _half_set(given: Mapping[str, str]) -> list[str]:
    problems = []
    for key, group in GROUPS.items():
        here = [s for s in TABLE if s.group == key and s.name in given]
        missing = [s for s in TABLE if here and s.group == key and s.needed and s.name not in given]
        problems += [f"{s.name}: missing, because {here[0].name} is set. Write, for example, {s.example}, "
                     f"or remove the other settings of \"{group.title}\"." for s in missing]
    for one, other in (("SMTP_USERNAME", "SMTP_PASSWORD"), ("SMTP_PASSWORD", "SMTP_USERNAME")):
        if one in given and other not in given:
            problems.append(f"{other}: missing, because {one} is set. Write it, or remove {one}.")
    return problems


def _contradictions(given: Mapping[str, str]) -> list[str]:
    problems = []
    if ("SUPABASE_URL" in given or "SUPABASE_KEY" in given) and "DATABASE_URL" in given:
        problems.append("DATABASE_URL: SUPABASE_URL or SUPABASE_KEY is set too. Choose one: remove DATABASE_URL to use "
                        "Supabase, or the SUPABASE_ settings to use PostgreSQL directly.")
    problems += _clerk_of_two_instances(given)
    if given.get("FLASK_ENV", "").lower() == "production":
        key = given.get("SECRET_KEY", "")
        cure = "write the output of: python -c \"import secrets; print(secrets.token_hex(32))\"."
        if not key:
            problems.append(f"SECRET_KEY: missing, because FLASK_ENV is production; {cure}")
        elif len(key) < MINIMUM_SECRET_LENGTH:
            problems.append(f"SECRET_KEY: too short ({len(key)} characters, {MINIMUM_SECRET_LENGTH} needed); {cure}")
        elif parse.looks_like_an_example(key):
            problems.append(f"SECRET_KEY: this is an example value that others know; {cure}")
    return problems


def _clerk_of_two_instances(given: Mapping[str, str]) -> list[str]:
    """Keys and address of different instances: signing in would fail for everybody, and say so to nobody."""
    api, host = given.get("CLERK_FRONTEND_API", ""), parse.host_of_clerk(given.get("CLERK_PUBLISHABLE_KEY", ""))
    try:
        parts = urlsplit(api if "://" in api else f"https://{api}")
    except ValueError:   # said already
        return []
    problems = []
    if api and host and parts.netloc.lower() != host and parts.path in ("", "/"):   # with a path it is a proxy of ours
        problems.append(f"CLERK_FRONTEND_API: CLERK_PUBLISHABLE_KEY is of another instance; write {host}, or the key "
                        "of the instance that you mean.")
    kinds = {given[name].split("_")[1] for name in ("CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY")
             if given.get(name, "").count("_") >= 2}
    if len(kinds) == 2:
        problems.append("CLERK_SECRET_KEY: one key is of a live instance and the other of a test instance; write both "
                        "of the same.")
    return problems


def _kept_secret_key(data_dir: pathlib.Path) -> str:
    """The key in DATA_DIR/secret_key, made at the first call: all processes share it and restarts keep the sessions."""
    path = data_dir / SECRET_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = data_dir / f".{SECRET_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
        if not path.exists():
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
                give_to_the_folders_owner(file.fileno(), data_dir)
            try:
                # A link, not a rename: of several processes that start at once the first one's key stays.
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return path.read_text().strip()
    except OSError as cause:
        raise ConfigurationError([f"DATA_DIR: the portal cannot write to {data_dir} ({cause.strerror}); write a folder "
                                  "that belongs to its user."]) from cause


def give_to_the_folders_owner(file: int, folder: pathlib.Path) -> None:
    """What root makes in the folder of the portal's user stays readable and writable for that user."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and (owner := folder.stat()).st_uid != 0:
        with contextlib.suppress(OSError):   # a file system that knows no owners
            os.fchown(file, owner.st_uid, owner.st_gid)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: python config.py [--check]", file=sys.stderr)
        return 2
    if not arguments:
        print(example_file(), end="")
        return 0
    try:
        chosen = load_settings(make_secret_key=False)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(["The configuration is right.", *advice(chosen)]))
    return 0


def environment_with(added: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that the portal starts."""
    return {**os.environ, **added}


def tell_libraries(name: str, value: str) -> None:
    """Sets what a library of ours reads from the environment by itself."""
    os.environ[name] = value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
