"""One utterance, from the moment somebody is listened to until its text is known. Knows no thread.

It is fed frames and what the scribe wrote, and tells the daemon what follows. How the person's turn
ends is decided by the pure machine of endpoint.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from edge_assistant.speech.endpoint import Endpoint, EndpointSettings, Heard
from edge_assistant.speech.pace import Pace
from edge_assistant.speech.protocol import VoiceDetector, Woken
from edge_assistant.speech.scribe import Note
from edge_assistant.speech.wakecheck import WakeCheck
from edge_assistant.speech.wire import (
    Event,
    ListeningBegan,
    ListeningCause,
    ListeningEnded,
    ListeningOutcome,
    SpeechBegan,
    SpeechPaused,
    SpeechResumed,
    TranscriptFinal,
    TranscriptPartial,
)

Tell = Callable[[Event], None]

ECHO_SECONDS = 0.4
"""In an utterance that was asked for, a voice that begins later is a person's: the device fell silent before
it (`SETTLE_SECONDS` of the daemon), and a slow loudspeaker, such as Bluetooth's, is late by 0.3 s at most.
Who is asked "the kitchen or the bedroom?" answers with the device's own words."""


class Writer(Protocol):
    """The scribe, as an utterance uses it."""

    def open(self, utterance: str, woken: Woken | None = None) -> None:
        """Begin one, perhaps with a wake word."""
        ...

    def feed(self, utterance: str, pcm: bytes) -> None:
        """Give more sound."""
        ...

    def settle(self, utterance: str, revision: int) -> None:
        """Ask for the text so far."""
        ...

    def outdate(self, utterance: str, revision: int) -> None:
        """Void older revisions."""
        ...

    def close(self, utterance: str) -> None:
        """Forget it."""
        ...


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """Why and how an utterance is listened to."""

    id: str
    cause: ListeningCause
    hold: bool = False
    """A button is held: silence does not end it."""
    woken: Woken | None = None
    """The wake word that its sound begins with; None without one."""
    endpoint: EndpointSettings = EndpointSettings()
    language: str = "en"


