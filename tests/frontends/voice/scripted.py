"""A speech worker and an assistant that do what a test says, when it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_assistant.assistant.request import Principal
from edge_assistant.errors import EdgeError
from edge_assistant.speech.protocol import SpeechStatus
from edge_assistant.speech.wire import (
    Command,
    Event,
    ListeningBegan,
    ListeningEnded,
    SayAppend,
    SayBegin,
    SayEnd,
    SayingBegan,
    SayingEnded,
    SayingProgressed,
    SayStop,
    TranscriptFinal,
    TranscriptPartial,
)
from tests.frontends.web.scripted import ScriptedAssistant


class TalkedTo(ScriptedAssistant):
    """Also takes what to prepare."""

    def __init__(self, script: tuple[str, ...] | None = None) -> None:
        super().__init__(None, script)
        self.prepared: list[str] = []

    async def prepare(self, session: str, principal: Principal, partial_text: str) -> None:
        self.prepared.append(partial_text)


class ScriptedSpeech:
    """Keeps what it is told and hears what a test lets it hear."""

    def __init__(self, *, echo_cancelled: bool = False) -> None:
        self.sent: list[Command] = []
        self.gone = False
        self.status = SpeechStatus(phase="ready", echo_cancelled=echo_cancelled)
        self._listeners: list[Callable[[Event], None]] = []
        self._utterances = 0

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def send(self, command: Command) -> None:
        if self.gone:
            raise EdgeError("SPEECH_UNAVAILABLE", "the speech worker is not running")
        self.sent.append(command)

    def emit(self, *events: Event) -> None:
        for event in events:
            for listener in list(self._listeners):
                listener(event)

    def sent_of(self, kind: Any) -> list[Any]:
        return [command for command in self.sent if isinstance(command, kind)]

    @property
    def spoken(self) -> list[str]:
        return [command.text for command in self.sent_of(SayAppend)]

    @property
    def saying(self) -> str:
        return str(self.sent_of(SayBegin)[-1].saying)

    # --- what happens in the room ---

    def begin(self, cause: str = "wake") -> str:
        self._utterances += 1
        utterance = f"u{self._utterances}"
        self.emit(ListeningBegan(utterance=utterance, cause=cause, at=0.0))
        return utterance

    def partial(self, text: str, revision: int = 0, *, settled: bool = True) -> None:
        utterance = f"u{self._utterances}"
        self.emit(TranscriptPartial(utterance=utterance, revision=revision, text=text, settled=settled))

    def end(self, text: str = "", **final: Any) -> None:
        utterance = f"u{self._utterances}"
        if text:
            self.emit(
                TranscriptFinal(
                    utterance=utterance, text=text, cause="wake", speech_ended_at=0.0, endpoint_ms=350.0,
                    transcript_ms=0.0, speech_seconds=1.0, revision=0, **final,
                )
            )  # fmt: skip
        self.emit(ListeningEnded(utterance=utterance, outcome="heard" if text else "nothing"))

    def hear(self, text: str, cause: str = "wake", **final: Any) -> None:
        self.begin(cause)
        self.end(text, **final)

    def play(self, saying: str = "", characters: int = 0, seconds: float = 0.0) -> None:
        saying = saying or self.saying
        self.emit(SayingBegan(saying=saying, at=1.0))
        if characters:
            self.progress(characters, seconds, saying)

    def progress(self, characters: int, seconds: float = 1.0, saying: str = "") -> None:
        self.emit(SayingProgressed(saying=saying or self.saying, characters=characters, seconds=seconds))

    def silence(self, characters: int, outcome: str = "drained", saying: str = "") -> None:
        self.emit(
            SayingEnded(
                saying=saying or self.saying, outcome=outcome, characters=characters, seconds=1.0, at=2.0
            )
        )

    @property
    def said_all(self) -> bool:
        return bool(self.sent_of(SayEnd))

    @property
    def told_to_stop(self) -> bool:
        return bool(self.sent_of(SayStop))
