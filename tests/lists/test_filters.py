"""Filters that cannot be read: the list says what it left out, and nothing is done to the longer list."""

import re

import pytest

from database_pool import execute_query
from tests.cast import sign_in
from tests.web.test_front_end import MAIN

NO_SUCH_DAY = "there is no 31 November 2026. Please check the day."
UNREADABLE = [
    ("/policies?date_from=31/11/2026", f"Ends from: {NO_SUCH_DAY}"),
    ("/policies?view=odd", "View: please choose one of the list."),
    ("/clients?agent_id=x", "Agent: write a whole number."),
    ("/renewals?premium_from=lots", "Premium from: "),
    ("/renewals?month=2026-13", "Month: this cannot be used."),
    ("/pending?waiting=luck", "Waiting for: please choose one of the list."),
    ("/documents?date_from=31/11/2026", f"Added since: {NO_SUCH_DAY}"),
    ("/documents/missing?agent_id=x", "Agent: write a whole number."),
    ("/messages?show=odd", "Show: please choose one of the list."),
    ("/messages/log?client_id=R!", "Client id: this cannot be used."),
    ("/messages/outbox?channel=pigeon", "Channel: please choose one of the list."),
    ("/audit?date_to=31/11/2026", f"Until: {NO_SUCH_DAY}"),
    ("/audit/reads?date_from=31/11/2026", f"From: {NO_SUCH_DAY}"),
    ("/trash?kind=agent", "Kind: please choose one of the list."),
    ("/settings/insurers?q=" + "x" * 121, "Name may have at most 120 characters"),
    ("/?agent_id=x", "Agent: write a whole number."),
    ("/business?agent_id=x", "Agent: write a whole number."),
    ("/today/birthdays?agent_id=x", "Agent: write a whole number."),
]
LEFT_OUT = "This filter was left out."


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


@pytest.mark.parametrize(("path", "sentence"), UNREADABLE)
def test_a_filter_that_cannot_be_read_is_named_above_the_list(administrator, path, sentence):
    page = administrator.get(path).text
    assert page.count(sentence) == 1
    assert LEFT_OUT in page
    assert LEFT_OUT not in administrator.get(path.split("?")[0]).text


def test_htmx_gets_the_notice_with_its_part(clerk):
    assert LEFT_OUT in clerk.get("/policies?date_from=31/11/2026", headers=MAIN).text


def test_several_are_told_in_one_notice_and_the_readable_ones_count(clerk):
    page = clerk.get("/policies?date_from=31/11/2026&agent_id=x&q=EX/007").text
    assert page.count("These filters were left out.") == 1
    assert "1 policy " in page


@pytest.mark.parametrize("path", ["/policies/export?date_from=31/11/2026", "/clients/export?agent_id=x",
                                  "/renewals/export?month=2026-13"])
def test_nothing_is_exported_past_a_filter_that_cannot_be_read(clerk, path):
    before = execute_query("audit", filters={"action_eq": "export"}, limit=1, count=True).count
    answer = clerk.get(path)
    assert answer.status_code == 422
    assert "Correct this filter" in answer.text
    assert execute_query("audit", filters={"action_eq": "export"}, limit=1, count=True).count == before


@pytest.mark.parametrize(("path", "query", "action"), [
    ("/clients/bulk", "agent_id=x", "export"), ("/clients/bulk", "agent_id=x", "agent"),
    ("/clients/bulk/agent", "agent_id=x", ""),
    ("/policies/bulk", "date_from=31/11/2026", "export"), ("/policies/bulk/agent", "date_from=31/11/2026", ""),
    ("/renewals/bulk", "month=2026-13", "remind"), ("/documents/bulk", "date_from=31/11/2026", "zip"),
    ("/documents/missing/requests", "agent_id=x", "ask"),
])
def test_all_that_match_are_refused_while_a_filter_cannot_be_read(clerk, path, query, action):
    answer = clerk.submit(path, {"action": action, "everything": "1", "query": query, "agent_id": "1"})
    assert answer.status_code == 422
    assert "Nothing was done." in answer.text
    assert {row["agent_id"] for row in execute_query("clients", columns="agent_id").data} == {1, 2}


def test_ticked_rows_are_what_they_are_whatever_the_filter(clerk):
    answer = clerk.submit("/clients/bulk", {"action": "export", "chosen": "TC03", "query": "agent_id=x"})
    assert answer.mimetype == "text/csv"


def test_the_trail_is_not_exported_past_a_filter_that_cannot_be_read(administrator):
    page = administrator.get("/audit?date_from=31/11/2026&record_type=client").text
    form = re.search(r'<form class="row" method="post" action="/audit/export">(.*?)</form>', page, re.DOTALL)[1]
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    sent.pop("csrf_token")
    assert administrator.submit("/audit/export", sent).status_code == 422
    sent["date_from"] = "30/11/2026"
    assert administrator.submit("/audit/export", sent).mimetype == "text/csv"


@pytest.mark.parametrize("path", ["/messages/log", "/documents", "/audit/reads"])
def test_a_client_id_may_be_typed_in_small_letters(administrator, path):
    page = administrator.get(f"{path}?client_id=tc01").text
    assert 'name="client_id" type="text" value="TC01"' in page or 'name="client_id" value="TC01"' in page
    assert LEFT_OUT not in page
