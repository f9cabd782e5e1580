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
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from edge_assistant.assistant.acting import ConsentRung
from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.forgetting import Forgetting
from edge_assistant.assistant.ladder import Extensions, merged
from edge_assistant.assistant.request import OWNER
from edge_assistant.config import Config, Paths, secret
from edge_assistant.documents.erasing import document_hook
from edge_assistant.errors import ModelError
from edge_assistant.frontends.control import ControlSocket
from edge_assistant.home.erasing import home_hook
from edge_assistant.llm.switched import OwnedModel, SwitchedModel
from edge_assistant.llm.wire import LlamaSettings
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.erasing import conversation_hook, fact_hook, index_hook
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.search import SearchIndex
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.preferences import Preferences, differences
from edge_assistant.ops.services import Services, Web
from edge_assistant.ops.systemd import Notifier, activated_socket
from edge_assistant.people.erasing import people_hook
from edge_assistant.people.people import People
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.database import Database
from edge_assistant.store.erase import EraseHook
from edge_assistant.store.heal import Opened
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.lock import StateLock
from edge_assistant.store.nightly import NightlyBackups
from edge_assistant.store.outbox import outbox_hook
from edge_assistant.tools.erasing import list_hook, timer_hook
from edge_assistant.wiring.backups import backups_folder, open_healed, start_backups
from edge_assistant.wiring.care import Relief, start_care
from edge_assistant.wiring.library import looking_up, start_library
from edge_assistant.wiring.observing import start_observing
from edge_assistant.wiring.retention import start_retention
from edge_assistant.wiring.service import reload_when_asked, status_line
from edge_assistant.wiring.tuning import DeviceTuner, start_tuning, tuned
from edge_assistant.workers.background import Background
from edge_assistant.workers.supervisor import attended

if TYPE_CHECKING:
    from edge_assistant.assistant.learning import Learner
    from edge_assistant.documents.library import Library
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.frontends.web.desk import Tools
    from edge_assistant.home.house import House
    from edge_assistant.memory.embedding import Embedder
    from edge_assistant.tools.abilities import Abilities
    from edge_assistant.tools.protocol import Tool
    from edge_assistant.wiring.broker import HomeBroker
    from edge_assistant.wiring.cloud import Cloud

logger = logging.getLogger(__name__)

EMBEDDER = "all-minilm-l6-v2-int8"
"""What the starter models bring for vectors."""


T = TypeVar("T")


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
        await stack.enter_async_context(_task(notifier.extend_start(), "start-up"))
        stack.enter_context(StateLock(paths.lock))
        _make_private(paths.state)
        ring, notices, relief = KeyRing(paths.state), Notices(), Relief()
        database = _keep_database(stack, await open_healed(config, paths, ring, notices), greeter)
        conversations = Conversations(database)
        await conversations.recover()
        model = await _start_model(stack, config, paths, shutdown)
        audit = AuditLog(database)
        broker = _home_broker(config, database) if daemon and config.mqtt.enabled else None
        house = await _start_house(stack, config, database, broker)
        abilities = await _start_abilities(stack, config, database, audit, broker, house=house)
        embedder = _embedder(stack, paths)
        index = await _start_index(stack, database, embedder, relief.background)
        facts = Facts(database, index)
        learner = _learner(stack, config, facts)
        library = await start_library(stack, config, database, index, relief.background)
        cloud = await _cloud(stack, config, database, conversations, audit) if daemon else None
        preferences: Preferences
        extensions = (
            _acting(abilities),
            await _commanding(
                stack, config, house, abilities, embedder=embedder,
                language=lambda: preferences.config.assistant.language,
            ),
            _remembering(config, facts, learner),
            looking_up(config, paths, library, model),
            cloud.extensions if cloud else Extensions(),
        )  # fmt: skip
        assistant = _assistant(
            stack, config, conversations, model, extensions=merged(extensions), relief=relief, cloud=cloud
        )
        preferences = _keep_preferences(
            config, paths, assistant, model=model, audit=audit, relief=relief, cloud=cloud
        )
        _offer_tools(preferences, assistant, abilities, index)
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
            services.voice = voice = await _start_voice(stack, config, paths, assistant, relief)
            _connect_voice(stack, voice, abilities, preferences)
        if daemon:
            services.nightly = await _start_nights(
                stack, config, paths, forgetting, database=database, ring=ring, notices=notices,
                background=relief.background, restart=shutdown.restart,
            )  # fmt: skip
            services.metrics = start_observing(stack, assistant, services, paths, voice=voice, broker=broker)
        services.tuner = _look_after_model(
            stack, preferences, paths, model=model, relief=relief, notices=notices, daemon=daemon
        )
        await _start_control(stack, paths, assistant, services)
        if daemon and config.web.enabled:
            services.web = await _start_web(
                stack,
                assistant,
                database=database,
                people=people,
                conversations=conversations,
                tools=_tools(stack, preferences, paths, services),
                embedder=embedder,
                services=services,
                voice=voice,
                abilities=abilities,
            )
        await _serve_broker(
            stack, broker, assistant, database, preferences=preferences, voice=voice, abilities=abilities,
            models=paths.models, restart=shutdown.restart,
        )  # fmt: skip
        # Turns end before the sockets close, so that those who watch see how.
        stack.push_async_callback(assistant.close)
        _settle()
        notifier.ready(status_line(services))
        await _tell_systemd(stack, notifier, services, shutdown, read_again)
        logger.info("ready: process %d", os.getpid())
        await greeter.started(services)
        await shutdown.wanted.wait()
        logger.info("stopping")
        notifier.stopping()
    logger.info("stopped")


