"""The house: learnt over the home's broker, told what to do by tools and by the first rung."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack

from edge_assistant.assistant.commanding import IntentRung
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError
from edge_assistant.home.control import Control
from edge_assistant.home.house import House
from edge_assistant.intents.client import IntentWorker
from edge_assistant.intents.paraphrase import Paraphrases
from edge_assistant.memory.embedding import Embedder
from edge_assistant.store.database import Database
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.home_tools import ControlTool, LookTool, NameTool, RestoreTool, UnnameTool
from edge_assistant.tools.protocol import Tool
from edge_assistant.wiring.broker import HomeBroker
from edge_assistant.wiring.tasks import begin


async def start_house(stack: AsyncExitStack, config: Config, database: Database, broker: HomeBroker) -> House:
    """Return the house as it was known, and begin to learn; before the connection runs."""
    house = House(config.home, broker.connection, database)
    await house.load()
    begin(stack, house.run(), "house")
    return house


def home_tools(house: House, broker: HomeBroker, config: Config) -> list[Tool]:
    """Return what can be done with the house."""
    control = Control(house.registry, broker.connection, house.templates)
    kit = (house.registry, control, config.home.devices)
    return [
        ControlTool(*kit),
        RestoreTool(*kit),
        LookTool(*kit),
        NameTool(*kit, house),
        UnnameTool(*kit, house),
    ]


async def start_intents(
    stack: AsyncExitStack,
    config: Config,
    house: House,
    actions: Actions,
    *,
    language: Callable[[], str],
    embedder: Embedder | None,
) -> IntentRung:
    """Start the process that understands sentences, and return the rung on it."""
    worker = IntentWorker()
    paraphrases = Paraphrases(embedder, house.registry) if embedder and config.home.paraphrase else None
    rung = IntentRung(
        worker, house.registry, actions, config.home, language=language, paraphrases=paraphrases
    )
    house.on_change(rung.learn)
    stack.push_async_callback(worker.stop)
    await worker.start()
    if paraphrases is not None:
        begin(stack, _prepare(paraphrases), "paraphrases")
    return rung


async def _prepare(paraphrases: Paraphrases) -> None:
    with contextlib.suppress(EdgeError):  # then sentences are understood by templates alone
        await paraphrases.prepare()
