"""What a debug bundle tells of the log stands in the source; nothing of what a record is about does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.errors import EdgeError, StoreError
from edge_assistant.memory.embedding import EMBEDDER
from edge_assistant.ops.own_words import names
from edge_assistant.ops.recent import MOST_RECORDS, RecentRecords

CANARY = "zanzibar"


class Log:
    """A logger of the package's whose records are kept."""

    def __init__(self, name: str = "edge_assistant.test_recent") -> None:
        self.kept = RecentRecords()
        self.logger = logging.getLogger(name)
        self.logger.addHandler(self.kept)
        self.logger.propagate = False

    @property
    def text(self) -> str:
        return "\n".join(self.kept.lines())


@pytest.fixture
def make_log() -> Iterator[Callable[..., Log]]:
    made: list[Log] = []

    def make(*name: str) -> Log:
        made.append(Log(*name))
        return made[-1]

    yield make
    for log in made:
        log.logger.removeHandler(log.kept)
        log.logger.propagate = True


@pytest.fixture
def log(make_log: Callable[..., Log]) -> Log:
    return make_log()


def test_numbers_codes_kinds_of_errors_and_names_of_ours_are_told(log: Log) -> None:
    log.logger.warning("the %s worker died: %s; restart in %.1f s", "llm", TimeoutError(CANARY), 2.5)
    log.logger.warning("searching by words only: %s", "EMBEDDER_BUSY")
    log.logger.error("no model: %s", EdgeError("MODEL_MISSING", CANARY))
    log.logger.warning("embedder %s is ready after %d ms", EMBEDDER, 12)
    assert [line.partition(": ")[2] for line in log.kept.lines()] == [
        "the llm worker died: TimeoutError; restart in 2.5 s",
        "searching by words only: EMBEDDER_BUSY",
        "no model: MODEL_MISSING",
        f"embedder {EMBEDDER} is ready after 12 ms",
    ]


def test_the_same_word_has_the_same_mark_and_another_life_another_one(make_log: Callable[..., Log]) -> None:
    def marks(log: Log) -> list[str]:
        for turn in ("turn-of-zanzibar", "turn-of-zanzibar", "another"):
            log.logger.warning("turn %s", turn)
        return [line.rpartition(" ")[2] for line in log.kept.lines()]

    first, other = marks(make_log()), marks(make_log("edge_assistant.test_recent_too"))
    assert first[0] == first[1] != first[2]
    assert first != other


@given(
    st.text(max_size=40).map(lambda text: f"{CANARY}{text}") | st.text(max_size=40).map(lambda t: t + CANARY)
)
def test_no_other_text_is_told_whatever_it_is(text: str) -> None:
    log = Log()
    try:
        for argument in (text, Path(text.replace("\0", "")), [text], ValueError(text), text.upper()):
            log.logger.warning("heard %s", argument)
            log.logger.warning("heard %r of %d", argument, argument)
    finally:
        log.logger.removeHandler(log.kept)
    assert CANARY not in log.text.lower()


def test_where_an_error_arose_is_told_by_our_own_lines_only(log: Log) -> None:
    try:
        names().add(CANARY)  # type: ignore[attr-defined]
    except AttributeError:
        log.logger.exception("a part failed")
    try:
        raise StoreError("STORE_BUSY", CANARY)
    except EdgeError:
        log.logger.exception("the store failed")
    try:
        Path(f"/{CANARY}").read_text(encoding="utf-8")
    except OSError as error:
        log.logger.warning("it can't be read", exc_info=error)
    assert [line.partition(": ")[2] for line in log.kept.lines()] == [
        "a part failed [AttributeError]",
        "the store failed [STORE_BUSY]",
        "it can't be read [FileNotFoundError]",
    ]


def test_an_error_within_the_package_names_file_and_line(log: Log) -> None:
    class Rude:
        def __str__(self) -> str:
            return EdgeError("X", "")  # type: ignore[return-value]

    try:
        RecentRecords()._argument(Rude())
    except TypeError:
        log.logger.exception("keeping failed")
    assert "[TypeError at ops/recent.py:" in log.text


def test_the_words_of_other_libraries_are_not_told_at_all(make_log: Callable[..., Log]) -> None:
    log = make_log(f"asyncio.{CANARY}")
    log.logger.error("Task exception was never retrieved: " + CANARY)  # noqa: G003 - as asyncio does it
    (line,) = log.kept.lines()
    assert CANARY not in line
    assert "another library" in line


def test_a_record_that_does_not_fit_its_text_is_told_without_its_words(log: Log) -> None:
    for text, arguments in (("%d bytes of %d", (CANARY, 5)), ("%(name)s", ({"name": CANARY},))):
        log.kept.handle(log.logger.makeRecord(log.logger.name, logging.INFO, "", 1, text, arguments, None))
    assert CANARY not in log.text
    assert len(log.kept.lines()) == 2


def test_only_the_newest_are_kept_and_each_is_one_line(log: Log) -> None:
    for number in range(MOST_RECORDS + 7):
        log.logger.warning("line\n%d", number)
    lines = log.kept.lines()
    assert len(lines) == MOST_RECORDS
    assert lines[-1].endswith(f"line | {MOST_RECORDS + 6}")
    assert all("\n" not in line for line in lines)
