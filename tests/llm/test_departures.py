"""What the words of fast answers wait for, and what never waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.llm.departures import Departures
from edge_assistant.llm.protocol import Completion
from edge_assistant.llm.wire import Advanced, Emitted, Failed, Finished, Reply

FRAME = 0.016
DONE = Completion(reason="stop", token_ids=(), prompt_tokens=1, cached_tokens=0, completion_tokens=1)


class Station:
    """Departures whose clock is set by hand; `sent` is what left, journey by journey."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[list[Reply]] = []
        self.departures = Departures(lambda *replies: self.sent.append(list(replies)), clock=lambda: self.now)

    def step(self, *replies: Reply, seconds: float = 0.006, soon_more: bool = True) -> None:
        self.now += seconds
        for reply in replies:
            self.departures.add(reply)
        self.departures.leave(soon_more=soon_more)

    def pieces(self, identity: str) -> list[str]:
        return [each.text for each in self.emitted(identity)]

    def emitted(self, identity: str) -> list[Emitted]:
        return [
            each
            for journey in self.sent
            for each in journey
            if isinstance(each, Emitted) and each.id == identity
        ]


def word(text: str, identity: str = "a", at: float = 0.0, certainty: float | None = None) -> Emitted:
    return Emitted(identity, text, (len(text),), at, certainty)


@pytest.fixture
def station() -> Station:
    return Station()


def test_the_first_word_leaves_at_once_and_what_follows_within_a_frame_leaves_together(station):
    for number in range(7):
        station.step(word(str(number), at=float(number)))
    assert station.pieces("a") == ["0", "123", "456"]
    assert station.emitted("a")[1] == Emitted("a", "123", (1, 1, 1), 1.0)


def test_words_that_take_longer_than_a_frame_leave_one_by_one(station):
    for number in range(5):
        station.step(word(str(number)), seconds=0.017)
    assert station.pieces("a") == ["0", "1", "2", "3", "4"]


def test_nothing_waits_for_a_step_that_reads_a_prompt_or_for_none(station):
    station.step(word("0"))
    station.step(word("1"), soon_more=False)
    assert station.pieces("a") == ["0", "1"]


@pytest.mark.parametrize("end", [Finished("a", DONE), Failed("a", "MODEL_FAILED", "gone")])
def test_an_end_leaves_at_once_behind_all_its_words(station, end):
    station.step(word("0"))
    station.step(word("1"))
    station.step(word("2"), end)
    assert station.sent[-1] == [Emitted("a", "12", (1, 1), 0.0), end]
    station.step(word("3"))
    assert station.pieces("a")[-1] == "3", "an answer of the same name begins anew"


def test_the_first_word_of_another_answer_takes_along_what_waits(station):
    station.step(word("0"))
    station.step(word("1"), word("x", "b"))
    assert (station.pieces("a"), station.pieces("b")) == (["0", "1"], ["x"])


def test_progress_and_words_that_are_weighed_never_wait(station):
    station.step(word("0"), word("x", "b", certainty=0.5))
    station.step(Advanced("c", 1, 2), word("1"))
    station.step(word("y", "b", certainty=0.4), word("z", "b", certainty=0.3))
    assert station.sent[1] == [Advanced("c", 1, 2), word("1")]
    assert [each.certainty for each in station.emitted("b")] == [0.5, 0.4, 0.3]


@given(
    steps=st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=3), st.booleans()), max_size=3),
            st.floats(0, 0.03),
            st.booleans(),
        )
    )
)
def test_every_word_arrives_once_in_its_order_and_none_waits_longer_than_a_frame(steps):
    station = Station()
    said: dict[str, str] = {"a": "", "b": ""}
    waiting_since: float | None = None
    for words, seconds, soon_more in steps:
        replies: list[Reply] = []
        for identity, text, ends in words:
            said[identity] += text
            replies.append(word(text, identity))
            if ends:
                replies.append(Finished(identity, DONE))
        before = len(station.sent)
        station.step(*replies, seconds=seconds, soon_more=soon_more)
        if len(station.sent) > before:
            waiting_since = None
        elif replies and waiting_since is None:
            waiting_since = station.now
        assert waiting_since is None or station.now - waiting_since < FRAME
    station.step(soon_more=False)
    assert {each: "".join(station.pieces(each)) for each in "ab"} == said
