"""Stop words silence at the first sign, and a sign that comes to nothing costs a moment only."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge_assistant.speech.ear import Ear
from edge_assistant.speech.protocol import FRAME_SAMPLES, Detection
from edge_assistant.speech.ring import FRAME_SECONDS
from edge_assistant.speech.wire import Event, SpeechSettings, StopHeard

SUSPICION = "?"
WORD = "!"
NOTHING = "."


class Scripted:
    """A detector of stop words that finds in each frame what its script says."""

    def __init__(self, script: str) -> None:
        self._script = iter(script)
        self.suspected = ""

    def feed(self, pcm: bytes) -> list[Detection]:
        sign = next(self._script, NOTHING)
        self.suspected = "stop" if sign == SUSPICION else ""
        return [Detection("stop", 0.9, accepted=True)] if sign == WORD else []

    def tune(self, threshold: float) -> None: ...

    def reset(self) -> None: ...


class Scene:
    """An ear beside something that is being said, and what it does to that."""

    def __init__(self, script: str, *, own_words: bool = False) -> None:
        self.done: list[str] = []
        self.told: list[Event] = []
        self.held = False
        self.ear = Ear(
            SpeechSettings(models=""),
            None,  # type: ignore[arg-type] - nobody is listened to
            self.told.append,
            wake=None,
            stop=Scripted(script),
            voice=lambda: pytest.fail("no voice is looked for"),
            audible=lambda: not self.held and "hush" not in self.done,
            hush=lambda: self.done.append("hush"),
            hold=self._hold,
            said_lately=lambda _words: own_words,
        )

    def _hold(self, on: bool) -> None:
        self.held = on
        self.done.append("hold" if on else "go on")

    def hear(self, frames: int, *, last: bool = True) -> list[str]:
        """Hear frames, `last` if they are; return what was done to what is being said."""
        for number in range(frames):
            pcm = np.zeros(FRAME_SAMPLES, np.int16).tobytes()
            self.ear.hear(pcm, 16_000, number * FRAME_SECONDS)
        deadline = time.monotonic() + 60
        while self.ear._waiting and time.monotonic() < deadline:
            time.sleep(0.002)
        if last:
            self.ear.stop()
        return self.done


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    one = Scene(**request.param)
    one.ear.start()
    yield one
    one.ear.stop()


@pytest.mark.parametrize("scene", [{"script": "..???!..."}], indirect=True)
def test_it_falls_silent_at_the_first_sign_and_ends_when_it_is_sure(scene: Scene) -> None:
    assert scene.hear(9) == ["hold", "hush"]
    assert [type(each) for each in scene.told] == [StopHeard]


@pytest.mark.parametrize("scene", [{"script": "..??....??.."}], indirect=True)
def test_a_sign_that_comes_to_nothing_lets_the_answer_go_on(scene: Scene) -> None:
    assert scene.hear(12) == ["hold", "go on", "hold", "go on"]
    assert scene.told == []


@pytest.mark.parametrize("scene", [{"script": "..??"}], indirect=True)
def test_a_microphone_that_goes_at_the_first_sign_lets_the_answer_go_on(scene: Scene) -> None:
    scene.hear(4, last=False)
    scene.ear.lose("MICROPHONE_LOST", "it is gone")
    assert scene.hear(0) == ["hold", "go on"]


@pytest.mark.parametrize("scene", [{"script": "..??!..", "own_words": True}], indirect=True)
def test_its_own_stop_word_does_not_silence_it(scene: Scene) -> None:
    assert scene.hear(7) == []
    assert scene.told == []
