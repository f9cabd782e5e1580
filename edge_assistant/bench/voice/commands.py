"""What is said to the device: commands and questions that nobody could guess from the first word."""

from __future__ import annotations

_BEGINNINGS = (
    "turn on the light in", "turn off the lamp in", "close the window in", "open the curtains in",
    "play some music in", "stop the fan in", "raise the blinds in", "lower the heating in",
    "is it warm in", "what is the temperature in",
)  # fmt: skip

_ENDINGS = ("the kitchen", "the bedroom", "the hall", "the office", "the garage")


def one_breath(count: int) -> list[str]:
    """Return so many different commands, at most 50."""
    every = [f"{beginning} {ending}" for ending in _ENDINGS for beginning in _BEGINNINGS]
    return every[:count]


def sentence(command: str) -> str:
    """Return a command as it is written, with its mark at the end."""
    asks = command.split(maxsplit=1)[0] in {"is", "what"}
    return f"{command[0].upper()}{command[1:]}{'?' if asks else '.'}"
