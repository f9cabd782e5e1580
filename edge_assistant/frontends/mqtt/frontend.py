"""The assistant on the home's broker: commands in, what it does and how it is out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any

import msgspec

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import Timings, TurnFinished
from edge_assistant.assistant.personas import personas
from edge_assistant.assistant.request import Principal
from edge_assistant.assistant.turn import Turn
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.mqtt.answers import Answers
from edge_assistant.frontends.mqtt.command import Command, decode, name_of
from edge_assistant.frontends.mqtt.device import Device
from edge_assistant.frontends.mqtt.discovery import document
from edge_assistant.frontends.mqtt.happenings import Happenings
from edge_assistant.frontends.mqtt.orders import Order, Orders
from edge_assistant.frontends.mqtt.replies import Replies
from edge_assistant.frontends.mqtt.state import State, state_of
from edge_assistant.frontends.mqtt.topics import Topics
from edge_assistant.mqtt.connection import Connection, Handler, Incoming, OfflineError, Outgoing
from edge_assistant.mqtt.seen import SeenCommands
from edge_assistant.ops.hardware import read_vitals

logger = logging.getLogger(__name__)

MAX_SAYING = 16
"""Announcements that are said or wait at once."""

VITALS_SECONDS = 60.0

_STATE_SECONDS = 0.25
"""The state is not published more often."""

_OFFLINE_SECONDS = 2.0


class MqttFrontend:
    """Everything of one device on one broker."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        assistant: Assistant,
        device: Device,
        seen: SeenCommands,
        *,
        principal: Principal,
        discovery_prefix: str,
    ) -> None:
        """`principal` is in whose name everybody on the broker asks; an empty prefix announces nothing."""
        self._connection = connection
        self._topics = topics
        self._assistant = assistant
        self._device = device
        self._seen = seen
        self._prefix = discovery_prefix
        self._orders = Orders(device, assistant, principal)
        self._replies = Replies(connection, topics)
        self._happenings = Happenings(
            connection, topics, self._begin, lambda: self._config.assistant.language
        )
        self._answers = Answers(
            connection, topics, assistant, device.voice, principal=principal, happenings=self._happenings,
            begin=self._begin,
        )  # fmt: skip
        self._timings = Timings()
        self._temperature: float | None = None
        self._saying = 0
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _config(self) -> Config:
        return self._device.preferences.config

    async def start(self) -> None:
        """Begin to connect; returns at once, whether or not there is a broker."""
        handlers: dict[str, Handler] = {"ask": self._answers.ask, "confirm": self._answers.confirm}
        handlers |= {name: partial(self._obey, order) for name, order in self._orders.quick.items()}
        handlers |= {name: partial(self._obey_later, order) for name, order in self._orders.slow.items()}
        for name, handler in handlers.items():
            self._connection.subscribe(self._topics[name], partial(self._carry_out, handler))
        if self._prefix:
            self._connection.subscribe(f"{self._prefix}/status", self._home_assistant_is_back)
        self._connection.when_online(self._introduce)
        self._listen()
        self._begin(self._connection.run(), "mqtt")
        self._begin(self._publish_changes(), "mqtt-state")
        self._begin(self._measure(), "mqtt-vitals")

    async def stop(self) -> None:
        """Say that the device is gone, and leave."""
        with contextlib.suppress(EdgeError, TimeoutError):
            async with asyncio.timeout(_OFFLINE_SECONDS):
                await self._publish("availability", "offline")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s failed: %s", task.get_name(), type(error).__name__, exc_info=error)

    # --- what goes out ---

    def _listen(self) -> None:
        """Hear of whatever changes the state, or is an event."""
        device = self._device
        self._assistant.watch_turns(self._turn_changed)
        device.preferences.on_change(self._configured)
        if device.voice is not None:
            device.voice.subscribe(lambda _: self._changed.set())
            device.voice.when_woken(lambda: self._happenings.tell("wake_word"))
        if device.timers is not None:
            device.timers.add_bell(self._happenings)

    async def _publish(self, name: str, payload: bytes | str) -> None:
        """Publish a retained message."""
        await self._connection.publish(Outgoing(topic=self._topics[name], payload=payload, retain=True))

    async def _introduce(self) -> None:
        """Tell who we are and how, each time we are connected or Home Assistant starts."""
        if self._prefix:
            topic = f"{self._prefix}/device/{self._topics.device}/config"
            await self._connection.publish(
                Outgoing(topic=topic, payload=msgspec.json.encode(await self._document()), retain=True)
            )
        await self._publish("availability", "online")
        self._changed.set()

    async def _document(self) -> dict[str, Any]:
        device = self._device
        return document(
            self._topics, self._config.assistant.name, personas=list(personas(self._config)),
            models=await asyncio.to_thread(device.models), voice=device.voice is not None,
            restart=device.restart is not None,
        )  # fmt: skip

    async def _home_assistant_is_back(self, message: Incoming) -> None:
        if message.payload == b"online" and not message.retain:
            await self._introduce()

    async def _publish_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            with contextlib.suppress(OfflineError):  # it is told again when we are back
                await self._publish("state", msgspec.json.encode(self._state()))
            await asyncio.sleep(_STATE_SECONDS)

    def _state(self) -> State:
        return state_of(
            self._device, self._assistant, answer=self._answers.last, timings=self._timings,
            temperature=self._temperature,
        )  # fmt: skip

    async def _measure(self) -> None:
        while True:
            self._temperature = (await asyncio.to_thread(read_vitals)).temperature_celsius
            self._changed.set()
            await asyncio.sleep(VITALS_SECONDS)

    def _turn_changed(self, turn: Turn) -> None:
        self._changed.set()
        if isinstance(turn.last, TurnFinished):
            self._timings = turn.last.timings
            if turn.last.route.rung == "intent":
                self._happenings.tell("intent_matched", turn=turn.id, reason=turn.last.route.reason)

    async def _configured(self, _: Config, __: Config) -> None:
        with contextlib.suppress(OfflineError):
            await self._introduce()

    # --- what comes in ---

    async def _carry_out(self, handler: Handler, message: Incoming) -> None:
        if message.retain:
            return  # somebody's wish of long ago
        try:
            await handler(message)
        except EdgeError as error:
            logger.info("a command over MQTT: %s", error.code)
            await self._replies.refuse(message, error)

    async def _obey(self, order: Order, message: Incoming) -> None:
        """Carry a command out once, and say so when it is done."""
        command = decode(Command, message)
        name = name_of(command, message)
        state = await self._seen.begin(name) if name else "new"
        if state == "running":
            return  # it is answered when it is done
        if state == "new":
            await self._do(order, command, name)
        if message.response_topic:
            await self._replies.send(message, {"id": command.id, "done": True})

    async def _do(self, order: Order, command: Command, name: str) -> None:
        done = False
        try:
            await order(command)
            done = True
        finally:
            if name:
                await self._seen.end(name, done=done)
            self._changed.set()

    async def _obey_later(self, order: Order, message: Incoming) -> None:
        """Carry out beside other messages what takes its time."""
        if self._saying >= MAX_SAYING:
            raise EdgeError("BUSY", "too much waits to be said; send it again later", retry_after=5.0)
        self._saying += 1
        self._begin(self._obey_aside(order, message), "mqtt-say")

    async def _obey_aside(self, order: Order, message: Incoming) -> None:
        try:
            await self._carry_out(partial(self._obey, order), message)
        finally:
            self._saying -= 1
