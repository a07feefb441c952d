"""Two masters that are one: found, looked at, merged with everything that names them, taken back."""

import threading

import pytest

from database_pool import execute_query, transaction
from tests.cast import sign_in


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


def add(table, **values):
    with transaction() as tx:
        change = tx.insert(table, values)
    return change.rows[0][f"{table[:-1]}_id"]


def policy_of(insurer_id, number, product_id=None):
    product_id = product_id or add("products", name=f"Product {number}", line="motor")
    with transaction() as tx:
        tx.upsert("clients", {"client_id": "ME01", "name": "Meera Pillai"}, on_conflict="client_id")
        change = tx.insert("policies", {
            "client_id": "ME01", "insurer_id": insurer_id, "product_id": product_id, "line": "motor",
            "policy_number": number, "policy_from": "2026-11-01", "policy_to": "2027-10-31", "due_on": "2027-10-31"})
    return change.rows[0]["policy_id"]


def one(table, **filters):
    rows = execute_query(table, filters=filters, limit=1).data
    return rows[0] if rows else None


def merge(browser, kind, from_id, into_id, version="1"):
    return browser.submit(f"/settings/{kind}/{from_id}/merge", {"version": version, "into_id": str(into_id)})


def test_masters_entered_twice_are_noticed_whatever_their_capitals_and_spaces(administrator):
    add("insurers", name="Niva  Bupa")
    add("insurers", name="NIVA-BUPA")
    page = administrator.get("/settings/insurers").text
    assert "Probably entered twice" in page
    assert "NIVA-BUPA" in page
    answer = administrator.submit("/settings/insurers", {"name": "Nivabupa"})
    assert answer.status_code == 422
    assert "in spaces or punctuation alone" in answer.text


def test_the_preview_says_what_would_move(administrator):
    wrong, right = add("insurers", name="Tata AIG Gen"), add("insurers", name="Tata AIG General")
    for number in ("PV/1", "PV/2"):
        policy_of(wrong, number)
    page = administrator.get(f"/settings/insurers/{wrong}/merge?into_id={right}").text
    assert "2 policies will name" in page
    assert one("policies", insurer_id=right) is None


def test_a_merge_moves_every_reference_and_the_old_address_leads_to_the_other(administrator):
    wrong, right = add("insurers", name="Bajaj Alianz"), add("insurers", name="Bajaj Allianz")
    moved = [policy_of(wrong, f"ME/{number}") for number in range(3)]
    product = add("products", name="Drive Assure", line="motor", insurer_id=wrong)
    assert merge(administrator, "insurers", wrong, right).status_code == 303
    assert {one("policies", policy_id=policy_id)["insurer_id"] for policy_id in moved} == {right}
    assert one("products", product_id=product)["insurer_id"] == right
    assert one("insurers", insurer_id=wrong) is None
    assert administrator.get(f"/settings/insurers/{wrong}").location == f"/settings/insurers/{right}"
    entry = execute_query("audit", filters={"record_type": "insurer", "record_id": str(wrong), "action": "merge"}).data
    assert (entry[0]["before"]["name"], entry[0]["after"]["merged_into"]) == ("Bajaj Alianz", right)


def test_a_merge_is_taken_back_with_what_has_not_been_given_to_others_since(administrator):
    wrong, right, third = (add("agents", name=name) for name in ("Sunil P", "Sunil Patil", "Rekha Rao"))
    with transaction() as tx:
        tx.insert("clients", [{"client_id": f"TB0{number}", "name": "Tara Bose", "agent_id": wrong}
                              for number in (1, 2)])
        tx.insert("clients", {"client_id": "TB03", "name": "Tarun Bose", "agent_id": right})
    merge(administrator, "agents", wrong, right)
    with transaction() as tx:
        tx.update("clients", {"agent_id": third}, filters={"client_id_eq": "TB02"})
    merge_id = one("master_merges", kind="agents", from_id=wrong)["merge_id"]
    assert "Take back" in administrator.get("/settings/agents/merges").text
    assert administrator.submit(f"/settings/agents/merges/{merge_id}/undo").status_code == 303
    agents = {row["client_id"]: row["agent_id"] for row in execute_query(
        "clients", filters={"client_id_in": ["TB01", "TB02", "TB03"]}).data}
    assert agents == {"TB01": wrong, "TB02": third, "TB03": right}
    assert one("agents", agent_id=wrong)["name"] == "Sunil P"
    again = administrator.submit(f"/settings/agents/merges/{merge_id}/undo", follow_redirects=True)
    assert "taken back already" in again.text


def test_a_chain_of_merges_leads_to_the_last_and_is_taken_back_from_the_end(administrator):
    first, second, third = (add("agents", name=name) for name in ("Chain A", "Chain B", "Chain C"))
    merge(administrator, "agents", first, second)
    merge(administrator, "agents", second, third)
    assert administrator.get(f"/settings/agents/{first}").location == f"/settings/agents/{third}"
    early, late = (one("master_merges", kind="agents", from_id=gone)["merge_id"] for gone in (first, second))
    refused = administrator.submit(f"/settings/agents/merges/{early}/undo", follow_redirects=True)
    assert "Take back that merge first" in refused.text
    administrator.submit(f"/settings/agents/merges/{late}/undo")
    assert administrator.get(f"/settings/agents/{first}").location == f"/settings/agents/{second}"
    assert administrator.submit(f"/settings/agents/merges/{early}/undo").status_code == 303
    assert one("agents", agent_id=first) is not None


