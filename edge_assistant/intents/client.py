"""The daemon's side of the `intents` worker."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging

from edge_assistant.errors import WorkerError
from edge_assistant.intents.wire import IntentSettings, Match, Parse, Parsed, Ready, Reply, Vocabulary
from edge_assistant.workers.supervisor import Worker, WorkerSpec, WorkerState

logger = logging.getLogger(__name__)

TARGET = "edge_assistant.intents.worker:main"

LONGEST_SECONDS = 5.0
"""A sentence that takes longer goes to the next rung. It takes 5 to 20 ms of a processor, but where a model
and others want it too it took more than a second: a late light is better than talk about lights."""

STEP_SECONDS = 10.0
"""Then the process is started anew."""


class IntentWorker:
    """Understands sentences in a supervised process; one that is not there understands nothing."""

    def __init__(self, settings: IntentSettings | None = None) -> None:
        spec = WorkerSpec(
            name="intents", target=TARGET, settings=settings or IntentSettings(), memory_limit_mb=200,
            step_timeout_seconds=STEP_SECONDS,
        )  # fmt: skip
        self._worker: Worker[Reply] = Worker(spec, Reply, self._receive, self._change)
        self._vocabulary = Vocabulary()
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Match, ...]]] = {}
        self.ready = asyncio.Event()
        """Set while the templates are loaded."""

    @property
    def state(self) -> WorkerState:
        """The process behind it."""
        return self._worker.state

    async def start(self) -> None:
        """Begin to load; returns at once."""
        await self._worker.start()

    async def stop(self) -> None:
        """End the process."""
        await self._worker.stop()

    def learn(self, vocabulary: Vocabulary) -> None:
        """Take the names of this house, also for later lives of the process."""
        self._vocabulary = vocabulary
        if self.ready.is_set():
            self._tell(vocabulary)

    async def parse(
        self, text: str, languages: tuple[str, ...], *, room: str, last: str
    ) -> tuple[Match, ...]:
        """Return the commands of a sentence; none when it isn't understood, or not in time."""
        if not self.ready.is_set():
            return ()
        identity = next(self._ids)
        answer: asyncio.Future[tuple[Match, ...]] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = answer
        try:
            self._worker.send(Parse(id=identity, text=text, languages=languages, room=room, last=last))
            async with asyncio.timeout(LONGEST_SECONDS):
                return await answer
        except (TimeoutError, WorkerError, UnicodeError):
            logger.warning("a sentence of %d characters was not parsed in time", len(text))
            return ()
        finally:
            self._waiting.pop(identity, None)

    def _receive(self, reply: Reply) -> None:
        match reply:
            case Ready():
                logger.info("intents are ready after %.0f ms", reply.load_ms)
                self.ready.set()
                self._tell(self._vocabulary)
            case Parsed():
                if (answer := self._waiting.get(reply.id)) is not None and not answer.done():
                    answer.set_result(reply.matches)

    def _tell(self, vocabulary: Vocabulary) -> None:
        with contextlib.suppress(WorkerError):  # the next life gets it when it is ready
            self._worker.send(vocabulary)

    def _change(self, state: WorkerState) -> None:
        if state.phase != "ready":
            self.ready.clear()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_result(())
