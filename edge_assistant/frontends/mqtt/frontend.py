"""The assistant on the home's broker: questions in, answers out, its state retained."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import msgspec

from edge_assistant import __version__
from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import TextDelta, Timings, TurnFailed, TurnFinished
from edge_assistant.assistant.personas import personas
from edge_assistant.assistant.request import Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.frontends.mqtt.command import Ask, Command, decode, name_of
from edge_assistant.frontends.mqtt.discovery import LONGEST_STATE, document
from edge_assistant.frontends.mqtt.topics import Topics, may_answer_to
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing
from edge_assistant.mqtt.seen import SeenCommands

logger = logging.getLogger(__name__)

SESSION_SECONDS = 600.0
"""After so long a silence a question without a session begins a new conversation."""

MAX_ANSWERING = 16
"""Questions that are answered or wait at once; more are refused."""

_STATE_SECONDS = 0.25
"""The state is not published more often."""

_OFFLINE_SECONDS = 2.0


class Preferences(Protocol):
    """The configuration that can change while we run."""

    config: Config

    async def change(self, choices: dict[str, str]) -> None:
        """Change it; raises `UsageError`."""
        ...

    def on_change(self, apply: Callable[[Config, Config], Awaitable[None]]) -> None:
        """Call `apply` after each change."""
        ...


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`…/state`, retained."""

    phase: str
    muted: bool = False
    persona: str
    model: str
    version: str
    answer: str = ""
    """Beginning of the last answer that was given over MQTT."""
    tokens_per_second: float = 0.0
    timings: Timings = Timings()
    """Of the last turn, whoever asked."""


