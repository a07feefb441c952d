"""No policy is open under a client in the trash, whoever comes first."""

import threading

import psycopg
import pytest

from database_pool import execute_query, transaction
from portal.formats import now
from tests.cast import sign_in
from tests.policies.book import add, days_from_today, stored


@pytest.fixture
def lost(app, book):
    """A client in the trash with a lost policy, and a manager at the screen."""
    manager = sign_in(app, "manager")
    number = f"TC/{execute_query('policies', count=True, limit=1).count}"
    policy_id = add(manager, book.form("other", policy_number=number, policy_from=days_from_today(-100)))
    manager.submit(f"/policies/{policy_id}/loss", {"reason": "price", "version": str(stored(policy_id)["version"])})
    client_id = stored(policy_id)["client_id"]
    with transaction() as tx:
        tx.update("clients", {"deleted_at": now()}, filters={"client_id_eq": client_id}, expect=1)
    yield manager, policy_id
    with transaction() as tx:
        tx.update("clients", {"deleted_at": None}, filters={"client_id_eq": client_id}, expect=1)


def test_a_lost_policy_of_a_client_in_the_trash_is_not_opened_again(lost):
    manager, policy_id = lost
    answer = manager.submit(f"/policies/{policy_id}/reopening", {"version": str(stored(policy_id)["version"])})
    assert answer.status_code == 422
    assert "This client is in the trash. Restore the client first." in answer.text
    assert stored(policy_id)["state"] == "lost"


def test_a_client_is_not_deleted_while_a_policy_is_being_opened(lost, database):
    _, policy_id = lost
    client_id = stored(policy_id)["client_id"]
    with transaction() as tx:
        tx.update("clients", {"deleted_at": None}, filters={"client_id_eq": client_id})
    refused: list[psycopg.Error] = []

    def delete() -> None:
        with psycopg.connect(database.database_url) as other:
            try:
                other.execute("update clients set deleted_at = now() where client_id = %s", (client_id,))
            except psycopg.Error as error:
                refused.append(error)

    with psycopg.connect(database.database_url) as opening:
        opening.execute("update policies set state = 'live' where policy_id = %s", (policy_id,))
        deleting = threading.Thread(target=delete)
        deleting.start()
        deleting.join(0.3)
        assert deleting.is_alive(), "it waits for the colleague who opens the policy"
        opening.commit()
        deleting.join(10)
    assert [error.sqlstate for error in refused] == ["PT422"]
    with transaction() as tx:
        tx.update("policies", {"state": "lost"}, filters={"policy_id_eq": policy_id})
