"""What strangers, curious colleagues and hostile clients try, beyond what each area's tests show."""

import io
import logging
import re
import struct
import zipfile
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import pikepdf
import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from pydantic import ValidationError

import app_multiuser
import portal.areas  # noqa: F401 - so that every form is known
from database_pool import execute_query, transaction
from infrastructure.file_inspection import XLSX, Inspectors
from portal.clients.inputs import ClientInput
from portal.inputs import Input
from portal.monitoring import backups
from tests.cast import sign_in

MARKUP = "<img src=x onerror=alert(1)>"
PERSON = ("Canary Person", "+919811122233", "canary.person@example.in", "ACUPC9911R", "1966-06-16", "16/06/1966")
SECRETS = {
    "TWILIO_ACCOUNT_SID": "AC" + "5e" * 16,
    "TWILIO_AUTH_TOKEN": "canary-twilio-token-5e5e5e5e5e5e",
    "TWILIO_WHATSAPP_FROM": "whatsapp:+14155238886",
    "SMTP_HOST": "mail.example.in",
    "SMTP_USERNAME": "office",
    "SMTP_PASSWORD": "canary-smtp-password",
    "SMTP_FROM": "office@example.in",
    "METRICS_TOKEN": "canary-metrics-token-0123456789abcdef",
    "SECRET_KEY": "canary-secret-key-0123456789abcdefghijkl",
    "WHATSAPP_APP_SECRET": "canary-app-secret-0123456789abcdef",
}
HIDDEN = [value for name, value in SECRETS.items() if re.search("TOKEN|PASSWORD|SECRET", name)]


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


@pytest.fixture(scope="module")
def hostile(app, administrator):
    """A client all of whose fields hold markup, with a member and a policy; answers the addresses of every page."""
    client = {
        "client_id": "XX01",
        "name": f"A{MARKUP}",
        "city": f"B{MARKUP}",
        "address": f"C{MARKUP}",
        "group_name": f"D{MARKUP}",
        "subgroup": f"E{MARKUP}",
        "state": f"F{MARKUP}",
    }
    with transaction() as tx:
        tx.insert("clients", client, returning=False)
        tx.insert(
            "members",
            {"member_id": 990, "client_id": "XX01", "name": f"G{MARKUP}", "nominee": f"H{MARKUP}"},
            returning=False,
        )
        tx.upsert("insurers", {"insurer_id": 990, "name": f"I{MARKUP}"})
        tx.upsert("products", {"product_id": 990, "name": f"J{MARKUP}", "line": "motor"})
        tx.insert(
            "policies",
            {
                "policy_id": 990,
                "client_id": "XX01",
                "member_id": 990,
                "insurer_id": 990,
                "product_id": 990,
                "line": "motor",
                "policy_number": f"K{MARKUP}",
                "policy_from": "2026-11-01",
                "policy_to": "2027-10-31",
                "due_on": "2027-10-31",
                "remarks": f"L{MARKUP}",
                "asset": f"M{MARKUP}",
                "state": "pending",
            },
            returning=False,
        )
        tx.insert(
            "inbound_messages",
            {
                "provider": "meta",
                "provider_id": "wamid.xx",
                "address": "+919800000001",
                "profile_name": f"N{MARKUP}",
                "body": f"O{MARKUP}",
                "received_at": "2026-11-26T06:00:00Z",
            },
            returning=False,
        )
    contact = execute_query("contacts", filters={"address_eq": "+919800000001"}).data[0]
    known = {"client_id": "XX01", "member_id": 990, "policy_id": 990, "contact_id": contact["contact_id"]}
    return pages_of(app, known)


def pages_of(app, known):
    """The addresses of all pages that need no other argument."""
    adapter = app.url_map.bind("localhost")
    return sorted(
        {
            adapter.build(rule.endpoint, {name: known[name] for name in rule.arguments})
            for rule in app.url_map.iter_rules()
            if "GET" in rule.methods
            and set(rule.arguments) <= set(known)
            and not rule.rule.startswith("/static")
            and "events" not in rule.rule
        }
    )


