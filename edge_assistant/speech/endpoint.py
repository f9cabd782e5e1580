"""When has a person finished speaking? A machine without clock, microphone or engine.

It is fed with the voice probability of each frame and with what was recognised so far, both with
the time of the sound, and tells what follows:

    LISTENING -- STARTED --> speech -- PAUSED --> silence -- ENDED --> over
        |                      ^                    |
        `-- SILENT --> over    `---- CONTINUED -----'     CUT, from anywhere, at the hard cap

`PAUSED` comes long before `ENDED`: transcription of what is there begins at once. When speech goes
on, `revision` counts up and what was made of the older one is void. A transcript that looks finished
shortens the wait, one that ends on "and" lengthens it.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from edge_assistant.speech.completeness import Completeness, completeness
from edge_assistant.speech.pace import Pace


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds and waits; seconds are of sound, not of work."""

    on_probability: float = 0.5
    off_probability: float = 0.3
    """Between the two a frame is what the one before it was (hysteresis; xiaozhi's values)."""
    voiced_frames: int = 3
    """So many voiced frames in a row are speech; fewer are a click."""
    no_speech_seconds: float = 5.0
    """Nobody speaks: give up."""
    longest_seconds: float = 15.0
    """Hard cap from the beginning of listening: take what was said."""
    peek_seconds: float = 0.12
    """Silence after which what was said is transcribed on speculation."""
    question_seconds: float = 0.25
    sentence_seconds: float = 0.3
    """The shortest wait that LiveKit allows; shorter pauses are in most sentences."""
    unknown_seconds: float = 0.7
    """Home Assistant's default for devices that know nothing of the text."""
    unfinished_seconds: float = 1.6
    """Waits by how finished the transcript looks; each is stretched to the speaker's own pace."""

    def wait_seconds(self, found: Completeness) -> float:
        """Return the silence that ends an utterance which looks like this."""
        return {
            Completeness.QUESTION: self.question_seconds,
            Completeness.SENTENCE: self.sentence_seconds,
            Completeness.UNKNOWN: self.unknown_seconds,
            Completeness.UNFINISHED: self.unfinished_seconds,
        }[found]


class Heard(Enum):
    """What the machine has concluded."""

    STARTED = "started"
    """Somebody speaks."""
    PAUSED = "paused"
    """Perhaps the end: transcribe what is there under the present `revision`."""
    CONTINUED = "continued"
    """It was not the end: what was made of earlier revisions is void."""
    ENDED = "ended"
    """The person has finished."""
    CUT = "cut"
    """The person (or the noise) went on up to the hard cap."""
    SILENT = "silent"
    """Nobody said anything."""

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self in {Heard.ENDED, Heard.CUT, Heard.SILENT}


class Endpoint:
    """One utterance. Feed every frame in order of time; after an end make a new one."""

    def __init__(
        self, settings: EndpointSettings, began: float, *, pace: Pace | None = None, language: str = "en"
    ) -> None:
        """Begin to listen at the time `began`; `pace` is the speaker's, shared by their utterances."""
        self._settings = settings
        self._began = began
        self._pace = pace or Pace()
        self._language = language
        self._voiced = False
        """Whether the last frame was voice, after hysteresis."""
        self._run = 0
        """Voiced frames in a row."""
        self._speaking = False
        """Speech has started; stays True in its pauses."""
        self._last_voice = began
        """Time of the last frame that belonged to speech."""
        self._paused = False
        self._found = Completeness.UNKNOWN
        self.revision = 0
        """Counts how often speech went on after a pause; a transcript of an older one is void."""
        self.outcome: Heard | None = None
        """How it ended; None while it goes on."""

    @property
    def speech_ended(self) -> float:
        """Time of the last voice that was heard."""
        return self._last_voice

    def feed(self, probability: float, now: float) -> Heard | None:
        """Take the voice probability (0 to 1) of the frame that ends at `now`."""
        assert self.outcome is None, "an utterance ends once"
        resumed = self._take(probability, now)
        if now - self._began >= self._settings.longest_seconds and self._speaking:
            return self._over(Heard.CUT)
        if resumed is not None:
            return resumed
        return self._silence(now)

    def recognised(self, text: str, revision: int, now: float, *, unfinished: bool = False) -> Heard | None:
        """Take the transcript of a revision; a void one changes nothing.

        `unfinished` tells that its engine heard the speaker go on, whatever the text looks like.
        """
        if self.outcome is not None or revision != self.revision:
            return None
        self._found = Completeness.UNFINISHED if unfinished else completeness(text, self._language)
        return self._silence(now) if self._paused else None

    def _take(self, probability: float, now: float) -> Heard | None:
        limit = self._settings.off_probability if self._voiced else self._settings.on_probability
        self._voiced = probability >= limit
        self._run = self._run + 1 if self._voiced else 0
        if self._run < self._settings.voiced_frames:
            # A click inside a pause prolongs nothing, the tail of a word does.
            if self._voiced and self._speaking and not self._paused:
                self._last_voice = now
            return None
        pause, self._last_voice = now - self._last_voice, now
        if not self._speaking:
            self._speaking = True
            return Heard.STARTED
        if not self._paused:
            return None
        self._paused = False
        self._found = Completeness.UNKNOWN
        self.revision += 1
        self._pace.paused(pause)
        return Heard.CONTINUED

    def _silence(self, now: float) -> Heard | None:
        settings, silence = self._settings, now - self._last_voice
        if not self._speaking:
            return self._over(Heard.SILENT) if silence >= settings.no_speech_seconds else None
        if not self._paused:
            if silence < settings.peek_seconds:
                return None
            self._paused = True
            return Heard.PAUSED
        wait = self._pace.stretch(settings.wait_seconds(self._found))
        # A word that may just begin is waited for; as a click it is over with the next frame.
        return self._over(Heard.ENDED) if silence >= wait and not self._run else None

    def _over(self, outcome: Heard) -> Heard:
        self.outcome = outcome
        return outcome
