"""Documents on the pages of their client and policy, and on their way to the client."""

import html
from dataclasses import replace

import pytest

import config
from database_pool import execute_query, transaction
from portal.outbox.reach import NO_WORDS
from tests.documents.conftest import CLIENT, POLICY, stored
from tests.outbox.conftest import wrote


def test_the_policy_s_page_has_its_documents(clerk, reader, uploaded):
    assert "No document yet" in reader.get(f"/policies/{POLICY}").text
    document = uploaded(kind="policy-schedule", policy_id=POLICY)
    page = clerk.get(f"/policies/{POLICY}").text
    assert f'href="/documents/{document["document_id"]}"' in page
    assert f"/documents/upload?client_id={CLIENT}&amp;policy_id={POLICY}" in page


def test_the_client_s_page_fetches_its_documents(reader, uploaded):
    assert f'hx-get="/documents/of/{CLIENT}"' in reader.get(f"/clients/{CLIENT}").text
    document = uploaded()
    assert f'href="/documents/{document["document_id"]}"' in reader.get(f"/documents/of/{CLIENT}").text
    assert reader.get("/documents/of/ZZ99").status_code == 404


def test_a_pending_policy_ticks_off_what_has_come(reader, uploaded):
    assert "there</span>" not in reader.get("/policies/82").text
    uploaded(kind="pan-card")
    page = reader.get("/policies/82").text
    assert "KYC <span" in page
    assert page.count("there</span>") == 1


def test_a_document_is_sent_to_its_client_once(clerk, uploaded):
    with transaction() as tx:
        tx.update("clients", {"phone": "+919820012345", "whatsapp_opt_in": True}, filters={"client_id_eq": CLIENT})
    number = uploaded()["document_id"]
    here = f"/messages/documents/{number}"
    assert "has no e-mail address" in clerk.get(here).text
    form = {"form_key": "0" * 32, "channel": "whatsapp", "text": "Your policy"}
    assert [clerk.submit(here, form).status_code for _ in range(2)] == [303, 303]
    messages = execute_query("messages", filters={"client_id_eq": CLIENT}).data
    assert [(row["document_ids"], row["recipient"]) for row in messages] == [([number], "+919820012345")]


@pytest.fixture
def twilio():
    """WhatsApp goes through Twilio, which is not asked here."""
    sender = "whatsapp:+14155238886"
    account = replace(
        config.settings(), twilio_account_sid="AC1", twilio_auth_token="secret", twilio_whatsapp_from=sender
    )
    before = config.use_settings(account)
    yield
    config.use_settings(before)


def chosen(page):
    return [channel for channel in ("whatsapp", "email") if f'value="{channel}" checked' in page]


@pytest.mark.usefixtures("twilio")
def test_who_has_not_written_for_a_day_gets_a_document_by_e_mail(clerk, uploaded):
    phone = "+919820012377"
    ways = {"phone": phone, "whatsapp_opt_in": True, "email": "rm@example.in", "email_opt_in": True}
    execute_query("clients", "update", data=ways, filters={"client_id_eq": CLIENT})
    here = f"/messages/documents/{uploaded()['document_id']}"
    page = html.unescape(clerk.get(here).text)
    assert NO_WORDS in page and chosen(page) == ["email"]
    answer = clerk.submit(here, {"form_key": "2" * 32, "channel": "whatsapp", "text": "Your policy"})
    assert answer.status_code == 422
    wrote(phone)
    page = html.unescape(clerk.get(here).text)
    assert NO_WORDS not in page and chosen(page) == ["whatsapp"]
    assert clerk.submit(here, {"form_key": "3" * 32, "channel": "whatsapp", "text": "x"}).status_code == 303
    execute_query("clients", "update", data={"email": None, "email_opt_in": False}, filters={"client_id_eq": CLIENT})


def test_what_cannot_be_sent_is_said(clerk, reader, manager, uploaded):
    document = uploaded()
    here = f"/messages/documents/{document['document_id']}"
    assert reader.get(here).status_code == 403
    answer = clerk.submit(here, {"form_key": "1" * 32, "channel": "email", "text": "x"})
    assert (answer.status_code, "has no e-mail address" in answer.text) == (422, True)
    version = stored(document["document_id"])["version"]
    manager.submit(f"/documents/{document['document_id']}/trash", {"version": version})
    assert clerk.get(here).status_code == 404
