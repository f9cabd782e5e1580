"""The page and what it works with."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Paths
from edge_assistant.memory.conversations import Conversations
from edge_assistant.ops.preferences import Preferences
from edge_assistant.ops.services import Services, Web
from edge_assistant.ops.systemd import activated_socket
from edge_assistant.people.people import People
from edge_assistant.store.database import Database

if TYPE_CHECKING:
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.frontends.web.desk import Tools
    from edge_assistant.home.house import House
    from edge_assistant.memory.embedding import Embedder
    from edge_assistant.tools.abilities import Abilities


def page_tools(stack: AsyncExitStack, preferences: Preferences, paths: Paths, services: Services) -> Tools:
    """Return what the page may do besides chatting."""
    from edge_assistant.catalog.pulls import Pulls
    from edge_assistant.frontends.web.desk import Tools

    pulls = Pulls()
    stack.push_async_callback(pulls.close)
    return Tools(preferences, pulls, paths.models, services.new_recovery_code, services.notices)


async def start_web(
    stack: AsyncExitStack,
    assistant: Assistant,
    *,
    database: Database,
    people: People,
    conversations: Conversations,
    tools: Tools,
    embedder: Embedder | None,
    services: Services,
    voice: Voice | None,
    abilities: Abilities | None,
    house: House | None,
) -> Web:
    """Serve the page, and who scrapes figures."""
    from edge_assistant.frontends.web.lan import Lan
    from edge_assistant.frontends.web.server import WebServer

    config = tools.preferences.config
    server = WebServer(
        config.web,
        assistant,
        conversations,
        people,
        lambda: assistant.model.status,
        lan=Lan(config.web, database, config.assistant.name) if config.web.lan else None,
        tools=tools,
        embedder=embedder,
        facts=services.facts,
        library=services.library,
        forgetter=services.forgetting,
        audit=services.audit,
        voice=voice,
        abilities=abilities,
        home=house.registry if house else None,
        listening=activated_socket(),
        scrape=services.metrics.scrape if services.metrics else None,
    )
    assistant.watch_turns(server.turn_ended)
    await server.start()
    stack.push_async_callback(server.stop)
    return server
