"""Worker processes of the queue on a test's database, to be killed and stopped, and the records they work on."""

import subprocess
import sys
from pathlib import Path

import psycopg

from config import Settings
from tests.database.colleagues import environment

ROOT = Path(__file__).parents[2]
TABLES = """
create table if not exists test_records (record_id bigint primary key, state text not null default 'waiting');
create table if not exists test_ledger (
  line_id bigint generated always as identity primary key, record_id bigint not null);
"""


class Worker:
    """One process that runs tasks, threads or greenlets, from its start until it is stopped or killed."""

    def __init__(self, settings: Settings, mode: str = "threads", workers: int = 4, *more: str) -> None:
        command = [sys.executable, "-m", "tests.task_queue.worker", mode, str(workers), *more]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def kill(self) -> None:
        """It died without a chance to tidy up."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> tuple[bool, float]:
        """Whether it ended all it ran, and the seconds it took from SIGTERM on."""
        self.process.terminate()
        output, complaints = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, complaints[-3000:]
        ended, seconds = output.split()[-2:]
        return ended == "True", float(seconds)


def make_records(sql: psycopg.Connection, number: int) -> None:
    """Records 1 to `number`, waiting for their task."""
    sql.execute(TABLES)
    sql.execute("truncate test_records, test_ledger")
    sql.execute("insert into test_records (record_id) select generate_series(1, %s)", (number,))


def count(sql: psycopg.Connection, question: str) -> int:
    """The one number that a question answers."""
    found = sql.execute(question.encode()).fetchone()
    assert found is not None
    return int(found[0])