class Utterance:
    """Somebody is listened to. Call everything from one thread; `over` says when it is done."""

    def __init__(
        self,
        occasion: Occasion,
        now: float,
        *,
        voice: VoiceDetector,
        writer: Writer,
        tell: Tell,
        pace: Pace,
        said_lately: Callable[[str], bool] = lambda _words: False,
    ) -> None:
        """Open it at the time `now`.

        `said_lately` tells whether the device itself has just said these words.
        """
        self.id = occasion.id
        self.over = False
        self.misheard = False
        """It was closed because the wake word had not been said after all."""
        self._occasion = occasion
        self._voice = voice
        self._writer = writer
        self._tell = tell
        self._pace = pace
        self._wake_check = WakeCheck(occasion.woken.word) if occasion.woken else None
        self._said_lately = said_lately
        self._opened_at = now
        self._endpoint = self._listen(now)
        self._offset = 0
        """Revisions of earlier endpoints of this utterance: numbers never repeat."""
        self._settled: Note | None = None
        """The scribe's newest text that still counts; None while there is none."""
        self._asked = -1
        """The revision whose text was asked for last; -1 is none."""
        self._speech_began = 0.0
        self._decided_at = 0.0
        """When it was decided that the person had finished; 0 before."""
        self._confirmed: bool | None = None
        self._said = ""
        """The last partial that was told."""
        self._fed = False
        voice.reset()
        writer.open(self.id, occasion.woken)
        tell(ListeningBegan(utterance=self.id, cause=occasion.cause, at=now))

    def lead_in(self, pcm: bytes) -> None:
        """Take sound that belongs to it but is not judged: the wake word itself, and what led to it."""
        self._feed(pcm)

    def take(self, frame: bytes, at: float) -> None:
        """Take the frame that ended at `at`."""
        if self.over or self._decided_at:
            return
        self._feed(frame)
        probability = self._voice.probability(frame)
        if (heard := self._endpoint.feed(probability, at)) is not None:
            self._follow(heard, at)

    def note(self, note: Note, now: float) -> None:
        """Take what the scribe wrote."""
        if self.over or note.revision != self.revision:
            return
        if note.error is not None:
            self.end("failed", note.error.code, note.error.message)
            return
        text = self._without_wake_word(note)
        if self.over:
            return
        if text and (note.settled or text != self._said):
            self._said = text
            self._tell(
                TranscriptPartial(utterance=self.id, revision=self.revision, text=text, settled=note.settled)
            )
        if not note.settled:
            return
        self._settled = msgspec.structs.replace(note, text=text)
        if self._decided_at:
            self._finish(now)
        elif not self._occasion.hold:
            heard = self._endpoint.recognised(
                text, note.revision - self._offset, now, unfinished=note.unfinished
            )
            if heard is not None:
                self._follow(heard, now)

    def finish(self, now: float) -> None:
        """Take what was said so far as all: the button was released, or the hard cap came."""
        if not self.over and not self._decided_at:
            self._decide(now)

    def end(self, outcome: ListeningOutcome, code: str = "", message: str = "") -> None:
        """Close it."""
        if self.over:
            return
        self.over = True
        self._writer.close(self.id)
        self._tell(ListeningEnded(utterance=self.id, outcome=outcome, code=code, message=message))

    @property
    def revision(self) -> int:
        """The present revision of what was said."""
        return self._offset + self._endpoint.revision

    def _listen(self, now: float) -> Endpoint:
        occasion = self._occasion
        return Endpoint(occasion.endpoint, now, pace=self._pace, language=occasion.language)

    def _feed(self, pcm: bytes) -> None:
        self._fed = True
        self._writer.feed(self.id, pcm)

    def _follow(self, heard: Heard, now: float) -> None:
        match heard:
            case Heard.STARTED:
                self._speech_began = self._speech_began or now
                self._tell(SpeechBegan(utterance=self.id, at=now))
            case Heard.PAUSED:
                ended = self._endpoint.speech_ended
                self._tell(SpeechPaused(utterance=self.id, revision=self.revision, at=ended))
                self._settle()
            case Heard.CONTINUED:
                self._settled = None
                self._writer.outdate(self.id, self.revision)
                self._tell(SpeechResumed(utterance=self.id, at=now))
            case Heard.ENDED | Heard.CUT if not self._occasion.hold or heard is Heard.CUT:
                self._decide(now)
            case Heard.SILENT if not self._occasion.hold:
                self.end("nothing")
            case _:  # a held button outlasts any silence
                self._again(now)

    def _settle(self) -> None:
        self._asked = self.revision
        self._writer.settle(self.id, self.revision)

    def _decide(self, now: float) -> None:
        self._decided_at = now
        if self._settled is not None and self._settled.revision == self.revision:
            self._finish(now)
        elif not self._fed:
            self.end("nothing")
        elif self._asked != self.revision or self._endpoint.outcome is not Heard.ENDED:
            self._settle()

    def _finish(self, now: float) -> None:
        assert self._settled is not None
        text = self._settled.text
        if not text and self._wake_check is not None and self._endpoint.outcome is Heard.ENDED:
            # The tail of the wake word, or a cough after it: the question is still to come.
            self._again(now)
            return
        if not text:
            self.end("nothing")
            return
        ended = self._endpoint.speech_ended
        self._tell(
            TranscriptFinal(
                utterance=self.id,
                text=text,
                cause=self._occasion.cause,
                speech_ended_at=ended,
                endpoint_ms=round((self._decided_at - ended) * 1000, 1),
                transcript_ms=round((now - self._decided_at) * 1000, 1),
                speech_seconds=round(max(0.0, ended - self._speech_began), 3) if self._speech_began else 0.0,
                revision=self._settled.revision,
                own_words=self._is_own(text),
                wake_confirmed=self._confirmed,
            )
        )
        self.end("heard")

    def _is_own(self, text: str) -> bool:
        """Return whether the device heard itself."""
        if self._wake_check is not None or self._occasion.hold:
            return False
        late = self._speech_began - self._opened_at > ECHO_SECONDS
        return not (self._occasion.cause == "asked" and late) and self._said_lately(text)

    def _again(self, now: float) -> None:
        """Wait for speech anew, within the same utterance."""
        self._offset = self.revision + 1
        self._endpoint = self._listen(now)
        self._settled = None
        self._decided_at = 0.0
        self._writer.outdate(self.id, self._offset)

    def _without_wake_word(self, note: Note) -> str:
        """Return what was said after the wake word; closes the utterance when that was not said."""
        if self._wake_check is None:
            return note.text
        found = self._wake_check(note.text)
        if note.settled and not found.confirmed and note.text:
            self._confirmed = False
            self.misheard = True
            self.end("discarded")
            return ""
        self._confirmed = True if found.confirmed else self._confirmed
        return found.rest if found.confirmed else ""
