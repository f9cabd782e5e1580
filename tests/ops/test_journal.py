"""Records reach the journal with their fields, and an id where there is one."""

from __future__ import annotations

import logging
from typing import Any

from edge_assistant.ops.journal import MESSAGE_IDS, JournalHandler, journal_send
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
