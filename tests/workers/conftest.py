"""A worker under test, with everything it said and every state it was in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge_assistant.workers.backoff import RestartPolicy
from edge_assistant.workers.supervisor import Worker, WorkerSpec, WorkerState
from tests.workers.targets import Echo, Settings

CHECKOUT = Path(__file__).parents[2]
QUICK = RestartPolicy(first_seconds=0.02, longest_seconds=0.5)


class Watched:
    """A worker that remembers its replies and phases."""

    def __init__(self, function: str = "serve", path: str = "", **spec) -> None:
        self.replies: list[Echo] = []
        self.states: list[WorkerState] = []
        self._news = asyncio.Event()
        spec.setdefault("restart", QUICK)
        target = f"tests.workers.targets:{function}"
        settings = Settings(path=path)
        self.worker: Worker[Echo] = Worker(
            WorkerSpec(name="test", target=target, settings=settings, **spec), Echo, self._reply, self._state
        )

    def _reply(self, reply: Echo) -> None:
        self.replies.append(reply)
        self._news.set()

    def _state(self, state: WorkerState) -> None:
        self.states.append(state)
        self._news.set()

    @property
    def phases(self) -> list[str]:
        return [state.phase for state in self.states]

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def ready(self, times: int = 1) -> None:
        await self.until(lambda: self.phases.count("ready") >= times)


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Watched]]:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    made: list[Watched] = []

    def make(*args, **kwargs) -> Watched:
        made.append(Watched(*args, **kwargs))
        return made[-1]

    yield make
    for watched in made:
        await watched.worker.stop(1)