async def _serve_broker(
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


async def _tell_systemd(
    stack: AsyncExitStack,
    notifier: Notifier,
    services: Services,
    shutdown: Shutdown,
    read_again: Callable[[], Config] | None,
) -> None:
    """Feed the watchdog, keep the line of status true, read the configuration again when asked to."""
    feeding = notifier.feed_watchdog(lambda: attended(time.monotonic()))
    await stack.enter_async_context(_task(feeding, "watchdog"))
    telling = notifier.tell_status(lambda: status_line(services))
    await stack.enter_async_context(_task(telling, "status"))
    if read_again is not None:
        reloading = reload_when_asked(shutdown.reload, read_again, services, notifier)
        await stack.enter_async_context(_task(reloading, "reload"))


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


async def _start_model(
    stack: AsyncExitStack, config: Config, paths: Paths, shutdown: Shutdown
) -> SwitchedModel:
    model = SwitchedModel(build_model(config, paths))
    stack.push_async_callback(_stop_model, model, shutdown)
    await model.start()
    return model


def _home_broker(config: Config, database: Database) -> HomeBroker:
    from edge_assistant.wiring.broker import home_broker

    return home_broker(config, database)


async def _start_abilities(
    stack: AsyncExitStack,
    config: Config,
    database: Database,
    audit: AuditLog,
    broker: HomeBroker | None,
    *,
    house: House | None,
) -> Abilities | None:
    from edge_assistant.wiring.abilities import start_abilities

    more: list[Tool] = []
    if house is not None and broker is not None:
        from edge_assistant.wiring.home import home_tools

        more = home_tools(house, broker, config)
    return await start_abilities(stack, config, database, audit, broker, more=more)


async def _start_house(
    stack: AsyncExitStack, config: Config, database: Database, broker: HomeBroker | None
) -> House | None:
    if broker is None or not config.home.enabled:
        return None
    from edge_assistant.wiring.home import start_house

    return await start_house(stack, config, database, broker)


async def _commanding(
    stack: AsyncExitStack,
    config: Config,
    house: House | None,
    abilities: Abilities | None,
    *,
    language: Callable[[], str],
    embedder: Embedder | None,
) -> Extensions:
    """Let the house obey at once."""
    if house is None or abilities is None:
        return Extensions()
    from edge_assistant.wiring.home import start_intents

    rung = await start_intents(stack, config, house, abilities.actions, language=language, embedder=embedder)
    return Extensions(intents=(rung,))


async def _cloud(
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


def _learner(stack: AsyncExitStack, config: Config, facts: Facts) -> Learner | None:
    """Return what learns from turns, when anything is to be remembered."""
    if not config.memory.enabled:
        return None
    from edge_assistant.assistant.learning import Learner

    learner = Learner(facts)
    stack.push_async_callback(learner.stop)
    return learner


def erase_hooks(
    assistant: Assistant,
    learner: Learner | None,
    abilities: Abilities | None,
    people: People,
    library: Library | None,
    *,
    house: House | None,
) -> list[EraseHook]:
    """Return how each room forgets. Whoever keeps something about people stands here."""
    return [
        conversation_hook(assistant.forgetting),
        fact_hook(learner.forgetting if learner else None),
        timer_hook(abilities.timers if abilities else None),
        list_hook(),
        outbox_hook(),
        document_hook(library),
        home_hook(house),
        people_hook(people.devices),
        index_hook(),
    ]


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


def _acting(abilities: Abilities | None) -> Extensions:
    """Let what is said be done."""
    if abilities is None:
        return Extensions()
    return Extensions(intents=(ConsentRung(abilities.actions),), actions=abilities.actions)


def _remembering(config: Config, facts: Facts, learner: Learner | None) -> Extensions:
    """Learn from what people say, and recall what fits a question."""
    if learner is None:
        return Extensions()
    from edge_assistant.assistant.learning import Remembering

    return Extensions(sources=(Remembering(facts, learner, config.memory),), listeners=(learner,))


def _keep_preferences(
    config: Config,
    paths: Paths,
    assistant: Assistant,
    *,
    model: SwitchedModel,
    audit: AuditLog,
    relief: Relief,
    cloud: Cloud | None,
) -> Preferences:
    """Let what is chosen on the page take effect without a restart."""
    preferences = Preferences(config, paths.settings)

    async def carry_out(old: Config, new: Config) -> None:
        assistant.configure(new)
        if cloud is not None:
            cloud.configure(new)
        await audit.record("configuration", OWNER.id, dict.fromkeys(differences(old, new), True))
        if new.llm != old.llm:
            model.begin_switch(build_model(relief.fitting(new), paths))

    preferences.on_change(carry_out)
    return preferences


def _offer_tools(
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


def _look_after_model(
    stack: AsyncExitStack,
    preferences: Preferences,
    paths: Paths,
    *,
    model: SwitchedModel,
    relief: Relief,
    notices: Notices,
    daemon: bool,
) -> DeviceTuner:
    """Spare the device when it is strained, and find out what is fastest on it; that is returned."""

    def exchange() -> None:
        model.begin_switch(build_model(relief.fitting(preferences.config), paths))

    tuner = DeviceTuner(
        lambda: preferences.config, paths, model, lambda: llama_settings(preferences.config, paths), exchange
    )
    if daemon:
        start_care(stack, preferences.config, relief, notices, exchange)
        start_tuning(stack, tuner, model, relief.background)
    return tuner


async def _start_voice(
    stack: AsyncExitStack, config: Config, paths: Paths, assistant: Assistant, relief: Relief
) -> Voice:
    """Begin to start ears and mouth; what keeps them from working is told by their status."""
    from edge_assistant.frontends.voice import panel
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.speech.client import SpeechClient
    from edge_assistant.speech.settings import speech_settings

    relief.speech = speech = SpeechClient(speech_settings(config, paths.models))
    stack.push_async_callback(speech.stop)
    voice = Voice(config.voice, assistant, speech, language=config.assistant.language)
    stack.push_async_callback(voice.stop)
    await voice.start()
    await speech.start()
    if panel.wanted(config.voice):
        light = panel.Panel(config.voice, voice)
        stack.callback(light.stop)
        light.start()
    return voice


def _connect_voice(
    stack: AsyncExitStack, voice: Voice, abilities: Abilities | None, preferences: Preferences
) -> None:
    """Let the voice follow what is chosen while it runs, and ring timers."""

    async def carry_out(_: Config, new: Config) -> None:
        voice.configure(new.voice)

    preferences.on_change(carry_out)
    if abilities is not None:
        from edge_assistant.wiring.abilities import ring_aloud

        ring_aloud(stack, voice, abilities.timers, preferences.config.assistant.language)


async def _start_control(
    stack: AsyncExitStack, paths: Paths, assistant: Assistant, services: Services
) -> None:
    control = ControlSocket(paths.control_socket, assistant, services)
    await control.start()
    stack.push_async_callback(control.stop)


def _tools(stack: AsyncExitStack, preferences: Preferences, paths: Paths, services: Services) -> Tools:
    from edge_assistant.catalog.pulls import Pulls
    from edge_assistant.frontends.web.desk import Tools

    pulls = Pulls()
    stack.push_async_callback(pulls.close)
    return Tools(preferences, pulls, paths.models, services.new_recovery_code, services.notices)


def _embedder(stack: AsyncExitStack, paths: Paths) -> Embedder | None:
    """Return what makes vectors, when its model is on this device; its process starts when first asked."""
    from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings

    try:
        settings = embedder_settings(EMBEDDER, paths.models)
    except ModelError as error:
        logger.info("no embedder: %s", error)
        return None
    embedder = FastembedEmbedder(settings)
    stack.push_async_callback(embedder.stop)
    return embedder


async def _start_index(
    stack: AsyncExitStack, database: Database, embedder: Embedder | None, background: Background
) -> SearchIndex:
    """Return the search over everything stored; its vectors are made in the background."""
    from edge_assistant.memory.indexer import Indexer

    index = SearchIndex(database, embedder or NoEmbedder(EMBEDDER))
    if embedder is not None:
        indexer = Indexer(database, index, background)
        stack.push_async_callback(indexer.stop)
        await indexer.start()
    return index


async def _start_web(
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
) -> Web:
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
        listening=activated_socket(),
        scrape=services.metrics.scrape if services.metrics else None,
    )
    await server.start()
    stack.push_async_callback(server.stop)
    return server


async def _stop_model(model: OwnedModel, shutdown: Shutdown) -> None:
    """Stop in order; when somebody is in a hurry the worker is killed as the event loop ends."""
    async with _task(shutdown.hurry.wait(), "hurry") as hurry, _task(model.stop(), "stop model") as stopping:
        await asyncio.wait([hurry, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            logger.warning("stopping without waiting for the model")


def build_model(config: Config, paths: Paths) -> OwnedModel:
    """Return the model that the configuration names, or one that says why there is none."""
    if config.llm.engine == "openai":
        from edge_assistant.llm.openai_remote import RemoteModel

        name = config.llm.remote_model
        return RemoteModel(name, url=config.llm.url, model=name, api_key=secret("llm_api_key") or "")
    from edge_assistant.llm.unavailable import UnavailableModel

    try:
        return _local_model(config, paths)
    except ModelError as error:
        logger.error("no model: %s", error)  # noqa: TRY400 - the line says all
        return UnavailableModel(config.llm.model, error)


def _local_model(config: Config, paths: Paths) -> OwnedModel:
    from edge_assistant.llm.client import LlamaModel

    return LlamaModel(llama_settings(config, paths), config.llm.model)


def llama_settings(config: Config, paths: Paths) -> LlamaSettings:
    """Return how the model is run, with what tuning found; raises `ModelError`."""
    from edge_assistant.catalog.catalog import find_model

    llm = config.llm
    settings = LlamaSettings(
        model_path=str(find_model(llm.model, paths.models)),
        context=llm.context,
        threads=llm.threads,
        gpu_layers=llm.gpu_layers,
        parallel=llm.parallel,
        snapshot_dir=str(paths.snapshots) if llm.snapshot_limit_mb else "",
        snapshot_limit_mb=llm.snapshot_limit_mb,
        batch=llm.batch,
        kv_type="f16" if llm.kv_type == "auto" else llm.kv_type,
    )
    return tuned(settings, llm, paths)


@asynccontextmanager
async def _task(work: Coroutine[Any, Any, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` beside the block; it is cancelled and awaited at the end of the block."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


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
