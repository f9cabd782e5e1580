"""One real engine for all tests of the room; each test gets a scheduler of its own on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.llm.engine import LlamaEngine
from edge_assistant.llm.pacing import SlicePlanner
from edge_assistant.llm.protocol import Generation, Message, Sampling
from edge_assistant.llm.residency import Residency
from edge_assistant.llm.scheduler import Scheduler
from edge_assistant.llm.snapshots import SnapshotStore
from edge_assistant.llm.wire import Advanced, Emitted, Failed, Finished, Reply

CELLS = 2048
SEQUENCES = 8
KEY = bytes(range(32))


@pytest.fixture(scope="session")
def engine(starter_model: Path) -> Iterator[LlamaEngine]:
    loaded = LlamaEngine(starter_model, cells=CELLS, sequences=SEQUENCES, threads=2, gpu_layers=0)
    yield loaded
    loaded.close()


class Bench:
    """A scheduler with everything it said, and words for what tests ask of it."""

    def __init__(self, engine: LlamaEngine, snapshots: SnapshotStore | None, context: int, parallel: int):
        self.said: list[Reply] = []
        self.residency = Residency(engine, sequences=SEQUENCES, snapshots=snapshots)
        self.scheduler = Scheduler(
            engine,
            self.residency,
            self.said.append,
            context=context,
            parallel=parallel,
            planner=SlicePlanner(largest=256),
        )

    def run(self) -> None:
        """Step until nothing is left to do."""
        while self.scheduler.active:
            self.scheduler.step()

    def ask(self, generation: Generation) -> Finished:
        """Generate to the end and return how it ended."""
        self.scheduler.generate(generation)
        self.run()
        return self.finished(generation.id)

    def finished(self, identity: str) -> Finished:
        return next(m for m in self.said if isinstance(m, Finished) and m.id == identity)

    def failed(self, identity: str) -> Failed:
        return next(m for m in self.said if isinstance(m, Failed) and m.id == identity)

    def text(self, identity: str) -> str:
        return "".join(m.text for m in self.said if isinstance(m, Emitted) and m.id == identity)

    def emitted(self, identity: str) -> list[Emitted]:
        return [m for m in self.said if isinstance(m, Emitted) and m.id == identity]

    def progress(self, identity: str) -> list[Advanced]:
        return [m for m in self.said if isinstance(m, Advanced) and m.id == identity]


@pytest.fixture
def bench(engine: LlamaEngine) -> Iterator[Bench]:
    made = Bench(engine, None, context=1024, parallel=4)
    yield made
    for sequence in range(SEQUENCES):
        engine.clear(sequence)


@pytest.fixture
def bench_of(engine: LlamaEngine) -> Iterator[type[Bench] | object]:
    def make(*, snapshots: SnapshotStore | None = None, context: int = 1024, parallel: int = 4) -> Bench:
        for sequence in range(SEQUENCES):
            engine.clear(sequence)
        return Bench(engine, snapshots, context, parallel)

    yield make
    for sequence in range(SEQUENCES):
        engine.clear(sequence)


SYSTEM = Message("system", "You are Nabu, a helpful assistant in a home. " * 8)


def generation(identity: str, *said: str | Message, **options: object) -> Generation:
    """Return a reproducible request: user text, and what was said before, alternating."""
    messages = [SYSTEM]
    for index, message in enumerate(said):
        role = "assistant" if index % 2 else "user"
        messages.append(message if isinstance(message, Message) else Message(role, message))
    fields = {"max_tokens": 24, "seed": 7, "temperature": 0.0}
    fields.update({k: options.pop(k) for k in list(options) if k in Sampling.__struct_fields__})
    return Generation(id=identity, messages=tuple(messages), sampling=Sampling(**fields), **options)


def chunk(words: int) -> str:
    """Return about `words` tokens of harmless text."""
    return "the cat sat on the mat and looked at the moon " * (words // 11)
