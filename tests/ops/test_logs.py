"""A log record is one line, with the level where the journal looks for it."""

from __future__ import annotations

import logging

import pytest

from edge_assistant.ops.logs import LineFormatter


def record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("room", level, __file__, 1, message, (), None)


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3)]
)
def test_the_journal_gets_the_priority(level: int, priority: int) -> None:
    assert LineFormatter(journal=True).format(record(level, "said")) == f"<{priority}>room: said"


def test_line_breaks_in_a_message_make_no_second_record() -> None:
    line = LineFormatter(journal=False).format(record(logging.INFO, "one\n<0>two\r\nthree"))
    assert "\n" not in line
    assert line.endswith("INFO room: one | <0>two | three")
