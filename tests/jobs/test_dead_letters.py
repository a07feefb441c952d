"""What failed for good: seen, sent again, dropped; kinds of tasks paused and resumed."""

import pytest

import task_queue
from database_pool import execute_query
from task_queue import PermanentFailure


@pytest.fixture
def letter(tried):
    """A task of a fresh kind that failed for good; `mended` makes it succeed the next time."""
    mended: list[bool] = []

    def work(what):
        if not mended:
            raise PermanentFailure("Nobody answers there.")

    name = tried.task(work)
    task_id = tried.ask(name, "once", unique_key=f"letter of {name}")
    task_queue.run_due_tasks()
    return {"name": name, "task_id": task_id, "mended": mended}


def state(task_id):
    return execute_query("tasks", filters={"task_id_eq": task_id}).data[0]["state"]


def test_the_page_tells_what_failed_and_why(letter, administrator):
    page = administrator.get("/jobs/dead-letters").text
    assert letter["name"] in page and "Nobody answers there." in page


def test_one_is_sent_again(letter, administrator, tried):
    letter["mended"].append(True)
    answer = administrator.submit("/jobs/dead-letters/resend", {"task_id": letter["task_id"]})
    assert answer.status_code == 303
    task_queue.run_due_tasks()
    assert state(letter["task_id"]) == "done" and tried.ran == {"once": 2}
    trail = execute_query("audit", filters={"record_type_eq": "dead letter"}, order="audit_id desc", limit=1).data[0]
    assert trail["record_id"] == str(letter["task_id"]) and trail["user_id"] is not None


def test_all_of_a_kind_are_sent_again(letter, administrator):
    letter["mended"].append(True)
    administrator.submit("/jobs/dead-letters/resend", {"name": letter["name"]})
    task_queue.run_due_tasks()
    assert state(letter["task_id"]) == "done"


def test_what_was_asked_for_anew_is_not_doubled(letter, administrator, tried):
    tried.ask(letter["name"], "anew", unique_key=f"letter of {letter['name']}")
    administrator.submit("/jobs/dead-letters/resend", {"task_id": letter["task_id"]})
    assert state(letter["task_id"]) == "dead"
    letter["mended"].append(True)
    task_queue.run_due_tasks()
    assert tried.ran == {"once": 1, "anew": 1}


def test_a_dropped_one_is_gone_for_good(letter, administrator):
    administrator.submit("/jobs/dead-letters/drop", {"task_id": letter["task_id"]})
    assert state(letter["task_id"]) == "cancelled"
    assert "settled already" in administrator.submit(
        "/jobs/dead-letters/drop", {"task_id": letter["task_id"]}, follow_redirects=True).text  # fmt: skip


def test_before_all_are_dropped_a_page_asks(letter, administrator):
    wanted = f"/jobs/dead-letters/drop?name={letter['name']}"
    listed = administrator.get(f"/jobs/dead-letters?name={letter['name']}").text
    assert f'href="{wanted}"' in listed and ">Drop all</button>" not in listed
    page = administrator.get(wanted).text
    assert "Drop 1 task?" in page and "cannot be undone" in page and 'action="/jobs/dead-letters/drop"' in page
    assert state(letter["task_id"]) == "dead"
    administrator.submit("/jobs/dead-letters/drop", {"name": letter["name"]})
    assert state(letter["task_id"]) == "cancelled"
    assert administrator.get(wanted).status_code == 303


@pytest.mark.parametrize("task_id", ["x", "-1", "9" * 30, "1; drop table tasks"])
def test_an_odd_number_harms_nobody(letter, administrator, task_id):
    assert administrator.submit("/jobs/dead-letters/drop", {"task_id": task_id}).status_code == 303
    assert state(letter["task_id"]) == "dead"


def test_a_kind_is_paused_and_resumed_from_its_page(tried, administrator):
    name = tried.task()
    administrator.submit(f"/jobs/queue/{name}/pause")
    tried.ask(name)
    task_queue.run_due_tasks()
    page = administrator.get("/jobs/queue").text
    assert tried.ran == {} and f"/jobs/queue/{name}/resume" in page
    administrator.submit(f"/jobs/queue/{name}/resume")
    task_queue.run_due_tasks()
    assert tried.ran == {None: 1}
    assert administrator.submit("/jobs/queue/tests.nothing/pause").status_code == 404


@pytest.mark.parametrize("path", ["/jobs/dead-letters", "/jobs/dead-letters/drop", "/jobs/queue"])
def test_others_have_no_business_there(clerk, path):
    assert clerk.get(path).status_code == 403
    assert clerk.submit("/jobs/dead-letters/drop").status_code == 403
