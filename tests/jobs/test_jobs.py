"""Starting a bulk job, watching it, pausing, stopping, trying again."""

import json
import re
import threading

import pytest

import task_queue
from database_pool import execute_query, transaction
from portal.audit import THE_PORTAL
from portal.jobs import queries
from portal.outbox import service
from portal.outbox.service import NewMessage


def state(batch_id):
    return queries.job(batch_id)["state"]


def test_a_job_does_each_record_once_and_says_so(start, clerk, tried):
    batch_id = start("1", "2", "3")
    assert state(batch_id) == "queued"
    page = clerk.get(f"/jobs/{batch_id}").text
    assert "Reminders for the test" in page and "Charu Nair" in page and "No consent to WhatsApp." in page
    assert 'hx-trigger="every 1s"' in page
    task_queue.run_due_tasks()
    page = clerk.get(f"/jobs/{batch_id}").text
    assert tried.ran == {"1": 1, "2": 1, "3": 1}
    assert "The job is done. 3 succeeded, 0 failed." in page and 'hx-trigger="every 1s"' not in page.split("<main")[1]


def test_a_job_shows_what_became_of_its_messages(start, clerk):
    batch_id = start("1")
    task_queue.run_due_tasks()
    assert "Its messages" not in clerk.get(f"/jobs/{batch_id}").text
    with transaction() as tx:
        ids = service.queue_messages(tx, THE_PORTAL, [
            NewMessage(channel="email", purpose="service", to="a@example.in", key=f"job:{number}", subject="A",
                       text="A", batch_id=batch_id) for number in range(4)])  # fmt: skip
    for message_id, became in zip(ids, ("accepted", "failed", "failed", "delivered"), strict=True):
        execute_query("messages", "update", data={"state": became}, filters={"message_id_eq": message_id})
    page = clerk.get(f"/jobs/{batch_id}").text
    for became, number in (("waiting", 1), ("failed", 2), ("delivered", 1)):
        link = f"/messages/log?batch_id={batch_id}&amp;state={became}"
        assert f'<a href="{link}">{number}</a>' in page
        log = clerk.get(link.replace("&amp;", "&")).text
        assert f"{number} {'message' if number == 1 else 'messages'} match" in log


def test_htmx_gets_the_progress_alone(start, clerk):
    batch_id = start()
    part = clerk.get(f"/jobs/{batch_id}", headers={"HX-Request": "true", "HX-Target": "section#progress"}).text
    assert part.lstrip().startswith("<section") and "0 percent" in part and "<html" not in part
    task_queue.run_due_tasks()


def test_the_same_key_is_the_same_job(start, tried):
    first = start("1", "2", key="preview 7")
    task_queue.run_due_tasks()
    assert start("1", "2", key="preview 7") == first
    task_queue.run_due_tasks()
    assert tried.ran == {"1": 1, "2": 1}
    assert len(execute_query("tasks", filters={"batch_id_eq": first}).data) == 2


