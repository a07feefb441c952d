"""Many rows at once: the ticked ones, or all that match on whatever page."""

import csv
import io
import re

import pytest

from database_pool import execute_query
from portal.lists import queries
from tests.cast import sign_in


def rows_of(answer):
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))


def agents_of(city):
    return [row["agent_id"] for row in execute_query("clients", columns="agent_id", filters={"city": city}).data]


def test_the_ticked_rows_are_exported(clerk):
    answer = clerk.submit("/clients/bulk", {"action": "export", "chosen": ["TC03", "TC05"], "query": "city=Pune"})
    assert [row["Client id"] for row in rows_of(answer)] == ["TC03", "TC05"]


def test_all_that_match_are_exported_in_the_order_of_the_list(clerk):
    answer = clerk.submit(
        "/clients/bulk", {"action": "export", "chosen": "TC01", "everything": "1", "query": "city=Pune&sort=-name"})
    names = [row["Name"] for row in rows_of(answer)]
    assert len(names) == 30
    assert names[0] == "Client 88"


def test_who_exported_what_stands_in_the_trail(clerk):
    clerk.submit("/clients/bulk", {"action": "export", "chosen": ["TC03", "TC05"], "query": "city=Pune"})
    clerk.get("/policies/export?sort=end&q=zz")
    entries = execute_query("audit", filters={"record_type_eq": "list"}, order="audit_id desc", limit=2).data
    policies, clients = entries
    assert (clients["record_id"], policies["record_id"]) == ("clients", "policies")
    assert (clients["action"], sorted(clients["after"]["ids"])) == ("export", ["TC03", "TC05"])
    assert policies["after"]["filter"] == {"sort": "end", "q": "zz"}
    assert policies["user_id"] is not None


def test_the_list_itself_can_be_exported_with_its_filter(clerk):
    assert len(rows_of(clerk.get("/clients/export"))) == 90
    assert len(rows_of(clerk.get("/clients/export?city=Surat"))) == 30
    policies = rows_of(clerk.get("/policies/export?sort=end"))
    assert len(policies) == 60
    assert policies[0]["Gross"] == "1000.50"


def test_no_cell_is_a_formula(clerk):
    names = [row["Name"] for row in rows_of(clerk.get("/clients/export"))]
    assert "'=HYPERLINK(1)" in names


def test_counter_and_sum_are_those_of_the_rows(clerk):
    page = clerk.get("/policies?view=live").text
    rows = rows_of(clerk.get("/policies/export?view=live"))
    assert f"{len(rows)} policies" in page
    assert 'data-bulk="60"' in page
    assert "₹60,030" in page   # 60 times ₹1,000.50


def test_an_agent_is_asked_for_before_anything_changes(clerk):
    page = clerk.submit("/clients/bulk", {"action": "agent", "everything": "1", "query": "city=Mumbai"})
    assert page.status_code == 200
    assert "30 clients" in page.text
    assert set(agents_of("Mumbai")) == {1, 2}


def test_all_that_match_get_the_agent_and_the_trail_says_so(clerk):
    answer = clerk.submit("/clients/bulk/agent", {"everything": "1", "query": "city=Mumbai", "agent_id": "2"})
    assert answer.headers["Location"] == "/clients?city=Mumbai"
    assert "15 clients are assigned to Agent Bose. 15 had that agent already." in clerk.get("/clients").text
    assert agents_of("Mumbai") == [2] * 30
    trail = execute_query("audit", filters={"record_type": "client", "action": "change"}).data
    assert len(trail) == 15
    assert trail[0]["before"] == {"agent_id": 1} and trail[0]["after"] == {"agent_id": 2}


def test_the_ticked_policies_get_the_agent(clerk):
    clerk.submit("/policies/bulk/agent", {"chosen": ["1", "2", "999999"], "query": "", "agent_id": "1"})
    given = execute_query("policies", columns="policy_id", filters={"agent_id": 1}, order="policy_id").data
    assert [row["policy_id"] for row in given] == [1, 2]


def test_no_agent_is_chosen_beforehand(clerk):
    page = clerk.submit("/clients/bulk", {"action": "agent", "everything": "1", "query": "city=Mumbai"}).text
    select = re.search(r'<select id="f-agent_id" name="agent_id" required>(.*?)</select>', page, re.DOTALL)[1]
    assert "selected" not in select
    assert re.findall(r'value="(\w*)"', select) == ["", "1", "2", "nobody"]


def test_to_have_chosen_nobody_takes_the_agents_away(clerk):
    clerk.submit("/policies/bulk/agent", {"chosen": ["3", "4"], "query": "", "agent_id": "1"})
    clerk.submit("/policies/bulk/agent", {"chosen": ["3"], "query": "", "agent_id": "nobody"})
    assert "1 policy is assigned to nobody." in clerk.get("/policies").text
    rows = execute_query("policies", columns="policy_id, agent_id", filters={"policy_id_in": [3, 4]}, order="policy_id")
    assert [row["agent_id"] for row in rows.data] == [None, 1]


@pytest.mark.parametrize("path", ["/clients/bulk/agent", "/policies/bulk/agent"])
def test_to_choose_nothing_takes_no_agent_away(clerk, path):
    before = execute_query("clients", columns="client_id, agent_id", order="client_id").data
    answer = clerk.submit(path, {"everything": "1", "query": "", "agent_id": ""})
    assert answer.status_code == 422
    assert "Agent is needed." in answer.text
    assert execute_query("clients", columns="client_id, agent_id", order="client_id").data == before


@pytest.mark.parametrize(("agent", "sentence"), [
    ("99", "does not exist any more"), ("x", "whole number"), ("9" * 12, "Agent must be at most"),
])
def test_an_agent_that_does_not_exist_is_refused_and_nothing_changes(clerk, agent, sentence):
    answer = clerk.submit("/clients/bulk/agent", {"chosen": "TC01", "agent_id": agent})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert execute_query("clients", filters={"client_id": "TC01"}).data[0]["agent_id"] == 2


def test_nothing_ticked_is_said(clerk):
    assert clerk.submit("/policies/bulk", {"action": "export", "query": "line=health"}).status_code == 303
    assert "Nothing was ticked" in clerk.get("/policies").text


def test_too_many_at_once_are_refused(clerk, monkeypatch):
    monkeypatch.setattr("portal.clients.service.MOST_AT_ONCE", 10)
    answer = clerk.submit("/clients/bulk/agent", {"everything": "1", "query": "", "agent_id": "1"})
    assert answer.status_code == 422
    assert f"At most {queries.MOST_AT_ONCE:,} at once" in answer.text


def test_who_may_only_look_exports_and_assigns_nothing(app):
    reader = sign_in(app, "reader")
    assert "Assign agent" not in reader.get("/clients").text
    assert rows_of(reader.submit("/clients/bulk", {"action": "export", "chosen": "TC01"}))
    assert reader.submit("/clients/bulk", {"action": "agent", "chosen": "TC01"}).status_code == 403
    assert reader.submit("/policies/bulk/agent", {"chosen": "1", "agent_id": "1"}).status_code == 403
