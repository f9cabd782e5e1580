"""Stands where a language model should be that can't be had; everything else goes on working."""

from __future__ import annotations

from collections.abc import AsyncIterator

from edge_assistant.errors import EdgeError, ModelError
from edge_assistant.llm.protocol import Completion, Generation, ModelStatus, Piece, Progress


class UnavailableModel:
    """Answers every generation with the reason why there is no model."""

    def __init__(self, name: str, reason: EdgeError) -> None:
        self._reason = reason
        self._status = ModelStatus(name=name, phase="failed", detail=str(reason))

    @property
    def status(self) -> ModelStatus:
        """Failed, and why."""
        return self._status

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    def generate(self, generation: Generation) -> UnavailableStream:
        """Return a stream that raises the reason."""
        del generation
        return UnavailableStream(self._reason)

    async def prepare(self, generation: Generation) -> None:
        """Do nothing."""

    async def forget(self, conversation: str) -> None:
        """Do nothing."""


class UnavailableStream:
    """A generation that fails at once."""

    completion: Completion | None = None

    def __init__(self, reason: EdgeError) -> None:
        self._reason = reason

    def __aiter__(self) -> AsyncIterator[Progress | Piece]:
        """Raise the reason."""
        return self._fail()

    async def cancel(self) -> None:
        """Do nothing."""

    async def _fail(self) -> AsyncIterator[Progress | Piece]:
        raise ModelError(self._reason.code, self._reason.message)
        yield  # makes it a generator
