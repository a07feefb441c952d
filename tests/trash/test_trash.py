"""The trash: an undo, found again, restored, erased by its number, purged after 30 days, kept where a rule says so."""

import datetime

import pytest

from database_pool import execute_query, transaction
from portal.formats import now, today
from portal.trash import queries
from task_queue import task_queue
from tests.cast import found, sign_in


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


@pytest.fixture(scope="module")
def masters(app):
    with transaction() as tx:
        tx.insert("insurers", {"insurer_id": 9001, "name": "Trash General"})
        tx.insert("products", {"product_id": 9001, "name": "Trash Package", "line": "other"})


def new_client(client_id, **given):
    with transaction() as tx:
        tx.insert("clients", {"client_id": client_id, "name": f"Client {client_id}", "phone": "+919820011111", **given})
        tx.insert("members", {"client_id": client_id, "name": f"Member of {client_id}", "relation": "self"})
    return client_id


def new_policy(client_id, number, **given):
    values = {"client_id": client_id, "insurer_id": 9001, "product_id": 9001, "line": "other", "policy_number": number,
              "policy_from": today() - datetime.timedelta(days=400), "policy_to": today() - datetime.timedelta(days=36),
              "due_on": today() - datetime.timedelta(days=36), "state": "lost", **given}
    with transaction() as tx:
        return tx.insert("policies", values).rows


def stored_policy(number):
    return execute_query("policies", filters={"policy_number_eq": number}).data[0]


def in_trash_since(client_id, days):
    with transaction() as tx:
        tx.update("clients", {"deleted_at": now() - datetime.timedelta(days=days)}, filters={"client_id_eq": client_id})


def exists(table, **filters):
    return bool(execute_query(table, filters=filters, limit=1).data)


def test_deleting_offers_an_undo_that_works_without_javascript(administrator):
    new_client("TR01")
    page = administrator.submit("/clients/TR01/delete", {"version": "1"}, follow_redirects=True).text
    action = found(r'<div class="toast ok">.*?action="([^"]+)"', page.replace("\n", ""))
    version = found(r'class="toast ok">.*?name="version" value="(\d+)"', page.replace("\n", ""))
    assert (action, version) == ("/clients/TR01/restore", "2")
    assert administrator.submit(action, {"version": version}).status_code == 303
    assert execute_query("clients", filters={"client_id": "TR01"}).data[0]["deleted_at"] is None


@pytest.mark.parametrize(("path", "typed", "state"), [
    ("cancellation", {"reason": "Sold"}, "cancelled"), ("loss", {"reason": "price"}, "lost")])
def test_ending_a_policy_offers_an_undo(administrator, masters, path, typed, state):
    client_id = new_client(f"UN{len(path)}")
    dates = {"policy_from": today(), "policy_to": today() + datetime.timedelta(days=9), "due_on": today()}
    new_policy(client_id, f"UNDO/{path}", state="live", payment_date=today(), **dates)
    policy_id = stored_policy(f"UNDO/{path}")["policy_id"]
    typed = {**typed, "version": "1", "cancelled_on": today().strftime("%d/%m/%Y")}
    page = administrator.submit(f"/policies/{policy_id}/{path}", typed, follow_redirects=True).text
    assert stored_policy(f"UNDO/{path}")["state"] == state
    assert f'action="/policies/{policy_id}/reopening"' in page
    administrator.submit(f"/policies/{policy_id}/reopening", {"version": "2"})
    assert stored_policy(f"UNDO/{path}")["state"] == "live"


def test_the_trash_says_what_by_whom_when_and_how_long(app, administrator):
    new_client("TR02")
    sign_in(app, "manager").submit("/clients/TR02/delete", {"version": "1"})
    in_trash_since("TR02", 10)
    page = administrator.get("/trash").text
    row = page.split("Client TR02")[1].split("</tr>")[0]
    assert "Bharat Desai" in row
    assert ">20<" in row.replace(" ", "")
    assert 'action="/clients/TR02/restore"' in row
    assert "Client TR02" not in administrator.get("/trash?kind=policy").text


