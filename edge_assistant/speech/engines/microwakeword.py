"""Wake words with the small models of microWakeWord: half a percent of a core each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from edge_assistant.errors import SpeechError
from edge_assistant.speech.protocol import Detection

BUILT_IN = ("okay_nabu", "hey_jarvis", "hey_mycroft", "alexa")

NEAR_SHARE = 0.5
"""A score above this share of the cutoff that comes to nothing is a near miss."""

_STEPS_LESS = {"okay_nabu": 2}
"""So many steps of 30 ms are left out of the window over which the makers of a model take the mean: "okay
nabu" is heard 79 ms after its end instead of 124 (medians of 30; p95 129 instead of 186). What else is heard
then, 19 of 48 near phrases instead of 17, is for the second look; in an hour of other speech nothing. Other
words keep their makers' window: they were not measured, and nobody looks twice at a stop word."""

_QUIET_STEPS = 50
"""Steps of 30 ms after a detection in which the same word is not heard again: its echo in the window."""


class MicroWakeDetector:
    """Listens for several built-in words at once; features are computed once for all."""

    name = "microwakeword"

    def __init__(self, words: Sequence[str], threshold: float = 0.0) -> None:
        """Load the models of `words`, names or paths of `.json` files.

        Raises `SpeechError` ENGINE_MISSING or WAKE_WORD_UNKNOWN.
        """
        try:
            from pymicro_wakeword import MicroWakeWordFeatures
        except (ImportError, OSError) as error:
            message = "pymicro-wakeword can't be loaded: install `[voice]`"
            raise SpeechError("ENGINE_MISSING", message) from error
        self._features = MicroWakeWordFeatures()
        self._words = [_Word(_load(word), threshold) for word in words]

    @property
    def suspected(self) -> str:
        """The word whose newest probability alone is beyond the cutoff; their mean is later."""
        return next((word.name for word in self._words if word.suspected), "")

    def feed(self, pcm: bytes) -> Iterable[Detection]:
        """Take the next sound; return what was heard in it."""
        steps = (
            word.step(features) for features in self._features.process_streaming(pcm) for word in self._words
        )
        return [detection for detection in steps if detection is not None]

    def tune(self, threshold: float) -> None:
        """Hear words from this certainty on; 0 takes what their makers advise."""
        for word in self._words:
            word.tune(threshold)

    def reset(self) -> None:
        """Forget what was fed."""
        self._features.reset()
        for word in self._words:
            word.reset()


def is_micro(word: str) -> bool:
    """Return whether a wake or stop word is one of these models, and no phrase."""
    return word in BUILT_IN or word.endswith(".json")


def _load(word: str) -> Any:
    from pymicro_wakeword import MicroWakeWord, Model

    if word in BUILT_IN:
        return MicroWakeWord.from_builtin(Model(word))
    try:
        return MicroWakeWord.from_config(Path(word).expanduser())
    except Exception as error:  # it raises whatever reading an odd file raises
        raise SpeechError("WAKE_WORD_UNKNOWN", f"{word} is no model of microWakeWord") from error


class _Word:
    """One model and what its scores have done lately."""

    def __init__(self, model: Any, threshold: float) -> None:
        self._model = model
        window = model.sliding_window_size - _STEPS_LESS.get(model.id, 0)
        model.sliding_window_size = window
        model._probabilities = deque(maxlen=window)  # noqa: SLF001 - it is made for the makers' window
        self.tune(threshold)
        self._quiet_steps = 0
        """Steps that are still to pass before it may be heard again."""
        self._peak = 0.0
        """Highest score since it was last below the near-miss line; 0 while it is below."""

    @property
    def name(self) -> str:
        return str(self._model.id)

    @property
    def suspected(self) -> bool:
        probabilities = self._model._probabilities  # noqa: SLF001 - the library tells their mean only
        return not self._quiet_steps and bool(probabilities) and probabilities[-1] > self._cutoff

    def tune(self, threshold: float) -> None:
        self._cutoff: float = threshold or self._model.probability_cutoff

    def step(self, features: Any) -> Detection | None:
        score = self._model.process_streaming_prob(features) or 0.0
        if self._quiet_steps:
            self._quiet_steps -= 1
            return None
        if score > self._cutoff:
            self._quiet_steps = _QUIET_STEPS * self._model.stride
            self._peak = 0.0
            return Detection(self._model.id, round(score, 3), accepted=True)
        if score > NEAR_SHARE * self._cutoff:
            self._peak = max(self._peak, score)
        elif self._peak and score:
            peak, self._peak = self._peak, 0.0
            return Detection(self._model.id, round(peak, 3), accepted=False)
        return None

    def reset(self) -> None:
        self._quiet_steps = 0
        self._peak = 0.0
        self._model.reset()
