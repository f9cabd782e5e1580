"""The composition root: the only place that knows all rooms. Start-up is a table of contents.

Shutdown is its mirror: whatever was entered leaves in reverse order. Heavy parts are imported where
they are started, so that one `ask` loads no web server and the daemon no inference library.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.forgetting import Forgetting
from edge_assistant.assistant.ladder import Extensions, merged
from edge_assistant.config import Config, Paths
from edge_assistant.frontends.control import ControlSocket
from edge_assistant.llm.switched import SwitchedModel
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.facts import Facts
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.preferences import Preferences
from edge_assistant.ops.services import Services
from edge_assistant.ops.systemd import Notifier
from edge_assistant.people.people import People
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.database import Database
from edge_assistant.store.heal import Opened
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.lock import StateLock
from edge_assistant.store.nightly import NightlyBackups
from edge_assistant.wiring.backups import backups_folder, open_healed, start_backups
from edge_assistant.wiring.care import Relief
from edge_assistant.wiring.erasing import erase_hooks
from edge_assistant.wiring.library import looking_up, start_library
from edge_assistant.wiring.memory import remembering, start_embedder, start_index, start_learner
from edge_assistant.wiring.metrics import Parts
from edge_assistant.wiring.model import look_after_model, start_model
from edge_assistant.wiring.observing import start_observing
from edge_assistant.wiring.optional import (
    acting,
    answer_broker,
    commanding,
    join_fleet,
    offer_tools,
    open_abilities,
    open_broker,
    open_cloud,
    open_house,
)
from edge_assistant.wiring.preferences import keep_preferences
from edge_assistant.wiring.retention import start_retention
from edge_assistant.wiring.service import status_line, tell_systemd
from edge_assistant.wiring.tasks import beside
from edge_assistant.wiring.voice import start_voice
from edge_assistant.wiring.web import page_tools, start_web
from edge_assistant.workers.background import Background

if TYPE_CHECKING:
    from edge_assistant.wiring.cloud import Cloud

logger = logging.getLogger(__name__)


class Greeter(Protocol):
    """The person or program that started this."""

    def recovery_code(self, code: str) -> None:
        """Take the code that was made on the first run: it is shown once and never logged."""
        ...

    async def started(self, services: Services) -> None:
        """Everything listens."""
        ...


@dataclass
class Shutdown:
    """The wish to end, and the wish to end without waiting."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    again: bool = False
    """Whether the daemon shall start anew afterwards."""

    reload: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the configuration shall be read again."""

    def restart(self) -> None:
        """End in order, and start anew."""
        self.again = True
        self.wanted.set()

    def ask(self) -> None:
        """First time: end in order. Second time: hurry."""
        (self.hurry if self.wanted.is_set() else self.wanted).set()


async def run(config: Config, paths: Paths, greeter: Greeter, read_again: Callable[[], Config]) -> bool:
    """Run the daemon until SIGTERM or SIGINT; return whether somebody wants it to start anew.

    SIGHUP carries out what `read_again` returns.
    """
    shutdown = Shutdown()
    with _signals(shutdown):
        await serve(config, paths, greeter, shutdown, Notifier(), daemon=True, read_again=read_again)
    return shutdown.again


async def serve(
    config: Config,
    paths: Paths,
    greeter: Greeter,
    shutdown: Shutdown,
    notifier: Notifier,
    *,
    daemon: bool,
    read_again: Callable[[], Config] | None = None,
) -> None:
    """Start everything, say so, wait for `shutdown`, end everything.

    Without `daemon` only what one command needs: no page, no broker.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(beside(notifier.extend_start(), "start-up"))
        stack.enter_context(StateLock(paths.lock))
        _make_private(paths.state)
        ring, notices, relief = KeyRing(paths.state), Notices(), Relief()
        database = _keep_database(stack, await open_healed(config, paths, ring, notices), greeter)
        conversations = Conversations(database)
        await conversations.recover()
        model = await start_model(stack, config, paths, shutdown.hurry)
        audit = AuditLog(database)
        broker = open_broker(config, database) if daemon and config.mqtt.enabled else None
        house = await open_house(stack, config, database, broker)
        abilities = await open_abilities(stack, config, database, audit, broker, house=house)
        embedder = start_embedder(stack, config, paths)
        index = await start_index(stack, database, embedder, relief.background)
        facts = Facts(database, index)
        learner = start_learner(stack, config, facts)
        library = await start_library(stack, config, paths, database, index, background=relief.background)
        cloud = await open_cloud(stack, config, database, conversations, audit) if daemon else None
        preferences: Preferences
        extensions = (
            acting(abilities),
            await commanding(
                stack, config, house, abilities, embedder=embedder,
                language=lambda: preferences.config.assistant.language,
            ),
            remembering(config, paths, facts, learner, model),
            looking_up(config, paths, library, model),
            cloud.extensions if cloud else Extensions(),
        )  # fmt: skip
        assistant = _assistant(
            stack, config, conversations, model, extensions=merged(extensions), relief=relief, cloud=cloud
        )
        preferences = keep_preferences(
            config, paths, assistant, model=model, audit=audit, relief=relief, cloud=cloud
        )
        offer_tools(preferences, assistant, abilities, index)
        people = People(database)
        forgetting = Forgetting(
            database, ring, audit, erase_hooks(assistant, learner, abilities, people, library, house=house),
            backups_folder(config, paths),
        )  # fmt: skip
        services = Services(
            preferences,
            ring,
            database,
            conversations,
            model,
            people=people,
            facts=facts,
            forgetting=forgetting,
            audit=audit,
            library=library,
            notices=notices,
        )
        voice = None
        if daemon and config.voice.enabled:
            services.voice = voice = await start_voice(
                stack, preferences, paths, assistant, abilities, relief=relief, notices=notices
            )
        if daemon:
            services.nightly = await _start_nights(
                stack, config, paths, forgetting, database=database, ring=ring, notices=notices,
                background=relief.background, restart=shutdown.restart,
            )  # fmt: skip
            parts = Parts(relief, house, voice, broker, cloud)
            services.metrics = start_observing(stack, assistant, services, paths, parts)
            await join_fleet(stack, config, paths, services)
        services.tuner = look_after_model(
            stack, preferences, paths, model=model, relief=relief, notices=notices, daemon=daemon
        )
        await _start_control(stack, paths, assistant, services)
        if daemon and config.web.enabled:
            services.web = await start_web(
                stack,
                assistant,
                database=database,
                people=people,
                conversations=conversations,
                tools=page_tools(stack, preferences, paths, services),
                embedder=embedder,
                services=services,
                voice=voice,
                abilities=abilities,
                house=house,
            )
        await answer_broker(
            stack, broker, assistant, database, preferences=preferences, voice=voice, abilities=abilities,
            models=paths.models, restart=shutdown.restart,
        )  # fmt: skip
        # Turns end before the sockets close, so that those who watch see how.
        stack.push_async_callback(assistant.close)
        _settle()
        await _say_ready(stack, notifier, services, shutdown, read_again)
        await greeter.started(services)
        await shutdown.wanted.wait()
        logger.info("stopping")
        notifier.stopping()
    logger.info("stopped")


