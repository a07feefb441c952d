"""A renewal with reminders, from the daily schedule to the confirmation, with two colleagues at once."""

import threading

import pytest

from database_pool import execute_query
from tests.cast import sign_in
from tests.policies.book import days_from_today, stored
from tests.renewals.desk import hold_back_messages, messages, morning, notes, open_desk, term


@pytest.fixture(scope="module")
def book(app):
    hold_back_messages()
    return open_desk(language="hi")


def next_term(book, old_id):
    typed = {"policy_number": f"NEW/{old_id}", "policy_from": days_from_today(8), "tell_client": "on"}
    return book.form("health", version="1", **typed)


def test_a_reminder_waits_a_colleague_renews_and_the_client_hears_of_that_alone(app, book):
    clerk, old_id = sign_in(app, "staff"), term(book, 7)
    before = stored(old_id)
    morning()
    assert notes(old_id) == ["D-7"]
    answer = clerk.submit(f"/policies/{old_id}/renewal", next_term(book, old_id))
    assert answer.status_code == 303, answer.text[:3000]
    new_id = int(answer.location.rsplit("/", 1)[1])
    after = stored(old_id)
    unchanged = {name for name in before if name not in ("state", "version", "updated_at", "updated_by")}
    assert {name: before[name] for name in unchanged} == {name: after[name] for name in unchanged}
    assert (after["state"], stored(new_id)["renewed_from_id"]) == ("renewed", old_id)
    assert {row["state"] for row in messages(old_id)} == {"cancelled"}
    confirmed = messages(new_id)
    assert {(row["channel"], row["template_key"], row["state"]) for row in confirmed} == {
        ("whatsapp", "renewal.confirmed", "queued"),
        ("email", "renewal.confirmed", "queued"),
    }
    assert f"NEW/{old_id}" in confirmed[0]["body"]
    assert "नवीनीकरण हो गया है" in confirmed[0]["body"]
    morning()
    assert notes(old_id) == ["D-7"]


def test_without_the_box_and_while_papers_are_pending_the_client_hears_nothing(app, book):
    clerk = sign_in(app, "staff")
    for change in ({"tell_client": ""}, {"action": "pending"}):
        old_id = term(book, 7)
        answer = clerk.submit(f"/policies/{old_id}/renewal", {**next_term(book, old_id), **change})
        assert answer.status_code == 303
        assert messages(int(answer.location.rsplit("/", 1)[1])) == []


def test_two_colleagues_at_once_give_one_term_and_one_confirmation(app, book):
    old_id = term(book, 7)
    morning()
    rivals = [sign_in(app, who) for who in ("staff", "manager", "accounts", "administrator")]
    tokens, answers, ready = [rival.token() for rival in rivals], [], threading.Barrier(4)

    def press(place):
        form = {**next_term(book, old_id), "policy_number": f"R/{old_id}/{place}", "csrf_token": tokens[place]}
        ready.wait()
        answers.append(rivals[place].post(f"/policies/{old_id}/renewal", data=form))

    threads = [threading.Thread(target=press, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    assert all("changed by someone else" in answer.text for answer in answers if answer.status_code == 409)
    new = execute_query("policies", filters={"renewed_from_id_eq": old_id}).data
    assert len(new) == 1
    assert len(messages(new[0]["policy_id"])) == 2
    assert {row["state"] for row in messages(old_id)} == {"cancelled"}


def test_reminding_and_renewing_at_the_same_moment_leaves_no_reminder_waiting(app, book):
    """Whoever is first: a reminder that was noted is cancelled, one that comes later is refused."""
    clerk, colleague = sign_in(app, "staff"), sign_in(app, "manager")
    tokens = (clerk.token(), colleague.token())
    for _ in range(6):
        old_id, ready = term(book, 20), threading.Barrier(2)

        def remind(old_id=old_id, ready=ready):
            ready.wait()
            data = {"csrf_token": tokens[0], "channels": ["whatsapp", "email"], "language": "hi"}
            clerk.post(f"/renewals/{old_id}/reminder", data=data)

        def renew(old_id=old_id, ready=ready):
            form = {**next_term(book, old_id), "policy_from": days_from_today(21), "csrf_token": tokens[1]}
            ready.wait()
            colleague.post(f"/policies/{old_id}/renewal", data=form)

        threads = [threading.Thread(target=work) for work in (remind, renew)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stored(old_id)["state"] == "renewed"
        assert {row["state"] for row in messages(old_id)} <= {"cancelled"}
