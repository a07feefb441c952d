"""Accepted files survive: worker processes killed with -9, and a Drive that fails in every way it knows."""

import pytest

from tests.conftest import point_portal_at, portal_settings
from tests.faults import file_kills
from tests.servers.drive import DriveServer

FILES, KILLS = 16, 4   # python -m tests.faults.file_kills: 84 and 20


@pytest.mark.slow
def test_every_accepted_file_is_stored_once_though_workers_are_killed(embedded_server, fresh_database, tmp_path):
    drive = DriveServer()
    drive.start()
    settings = portal_settings(tmp_path, DATABASE_URL=embedded_server.address(fresh_database()), **drive.settings)
    try:
        with point_portal_at(settings):
            file_kills.prepare()
            report = file_kills.run(drive, settings, files=FILES, kills=KILLS)
    finally:
        drive.remove()
    assert report.kills == KILLS
    assert report.states == {"done": FILES}
    assert (report.lost, report.doubled, report.wrong, report.doubled_folders) == (0, 0, 0, 0)