async def _say_ready(
    stack: AsyncExitStack,
    notifier: Notifier,
    services: Services,
    shutdown: Shutdown,
    read_again: Callable[[], Config] | None,
) -> None:
    notifier.ready(status_line(services))
    await tell_systemd(stack, notifier, services, shutdown.reload, read_again)
    logger.info("ready: process %d", os.getpid())


async def _start_nights(
    stack: AsyncExitStack,
    config: Config,
    paths: Paths,
    forgetting: Forgetting,
    *,
    database: Database,
    ring: KeyRing,
    notices: Notices,
    background: Background,
    restart: Callable[[], None],
) -> NightlyBackups | None:
    """Every night, back up and forget what is old."""
    start_retention(stack, config, paths, forgetting, background)
    return await start_backups(
        stack, config, paths, database=database, ring=ring, notices=notices, background=background,
        restart=restart,
    )  # fmt: skip


def _settle() -> None:
    """Spare full collections a look at what start-up made, which stays."""
    gc.collect()
    gc.freeze()


def _make_private(folder: Path) -> None:
    """Keep other users out of our own state folder, which `models pull` may have made for all."""
    status = folder.stat()
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        folder.chmod(0o700)


def _keep_database(stack: AsyncExitStack, opened: Opened, greeter: Greeter) -> Database:
    stack.push_async_callback(opened.database.close)
    if opened.recovery_code:  # only now: until there is a database, each start makes a new one
        greeter.recovery_code(opened.recovery_code)
    return opened.database


def _assistant(
    stack: AsyncExitStack,
    config: Config,
    conversations: Conversations,
    model: SwitchedModel,
    *,
    extensions: Extensions,
    relief: Relief,
    cloud: Cloud | None,
) -> Assistant:
    """Return what answers; background work gives way to it, and questions for the cloud wait for it."""
    assistant = Assistant(config, conversations, model, extensions)
    if cloud is not None:
        cloud.serve(stack, assistant)
    assistant.watch_turns(lambda _: relief.background.give_way(assistant.active > 0))
    return assistant


async def _start_control(
    stack: AsyncExitStack, paths: Paths, assistant: Assistant, services: Services
) -> None:
    control = ControlSocket(paths.control_socket, assistant, services)
    await control.start()
    stack.push_async_callback(control.stop)


@contextlib.contextmanager
def _signals(shutdown: Shutdown) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, shutdown.ask)
    loop.add_signal_handler(signal.SIGHUP, shutdown.reload.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
