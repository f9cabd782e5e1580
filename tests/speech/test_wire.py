"""The wire between daemon and speech worker."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.speech.wire import Command, Event, SpeechSettings, WakeHeard


def can_be_sent(message):
    """The format's numbers have 64 bits, and nan never equals itself."""
    numbers = [value for value in msgspec.structs.astuple(message) if isinstance(value, int | float)]
    return all(value == value and (isinstance(value, float) or abs(value) < 2**63) for value in numbers)  # noqa: PLR0124


@pytest.mark.parametrize("union", [Command, Event])
def test_every_message_has_a_tag_of_its_own(union):
    tags = [kind.__struct_config__.tag for kind in get_args(union)]
    assert len(set(tags)) == len(tags)


@given(
    st.one_of(*(st.from_type(kind) for kind in get_args(Command))).filter(can_be_sent),
    st.one_of(*(st.from_type(kind) for kind in get_args(Event))).filter(can_be_sent),
)
def test_what_is_sent_arrives_as_it_was(command, event):
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=Command) == command
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event


def test_a_field_that_an_older_program_does_not_send_has_its_default():
    assert msgspec.msgpack.decode(msgspec.msgpack.encode({"models": "m"}), type=SpeechSettings).speed == 1.0
    with pytest.raises(msgspec.ValidationError, match="word"):
        msgspec.msgpack.decode(msgspec.msgpack.encode({"type": "wake"}), type=WakeHeard)
