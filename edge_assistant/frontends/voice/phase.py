"""How the voice is, for light, page, status and MQTT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from edge_assistant.speech.wire import DeviceChanged, EngineState

VoicePhase = Literal["idle", "listening", "thinking", "speaking", "muted", "error"]


class VoiceTimings(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of the last exchange, each from the one before; `sound_ms` from end to first sound."""

    endpoint_ms: float = 0.0
    """From the end of speech to the decision that it was the end."""
    transcript_ms: float = 0.0
    """From the decision to the text."""
    first_text_ms: float = 0.0
    """From the text to the first piece of the answer."""
    first_audio_ms: float = 0.0
    """From there to its first sound."""
    sound_ms: float = 0.0
    """From the end of speech to the first sound."""


class VoiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the voice is doing; `detail` says why when it is in error, with what to do."""

    phase: VoicePhase
    detail: str = ""
    muted: bool = False
    near_misses: int = 0
    """Times that something nearly was the wake word, the second look included."""
    timings: VoiceTimings | None = None
    """None before the first exchange."""


class VoiceReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about ears and mouth, for the status page and `doctor`."""

    phase: VoicePhase
    detail: str
    muted: bool
    near_misses: int
    timings: VoiceTimings | None
    problems: tuple[str, ...]
    """What does not work although it should, each with what to do."""
    engines: tuple[EngineState, ...]
    input: DeviceChanged | None
    output: DeviceChanged | None
    rss_bytes: int
    """Resident memory of the worker; the daemon itself loads no engine."""


PhaseListener = Callable[[VoiceStatus], None]
"""Gets each change, in the event loop; must not block."""
