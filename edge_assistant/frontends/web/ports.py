"""What the web room needs of the assistant, so that it can be tried with a scripted one."""

from __future__ import annotations

from typing import Protocol

import msgspec

from edge_assistant.assistant.forgetting import Receipt
from edge_assistant.assistant.request import Confirms, Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.speech.protocol import Speech
from edge_assistant.store.erase import Subject


class Assistant(Protocol):
    """What answers; `assistant.assistant.Assistant` is the real one."""

    async def start(self, request: Request) -> Turn:
        """Begin a turn, or return the known one of that id; raises `EdgeError`."""
        ...

    async def confirm(self, confirms: Confirms, principal: Principal, source: str, turn_id: str = "") -> Turn:
        """Carry out a person's answer to our question."""
        ...

    async def turn(self, turn_id: str, principal: Principal) -> Turn | None:
        """Return a turn of this person by its id."""
        ...

    async def forget_session(self, session: str, principal: Principal) -> None:
        """Erase a session with everything cached of it; raises SESSION_NOT_FOUND."""
        ...


class Forgetter(Protocol):
    """What forgets; `assistant.forgetting.Forgetting` is the real one."""

    async def forget(self, subject: Subject, by: str) -> Receipt:
        """Forget something everywhere and return the receipt."""
        ...

    async def preview(self, subject: Subject) -> dict[str, int]:
        """Return how much of what would be forgotten."""
        ...

    async def genuine(self, receipt: Receipt) -> bool:
        """Return whether this device made a receipt and its log is whole."""
        ...


class Voice(Protocol):
    """Ears and mouth of the device."""

    @property
    def report(self) -> msgspec.Struct:
        """How they are, with all that does not work."""
        ...

    @property
    def speech(self) -> Speech:
        """What understands and speaks, also for pages."""
        ...

    @property
    def language(self) -> str:
        """The language that is spoken."""
        ...
