"""What keeps the voice from working: a worker that died, a microphone that is gone, no engine."""

from __future__ import annotations

from collections.abc import Sequence

from edge_assistant.frontends.voice.phase import VoiceReport, VoiceStatus
from edge_assistant.speech.protocol import SpeechStatus
from edge_assistant.speech.wire import DeviceChanged, EngineChanged, EngineState, Failed, Ready


class Health:
    """Concludes from what the worker tells whether it can hear."""

    def __init__(self) -> None:
        self._failure = ""
        """Why no worker can be told anything; empty while one can."""
        self._microphone = ""
        """Why there is no microphone; empty while there is one."""
        self._engines: dict[tuple[str, str], EngineState] = {}

    @property
    def fault(self) -> str:
        """Why nothing can be heard, in words; empty when it can."""
        transcribers = [each for each in self._engines.values() if each.role == "transcriber"]
        deaf = bool(transcribers) and not any(each.usable for each in transcribers)
        return self._failure or self._microphone or (transcribers[0].reason if deaf else "")

    def take(self, event: Ready | EngineChanged | DeviceChanged | Failed) -> None:
        """Take what the worker tells about itself."""
        match event:
            case Ready(engines=engines):
                self._failure = ""
                self._engines = {(each.role, each.name): each for each in engines}
            case EngineChanged(engine=engine):
                self._engines[engine.role, engine.name] = engine
            case DeviceChanged(direction="input", condition=condition, reason=reason):
                self._microphone = (reason or "the microphone is gone") if condition == "lost" else ""
            case Failed(message=message):
                self.fail(message)
            case _:
                return

    def fail(self, message: str) -> None:
        """Take that the worker can't be told anything until the next one is ready."""
        self._failure = message


def report(status: VoiceStatus, speech: SpeechStatus, others: Sequence[str]) -> VoiceReport:
    """Return everything about ears and mouth, with all that does not work; `others` are more such."""
    lost = [each.reason for each in (speech.input, speech.output) if each and each.condition == "lost"]
    unusable = [each.reason for each in speech.engines if not each.usable]
    return VoiceReport(
        phase=status.phase,
        detail=status.detail,
        muted=status.muted,
        near_misses=status.near_misses,
        timings=status.timings,
        problems=tuple(dict.fromkeys(each for each in (status.detail, *lost, *unusable, *others) if each)),
        engines=speech.engines,
        input=speech.input,
        output=speech.output,
        rss_bytes=speech.rss_bytes,
    )
