"""Records reach the journal with their fields, and an id where there is one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge_assistant.ops.journal import MESSAGE_IDS, JournalHandler, is_journal, journal_send
from edge_assistant.ops.logs import LineFormatter


def sent(message: str, *arguments: object, level: int = logging.INFO) -> tuple[str, dict[str, Any]]:
    got: list[tuple[str, dict[str, Any]]] = []
    handler = JournalHandler(lambda line, **fields: got.append((line, fields)))
    handler.setFormatter(LineFormatter(journal=False, times=False))
    handler.emit(logging.LogRecord("room", level, "/a/file.py", 7, message, arguments, None, "do"))
    return got[0]


def test_a_record_has_its_level_place_and_id() -> None:
    line, fields = sent("ready: process %d", 12)
    assert line == "room: ready: process 12"
    assert fields["MESSAGE_ID"] == MESSAGE_IDS["ready: process %d"]
    assert (fields["PRIORITY"], fields["CODE_LINE"], fields["SYSLOG_IDENTIFIER"]) == (6, 7, "edge-assistant")


def test_other_records_have_none_and_stay_one_line() -> None:
    line, fields = sent("one\ntwo", level=logging.ERROR)
    assert line == "room: one | two"
    assert "MESSAGE_ID" not in fields
    assert fields["PRIORITY"] == 3


def test_without_a_journal_nothing_is_sent_to_it() -> None:
    assert journal_send({}) is None
    assert journal_send({"JOURNAL_STREAM": "1:2"}) is None, (
        "inherited by a terminal window that systemd started"
    )


def test_the_journal_is_known_by_its_stream(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("wb") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(environ, stream.fileno())
        assert not is_journal(environ)
        assert not is_journal({}, stream.fileno())


def test_a_command_that_fails_says_why_as_an_error_of_the_journal(tmp_path: Path) -> None:
    """Without systemd-python, as a line whose level systemd reads from its beginning."""
    with (tmp_path / "stream").open("w+b") as stream:
        status = os.fstat(stream.fileno())
        named = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}", "STATE_DIRECTORY": "/dev/null"}
        without = "import sys; sys.modules['systemd'] = None; "
        program = without + "from edge_assistant.cli import main; main(['run'])"
        command = (sys.executable, "-c", program)
        subprocess.run(command, env={**os.environ, **named}, stderr=stream, check=False)
        stream.seek(0)
        assert stream.read().startswith(b"<3>error: STATE_UNUSABLE: /dev/null is ")
