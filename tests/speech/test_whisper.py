"""Whisper with a window that fits what was said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.hearing import Samples, begins_like, sounds_like

COMMAND = "Turn on the light in the kitchen and close the window in the bedroom."


def test_short_and_long_sounds_are_understood_to_their_end(
    spoken: Callable[[str], Samples], written: Callable[[Samples], str]
) -> None:
    sound = spoken(COMMAND)
    assert begins_like(written(sound), COMMAND)
    longer = np.concatenate([sound, np.zeros(8 * 16_000, np.int16), sound])
    assert sounds_like(written(longer)[-len(COMMAND) :], "close the window in the bedroom")
    longest = np.concatenate([longer, np.zeros(16 * 16_000, np.int16), sound])
    assert len(longest) > 30 * 16_000
    assert sounds_like(written(longest)[-len(COMMAND) :], "close the window in the bedroom")


def test_silence_and_nothing_are_no_words(written: Callable[[Samples], str]) -> None:
    assert written(np.zeros(0, np.int16)) == ""
    assert written(np.zeros(32_000, np.int16)) == ""


def test_a_conjunction_at_the_end_is_noticed_although_whisper_writes_another_word(
    whisper: Any, spoken: Callable[[str], Samples]
) -> None:
    """Counted over several, because a small Whisper differs from one processor to another."""

    def unfinished(text: str) -> bool:
        hearing = whisper.open()
        hearing.feed(spoken(text).tobytes())
        hearing.text()
        return bool(hearing.unfinished)

    rooms = ("kitchen", "bedroom", "garage", "office")
    assert sum(unfinished(f"Turn on the light in the {room} and,") for room in rooms) >= len(rooms) - 1
    assert sum(unfinished(f"Turn on the light in the {room}.") for room in rooms) <= 1
