"""Asking the clients of missing documents for KYC papers: preview, job, once a day, looked at again when it runs."""

from dataclasses import replace

import pytest

import config
from database_pool import execute_query, transaction
from task_queue import run_due_tasks
from tests.cast import found, make_cast, sign_in
from tests.policies.book import add, make_book

LIST = "/documents/missing"


@pytest.fixture(scope="module")
def gaps(app, clerk):
    """A client who may be written to, one who may not, and the policy of the first, whose schedule is missing."""
    books = make_book("KY01"), make_book("KY02")
    policies = [add(clerk, book.form("fire", policy_number=f"KYC/{book.client}")) for book in books]
    reach = {"phone": "+919820012345", "email": None, "language": "mr"}
    with transaction() as tx:
        for book, may in zip(books, (True, False), strict=True):
            tx.update("clients", {**reach, "whatsapp_opt_in": may}, filters={"client_id_eq": book.client})
    return {"ready": "kyc:KY01", "silent": "kyc:KY02", "schedule": f"policy:{policies[0]}"}


def test_clients_are_asked_together_once_a_day_and_the_others_are_named(clerk, gaps):
    page = clerk.get(f"{LIST}?sort_of=kyc").text
    assert 'value="kyc:KY01"' in page and "Ask the clients" in page
    preview = clerk.submit(f"{LIST}/requests", {"chosen": [*gaps.values(), "kyc:NONE9"], "action": "ask"})
    assert "4 chosen: 1 ready, 3 left out" in preview.text
    assert "केवायसी कागदपत्रे (पॅन आणि पत्त्याचा पुरावा)" in preview.text
    for reason in ("comes from the insurer", "There is no consent to WhatsApp", "Nothing is missing of this client"):
        assert reason in preview.text
    assert messages() == [], "nothing is sent by looking"
    form = {name: found(rf'name="{name}" value="([^"]+)"', preview.text) for name in ("key", "gaps")}
    started = clerk.submit(f"{LIST}/requests/confirmed", form)
    assert started.status_code == 303
    assert clerk.submit(f"{LIST}/requests/confirmed", form).location == started.location
    run_due_tasks()
    assert [(row["client_id"], row["language"]) for row in messages()] == [("KY01", "mr")]
    entry = {"record_type_eq": "client", "record_id_eq": "KY01", "action_eq": "ask for papers"}
    assert len(execute_query("audit", filters=entry).data) == 1
    again = clerk.submit(f"{LIST}/requests/confirmed", {**form, "key": "0" * 32})
    run_due_tasks()
    assert "asked today already" in clerk.get(again.location).text
    assert len(messages()) == 1


def confirmed(clerk, gaps):
    preview = clerk.submit(f"{LIST}/requests", {"chosen": [gaps["ready"]], "action": "ask"})
    form = {name: found(rf'name="{name}" value="([^"]+)"', preview.text) for name in ("key", "gaps")}
    return clerk.submit(f"{LIST}/requests/confirmed", form)


def test_a_request_of_somebody_who_lost_the_right_stops(clerk, gaps):
    started, who = confirmed(clerk, gaps), {"user_id_eq": make_cast()["staff"]}
    execute_query("users", "update", data={"role": "read-only"}, filters=who)
    try:
        run_due_tasks()
    finally:
        execute_query("users", "update", data={"role": "staff"}, filters=who)
    batch_id = started.location.rsplit("/", 1)[1]
    told = execute_query("tasks", filters={"batch_id_eq": batch_id}).data
    ended = [(task["state"], "may not send to clients any more" in task["last_error"]) for task in told]
    assert ended == [("dead", True)]
    assert execute_query("batch_progress", filters={"batch_id_eq": batch_id}).data[0]["state"] == "stopped"


def test_requests_of_a_day_have_an_end(clerk, gaps):
    before = config.settings()
    config.use_settings(replace(before, bulk_records_per_day=1))
    try:
        confirmed(clerk, gaps)   # one at most, if the tests before have left it
        assert confirmed(clerk, gaps).status_code == 422
    finally:
        config.use_settings(before)


def test_all_that_match_are_taken_with_one_tick(clerk, gaps):
    preview = clerk.submit(f"{LIST}/requests", {"everything": "1", "query": "sort_of=kyc", "action": "ask"})
    assert "1 ready" in preview.text
    assert "comes from the insurer" not in preview.text


def test_who_may_only_read_asks_nobody(app, clerk, gaps):
    reader = sign_in(app, "reader")
    assert "Ask the clients" not in reader.get(LIST).text
    assert reader.submit(f"{LIST}/requests", {"chosen": list(gaps.values())}).status_code == 403
    assert clerk.submit(f"{LIST}/requests", {}).status_code == 303
    assert clerk.submit(f"{LIST}/requests/confirmed", {"gaps": "x", "key": "y"}).status_code == 303


def messages():
    return execute_query("messages", filters={"template_key_eq": "client.papers"}).data
