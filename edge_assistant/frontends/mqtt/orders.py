"""Commands over MQTT: what each does. Each sets something, so that doing it again is no harm."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.request import Principal
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.frontends.mqtt.command import Command
from edge_assistant.frontends.mqtt.device import Device, Voice

Order: TypeAlias = Callable[[Command], Awaitable[None]]

_ON, _OFF = frozenset({"on", "true", "1", "yes"}), frozenset({"off", "false", "0", "no"})

_RESTART_SECONDS = 0.5
"""Between the answer that it restarts and the restart."""


class Orders:
    """Carries commands out; each raises `EdgeError` for what can't be."""

    def __init__(self, device: Device, assistant: Assistant, principal: Principal) -> None:
        self._device = device
        self._assistant = assistant
        self._principal = principal
        self.quick: dict[str, Order] = {
            "stop": self._stop, "mute/set": self._mute, "quiet/set": self._quiet, "volume/set": self._volume,
            "threshold/set": self._threshold, "persona/set": self._persona, "model/set": self._model,
            "restart": self._restart,
        }  # fmt: skip
        """By topic: done at once, in the order in which they come."""
        self.slow: dict[str, Order] = {"say": self._say, "announce": self._announce}
        """By topic: done when they were heard."""

    async def _stop(self, _: Command) -> None:
        """End what is being answered and said, and take note of what rings."""
        for turn in self._assistant.running(self._principal):
            await turn.cancel()
        if self._device.voice is not None:
            self._device.voice.hush()
        if self._device.timers is not None:
            await self._device.timers.take_note(self._device.timers.ringing())

    async def _mute(self, command: Command) -> None:
        self._voice().mute(_switch(command))

    async def _quiet(self, command: Command) -> None:
        await self._device.preferences.change({"voice.quiet": "true" if _switch(command) else "false"})

    async def _volume(self, command: Command) -> None:
        await self._device.preferences.change({"voice.volume": _share(command)})

    async def _threshold(self, command: Command) -> None:
        await self._device.preferences.change({"voice.wake_threshold": _share(command)})

    async def _persona(self, command: Command) -> None:
        await self._device.preferences.change({"assistant.persona": command.text.strip()})

    async def _model(self, command: Command) -> None:
        name = command.text.strip()
        if name not in await asyncio.to_thread(self._device.models):
            raise UsageError("MODEL_MISSING", "no installed model is called so: `models pull` fetches one")
        await self._device.preferences.change({"llm.model": name})

    async def _restart(self, _: Command) -> None:
        if self._device.restart is None:
            raise UsageError("NOT_AVAILABLE", "this program can't start itself anew")
        asyncio.get_running_loop().call_later(_RESTART_SECONDS, self._device.restart)

    async def _say(self, command: Command) -> None:
        await self._aloud(command, sign=False)

    async def _announce(self, command: Command) -> None:
        await self._aloud(command, sign=True)

    async def _aloud(self, command: Command, *, sign: bool) -> None:
        if not command.text.strip():
            raise UsageError("TEXT_EMPTY", "there is nothing to say")
        outcome = await self._voice().announce(command.text, sign=sign)
        if outcome == "failed":
            raise EdgeError(
                "SAYING_FAILED", "it could not be said: see the status of the voice", retry_after=5.0
            )

    def _voice(self) -> Voice:
        if self._device.voice is None:
            raise UsageError("VOICE_DISABLED", "this device has no voice: set voice.enabled = true")
        return self._device.voice


def _switch(command: Command) -> bool:
    word = command.text.strip().casefold()
    if word not in _ON | _OFF:
        raise UsageError("MQTT_COMMAND_BAD", "send ON or OFF")
    return word in _ON


def _share(command: Command) -> str:
    """Return a percentage as a share of 1, as text."""
    try:
        percent = float(command.text)
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= 100:  # noqa: PLR2004
        raise UsageError("MQTT_COMMAND_BAD", "send a number from 0 to 100")
    return f"{percent / 100:.4g}"
