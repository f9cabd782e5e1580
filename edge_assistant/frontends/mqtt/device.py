"""What of this device can be ruled and read over MQTT."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge_assistant.config import Config
from edge_assistant.tools.timers import Timers


class Preferences(Protocol):
    """The configuration that can change while we run."""

    config: Config

    async def change(self, choices: dict[str, str]) -> None:
        """Change it; raises `UsageError`."""
        ...

    def on_change(self, apply: Callable[[Config, Config], Awaitable[None]]) -> None:
        """Call `apply` after each change."""
        ...


class Voice(Protocol):
    """Ears and mouth."""

    @property
    def status(self) -> Any:
        """What it is doing: `phase`, `muted`."""
        ...

    def subscribe(self, listener: Callable[[Any], None]) -> Callable[[], None]:
        """Tell each change of the status."""
        ...

    def when_woken(self, listener: Callable[[], None]) -> None:
        """Tell of the wake word."""
        ...

    def mute(self, muted: bool) -> None:
        """Close the microphone, or open it again."""
        ...

    def hush(self) -> None:
        """Fall silent."""
        ...

    async def announce(self, text: str, *, sign: bool = True) -> str:
        """Say something; returns how it ended, raises `SpeechError`."""
        ...


def no_models() -> Sequence[str]:
    """Return nothing."""
    return ()


@dataclass(frozen=True)
class Device:
    """The parts of a device; those that it lacks are None."""

    preferences: Preferences
    voice: Voice | None = None
    timers: Timers | None = None
    restart: Callable[[], None] | None = None
    """Ends the daemon and starts it anew."""
    models: Callable[[], Sequence[str]] = no_models
    """Language models that are installed; reads files."""
