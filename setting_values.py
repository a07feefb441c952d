"""What a setting is and what may be written as one: each function turns text into a value, for the table in config.py.

A ValueError says what to write, never what was written: the text may be a secret.
"""
from __future__ import annotations

import base64
import dataclasses
import ipaddress
import json
import pathlib
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

ROOT = pathlib.Path(__file__).resolve().parent

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Parser = Callable[[str], object]


@dataclasses.dataclass(frozen=True)
class Rate:
    """At most `limit` requests within `window` seconds."""

    limit: int
    window: int

    def __str__(self) -> str:
        return f"{self.limit}/{self.window} seconds"


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known about one setting besides its value."""

    name: str
    group: str
    parse: Parser
    default: object
    explanation: str
    example: str
    secret: bool
    needed: bool

    @property
    def default_text(self) -> str:
        return "" if callable(self.default) or self.default in (None, (), "") else str(self.default)


@dataclasses.dataclass(frozen=True)
class Group:
    """A heading of .env.example, and what the portal does while the group is absent."""

    title: str
    absent: str = ""


GROUPS = {
    "portal": Group("The portal itself"),
    "web": Group("Web server"),
    "database": Group("PostgreSQL", "the portal runs its own PostgreSQL under DATA_DIR"),
    "supabase": Group("Supabase (instead of DATABASE_URL)", "the portal uses PostgreSQL directly"),
    "pool": Group("Connections and workers of each web process"),
    "limits": Group("Limits on requests of one caller"),
    "redis": Group("Redis", "cache and limits are kept in memory and in the database"),
    "clerk": Group("Clerk sign-in", "staff sign in with the portal's own accounts"),
    "drive": Group("Google Drive", "documents are kept under DATA_DIR"),
    "twilio": Group("WhatsApp through Twilio", "messages are kept in the outbox"),
    "meta": Group("WhatsApp through Meta's Cloud API", "messages are kept in the outbox"),
    "smtp": Group("E-mail", "e-mails are kept in the outbox"),
}


def text(value: str) -> str:
    return value


def number(low: int, high: int) -> Parser:
    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not low <= int(value) <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(value)
    return parse


def choice(words: Mapping[str, str]) -> Parser:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"write one of {', '.join(words)}")
        return words[value.lower()]
    return parse


def path(value: str) -> pathlib.Path:
    """A path; a relative one counts from the portal's folder, whatever the current directory is."""
    return ROOT / pathlib.Path(value).expanduser()


def existing_file(value: str) -> pathlib.Path:
    if not path(value).is_file():
        raise ValueError("write the path of an existing file; there is none at this path")
    return path(value)


def url(*schemes: str, example: str, bare: bool = False) -> Parser:
    """An absolute URL of one of these schemes, without a slash at the end; `bare`: without path, query and user too."""
    def parse(value: str) -> str:
        wanted = f"write a URL like {example}"
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError(wanted) from None
        if parts.scheme not in schemes or re.search(r"[\s\x00-\x1f]", value) or port == 0:
            raise ValueError(wanted)
        if parts.scheme in ("http", "https") and (not parts.hostname or parts.username is not None):
            raise ValueError(wanted)
        if bare and (parts.path not in ("", "/") or parts.query or parts.fragment):
            raise ValueError(f"{wanted}, with nothing behind the host name and port")
        return value.rstrip("/")
    return parse


def redis_url(value: str) -> str:
    """One server, one behind a socket, or several hosts: Sentinels with the name of their service, or a cluster."""
    wanted = ("write redis://localhost:6379/0 or redis://:password@host:6379/0 (rediss:// for TLS), "
              "unix:///path/to/socket, redis+sentinel://:password@host:26379,host:26379/service/0 or redis+cluster://host:6379,host:6379")
    parts = urlsplit(value)
    kind = parts.scheme.removeprefix("rediss").removeprefix("redis")
    if parts.scheme == "unix":
        right = bool(parts.path)
    else:
        hosts = parts.netloc.rpartition("@")[2].split(",")
        path = {"": r"(/\d{0,2})?", "+sentinel": r"/[\w.-]+(/\d{1,2})?", "+cluster": "/?"}.get(kind)
        right = (path is not None and re.fullmatch(path, parts.path) is not None
                 and all(_is_host(host) for host in hosts) and (len(hosts) == 1 or kind != ""))
    if not right or re.search(r"[\s\x00-\x1f]", value):
        raise ValueError(wanted)
    return value


def _is_host(written: str) -> bool:
    match = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", written)
    return match is not None and 0 < int(match[1] or 1) < 65536


