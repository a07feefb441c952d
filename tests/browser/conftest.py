"""A real Chromium on a real portal: gunicorn, a demo agency, a signed-in administrator."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from config import Settings
from database_pool import execute_query, transaction
from portal.audit import Actor
from portal.demo import seed
from portal.formats import now
from portal.jobs.service import JobItem, Skipped, start_job
from tests import cast
from tests.browser.sweep import WIDTHS
from tests.servers.portal import RunningPortal

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
# Chromium asks its maker's servers for updates at every start; a machine without them would wait.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]


@dataclass(frozen=True)
class Agency:
    """A portal with a small demo book, and records to open in it."""

    url: str
    paths: dict[str, str]


@pytest.fixture(scope="module")
def portal(database: Settings) -> Iterator[RunningPortal]:
    """The portal under gunicorn, on the module's database."""
    running = RunningPortal(workers=1, DATABASE_URL=database.database_url or "")
    running.start()
    yield running
    running.remove()


@pytest.fixture(scope="module")
def agency(portal: RunningPortal) -> Agency:
    """The demo agency, and the addresses of its pages by name."""
    seed(clients=60)
    cast.make_cast()
    client = execute_query("client_list", filters={"live_policies_gte": 2}, order="client_id", limit=1).data[0]
    member = execute_query("members", filters={"client_id": client["client_id"]}, order="member_id", limit=1).data[0]
    live = execute_query("policies", columns="line, policy_id", filters={"state": "live"}, order="policy_id desc").data
    policies = {row["line"]: row["policy_id"] for row in live}
    policies["pending"] = live[0]["policy_id"]
    with transaction() as tx:
        awaited = {"state": "pending", "waiting_for": ["payment", "KYC"]}
        tx.update("policies", awaited, filters={"policy_id_eq": policies["pending"]})
    paths = _paths(client["client_id"], member["member_id"], policies)
    return Agency(portal.url, {**paths, **_message_paths(client), **_renewal_paths(policies["motor"]),
                               **_job_paths(policies["motor"])})


def _job_paths(policy_id: int) -> dict[str, str]:
    """A job that waits for ever (no process knows its task), with a failed record and one left out."""
    items = [JobItem("policy", str(number), {}, f"Policy {number}") for number in (policy_id, 900001, 900002)]
    skipped = [Skipped("client", "C001", "No consent to WhatsApp messages.", "Kavita Iyer")]
    with transaction() as tx:
        batch_id = start_job(tx, Actor(cast.make_cast()["administrator"]), kind="tests.remind", items=items,
                             title="Reminders for 3 policies", task="tests.nothing", skipped=skipped)  # fmt: skip
    filters = {"batch_id_eq": batch_id, "record_id_eq": str(policy_id)}
    failed = {"state": "dead", "last_error": "The phone number is not on WhatsApp.", "finished_at": now()}
    execute_query("tasks", "update", data=failed, filters=filters)
    return {"jobs": "/jobs", "jobs of all": "/jobs?show=all", "job": f"/jobs/{batch_id}", "task queue": "/jobs/queue",
            "dead letters": "/jobs/dead-letters", "no dead letters": "/jobs/dead-letters?name=x",
            "drop dead letters": "/jobs/dead-letters/drop"}  # fmt: skip


def _renewal_paths(policy_id: int) -> dict[str, str]:
    """The renewal desk, and the texts of messages in the script that is hardest to set."""
    mail = execute_query("message_templates", filters={"key": "reminder.before", "channel": "email", "language": "mr"})
    bot = execute_query("message_templates", filters={"key": "bot.menu", "language": "gu"})
    return {
        "renewals": "/renewals", "renewals of no month": "/renewals?month=2031-12",
        "renewals nothing": "/renewals?q=zzzz",
        "renewals to call": "/renewals?view=calls",
        "renewals overdue": "/renewals?view=overdue", "renewals lost": "/renewals?view=lost",
        "retention": "/renewals/retention", "reminder ladder": "/renewals/ladder", "renewal": f"/renewals/{policy_id}",
        "reminder": f"/renewals/{policy_id}/reminder", "message templates": "/messages/templates",
        "mail template": f"/messages/templates/{mail.data[0]['template_id']}",
        "bot template": f"/messages/templates/{bot.data[0]['template_id']}",
        "WhatsApp bot": "/whatsapp_bot", "WhatsApp bot waiting": "/whatsapp_bot?show=waiting",
    }  # fmt: skip


def _message_paths(client: dict[str, Any]) -> dict[str, str]:
    """Somebody wrote and was answered; then the address could not be reached."""
    address = client["phone"] or "+919820100001"
    execute_query("inbound_messages", "insert", data={
        "provider": "meta", "provider_id": "wamid.1", "address": address, "body": "When is my renewal?",
        "received_at": now(), "profile_name": "नेहा"})  # fmt: skip
    message = execute_query("messages", "insert", data={
        "key": "browser:1", "channel": "whatsapp", "purpose": "reply", "recipient": address, "state": "failed",
        "client_id": client["client_id"], "body": "On 12/12/2026.\nShall we renew?", "reason": "Not on WhatsApp.",
    })  # fmt: skip
    contact = execute_query("contacts", filters={"address_eq": address}, limit=1).data[0]
    return {
        "inbox": "/messages", "inbox nothing": "/messages?q=zzzz", "outbox": "/messages/outbox",
        "conversation": f"/messages/threads/{contact['contact_id']}", "message log": "/messages/log",
        "message log nothing": "/messages/log?state=read", "message": f"/messages/{message.data[0]['message_id']}",
        "messages of a client": f"/messages/clients/{client['client_id']}", "channels": "/messages/channels",
    }  # fmt: skip


