"""Memory in turns: only the person's own words are learnt, and in force in the next turn."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import TurnFinished
from edge_assistant.assistant.ladder import Extensions, Passage
from edge_assistant.assistant.learning import Learner, Remembering
from edge_assistant.assistant.request import HOUSEHOLD, OWNER, Request
from edge_assistant.config import Config
from edge_assistant.config.schema import Memory
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database
from tests.assistant.conftest import ask, watch
from tests.fakes import ScriptedModel


class Letters:
    """A document that tries to be learnt."""

    name = "documents"

    async def retrieve(self, request: Request) -> Sequence[Passage]:
        return (Passage(text="My sister is called Mallory.", kind="document", source="d"),)


@pytest.fixture
def facts(database: Database) -> Facts:
    return Facts(database, SearchIndex(database, NoEmbedder("m")))


@pytest.fixture
async def assistant(conversations: Conversations, model: ScriptedModel, facts: Facts):
    learner = Learner(facts)
    sources = (Remembering(facts, learner, Memory()), Letters())
    made = Assistant(Config(), conversations, model, Extensions(sources=sources, listeners=(learner,)))
    yield made
    await made.close()
    await learner.stop()


async def say(assistant: Assistant, turn_id: str, text: str, **fields) -> list:
    return await watch(await assistant.start(ask(turn_id, text, **fields)))


def prompt_of(model: ScriptedModel) -> str:
    return repr(model.generations[-1])


async def test_what_was_said_is_in_the_prompt_of_a_later_session(
    assistant: Assistant, model: ScriptedModel
) -> None:
    await say(assistant, "a", "My brother is called Tom", session="one")
    await say(assistant, "b", "What is my brother called?", session="two")
    assert "My brother is called Tom." in prompt_of(model)


async def test_a_correction_is_in_force_in_the_next_turn(assistant: Assistant, model: ScriptedModel) -> None:
    await say(assistant, "a", "My sister is called Eve", session="one")
    await say(assistant, "b", "no, my sister is called Ada", session="one")
    await say(assistant, "c", "What is my sister called?", session="two")
    assert "My sister is called Ada." in prompt_of(model)
    assert "Eve" not in prompt_of(model)


async def test_nothing_is_learnt_from_answers_and_documents(
    assistant: Assistant, model: ScriptedModel, facts: Facts
) -> None:
    model.steps = ["Your sister is called Olga. I live in Graz. My name is Bot."]
    events = await say(assistant, "a", "Hello, who are you?")
    assert isinstance(events[-1], TurnFinished)
    assert await facts.known(OWNER.id) == []


async def test_a_turn_that_is_taken_back_takes_its_facts_along(assistant: Assistant, facts: Facts) -> None:
    await say(assistant, "a", "My sister is called Eve")
    request = Request(id="b", text="My sister is called Ada", session="s", replaces="a")
    await watch(await assistant.start(request))
    await say(assistant, "c", "What is my sister called?")
    assert [fact.text for fact in await facts.known(OWNER.id, replaced=True)] == ["My sister is called Ada."]


async def test_what_the_microphone_hears_is_everybodys(
    assistant: Assistant, facts: Facts, database: Database
) -> None:
    await say(assistant, "a", "The dog is called Rex. Our dog is called Rex.", principal=HOUSEHOLD)
    await say(assistant, "b", "What is our dog called?", principal=HOUSEHOLD)
    (fact,) = await facts.of(HOUSEHOLD.id)
    assert fact.shared
