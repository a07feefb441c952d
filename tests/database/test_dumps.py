"""A copy of the database, made while it works."""

import time

import psycopg
import pytest

from infrastructure import dumps

pytestmark = pytest.mark.slow


def test_a_dump_may_take_longer_than_a_transaction_may_rest(embedded_server, fresh_database, tmp_path, monkeypatch):
    address = embedded_server.address(fresh_database())
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set idle_in_transaction_session_timeout = '500ms'")
    run = dumps._run

    def run_slowly(*told: str) -> None:
        time.sleep(1.5)
        run(*told)

    monkeypatch.setattr(dumps, "_run", run_slowly)
    assert "clients" in dumps.dump_database(address, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size > 0