def _paths(client_id: str, member_id: int, policies: dict[str, int]) -> dict[str, str]:
    motor, clerk = policies["motor"], cast.make_cast()["staff"]
    return {
        "today": "/", "business": "/business", "birthdays": "/today/birthdays", "keys": "/account/keys",
        "design": "/design",
        "clients": "/clients", "clients filtered": "/clients?q=zzzz", "client": f"/clients/{client_id}",
        "client policies": f"/clients/{client_id}/policies", "client activity": f"/clients/{client_id}/activity",
        "new client": "/clients/new", "edit client": f"/clients/{client_id}/edit",
        "new member": f"/clients/{client_id}/members/new",
        "edit member": f"/clients/{client_id}/members/{member_id}",
        "policies": "/policies", "policies filtered": "/policies?q=zzzz",
        "choose policy": "/policies/new",
        **{f"new {line} policy": f"/policies/new?client_id={client_id}&line={line}"
           for line in ("health", "motor", "fire", "life", "travel", "other")},
        **{f"{line} policy": f"/policies/{policy_id}" for line, policy_id in policies.items()},
        "edit policy": f"/policies/{motor}/edit", "renew policy": f"/policies/{motor}/renewal",
        "search": "/search?q=me", "search nothing": "/search?q=zzzzzz", "search empty": "/search",
        "users": "/users", "invite": "/users/new", "account": "/account", "password": "/account/password",
        "two-step": "/account/two-step", "new one-time password": f"/users/{clerk}/password",
        "reset two-step": f"/users/{clerk}/two-step/reset",
        "settings": "/settings", "business rules": "/settings/business",
        "GST rules": "/settings/rules/gst", "delete client": f"/clients/{client_id}/delete",
        "cancel policy": f"/policies/{motor}/cancellation", "lose policy": f"/policies/{motor}/loss",
        "delete policy": f"/policies/{motor}/deletion",
        "pending": "/pending", "pending by kind": "/pending?waiting=proposal&mine=on",
        "complete policy": f"/policies/{policies['pending']}/completion",
        "ask for papers": f"/policies/{policies['pending']}/papers",
        "endorse policy": f"/policies/{motor}/endorsements/new",
        "endorse vehicle": f"/policies/{motor}/endorsements/new?kind=asset",
        "endorse persons": f"/policies/{policies['health']}/endorsements/new?kind=person%20added",
        "note payment": f"/policies/{motor}/payments/new", "print policy": f"/policies/{motor}/print",
        "rules": "/settings/rules", "commission rules": "/settings/rules/commission",
        "grace rules": "/settings/rules/grace", "tariff rules": "/settings/rules/tariff",
        "insurers": "/settings/insurers", "products": "/settings/products", "agents": "/settings/agents",
        "TPAs": "/settings/tpas", "document types": "/settings/document-types", "insurer": "/settings/insurers/1",
        "merge insurer": "/settings/insurers/1/merge?into_id=2", "merges": "/settings/insurers/merges",
        "trash": "/trash", "privacy requests": "/privacy", "privacy of a client": f"/privacy/clients/{client_id}",
        "reads": "/audit/reads", "reads nothing": "/audit/reads?user_id=999",
        "API": "/api/docs", "API tokens": "/account/tokens",
        "documents": "/documents", "documents filtered": "/documents?q=zzzz", "missing documents": "/documents/missing",
        "upload": f"/documents/upload?client_id={client_id}", "whose documents": "/documents/upload?q=me",
        "company history": "/settings/company/history",
        "audit": "/audit", "audit filtered": "/audit?record_type=client&date_from=01/01/2026",
        "audit nothing": "/audit?user_id=999",
        "system health": "/monitoring", "alerts": "/monitoring/alerts", "not found": "/clients/NOBODY99",
    }  # fmt: skip


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Drives the browser."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian and Ubuntu: apt-get install chromium)")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all tests."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def cookies(chromium: Browser, agency: Agency) -> list[Any]:
    """What the administrator's browser holds after signing in through the login page."""
    context = chromium.new_context(base_url=agency.url)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("E-mail").fill(cast.email_of("administrator"))
    page.get_by_label("Password", exact=True).fill(cast.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Today", exact=True).wait_for()
    held: list[Any] = [*context.cookies()]
    context.close()
    return held


@pytest.fixture
def open_page(chromium: Browser, agency: Agency, cookies: list[Any]) -> Iterator[Callable[..., Page]]:
    """Opens a page of the portal as the administrator, as wide as a "desk" or a "phone"."""
    contexts: list[BrowserContext] = []

    def open_it(path: str, width: str = "desk", *, signed_in: bool = True, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=agency.url, reduced_motion="reduce", viewport={"width": WIDTHS[width], "height": 900}, **options)
        contexts.append(context)
        if signed_in:
            context.add_cookies(cookies)
        page = context.new_page()
        page.goto(path)
        return page

    yield open_it
    for context in contexts:
        context.close()
