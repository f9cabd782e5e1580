"""Pins of the device's own header, through gpiozero: only those that the owner named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from edge_assistant.config.schema import PinSettings
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.tools.protocol import Call, Effect, Occasion, Outcome, Tool

PinName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class SetPin(msgspec.Struct, frozen=True):
    """A pin by its name, and what it shall be."""

    name: PinName
    state: Literal["on", "off"]


class ReadPin(msgspec.Struct, frozen=True):
    """A pin by its name."""

    name: PinName


class Pins:
    """The named pins; each is opened when it is first used and kept as it is until the end."""

    def __init__(self, settings: Mapping[str, PinSettings]) -> None:
        self.settings = settings
        self._open: dict[str, Any] = {}

    def close(self) -> None:
        """Let go of the pins."""
        for device in self._open.values():
            device.close()
        self._open.clear()

    async def read(self, name: str) -> bool:
        """Return whether a pin is on; raises PIN_UNKNOWN, GPIO_UNAVAILABLE."""
        return await asyncio.to_thread(lambda: bool(self._device(name).value))

    async def set(self, name: str, *, on: bool) -> bool:
        """Set an output and return what it was; raises PIN_UNKNOWN, GPIO_UNAVAILABLE."""
        self.output(name)

        def work() -> bool:
            device = self._device(name)
            before = bool(device.value)
            device.value = on
            return before

        return await asyncio.to_thread(work)

    def checked(self, name: str) -> PinSettings:
        """Return what is known of a pin; raises PIN_UNKNOWN."""
        if name not in self.settings:
            raise UsageError("PIN_UNKNOWN", f"tools.pins has no pin called {name[:40]!r}")
        return self.settings[name]

    def output(self, name: str) -> PinSettings:
        """Return what is known of an output; raises PIN_UNKNOWN."""
        if not self.checked(name).output:
            raise UsageError("PIN_UNKNOWN", f"{name} is an input")
        return self.settings[name]

    def _device(self, name: str) -> Any:
        pin = self.checked(name)
        if name not in self._open:
            try:
                import gpiozero

                make = gpiozero.DigitalOutputDevice if pin.output else gpiozero.DigitalInputDevice
                # None: an output that was on before we started stays on
                self._open[name] = make(pin.number, initial_value=None) if pin.output else make(pin.number)
            except Exception as error:  # gpiozero raises what its many drivers raise
                reason = f"{type(error).__name__}: {error}"
                raise EdgeError("GPIO_UNAVAILABLE", f"the pin {name} can't be used: {reason}") from error
        return self._open[name]


class SetPinTool:
    """Switches an output."""

    name = "gpio_set"
    arguments = SetPin

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        names = ", ".join(name for name, pin in pins.settings.items() if pin.output)
        self.description = f"Switch one of these pins: {names}."

    def effect(self, arguments: SetPin, occasion: Occasion) -> Effect:
        """Say that it changes something outside; raises PIN_UNKNOWN."""
        del occasion
        risk = self._pins.output(arguments.name).risk
        return Effect(reach="act", risk=risk, summary=f"switch {arguments.name} {arguments.state}")

    async def run(self, arguments: SetPin, occasion: Occasion) -> Outcome:
        """Switch it."""
        del occasion
        before = await self._pins.set(arguments.name, on=arguments.state == "on")
        undo = Call(self.name, {"name": arguments.name, "state": "on" if before else "off"})
        return Outcome(text=f"{arguments.name} is {arguments.state}.", undo=undo)


class ReadPinTool:
    """Reads a pin."""

    name = "gpio_read"
    arguments = ReadPin

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self.description = f"Tell whether one of these pins is on: {', '.join(pins.settings)}."

    def effect(self, arguments: ReadPin, occasion: Occasion) -> Effect:
        """Say that it changes nothing; raises PIN_UNKNOWN."""
        del occasion
        self._pins.checked(arguments.name)
        return Effect(summary=f"read {arguments.name}")

    async def run(self, arguments: ReadPin, occasion: Occasion) -> Outcome:
        """Read it."""
        del occasion
        state = "on" if await self._pins.read(arguments.name) else "off"
        return Outcome(text=f"{arguments.name} is {state}.")


def pin_tools(pins: Pins) -> list[Tool]:
    """Return what reads the named pins and, when one is an output, switches it."""
    reading: list[Tool] = [ReadPinTool(pins)]
    return [*reading, SetPinTool(pins)] if any(pin.output for pin in pins.settings.values()) else reading
