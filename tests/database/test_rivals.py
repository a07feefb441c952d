"""Forty colleagues at once on the same records: nothing is lost, nothing doubled, each conflict is said."""

import pytest

from tests.database.colleagues import Colleagues
from tests.database.load import CLIENT, COLLEAGUES, POLICIES

pytestmark = pytest.mark.slow

BOOK = f"""
insert into insurers (insurer_id, name) values (1, 'Example General') on conflict do nothing;
insert into products (product_id, name, line) values (1, 'Fire Cover', 'fire') on conflict do nothing;
insert into clients (client_id, name, notes) values ('{CLIENT}', 'Rivals', '0');
insert into policies (policy_id, client_id, insurer_id, product_id, line, policy_number, policy_from, policy_to, due_on)
  select n, '{CLIENT}', 1, 1, 'fire', 'R/' || n, '2026-04-01', '2027-03-31', '2027-03-31'
    from generate_series(1, {len(POLICIES)}) n;
select setval('policies_policy_id_seq', 100);
"""
TABLES = "policies, clients, client_prefixes, audit, members"


@pytest.fixture(params=["gevent", "threads"])
def found(request, backend):
    """What forty colleagues found, having worked on a fresh book."""
    backend.sql.execute(f"truncate {TABLES} cascade")
    backend.sql.execute(BOOK)
    return Colleagues(backend.settings, request.param, "rivals", rounds=_rounds(backend)).result()


def _rounds(backend):
    return 3 if backend.name == "supabase" else 6   # @supabase/lite takes ten times as long


def test_forty_rivals_lose_nothing_and_double_nothing(backend, found):
    done, conflicts = found["done"], found["conflicts"]
    assert found["errors"] == {}
    assert done["renew"] == len(POLICIES)
    assert done["renew"] + conflicts["renew"] == COLLEAGUES * _rounds(backend)
    asked = "select renewed_from_id from policies where renewed_from_id is not null order by 1"
    renewed = backend.sql.execute(asked).fetchall()
    assert [number for (number,) in renewed] == list(POLICIES)
    old = backend.sql.execute("select distinct state, version from policies where renewed_from_id is null").fetchall()
    assert old == [("renewed", 2)]
    assert backend.sql.execute("select count(*) from audit").fetchone() == (len(POLICIES),)

    asked = "select notes, version from clients where client_id = %s"
    notes, version = backend.sql.execute(asked, (CLIENT,)).fetchone()
    assert (int(notes), version) == (done["edit"], done["edit"] + 1)
    assert done["edit"] + conflicts["edit"] == COLLEAGUES * _rounds(backend)

    assert done["add"] == len(set(found["given"])) == COLLEAGUES * _rounds(backend)
    stored = backend.sql.execute("select client_id from clients where client_id like 'NEW%'").fetchall()
    assert {client_id for (client_id,) in stored} == set(found["given"])
    assert (found["statistics"]["in_use"], found["statistics"]["waiting"]) == (0, 0)


def test_deadlocks_are_repeated_until_nobody_sees_them(backend):
    for number in range(4):
        backend.sql.execute(
            "insert into clients (client_id, name) values (%s, 'A'), (%s, 'B')", (f"XA{number}", f"XB{number}")
        )
    found = Colleagues(backend.settings, "gevent", "crossing").result()
    assert (found["errors"], found["conflicts"]) == ({}, {})
    versions = backend.sql.execute("select distinct version from clients where client_id like 'X%'").fetchall()
    assert versions == [(21,)]
