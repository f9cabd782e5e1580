"""500 memories a person, asked about in other words in a later session, through the whole assistant.

Two people say everything themselves, turn by turn; what counts is what stands in the prompt that the
model is given. The model only says yes: what it would make of the prompt is its own affair.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.ladder import Extensions
from edge_assistant.assistant.learning import Learner, Remembering
from edge_assistant.assistant.request import Principal, Request
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.retrieval.corpus import make_embedder
from edge_assistant.bench.retrieval.sayings import ASKED, CHANGED, UNRELATED, filling
from edge_assistant.config import Config
from edge_assistant.config.schema import AssistantSettings
from edge_assistant.llm.protocol import Completion, Generation, ModelStatus, Piece
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database

MEMORIES = 500
OTHER = "the other one's"
"""Stands in whatever the other person says."""

FOUND = Goal(
    metric="paraphrased questions with the right memory in the prompt, of 100",
    unit="questions",
    text="500 memories a person, top 5: the right one in the prompt in ≥ 90 of 100 paraphrased questions",
    at_least=90,
)
UNWANTED = Goal(
    metric="unrelated questions that bring a memory along, of 100",
    unit="questions",
    text="something is injected in ≤ 10 of 100 unrelated questions",
    at_most=10,
)
SUPERSEDED = Goal(
    metric="superseded facts that are absent from the prompt, of 50",
    unit="facts",
    text="50 of 50 superseded facts absent",
    at_least=50,
)
FOREIGN = Goal(
    metric="prompts with another person's memory",
    unit="prompts",
    text="never another person's",
    at_most=0,
)
CORRECTED = Goal(
    metric="corrections in force in the next turn, of 50",
    unit="corrections",
    text="a correction is in force in the next turn in 50 of 50",
    at_least=50,
)


class YesStream:
    """Says one word."""

    def __init__(self) -> None:
        self.completion: Completion | None = None

    async def __aiter__(self) -> AsyncIterator[Piece]:
        yield Piece("Yes.", (1,), 0.0)
        self.completion = Completion(
            reason="stop", token_ids=(1,), prompt_tokens=1, cached_tokens=0, completion_tokens=1,
            dropped_turns=0, queue_ms=0.0,
        )  # fmt: skip

    async def cancel(self) -> None:
        """Do nothing: it is over."""


class YesModel:
    """Keeps the prompt it was given last."""

    def __init__(self) -> None:
        self.prompt = ""
        self.status = ModelStatus(name="yes", phase="ready")

    def generate(self, generation: Generation) -> YesStream:
        """Say one word."""
        self.prompt = generation.messages[-1].content
        return YesStream()

    async def prepare(self, generation: Generation) -> None:
        """Do nothing."""

    async def forget(self, conversation: str) -> None:
        """Do nothing."""


class House:
    """An assistant that remembers, and two people who talk to it."""

    def __init__(self, assistant: Assistant, model: YesModel) -> None:
        self._assistant = assistant
        self._model = model
        self._turns = 0

    async def prompt(self, who: str, text: str, session: str) -> str:
        """Say something and return what the model was given for it."""
        self._turns += 1
        principal = Principal(who, "member")
        request = Request(id=f"t{self._turns}", text=text, session=f"{who}-{session}", principal=principal)
        await (await self._assistant.start(request)).wait()
        return self._model.prompt.removesuffix(text)

    async def say_all(self, who: str, sayings: Iterable[str]) -> None:
        """Say one thing after the other, some twenty a session."""
        for number, saying in enumerate(sayings):
            await self.prompt(who, f"{saying}.", f"life-{number // 20}")


@asynccontextmanager
async def _house(setting: Setting) -> AsyncIterator[House]:
    embedder = make_embedder(setting)
    with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as folder:
        database = await Database.open(Path(folder) / "assistant.db", secrets.token_bytes(32))
        facts = Facts(database, SearchIndex(database, embedder))
        learner, model = Learner(facts), YesModel()
        sources = (Remembering(facts, learner, setting.config.memory),)
        config = Config(assistant=AssistantSettings(answers_per_minute=0))
        assistant = Assistant(
            config, Conversations(database), model, Extensions(sources=sources, listeners=(learner,))
        )
        try:
            yield House(assistant, model)
        finally:
            await assistant.close()
            await learner.stop()
            await database.close()
            await embedder.stop()


def _life(size: int) -> list[str]:
    """Return what a person says: what is asked for later among everything else, evenly mixed."""
    later = [statement for statement, _ in ASKED]
    changed = [old for old, _, _ in CHANGED]
    others = list(filling())[: max(0, size - len(later) - len(changed))]
    share = len(others) / (len(later) + len(changed))
    mixed: list[str] = []
    for number, statement in enumerate([*later, *changed]):
        mixed += [*others[round(number * share) : round((number + 1) * share)], statement]
    return mixed


async def _measure(setting: Setting) -> list[Result]:
    asked = ASKED[:: setting.count(1, 4)]
    changed = CHANGED[:: setting.count(1, 4)]
    unrelated = UNRELATED[:: setting.count(1, 4)]
    life = _life(setting.count(MEMORIES, 200))
    async with _house(setting) as house:
        setting.say(f"two people say {len(life)} things each")
        await house.say_all("ann", life)
        await house.say_all("bob", [_of_another(saying) for saying in life])
        prompts: list[str] = []
        missed = []
        for number, (statement, question) in enumerate(asked):
            prompts.append(await house.prompt("ann", question, f"asking-{number}"))
            if f"{statement}." not in prompts[-1]:
                missed.append(question)
        corrected, absent = await _change(house, changed, prompts)
        loud = []
        for number, question in enumerate(unrelated):
            prompts.append(await house.prompt("ann", question, f"other-{number}"))
            if prompts[-1]:
                loud.append(question)
    foreign = sum(OTHER in prompt for prompt in prompts)
    many = f"{len(life)} memories of each of two people, said turn by turn"
    return [
        FOUND.measured(
            100 - 100 * len(missed) / len(asked), f"n={len(asked)}, {many}; not found: {_some(missed)}"
        ),
        UNWANTED.measured(100 * len(loud) / len(unrelated), f"n={len(unrelated)}; {_some(loud)}"),
        SUPERSEDED.measured(50 * absent / len(changed), f"n={len(changed)}"),
        FOREIGN.measured(foreign, f"n={len(prompts)} prompts; the other person said {len(life)} such things"),
        CORRECTED.measured(50 * corrected / len(changed), f"n={len(changed)}, asked in the very next turn"),
    ]


async def _change(
    house: House, changed: Sequence[tuple[str, str, str]], prompts: list[str]
) -> tuple[int, int]:
    """Correct and ask at once, then again in a later session; return how often each went right."""
    corrected = absent = 0
    for number, (old, new, question) in enumerate(changed):
        await house.prompt("ann", f"{new}.", f"changing-{number}")
        prompts.append(await house.prompt("ann", question, f"changing-{number}"))
        corrected += _held(new) in prompts[-1] and f"{old}." not in prompts[-1]
    for number, (old, _, question) in enumerate(changed):
        prompts.append(await house.prompt("ann", question, f"later-{number}"))
        absent += f"{old}." not in prompts[-1]
    return corrected, absent


def _held(statement: str) -> str:
    """Return what a correction says, without the words that make it one."""
    for opening in ("No, ", "Actually ", "That's wrong. "):
        statement = statement.removeprefix(opening)
    return statement[1:]


def _of_another(statement: str) -> str:
    return f"{statement} or {OTHER}"


def _some(questions: Sequence[str]) -> str:
    shown = "; ".join(questions[:12])
    return f"{len(questions)}: {shown}" if questions else "none"


def measure(setting: Setting) -> Iterator[Result]:
    """Let two people talk for a year, then ask."""
    yield from asyncio.run(_measure(setting))


MEASUREMENTS = (Measurement((FOUND, UNWANTED, SUPERSEDED, FOREIGN, CORRECTED), measure),)
