"""The assistant on a real encrypted store; only the model is scripted."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import Event
from edge_assistant.assistant.request import OWNER, Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.config import Config
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.database import Database
from tests.fakes import ScriptedModel

GUEST = Principal("guest", "guest")


def ask(turn_id: str, text: str = "Hi", session: str = "s", principal: Principal = OWNER) -> Request:
    return Request(id=turn_id, text=text, session=session, principal=principal)


async def watch(turn: Turn, after: int = 0) -> list[Event]:
    return [event async for event in turn.events(after)]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database)


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
async def make_assistant(
    conversations: Conversations, model: ScriptedModel
) -> AsyncIterator[Callable[..., Assistant]]:
    made: list[Assistant] = []

    def make(config: Config | None = None) -> Assistant:
        made.append(Assistant(config or Config(), conversations, model))
        return made[-1]

    yield make
    for assistant in made:
        await assistant.close()


@pytest.fixture
def assistant(make_assistant: Callable[..., Assistant]) -> Assistant:
    return make_assistant()