class Tags(HTMLParser):
    """The tags and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag + ("!" if any(name.startswith("on") for name in given) else ""))
        self.links |= {
            value for name, value in given.items() if name in ("href", "action", "formaction", "src") and value
        }


@pytest.fixture(scope="module")
def shown(administrator, hostile):
    """Every page of the portal over that client, as (address, text, tags)."""
    answers = [(path, administrator.get(path)) for path in hostile]
    return [
        (path, answer.text, Tags(answer.text))
        for path, answer in answers
        if answer.status_code == 200 and answer.mimetype == "text/html"
    ]


@pytest.mark.slow
def test_markup_in_every_field_is_shown_as_text_on_every_page(shown):
    assert len(shown) > 40
    assert [path for path, text, tags in shown if MARKUP in text or any(tag.endswith("!") for tag in tags.tags)] == []
    whole = "".join(text for _, text, _ in shown)
    missing = [letter for letter in "ABCDEFGHIJKLMNO" if f"{letter}&lt;img src=x" not in whole]
    assert missing == []


@pytest.mark.slow
def test_links_on_pages_lead_to_pages_phones_and_mail_alone(shown):
    odd = {
        link
        for _, _, tags in shown
        for link in tags.links
        if not re.match(r"(/(?![/\\])|#|\?|tel:\+?\d|mailto:[^?]+$|data:image/(svg\+xml|png);)", link)
    }
    assert odd == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 20_000,
        '{"name": NaN}',
        '{"name": 1e999999}',
        '{"phone": ' + "9" * 5000 + "}",
        '{"notes": "' + "x" * 2_000_000 + '"}',
        "{" + ",".join(f'"k{n}":1' for n in range(20_000)) + "}",
    ],
    ids=["deep list", "deep object", "NaN", "endless number", "huge number", "two megabytes", "many keys"],
)
def test_a_body_made_to_break_readers_is_refused_at_once(administrator, body):
    token = {"X-CSRFToken": administrator.token()}
    answer = administrator.post("/api/clients", data=body, content_type="application/json", headers=token)
    assert answer.status_code in (400, 413, 422) and answer.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "address",
    [
        "a@example.in, b@example.in",
        "a@example.in;b@example.in",
        "a@example.in b@example.in",
        "a@example.in\nBcc: b@example.in",
        "a@example.in\r\nX: y",
        "A <a@example.in>, b@c.in",
    ],
)
def test_one_field_takes_one_address(address):
    with pytest.raises(ValidationError):
        ClientInput.model_validate({"name": "Rohan Mehta", "email": address})


def bomb(kind):
    """A small file that wants far more than it is."""
    made = io.BytesIO()
    if kind == "archive":
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("[Content_Types].xml", "x")
            archive.writestr("xl/workbook.xml", bytes(30 * 1024 * 1024))
    elif kind == "picture":
        head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
        made.write(b"\x89PNG\r\n\x1a\n")
        for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
            made.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    else:
        with pikepdf.new() as document:
            document.add_blank_page()
            for _ in range(11):
                document.pages.extend(document.pages)
            document.save(made)
    return made.getvalue()


@pytest.mark.slow
def test_a_bomb_is_refused_by_a_process_that_may_die_of_it(tmp_path):
    inspectors = Inspectors(1)
    for kind, media_type in (("archive", XLSX), ("picture", "image/png"), ("pages", "application/pdf")):
        path = tmp_path / kind
        path.write_bytes(bomb(kind))
        assert path.stat().st_size < 1024 * 1024
        assert inspectors.inspect(path, media_type).refusal, kind


def test_nothing_that_is_entered_becomes_an_address_that_the_portal_calls():
    """The portal calls what its environment names. No form has a field for an address of a machine."""

    def below(form):
        return {form}.union(*(below(inner) for inner in form.__subclasses__()))

    fields = {f"{form.__module__}.{form.__name__}.{name}" for form in below(Input) for name in form.model_fields}
    assert len(fields) > 100
    address = re.compile(r"(^|_)(url|uri|host|endpoint|webhook|callback|server)$")
    assert [field for field in fields if address.search(field.rsplit(".")[-1])] == []


@pytest.mark.slow
def test_no_person_and_no_secret_is_in_figures_reports_logs_or_settings(app, database, administrator, tmp_path):
    settings = replace(database, log_dir=tmp_path, **{name.lower(): value for name, value in SECRETS.items()})
    told = sign_in(app_multiuser.create_app(settings), "administrator")
    made = told.submit(
        "/clients/new",
        {
            "name": PERSON[0],
            "phone": "98111 22233",
            "email": PERSON[2],
            "pan": PERSON[3],
            "date_of_birth": PERSON[5],
            "client_type": "individual",
            "language": "en",
        },
    )
    told.get(made.location)
    told.get(f"/search?q={PERSON[0]}")
    told.get(f"/clients/{PERSON[1]}")
    reports = [
        "/metrics",
        "/metrics?format=prometheus",
        "/health",
        "/health/detailed",
        "/api/system/status",
        "/monitoring",
    ]
    for path in reports:
        text = told.get(path).text
        assert not [word for word in (*PERSON, *HIDDEN) if word in text], path
    pages = pages_of(app, {})
    assert "/settings" in pages
    for path in pages:
        content = told.get(path).data
        assert not [word for word in HIDDEN if word.encode() in content], path
    logging.shutdown()
    written = "".join(file.read_text() for file in tmp_path.glob("*.log"))
    assert written and not [word for word in (*PERSON, *HIDDEN) if word in written]


@pytest.mark.slow
def test_backups_are_for_the_portals_own_account(database, tmp_path):
    made = backups.make(tmp_path / "backups")
    assert made.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "X\n: y",
    ],
    ids=["both", "two lengths", "a sign", "two codings", "a space", "a bare line end"],
)
def test_gunicorn_refuses_what_two_readers_read_differently(head):
    raw = f"POST / HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\nabcd".encode()
    with pytest.raises((ParseException, NotImplementedError)):
        next(RequestParser(Config(), iter([raw]), ("127.0.0.1", 1)))


def test_the_rules_that_forbid_shells_pickles_and_open_tls_are_on():
    rules = (app_multiuser.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^    "S", ', rules, re.MULTILINE)
    ignored = set(re.findall(r'"(S\d+)"', rules))
    assert ignored <= {"S311", "S603", "S607", "S608"}
    exempt = re.findall(r'^"([^"]+)" = \[[^\]]*"S"', rules, re.MULTILINE)
    assert set(exempt) == {"tests/**", "benchmarks/**"}