class MqttFrontend:
    """Everything of one device on one broker."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        assistant: Assistant,
        preferences: Preferences,
        seen: SeenCommands,
        *,
        principal: Principal,
        discovery_prefix: str,
    ) -> None:
        """`principal` is in whose name everybody on the broker asks; an empty prefix announces nothing."""
        self._connection = connection
        self._topics = topics
        self._assistant = assistant
        self._preferences = preferences
        self._seen = seen
        self._principal = principal
        self._prefix = discovery_prefix
        self._session, self._asked_at = "", 0.0
        self._answer = ""
        self._timings = Timings()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering = 0

    async def start(self) -> None:
        """Begin to connect; returns at once, whether or not there is a broker."""
        orders: dict[str, Callable[[Incoming], Awaitable[None]]] = {
            "ask": self._ask, "stop": self._stop, "persona/set": self._set_persona,
        }  # fmt: skip
        for name, order in orders.items():
            self._connection.subscribe(self._topics[name], self._carrying_out(order))
        if self._prefix:
            self._connection.subscribe(f"{self._prefix}/status", self._home_assistant_is_back)
        self._connection.when_online(self._introduce)
        self._assistant.watch_turns(self._turn_changed)
        self._preferences.on_change(self._configured)
        self._begin(self._connection.run(), "mqtt")
        self._begin(self._publish_changes(), "mqtt-state")

    async def stop(self) -> None:
        """Say that the device is gone, and leave."""
        with contextlib.suppress(EdgeError, TimeoutError):
            async with asyncio.timeout(_OFFLINE_SECONDS):
                await self._publish("availability", "offline", retain=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what goes out ---

    async def _publish(self, name: str, payload: bytes | str, *, retain: bool = False, qos: int = 1) -> None:
        topic = self._topics[name]
        await self._connection.publish(
            Outgoing(topic=topic, payload=payload, retain=retain, qos=1 if qos else 0)
        )

    async def _introduce(self) -> None:
        """Tell who we are and how, each time we are connected or Home Assistant starts."""
        if self._prefix:
            config = self._preferences.config
            found = document(self._topics, config.assistant.name, list(personas(config)))
            topic = f"{self._prefix}/device/{self._topics.device}/config"
            await self._connection.publish(
                Outgoing(topic=topic, payload=msgspec.json.encode(found), retain=True)
            )
        await self._publish("availability", "online", retain=True)
        self._changed.set()

    async def _home_assistant_is_back(self, message: Incoming) -> None:
        if message.payload == b"online" and not message.retain:
            await self._introduce()

    async def _publish_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            with contextlib.suppress(OfflineError):  # it is told again when we are back
                await self._publish("state", msgspec.json.encode(self._state()), retain=True)
            await asyncio.sleep(_STATE_SECONDS)

    def _state(self) -> State:
        status = self._assistant.model.status
        return State(
            phase="thinking" if self._assistant.active else "idle",
            persona=self._preferences.config.assistant.persona,
            model=status.name,
            version=__version__,
            answer=_short(self._answer),
            tokens_per_second=round(status.decode_tokens_per_second, 1),
            timings=self._timings,
        )

    def _turn_changed(self, turn: Turn) -> None:
        if isinstance(turn.last, TurnFinished):
            self._timings = turn.last.timings
        self._changed.set()

    async def _configured(self, _: Config, __: Config) -> None:
        with contextlib.suppress(OfflineError):
            await self._introduce()

    # --- what comes in ---

    def _carrying_out(
        self, order: Callable[[Incoming], Awaitable[None]]
    ) -> Callable[[Incoming], Awaitable[None]]:
        async def carry_out(message: Incoming) -> None:
            if message.retain:
                return  # somebody's wish of long ago
            try:
                await order(message)
            except EdgeError as error:
                logger.info("a command over MQTT: %s", error.code)
                await self._refuse(message, error)

        return carry_out

    async def _refuse(self, message: Incoming, error: EdgeError, **names: str) -> None:
        await self._reply(message, {**names, "error": _told(error)})

    async def _reply(self, message: Incoming, answer: dict[str, Any]) -> None:
        """Answer where the sender wants it, else on `…/answer`."""
        topic = self._topics["answer"]
        if message.response_topic and may_answer_to(message.response_topic):
            topic = message.response_topic
        with contextlib.suppress(OfflineError):  # who asks again with the same id gets it
            await self._connection.publish(
                Outgoing(topic=topic, payload=msgspec.json.encode(answer), correlation=message.correlation)
            )

    async def _once(self, command: Command, message: Incoming) -> bool:
        name = name_of(command, message)
        return not name or await self._seen.first(name)

    async def _set_persona(self, message: Incoming) -> None:
        command = decode(Command, message)
        if await self._once(command, message):
            await self._preferences.change({"assistant.persona": command.text.strip()})
            self._changed.set()
        await self._acknowledge(command, message)

    async def _stop(self, message: Incoming) -> None:
        command = decode(Command, message)
        if await self._once(command, message):
            for turn in self._assistant.running(self._principal):
                self._begin(turn.cancel(), "mqtt-stop")
        await self._acknowledge(command, message)

    async def _acknowledge(self, command: Command, message: Incoming) -> None:
        if message.response_topic:
            await self._reply(message, {"id": command.id, "done": True})

    async def _ask(self, message: Incoming) -> None:
        ask = decode(Ask, message)
        if message.response_topic and not may_answer_to(message.response_topic):
            raise UsageError("MQTT_TOPIC_BAD", "answers go to topics below edge-assistant/ only")
        if self._answering >= MAX_ANSWERING:
            raise EdgeError("BUSY", "too many questions over MQTT at once; ask again later", retry_after=5.0)
        request = Request(
            id=name_of(ask, message) or f"mqtt-{uuid.uuid4().hex}",
            text=ask.text,
            session=ask.session or self._latest_session(),
            principal=self._principal,
            source="mqtt",
        )
        self._answering += 1
        self._begin(self._answer_question(request, ask, message), "mqtt-answer")

    def _latest_session(self) -> str:
        now = time.monotonic()
        if not self._session or now - self._asked_at > SESSION_SECONDS:
            self._session = f"mqtt-{uuid.uuid4().hex}"
        self._asked_at = now
        return self._session

    async def _answer_question(self, request: Request, ask: Ask, message: Incoming) -> None:
        names = {"id": ask.id or request.id, "session": request.session}
        try:
            turn = await self._assistant.start(request)
            names["session"] = turn.session
            async for event in turn.events():
                if isinstance(event, TextDelta):
                    await self._stream(names, event)
                elif isinstance(event, TurnFinished):
                    self._answer = event.text
                    parts = {"text": event.text, "route": event.route, "timings": event.timings}
                    await self._reply(message, {**names, **parts})
                elif isinstance(event, TurnFailed):
                    await self._refuse(message, EdgeError(event.code, event.message), **names)
        except EdgeError as error:
            await self._refuse(message, error, **names)
        finally:
            self._answering -= 1
            self._changed.set()

    async def _stream(self, names: dict[str, str], event: TextDelta) -> None:
        piece = msgspec.json.encode({**names, "seq": event.seq, "text": event.text})
        with contextlib.suppress(OfflineError):
            await self._publish("answer/stream", piece, qos=0)


def _told(error: EdgeError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "retry_after": error.retry_after}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_STATE else text[: LONGEST_STATE - 1] + "…"
