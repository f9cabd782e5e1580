"""What a device may do besides answering. What is switched off is not even imported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edge_assistant.assistant.acting import ConsentRung
from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.ladder import Extensions
from edge_assistant.config import Config, Paths
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.search import SearchIndex
from edge_assistant.ops.preferences import Preferences
from edge_assistant.ops.services import Services
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.database import Database

if TYPE_CHECKING:
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.home.house import House
    from edge_assistant.memory.embedding import Embedder
    from edge_assistant.tools.abilities import Abilities
    from edge_assistant.tools.protocol import Tool
    from edge_assistant.wiring.broker import HomeBroker
    from edge_assistant.wiring.cloud import Cloud


def open_broker(config: Config, database: Database) -> HomeBroker:
    """Return the home's broker, not yet connected."""
    from edge_assistant.wiring.broker import home_broker

    return home_broker(config, database)


async def open_house(
    stack: AsyncExitStack, config: Config, database: Database, broker: HomeBroker | None
) -> House | None:
    """Begin to learn the house, when there is a broker to learn it from."""
    if broker is None or not config.home.enabled:
        return None
    from edge_assistant.wiring.home import start_house

    return await start_house(stack, config, database, broker)


async def open_abilities(
    stack: AsyncExitStack,
    config: Config,
    database: Database,
    audit: AuditLog,
    broker: HomeBroker | None,
    *,
    house: House | None,
) -> Abilities | None:
    """Return what can be done; None when nothing can."""
    from edge_assistant.wiring.abilities import start_abilities

    more: list[Tool] = []
    if house is not None and broker is not None:
        from edge_assistant.wiring.home import home_tools

        more = home_tools(house, broker, config)
    return await start_abilities(stack, config, database, audit, broker, more=more)


def acting(abilities: Abilities | None) -> Extensions:
    """Let what is said be done."""
    if abilities is None:
        return Extensions()
    return Extensions(intents=(ConsentRung(abilities.actions),), actions=abilities.actions)


async def commanding(
    stack: AsyncExitStack,
    config: Config,
    house: House | None,
    abilities: Abilities | None,
    *,
    language: Callable[[], str],
    embedder: Embedder | None,
) -> Extensions:
    """Let the house obey at once; by likeness only under the embedder whose bounds were measured."""
    if house is None or abilities is None:
        return Extensions()
    from edge_assistant.memory.embedding import EMBEDDER
    from edge_assistant.wiring.home import start_intents

    measured = embedder if embedder is not None and embedder.name == EMBEDDER else None
    rung = await start_intents(stack, config, house, abilities.actions, language=language, embedder=measured)
    return Extensions(intents=(rung,))


def offer_tools(
    preferences: Preferences, assistant: Assistant, abilities: Abilities | None, index: SearchIndex
) -> None:
    """Let the model call tools, if there are any, when it is able to, also after another one was chosen."""
    if abilities is None:
        return
    from edge_assistant.tools.library import SearchDocumentsTool
    from edge_assistant.wiring.abilities import offered

    if preferences.config.documents.enabled:
        abilities.actions.add(SearchDocumentsTool(index))

    async def carry_out(_: Config, new: Config) -> None:
        assistant.offer(offered(new, abilities.actions))

    preferences.on_change(carry_out)
    assistant.offer(offered(preferences.config, abilities.actions))


async def open_cloud(
    stack: AsyncExitStack,
    config: Config,
    database: Database,
    conversations: Conversations,
    audit: AuditLog,
) -> Cloud | None:
    """Let questions be answered elsewhere, when there is consent; disabled it is not even imported."""
    if not config.cloud.enabled:
        return None
    from edge_assistant.wiring.cloud import start_cloud

    return await start_cloud(stack, config, database, conversations, audit)


async def join_fleet(stack: AsyncExitStack, config: Config, paths: Paths, services: Services) -> None:
    """Be one of an operator's devices, when the owner wants that; disabled it is not even imported."""
    if not config.fleet.enabled:
        return
    from edge_assistant.wiring.fleet import start_fleet

    await start_fleet(stack, config, paths, services)


async def answer_broker(
    stack: AsyncExitStack,
    broker: HomeBroker | None,
    assistant: Assistant,
    database: Database,
    *,
    preferences: Preferences,
    voice: Voice | None,
    abilities: Abilities | None,
    models: Path,
    restart: Callable[[], None],
) -> None:
    """Answer over the home's broker, when there is one."""
    if broker is None:
        return
    from edge_assistant.wiring.broker import serve_broker

    await serve_broker(
        stack, broker, assistant, database, preferences=preferences, voice=voice,
        timers=abilities.timers if abilities else None, models=models, restart=restart,
    )  # fmt: skip
