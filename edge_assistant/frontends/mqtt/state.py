"""`…/state`: what the device is doing and how it is set."""

from __future__ import annotations

import msgspec

from edge_assistant import __version__
from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import Timings
from edge_assistant.frontends.mqtt.device import Device
from edge_assistant.frontends.mqtt.discovery import LONGEST_STATE


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Retained, one JSON object."""

    phase: str
    """`idle`, `listening`, `thinking`, `speaking`; also `muted` and `error` of a device with a voice."""
    muted: bool = False
    quiet: bool = False
    """Do not disturb."""
    volume: int
    """Percent."""
    threshold: int
    """Of the wake word, percent; 0 is what its makers advise."""
    persona: str
    model: str
    version: str
    answer: str = ""
    """Beginning of the last answer that was given over MQTT."""
    tokens_per_second: float = 0.0
    timers: int = 0
    """Timers, alarms and reminders that are set."""
    ringing: int = 0
    """Those of them that ring."""
    temperature: float | None = None
    """Of the hottest sensor, °C."""
    timings: Timings = Timings()
    """Of the last turn, whoever asked."""


def state_of(
    device: Device, assistant: Assistant, *, answer: str, timings: Timings, temperature: float | None
) -> State:
    """Return how the device is now."""
    config, model, timers = device.preferences.config, assistant.model.status, device.timers
    phase = "thinking" if assistant.active else "idle"
    if device.voice is not None and (
        phase == "idle" or device.voice.status.phase in {"listening", "speaking"}
    ):
        phase = device.voice.status.phase
    return State(
        phase=phase,
        muted=device.voice is not None and device.voice.status.muted,
        quiet=config.voice.quiet,
        volume=round(config.voice.volume * 100),
        threshold=round(config.voice.wake_threshold * 100),
        persona=config.assistant.persona,
        model=model.name,
        version=__version__,
        answer=short(answer),
        tokens_per_second=round(model.decode_tokens_per_second, 1),
        timers=timers.count if timers else 0,
        ringing=len(timers.ringing()) if timers else 0,
        temperature=None if temperature is None else round(temperature, 1),
        timings=timings,
    )


def short(text: str) -> str:
    """Return the beginning of a text, as long as a state of Home Assistant may be."""
    return text if len(text) <= LONGEST_STATE else text[: LONGEST_STATE - 1] + "…"