def test_two_requests_with_one_key_at_once_make_one_job(start, tried):
    made = []
    rivals = [threading.Thread(target=lambda: made.append(start("1", "2", key="preview 8"))) for _ in range(8)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    task_queue.run_due_tasks()
    assert len(made) == 8 and len(set(made)) == 1 and tried.ran == {"1": 1, "2": 1}


def test_a_paused_job_waits_and_goes_on(start, clerk, tried):
    batch_id = start()
    assert clerk.submit(f"/jobs/{batch_id}/pause").status_code == 303
    task_queue.run_due_tasks()
    assert tried.ran == {} and state(batch_id) == "paused"
    clerk.submit(f"/jobs/{batch_id}/resume")
    task_queue.run_due_tasks()
    assert len(tried.ran) == 3 and state(batch_id) == "done"


def test_a_stopped_job_does_nothing_more(start, clerk, tried):
    batch_id = start()
    clerk.submit(f"/jobs/{batch_id}/stop")
    task_queue.run_due_tasks()
    assert tried.ran == {} and state(batch_id) == "stopped"
    answer = clerk.submit(f"/jobs/{batch_id}/resume")
    assert answer.status_code == 422 and "This job is stopped" in answer.text


def test_a_task_that_would_be_tried_again_follows_its_stopped_job(start, clerk, told, tried):
    def stop_and_fail(what):
        clerk.submit(f"/jobs/{batch_id}/stop")
        raise task_queue.TemporaryFailure("The provider is busy.")

    told["name"] = tried.task(stop_and_fail)
    batch_id = start("1")
    task_queue.run_due_tasks()
    assert [row["state"] for row in execute_query("tasks", filters={"batch_id_eq": batch_id}).data] == ["cancelled"]


def test_one_bad_record_fails_alone_and_is_tried_again(start, clerk, told, tried):
    told["bad"].add("2")
    batch_id = start()
    task_queue.run_due_tasks()
    page = clerk.get(f"/jobs/{batch_id}").text
    assert "Done, some failed" in page and "The phone number is missing." in page and "Policy 2" in page
    told["bad"].clear()
    clerk.submit(f"/jobs/{batch_id}/retry")
    task_queue.run_due_tasks()
    assert tried.ran == {"1": 1, "2": 2, "3": 1} and state(batch_id) == "done"
    assert queries.job(batch_id)["failed"] == 0


def test_only_its_owner_and_a_manager_steer_a_job(app, start, colleague, administrator):
    batch_id = start()
    assert "Pause" not in colleague.get(f"/jobs/{batch_id}").text.split("<main")[1]
    assert colleague.submit(f"/jobs/{batch_id}/stop").status_code == 403
    assert administrator.submit(f"/jobs/{batch_id}/stop").status_code == 303


def test_the_list_shows_mine_or_everybodys(start, clerk, colleague):
    start(title="Only for the list")
    task_queue.run_due_tasks()
    assert "Only for the list" in clerk.get("/jobs").text
    assert "Only for the list" not in colleague.get("/jobs").text
    assert "You have not started a job yet" in colleague.get("/jobs").text
    assert "Only for the list" in colleague.get("/jobs?show=all").text


def test_the_top_bar_counts_my_running_jobs(start, clerk, colleague):
    batch_id = start()
    assert "your jobs" in clerk.get("/jobs/badge").text and "your jobs" not in colleague.get("/jobs/badge").text
    clerk.submit(f"/jobs/{batch_id}/stop")


@pytest.mark.parametrize("path", ["/jobs/none", "/jobs/a+b", "/api/batches/none", "/api/tasks/999999999",
                                  "/api/tasks/99999999999999999999", "/api/batches/none/events"])  # fmt: skip
def test_what_does_not_exist_is_not_found(clerk, path):
    assert clerk.get(path).status_code == 404


def test_programs_read_jobs_and_tasks_as_json(start, clerk, told):
    told["bad"].add("2")
    batch_id = start()
    task_queue.run_due_tasks()
    job = clerk.get(f"/api/batches/{batch_id}").json
    assert (job["state"], job["total"], job["done"], job["failed"]) == ("done", 3, 2, 1)
    assert job["failures"][0]["error"] == "The phone number is missing." and job["skipped"][0]["record_id"] == "9"
    task = clerk.get(f"/api/tasks/{job['failures'][0]['task_id']}").json
    assert (task["state"], task["attempts"], task["record_id"]) == ("dead", 1, "2") and "payload" not in task


def test_the_events_of_a_job_end_with_it(start, clerk):
    batch_id = start()
    answer = clerk.get(f"/api/batches/{batch_id}/events")
    assert answer.mimetype == "text/event-stream" and answer.headers["X-Accel-Buffering"] == "no"
    events = answer.iter_encoded()
    assert next(events) == b"retry: 2000\n\n"
    assert next(events).startswith(b"event: progress\n")
    task_queue.run_due_tasks()
    last = b"".join(events).decode()
    told = json.loads(re.search(r"event: done\ndata: (.*)\n\n", last)[1])
    assert told["state"] == "done" and told["done"] == 3


def test_whoever_is_signed_out_gets_nothing(app):
    visitor = app.test_client()
    assert visitor.get("/api/tasks/1").status_code == 401 and visitor.get("/jobs").status_code == 303
