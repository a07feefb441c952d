"""The log of several processes: rotated by whoever meets it full, without a line lost or doubled."""

import json
import logging
import multiprocessing
import os
import sys
from collections import Counter

import pytest
from pydantic import ValidationError

from database_pool import InvalidData, execute_query
from portal.staff.inputs import Invitation
from portal.web import logs
from portal.web.logs import Discreet, OneLine, SharedRotatingFile

WRITERS, LINES = 4, 400
TYPED = {"email": "Secret@Example.in", "name": "Secret Person", "role": "staff"}


def write_lines(path, writer):
    handler = SharedRotatingFile(path, maxBytes=20_000, backupCount=200, encoding="utf-8", delay=True)
    handler.setFormatter(OneLine())
    logger = logging.Logger(f"writer {writer}")
    logger.addHandler(handler)
    for number in range(LINES):
        logger.info("line %d of %d", number, writer)


def test_four_processes_share_one_rotated_file(tmp_path):
    path = tmp_path / "portal.log"
    writers = [multiprocessing.get_context("fork").Process(target=write_lines, args=(path, n)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    files = [file for file in tmp_path.iterdir() if file.suffix != ".lock"]
    assert len(files) > 5
    lines = [json.loads(line)["message"] for file in files for line in file.read_text().splitlines()]
    written = [f"line {number} of {writer}" for writer in range(WRITERS) for number in range(LINES)]
    assert Counter(lines) == Counter(written)


def test_a_log_goes_on_in_a_new_file_when_the_old_one_was_moved_away(tmp_path):
    path = tmp_path / "access.log"
    handler = SharedRotatingFile(path, maxBytes=20_000, backupCount=2)
    handler.emit(logging.makeLogRecord({"msg": "before"}))
    path.rename(tmp_path / "moved.log")
    handler.emit(logging.makeLogRecord({"msg": "after"}))
    handler.close()
    assert (tmp_path / "moved.log").read_text() == "before\n"
    assert path.read_text() == "after\n"


def test_a_file_that_cannot_be_opened_again_costs_its_lines_and_no_request(tmp_path, capsys):
    folder = tmp_path / "logs"
    folder.mkdir()
    handler = SharedRotatingFile(folder / "portal.log", maxBytes=20_000, backupCount=2)
    handler.emit(logging.makeLogRecord({"msg": "before"}))
    folder.rename(tmp_path / "away")
    for _ in range(2):
        handler.emit(logging.makeLogRecord({"msg": "lost"}))
    folder.mkdir()
    handler.emit(logging.makeLogRecord({"msg": "after"}))
    handler.close()
    assert capsys.readouterr().err.count("FileNotFoundError") == 2
    assert (tmp_path / "away" / "portal.log").read_text() == "before\n"
    assert (folder / "portal.log").read_text() == "after\n"


def test_without_a_size_no_file_is_put_aside(tmp_path):
    handler = SharedRotatingFile(tmp_path / "portal.log", maxBytes=0, backupCount=9)
    for _ in range(100):
        handler.emit(logging.makeLogRecord({"msg": "x" * 1000}))
    handler.close()
    assert [path.name for path in tmp_path.iterdir()] == ["portal.log"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_logs_in_the_folder_of_the_portals_user_that_user_can_go_on_with(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    handler = SharedRotatingFile(tmp_path / "portal.log", maxBytes=500, backupCount=2)
    for _ in range(3):
        handler.emit(logging.makeLogRecord({"msg": "x" * 500}))
    handler.close()
    assert {path.stat().st_uid for path in tmp_path.iterdir()} == {65534}


def test_a_folder_that_cannot_be_written_does_not_stop_the_portal(tmp_path, capsys):
    file_in_the_way = tmp_path / "logs"
    file_in_the_way.write_text("")
    try:
        logs.configure(file_in_the_way, largest=1, console=False)
        logging.getLogger("portal").warning("still heard")
    finally:
        logs.configure(tmp_path / "elsewhere", largest=1, console=False)
    assert "still heard" in capsys.readouterr().err


def test_a_message_with_line_ends_stays_one_line():
    record = logging.LogRecord("x", logging.INFO, "", 0, "one\r\ntwo \x1b[31m %s", ("{}",), None)
    line = OneLine().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["message"] == "one\r\ntwo \x1b[31m {}"


def test_the_row_that_the_database_refused_is_not_in_the_log(database):
    try:
        execute_query("users", "insert", data=TYPED)
    except InvalidData:
        shown = Discreet().formatException(sys.exc_info())
    assert "users_email_check" in shown
    assert "infrastructure" in shown
    assert "Secret" not in shown


def test_what_was_typed_is_not_in_the_log(database):
    try:
        Invitation.model_validate({**TYPED, "email": TYPED["name"]})
    except ValidationError:
        shown = Discreet().formatException(sys.exc_info())
    assert "ValidationError" in shown
    assert "secret" not in shown.lower()
