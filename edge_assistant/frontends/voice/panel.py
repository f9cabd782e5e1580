"""Light and buttons on the device: gpiozero, so any board it knows and its mock pins."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from edge_assistant.config.schema import VoiceSettings
from edge_assistant.frontends.voice.phase import VoicePhase, VoiceStatus
from edge_assistant.frontends.voice.voice import Voice

logger = logging.getLogger(__name__)

NONE = -1
"""The pin number of a part that isn't there."""

BOUNCE_SECONDS = 0.02

PATTERNS: dict[VoicePhase, tuple[float, float]] = {
    "idle": (0.0, 1.0),
    "listening": (1.0, 0.0),
    "thinking": (0.15, 0.15),
    "speaking": (0.6, 0.3),
    "muted": (0.05, 2.95),
    "error": (0.08, 0.08),
}
"""Seconds on and off, repeated; with a 0 it is steady."""


class Panel:
    """Shows what the voice does, and obeys the buttons, between `start` and `stop`."""

    def __init__(self, settings: VoiceSettings, voice: Voice) -> None:
        self._settings = settings
        self._voice = voice
        self._parts: list[Any] = []
        """gpiozero's devices, to be closed."""
        self._unsubscribe: Callable[[], None] = lambda: None
        self._light: Any = None

    def start(self) -> None:
        """Take hold of the pins; where that fails the voice tells why, and works without."""
        try:
            self._take_pins()
        except Exception as error:  # noqa: BLE001 - gpiozero's factories raise whatever their libraries raise
            self.stop()
            reason = f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]
            logger.warning("no light and no buttons: %s", reason)
            self._voice.problems.append(f"no light and no buttons ({reason}); install `[gpio]`")

    def stop(self) -> None:
        """Let go of the pins."""
        self._unsubscribe()
        for part in self._parts:
            with contextlib.suppress(Exception):
                part.close()
        self._parts.clear()

    def _take_pins(self) -> None:
        from gpiozero import LED, Button

        settings = self._settings
        if settings.led_pin != NONE:
            self._light = LED(settings.led_pin)
            self._parts.append(self._light)
            self._unsubscribe = self._voice.subscribe(self._show)
        if settings.talk_pin != NONE:
            talk = Button(settings.talk_pin, bounce_time=BOUNCE_SECONDS)
            self._parts.append(talk)
            talk.when_pressed = self._in_loop(self._voice.press)
            talk.when_released = self._in_loop(self._voice.release)
        if settings.mute_pin != NONE:
            switch = Button(settings.mute_pin, bounce_time=BOUNCE_SECONDS)
            self._parts.append(switch)
            switch.when_pressed = self._in_loop(lambda: self._voice.mute(True))
            switch.when_released = self._in_loop(lambda: self._voice.mute(False))
            if switch.is_pressed:
                self._voice.mute(True)

    def _show(self, status: VoiceStatus) -> None:
        on, off = PATTERNS[status.phase]
        if not on or not off:
            (self._light.on if on else self._light.off)()
        else:
            self._light.blink(on, off)

    @staticmethod
    def _in_loop(do: Callable[[], None]) -> Callable[[], None]:
        """Return what gpiozero's thread may call to have `do` done in the event loop."""
        loop = asyncio.get_running_loop()

        def call() -> None:
            loop.call_soon_threadsafe(do)

        return call


def wanted(settings: VoiceSettings) -> bool:
    """Return whether there is any light or button."""
    return any(pin != NONE for pin in (settings.led_pin, settings.talk_pin, settings.mute_pin))
