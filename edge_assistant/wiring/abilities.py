"""What the assistant can do besides talking, and who rings when a timer is due."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from edge_assistant.assistant.request import Function
from edge_assistant.catalog.catalog import load_catalog
from edge_assistant.config import Config, secret
from edge_assistant.errors import ModelError
from edge_assistant.store.database import Database
from edge_assistant.tools.abilities import Abilities
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.kit import everyday_tools
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.protocol import Ledger, Tool, schema_of
from edge_assistant.tools.timers import Timers
from edge_assistant.wiring.tasks import begin

if TYPE_CHECKING:
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.wiring.broker import HomeBroker


HIDDEN = frozenset({"restore_timers", "restore_home", "unname_device"})
"""Tools that only taking back uses."""


async def start_abilities(
    stack: AsyncExitStack,
    config: Config,
    database: Database,
    ledger: Ledger,
    home: HomeBroker | None,
    *,
    more: Sequence[Tool] = (),
) -> Abilities | None:
    """Start what rings, and return it with all that can be done; None when `tools.enabled` is off.

    `more` are tools of other rooms.
    """
    if not config.tools.enabled:
        return None
    timers, lists = Timers(database), Lists(database)
    await timers.load()
    tools = [*everyday_tools(timers, lists), *_pins(stack, config), *_over_broker(config, home), *more]
    begin(stack, timers.run(), "timers")
    return Abilities(timers, lists, Actions(tools, ledger, pin=secret("home_pin")))


def offered(config: Config, actions: Actions) -> list[Function]:
    """Return the tools that the configured model may call; none when it is too weak to do so well.

    Weak models call tools when nobody wants that, and write worse answers with a list of tools in their
    prompt (docs/tools.md has the figures).
    """
    wish = config.tools.model
    if wish == "never" or (wish == "auto" and not _able(config)):
        return []
    tools = [tool for name, tool in actions.tools.items() if name not in HIDDEN]
    return [Function(name=t.name, description=t.description, parameters=schema_of(t)) for t in tools]


def _able(config: Config) -> bool:
    if config.llm.engine == "openai":
        return True
    try:
        return load_catalog().model(config.llm.model).tools
    except ModelError:  # a file of its own: whoever names it says `always`
        return False


def ring_aloud(stack: AsyncExitStack, voice: Voice, timers: Timers, language: str) -> None:
    """Let the voice ring timers until somebody wants silence."""
    from edge_assistant.frontends.voice.bell import VoiceBell

    bell = VoiceBell(voice.announcements, language)
    stack.push_async_callback(bell.close)
    timers.add_bell(bell)
    voice.when_stopped(lambda: timers.hush() if bell.stop() else None)


def _pins(stack: AsyncExitStack, config: Config) -> list[Tool]:
    if not config.tools.pins:
        return []
    from edge_assistant.tools.pins import Pins, pin_tools

    pins = Pins(config.tools.pins)
    stack.callback(pins.close)
    return pin_tools(pins)


def _over_broker(config: Config, home: HomeBroker | None) -> list[Tool]:
    if home is None:
        return []
    from edge_assistant.tools.announce import AnnounceTool
    from edge_assistant.tools.publish import PublishTool

    tools: list[Tool] = [AnnounceTool(home.delivery, home.neighbours)]
    if config.tools.topics:
        tools.append(PublishTool(home.connection, config.tools.topics))
    return tools