def test_a_merge_older_than_a_week_stays(administrator):
    wrong, right = add("agents", name="Old Merge"), add("agents", name="Old Merge Right")
    merge(administrator, "agents", wrong, right)
    merge_id = one("master_merges", kind="agents", from_id=wrong)["merge_id"]
    with transaction() as tx:
        tx.update("master_merges", {"merged_at": "2026-01-01T00:00:00Z"}, filters={"merge_id_eq": merge_id})
    answer = administrator.submit(f"/settings/agents/merges/{merge_id}/undo", follow_redirects=True)
    assert "for 7 days" in answer.text
    assert one("agents", agent_id=wrong) is None


def test_insurers_that_both_have_one_policy_are_not_merged_and_the_page_says_which(administrator):
    wrong, right = add("insurers", name="Acko Gen"), add("insurers", name="Acko General")
    product = add("products", name="Acko Car", line="motor")
    policy_of(wrong, "AC/77", product)
    policy_of(right, "ac-77", product)
    answer = merge(administrator, "insurers", wrong, right)
    assert answer.status_code == 422
    assert "policy AC/77" in answer.text
    assert one("policies", policy_number="AC/77")["insurer_id"] == wrong


@pytest.mark.parametrize(("into", "sentence"), [
    ({"name": "Merge Life", "line": "life"}, "is of another line"),
    ({"name": "Merge Elsewhere", "line": "motor", "insurer_id": True}, "belongs to one insurer"),
])
def test_products_that_do_not_fit_are_not_merged(administrator, into, sentence):
    product = add("products", name=f"From {into['name']}", line="motor")
    if "insurer_id" in into:
        into = {**into, "insurer_id": add("insurers", name=f"Insurer of {into['name']}")}
    answer = merge(administrator, "products", product, add("products", **into))
    assert answer.status_code == 422
    assert sentence in answer.text


def test_bad_targets_are_refused_with_a_sentence(administrator):
    agent = add("agents", name="Target Practice")
    for into_id in ("", "x", "999999999", str(2**63), str(agent)):
        answer = merge(administrator, "agents", agent, into_id)
        assert answer.status_code == 422, into_id
        assert "choose" in answer.text.lower()
    assert administrator.get(f"/settings/agents/{agent}/merge?into_id=%00").status_code in (200, 400)


def test_what_was_changed_meanwhile_is_not_merged(administrator):
    wrong, right = add("agents", name="Stale"), add("agents", name="Stale Right")
    with transaction() as tx:
        tx.update("agents", {"name": "Fresh"}, filters={"agent_id_eq": wrong})
    answer = administrator.submit(f"/settings/agents/{wrong}/merge", {"version": "1", "into_id": str(right)},
                                  follow_redirects=True)
    assert "Nothing was merged" in answer.text
    assert one("agents", agent_id=wrong)["name"] == "Fresh"


def test_two_opposite_merges_at_once_leave_one_of_the_two(app):
    one_id, other_id = add("agents", name="Left"), add("agents", name="Right")
    browsers = [sign_in(app, "administrator") for _ in range(2)]
    ways = [(browsers[0], one_id, other_id), (browsers[1], other_id, one_id)]
    threads = [threading.Thread(target=merge, args=(browser, "agents", a, b)) for browser, a, b in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = execute_query("agents", filters={"agent_id_in": [one_id, other_id]}).data
    assert len(left) == 1


def test_only_an_administrator_merges(app, administrator):
    agent = add("agents", name="Guarded")
    for who in ("manager", "staff", "accounts", "reader"):
        browser = sign_in(app, who)
        assert browser.get(f"/settings/agents/{agent}/merge").status_code == 403
        assert merge(browser, "agents", agent, agent).status_code == 403


def test_a_lost_reason_of_the_office_is_chosen_renamed_and_counted_on(app, administrator):
    assert administrator.submit("/settings/lost-reasons", {"name": "Moved abroad"}).status_code == 303
    insurer = add("insurers", name="Lost Insurer")
    policy_id = policy_of(insurer, "LO/1")
    page = administrator.get(f"/policies/{policy_id}/loss").text
    assert "Moved abroad" in page
    answer = administrator.submit(f"/policies/{policy_id}/loss", {"version": "1", "reason": "moved abroad"})
    assert answer.status_code == 303
    reason = one("lost_reasons", name="Moved abroad")["lost_reason_id"]
    assert one("policies", policy_id=policy_id)["lost_reason_id"] == reason
    other = one("lost_reasons", name="Moved agent")["lost_reason_id"]
    merge(administrator, "lost-reasons", reason, other)
    assert one("policies", policy_id=policy_id)["lost_reason_id"] == other


@pytest.mark.parametrize(("kind", "typed"), [
    ("tpas", {"name": "Medi Example TPA", "phone": "022 6666 1111"}),
    ("hospitals", {"name": "Example Hospital", "city": "Pune"}),
    ("document-types", {"name": "Cheque leaf", "concerns": "claim"}),
])
def test_the_other_masters_are_kept_as_well(app, administrator, kind, typed):
    assert sign_in(app, "staff").submit(f"/settings/{kind}", typed).status_code == 303
    assert typed["name"] in administrator.get(f"/settings/{kind}").text
    table = kind.replace("-", "_")
    stored = one(table, name=typed["name"])
    path = f"/settings/{kind}/{stored[table[:-1] + '_id']}"
    changed = {**typed, "name": typed["name"] + " Ltd", "version": "1", "is_active": "on"}
    assert administrator.submit(path, changed).status_code == 303
    assert one(table, name=typed["name"] + " Ltd")["version"] == 2
