"""What the web room needs of the assistant, so that it can be tried with a scripted one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from edge_assistant.assistant.events import Event
from edge_assistant.assistant.request import Request


class Turn(Protocol):
    """One turn; it runs to its end whoever watches."""

    @property
    def id(self) -> str:
        """The request's id."""
        ...

    @property
    def principal_id(self) -> str:
        """Whose turn it is: nobody else may watch or stop it."""
        ...

    def events(self, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events numbered above `after`, then those to come, to the end of the turn."""
        ...

    async def cancel(self, heard_characters: int | None = None) -> None:
        """End the turn now."""
        ...


class Assistant(Protocol):
    """What answers."""

    async def start(self, request: Request, /) -> Turn:
        """Begin a turn, or return the known one of that id; raises `EdgeError`."""
        ...

    async def turn(self, turn_id: str, /) -> Turn | None:
        """Return a turn by its id."""
        ...