def test_erasing_takes_the_number_and_leaves_nothing_about_the_person(administrator, masters):
    new_client("TR03")
    administrator.submit("/clients/TR03/edit", {"name": "Erased Person", "phone": "98200 22222", "version": "1",
                                                "client_type": "individual", "language": "en",
                                                "whatsapp_opt_in": "on"})  # fmt: skip
    new_policy("TR03", "ERASE/1", policy_from=today() - datetime.timedelta(days=5000),
               policy_to=today() - datetime.timedelta(days=4636), due_on=today() - datetime.timedelta(days=4636))
    administrator.submit("/clients/TR03/delete", {"version": "2"})
    wrong = administrator.submit("/trash/client/TR03/erase", {"number": "TR99"})
    assert wrong.status_code == 422
    assert "Type TR03" in wrong.text
    assert administrator.submit("/trash/client/TR03/erase", {"number": "tr03"}).status_code == 303
    assert not exists("clients", client_id="TR03")
    assert not exists("members", client_id="TR03")
    assert not exists("policies", policy_number="ERASE/1")
    trail = execute_query("audit", filters={"client_id": "TR03"}).data
    assert trail
    assert "Erased Person" not in str(trail)
    assert "22222" not in str(trail)
    erasure = execute_query("erasures", filters={"record_id": "TR03"}).data[0]
    assert erasure["reason"] == "asked for"
    assert exists("audit", record_type="client", record_id="TR03", action="erase")


def test_what_the_law_keeps_is_not_erased_and_the_page_says_why(administrator, masters):
    new_client("TR04")
    new_policy("TR04", "KEPT/1")
    administrator.submit("/clients/TR04/delete", {"version": "1"})
    assert "ended less than 10 years ago" in administrator.get("/trash/client/TR04/erase").text
    answer = administrator.submit("/trash/client/TR04/erase", {"number": "TR04"})
    assert answer.status_code == 422
    assert exists("clients", client_id="TR04")


def test_a_policy_in_the_trash_is_erased_and_the_chain_of_terms_forgets_it(administrator, masters):
    new_client("TR05")
    new_policy("TR05", "CHAIN/1", state="renewed")
    new_policy("TR05", "CHAIN/2", renewed_from_id=stored_policy("CHAIN/1")["policy_id"],
               policy_from=today() - datetime.timedelta(days=35), policy_to=today(), due_on=today(), state="live")
    newer = stored_policy("CHAIN/2")["policy_id"]
    administrator.submit(f"/policies/{newer}/deletion", {"version": "1"})
    assert administrator.submit(f"/trash/policy/{newer}/erase", {"number": str(newer)}).status_code == 303
    assert not exists("policies", policy_id=newer)
    assert stored_policy("CHAIN/1")["state"] == "live"


def test_after_30_days_the_portal_empties_the_trash_once_and_keeps_what_was_restored_or_is_held(administrator, masters):
    for client_id, days in (("TR10", 31), ("TR11", 29), ("TR12", 31), ("TR13", 31)):
        new_client(client_id)
        in_trash_since(client_id, days)
    with transaction() as tx:
        tx.update("clients", {"deleted_at": None}, filters={"client_id_eq": "TR13"})
    new_policy("TR12", "HELD/1")
    with transaction() as tx:
        tx.insert("tasks", {"name": "trash.purge"})
    task_queue.run_due_tasks()
    left = {row["client_id"] for row in execute_query(
        "clients", filters={"client_id_in": ["TR10", "TR11", "TR12", "TR13"]}).data}
    assert left == {"TR11", "TR12", "TR13"}
    assert execute_query("erasures", filters={"record_id": "TR10"}).data[0]["reason"] == "30 days in the trash"
    assert "client:TR12" not in [row["entry"] for row in queries.due()]


@pytest.mark.parametrize(("who", "sees", "erases"), [
    ("administrator", True, True), ("manager", True, False), ("staff", False, False), ("reader", False, False)])
def test_who_may_see_and_who_may_erase(app, who, sees, erases):
    new_client(f"WH{len(who)}")
    in_trash_since(f"WH{len(who)}", 1)
    browser = sign_in(app, who)
    assert browser.get("/trash").status_code == (200 if sees else 403)
    assert browser.get(f"/trash/client/WH{len(who)}/erase").status_code == (200 if erases else 403)


def test_what_is_not_in_the_trash_is_not_found(administrator):
    new_client("TR06")
    for path in ("/trash/client/TR06/erase", "/trash/client/NOBODY/erase", "/trash/policy/999999/erase",
                 "/trash/policy/x/erase", "/trash/user/1/erase"):
        assert administrator.get(path).status_code == 404, path