_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def rate(value: str) -> Rate | None:
    """"300/minute", "5 per 10 seconds"; None for "off"."""
    if value.lower() in ("off", "none"):
        return None
    written = re.fullmatch(r"(\d{1,7})\s*(?:/|per)\s*(\d{0,5})\s*(second|minute|hour|day)s?", value.lower(), re.ASCII)
    if written is None or int(written[1]) < 1 or written[2] == "0":
        raise ValueError("write how many requests within which time, like 300/minute or 20 per 10 minutes, or off")
    return Rate(int(written[1]), int(written[2] or 1) * _SECONDS[written[3]])


def several(item: Parser) -> Parser:
    return lambda value: tuple(item(part.strip()) for part in value.split(",") if part.strip())


def email(value: str) -> str:
    if not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+", value):
        raise ValueError("write e-mail addresses with commas between them, like asha@example.com,ravi@example.com")
    return value.lower()


def network(value: str) -> Network:
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("write addresses or networks with commas between them, like 127.0.0.1,10.0.0.0/8") from None


def whatsapp_number(value: str) -> str:
    number = value.removeprefix("whatsapp:").replace(" ", "")
    if not re.fullmatch(r"\+[1-9]\d{7,14}", number, re.ASCII):
        raise ValueError("write the sender with its country code, like whatsapp:+14155238886")
    return f"whatsapp:{number}"


def graph_version(value: str) -> str:
    if not re.fullmatch(r"v\d{1,3}\.\d", value, re.ASCII):
        raise ValueError("write the version as Meta does, like v25.0")
    return value


def starting(*prefixes: str, where: str) -> Parser:
    def parse(value: str) -> str:
        if not value.startswith(prefixes):
            raise ValueError(f"write {where}; it starts with {' or '.join(prefixes)}")
        return value
    return parse


def supabase_key(value: str) -> str:
    """The secret key. The public one sees no row at all under row-level security, so it is refused by name."""
    public = value.startswith("sb_publishable_")
    if value.count(".") == 2:
        try:
            payload = value.split(".")[1]
            public = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get("role") == "anon"
        except (ValueError, AttributeError):
            raise ValueError("write the secret key (sb_secret_..., or the service_role key) whole") from None
    if public:
        raise ValueError("this is the public key; write the secret key (sb_secret_..., or the service_role key) "
                         "from Supabase, Project Settings, API keys")
    return value


def age_recipient(value: str) -> str:
    """The public half of an age key pair."""
    if not re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", value):
        raise ValueError("write the public key age1..., 62 characters, that make-backup-key printed")
    return value


def encryption_key(value: str) -> str:
    try:
        right = len(base64.urlsafe_b64decode(value.encode())) == 32
    except ValueError:
        right = False
    if not right:
        raise ValueError("write 32 random bytes in URL-safe base64, as this prints: python -c "
                         "\"import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())\"")
    return value


_PEM_BEGINS, _PEM_ENDS = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


def public_key(value: str) -> str:
    """An RSA key as PEM. Its line ends may be \\n or spaces: not everything that holds settings keeps line ends."""
    words = value.replace("\\n", "\n").strip().removeprefix(_PEM_BEGINS).removesuffix(_PEM_ENDS).split()
    key = "\n".join([_PEM_BEGINS, *words, _PEM_ENDS, ""])
    try:
        right = isinstance(load_pem_public_key(key.encode()), RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm):
        right = False
    if not right:
        raise ValueError("write the PEM public key of the Clerk instance whole, with \\n or a space for each line end")
    return key


def publishable_key(value: str) -> str:
    """Clerk's publishable key, which holds the address of the front-end API."""
    if host_of_clerk(value) is None:
        raise ValueError("write the publishable key of the Clerk instance whole; it starts with pk_live_ or pk_test_")
    return value


def host_of_clerk(key: str) -> str | None:
    """The host that a publishable key names: base64 of it and a $ behind pk_live_; None for other texts."""
    written = re.fullmatch(r"pk_(?:live|test)_([A-Za-z0-9+/_-]+=*)", key)
    if written is None:
        return None
    try:
        text = base64.urlsafe_b64decode(written[1].replace("+", "-").replace("/", "_") + "==").decode()
    except ValueError:
        return None
    return text[:-1].lower() if re.fullmatch(r"[A-Za-z0-9.:-]+\$", text) else None


def looks_like_an_example(key: str) -> bool:
    """Few different characters, or words that only a person writes: neither comes from a random generator."""
    words = ("change", "example", "your-", "your_", "yoursecret", "replace", "placeholder", "insert")
    return len(set(key)) < 5 or any(word in key.lower() for word in words)


def without_password(value: str) -> str:
    """The value as an error line may show it: shortened, and without what stands between // and @ in a URL."""
    return re.sub(r"(?<=//)[^/@]*@", "***@", value)[:100]
