"""Senders are killed at random and the provider behaves badly: no message is lost, none comes twice."""

import pytest

from tests.faults.killed_senders import run

# The full size, 1,000 messages and 15 kills: python -m tests.faults.killed_senders 1000 15
MESSAGES, KILLS = 60, 2


@pytest.mark.slow
def test_no_message_is_lost_and_none_comes_twice(embedded_server, fresh_database, tmp_path):
    result = run(embedded_server.address(fresh_database()), tmp_path, messages=MESSAGES, kills=KILLS)
    assert (result.lost, result.doubled, result.dead_tasks, result.kills) == (0, 0, 0, KILLS)
    assert result.attempts > MESSAGES   # some were refused, cut off or orphaned: the trial was one
