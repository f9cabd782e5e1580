"""Frames: whatever the cut, what went in comes out, and nonsense is named."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.workers.frames import (
    MAX_FRAME_BYTES,
    Frame,
    FrameError,
    FrameKind,
    FrameParser,
    encode_frame,
)

frames = st.lists(st.builds(Frame, st.sampled_from(FrameKind), st.binary(max_size=300)), max_size=20)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(frames, st.lists(st.integers(min_value=0), max_size=30))
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(sent, places):
    data = b"".join(encode_frame(*frame) for frame in sent)
    parser = FrameParser()
    assert [frame for chunk in cut(data, places) for frame in parser.feed(chunk)] == sent
    assert parser.pending == 0


@given(frames, st.binary(min_size=5, max_size=50), st.lists(st.integers(min_value=0), max_size=10))
def test_any_bytes_give_frames_or_a_frame_error_the_same_for_every_cut(sent, noise, places):
    data = b"".join(encode_frame(*frame) for frame in sent) + noise

    def outcome(chunks: list[bytes]) -> tuple[list[Frame], str]:
        parser, got = FrameParser(), []
        try:
            for chunk in chunks:
                got.extend(parser.feed(chunk))  # extend keeps what came before the error
        except FrameError as error:
            return got, error.code
        return got, ""

    whole, pieces = outcome([data]), outcome(cut(data, places))
    assert whole == pieces
    assert whole[0][: len(sent)] == sent


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_an_impossible_length_is_refused_before_its_payload_comes(length):
    with pytest.raises(FrameError, match="bytes long"):
        list(FrameParser().feed(struct.pack(">IB", length, FrameKind.MESSAGE)))


def test_an_unknown_kind_is_refused():
    with pytest.raises(FrameError, match="unknown kind 77"):
        list(FrameParser().feed(struct.pack(">IB", 1, 77)))


def test_a_message_over_the_limit_is_refused_by_the_sender():
    with pytest.raises(FrameError, match="too long"):
        encode_frame(FrameKind.MESSAGE, bytes(MAX_FRAME_BYTES))
