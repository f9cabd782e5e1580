"""From token bytes to text that may be shown."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.llm.text import TextAssembler


def _cut(raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(raw), *(c % (len(raw) + 1) for c in cuts)})
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


@given(st.text(), st.lists(st.integers(min_value=0)))
def test_text_survives_any_cutting_of_its_bytes(text, cuts):
    assembler = TextAssembler()
    shown = "".join(assembler.feed(part) for part in _cut(text.encode(), cuts))
    assert shown + assembler.finish() == text


@given(
    st.text(alphabet="ab", max_size=30),
    st.lists(st.integers(min_value=0)),
    st.text("ab", min_size=1, max_size=4),
)
def test_a_stop_string_is_never_shown_nor_is_what_follows(text, cuts, stop):
    assembler = TextAssembler((stop,))
    shown = "".join(assembler.feed(part) for part in _cut(text.encode(), cuts)) + assembler.finish()
    assert shown == text.split(stop)[0]
    assert assembler.stopped == (stop in text)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_text_become_replacement_characters(raw):
    assembler = TextAssembler()
    shown = "".join(assembler.feed(bytes([b])) for b in raw) + assembler.finish()
    assert shown == raw.decode("utf-8", errors="replace")


def test_a_character_is_shown_only_when_it_is_whole():
    assembler = TextAssembler()
    assert [assembler.feed(bytes([b])) for b in "é".encode()] == ["", "é"]


def test_an_empty_stop_string_stops_nothing():
    assert TextAssembler(("",)).feed(b"hello") == "hello"
