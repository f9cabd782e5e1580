"""One connection to one broker that comes back by itself, forever.

Made on paho-mqtt through aiomqtt, which lives as long as one connection; this one lives as long as
the daemon. Sessions start clean: a command that waited at the broker while this device was away is
too old to be carried out, and who must be heard keeps its message (`store/outbox.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from aiomqtt import Client, Message, MqttError, ProtocolVersion, Will
from aiomqtt.exceptions import MqttReentrantError
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_assistant.errors import EdgeError
from edge_assistant.mqtt.backlog import Backlog
from edge_assistant.mqtt.broker import Broker, tls_context
from edge_assistant.workers.backoff import Backoff, RestartPolicy

logger = logging.getLogger(__name__)

T = TypeVar("T")
QoS: TypeAlias = Literal[0, 1]

MAX_PAYLOAD_BYTES = 256 * 1024
"""Larger messages are not looked at."""

MAX_QUEUED = 20_000
"""Messages that may wait to be looked at, see also `Backlog`: a large house's retained discovery fits."""

RECONNECT = RestartPolicy(first_seconds=0.25, longest_seconds=4.0, healthy_seconds=1.0)
"""For a broker in the house: back within five seconds of its return; a try costs nothing."""

_KEEPALIVE_SECONDS = 30
CONNECT_SECONDS = 10.0
"""How long a try to connect, or a message to be taken, may last."""

_SUBSCRIBED_AT_ONCE = 100

_LARGEST_HEAD_BYTES = 64 * 1024
"""Of a message besides its payload: topic and properties."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it came."""

    topic: str
    payload: bytes
    retain: bool = False
    """Whether it was kept by the broker from before we subscribed."""
    response_topic: str = ""
    correlation: bytes = b""
    expiry_seconds: int = 0
    """What is left of its time, as the broker counted it; 0 when it lasts for ever."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message to send. `expiry_seconds` is how long a broker may keep it; 0 for ever."""

    topic: str
    payload: bytes | str
    qos: QoS = 1
    retain: bool = False
    correlation: bytes = b""
    response_topic: str = ""
    expiry_seconds: int = 0


class OfflineError(EdgeError):
    """The broker can't be reached now; the message was not sent."""

    def __init__(self) -> None:
        super().__init__("MQTT_OFFLINE", "the MQTT broker can't be reached now; it is tried again")


Handler = Callable[[Incoming], Awaitable[None]]
Hook = Callable[[], Awaitable[None]]


class Connection:
    """A connection with its subscriptions; `run` it as a task for as long as it shall live."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        will: Outgoing | None = None,
        *,
        reconnect: RestartPolicy = RECONNECT,
        most_queued: int = MAX_QUEUED,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._will = will
        self._handlers: list[tuple[str, Handler]] = []
        self._topics: dict[str, Handler] = {}
        """Handlers of single topics: thousands of them cost no more than one."""
        self._hooks: list[Hook] = []
        self._client: Client | None = None
        """Set while connected and subscribed."""
        self._backoff = Backoff(reconnect)
        self._most_queued = most_queued
        self._clock, self._sleep = clock, sleep
        self.connects = 0
        """How often it came up, for metrics."""
        self.detail = "not connected yet"
        """Why it is offline, in words; empty when it is online."""

    @property
    def online(self) -> bool:
        """Whether messages can be sent now."""
        return self._client is not None

    @property
    def address(self) -> str:
        """Host and port of the broker."""
        return self._broker.address

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Hand every message that matches to `handler`, one after the other; call before `run`.

        A handler that fails is logged; it shall return soon, as all messages wait for it.
        """
        self._handlers.append((topic_filter, handler))

    async def listen(self, topics: Sequence[str], handler: Handler) -> None:
        """Hand every message on one of `topics`, which hold no wildcards, to `handler`; at any time.

        Raises `OfflineError`; they are subscribed to all the same when the connection is back.
        """
        self._topics |= dict.fromkeys(topics, handler)
        if topics:
            if self._client is None:
                raise OfflineError
            await self._subscribe(self._client, topics)

    async def ignore(self, topics: Sequence[str]) -> None:
        """Listen no more to topics given to `listen`."""
        for topic in topics:
            self._topics.pop(topic, None)
        if topics and self._client is not None:
            with contextlib.suppress(MqttError, ValueError, OSError):  # else gone with the connection
                for first in range(0, len(topics), _SUBSCRIBED_AT_ONCE):
                    part = list(topics[first : first + _SUBSCRIBED_AT_ONCE])
                    await _heedful(self._client.unsubscribe(part))

    def listens(self, topic: str) -> bool:
        """Return whether somebody listens to this very topic."""
        return topic in self._topics

    def when_online(self, hook: Hook) -> None:
        """Call `hook` each time the connection is up and subscribed; call before `run`."""
        self._hooks.append(hook)

    async def run(self) -> None:
        """Connect, and connect again with growing jittered pauses, until cancelled."""
        while True:
            began = self._clock()
            try:
                await _heedful(self._live())
            except (MqttError, MqttReentrantError, OSError, EdgeError, ValueError) as error:
                self._lost(error)  # ValueError: paho refuses what no broker would take
            await self._sleep(self._backoff.after(self._clock() - began))

    def hurry(self) -> None:
        """Try again soon while offline, as after a first failure: somebody waits."""
        self._backoff.reset()

    async def publish(self, message: Outgoing) -> None:
        """Send a message; returns when the broker has it (QoS 1) or it is written (QoS 0).

        Raises `OfflineError`. That a broker has it doesn't mean that it survives the broker.
        """
        client = self._client
        if client is None:
            raise OfflineError
        try:
            await _heedful(
                client.publish(
                    message.topic,
                    message.payload,
                    message.qos,
                    message.retain,
                    properties=_properties(message),
                )
            )
        except (MqttError, ValueError, OSError) as error:
            logger.debug("publish failed: %s", type(error).__name__)
            raise OfflineError from None

    async def _live(self) -> None:
        context = await asyncio.to_thread(tls_context, self._broker)
        client = _Client(
            self._broker.host, self._broker.port, username=self._broker.username,
            password=self._broker.password, identifier=self._client_id, protocol=ProtocolVersion.V5,
            clean_start=True, keepalive=_KEEPALIVE_SECONDS, timeout=CONNECT_SECONDS, tls_context=context,
            will=_will(self._will), queue_type=Backlog, max_queued_incoming_messages=self._most_queued,
            logger=_PAHO_LOGGER, socket_options=_AT_ONCE, properties=_limits(),
        )  # fmt: skip
        async with contextlib.AsyncExitStack() as stack:
            await _heedful(stack.enter_async_context(client))
            await self._subscribe(client, [*self._filters(), *self._topics])
            self._client = client
            try:
                await self._serve(client)
            finally:
                self._client = None

    async def _subscribe(self, client: Client, topics: Sequence[str]) -> None:
        for first in range(0, len(topics), _SUBSCRIBED_AT_ONCE):
            part = topics[first : first + _SUBSCRIBED_AT_ONCE]
            try:
                await _heedful(client.subscribe([(topic, _options(topic)) for topic in part]))
            except (MqttError, ValueError, OSError) as error:
                logger.debug("subscribe failed: %s", type(error).__name__)
                raise OfflineError from None

    async def _serve(self, client: Client) -> None:
        self.connects += 1
        self.detail = ""
        logger.info("connected to the MQTT broker at %s", self.address)
        hooks = asyncio.create_task(self._call_hooks(), name="mqtt-hooks")
        try:
            async for message in client.messages:
                await self._hand_on(message)
        finally:
            hooks.cancel()
            await asyncio.wait([hooks])

    async def _call_hooks(self) -> None:
        for hook in self._hooks:
            try:
                await hook()
            except EdgeError as error:
                logger.info("after connecting: %s", error.code)
            except Exception:  # one part that fails must not hold up the others
                logger.exception("after connecting")

    async def _hand_on(self, message: Message) -> None:
        payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
        if len(payload) > MAX_PAYLOAD_BYTES:
            logger.warning("ignored a message of %d bytes", len(payload))
            return
        properties = message.properties
        incoming = Incoming(
            topic=str(message.topic),
            payload=payload,
            retain=message.retain,
            response_topic=getattr(properties, "ResponseTopic", ""),
            correlation=getattr(properties, "CorrelationData", b""),
            expiry_seconds=getattr(properties, "MessageExpiryInterval", 0),
        )
        if (single := self._topics.get(incoming.topic)) is not None:
            await _handle(single, incoming)
        for topic_filter, handler in self._handlers:
            if message.topic.matches(topic_filter):
                await _handle(handler, incoming)

    def _filters(self) -> list[str]:
        return list(dict.fromkeys(topic_filter for topic_filter, _ in self._handlers))

    def _lost(self, error: Exception) -> None:
        first = not self.detail
        self.detail = f"can't reach the broker at {self.address}: {error}"
        logger.log(logging.WARNING if first else logging.DEBUG, "MQTT: %s", self.detail)


async def _heedful(step: Awaitable[T]) -> T:
    """Do a step of aiomqtt's, and end after it when the task was cancelled meanwhile.

    Python 3.11's `asyncio.wait_for`, which it is made of, loses a cancellation that comes just as the broker
    answers, and leaving a connection may fail and hide one: then the task would never end.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await step
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


class _Client(Client):
    """aiomqtt's client, that asks the event loop to write only while its socket is open.

    aiomqtt asks for the number of the socket, a moment later: when the broker goes in that moment, the number
    is nobody's, which is an error, or the next connection's, which would then be written to for ever.
    """

    def _on_socket_register_write(self, client: paho.Client, userdata: object, sock: Any) -> None:  # noqa: ARG002
        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 - as aiomqtt: the connection is gone
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(register)  # paho connects in a thread


_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Small messages leave at once: Nagle's algorithm holds the second one back for 40 ms."""

_PAHO_LOGGER = logging.getLogger("edge_assistant.mqtt.paho")
_PAHO_LOGGER.setLevel(logging.ERROR)  # below, paho logs topics, and how much waits to be sent


async def _handle(handler: Handler, message: Incoming) -> None:
    try:
        await handler(message)
    except Exception:  # what one message does must not end the connection
        logger.exception("a message was not handled")


def _options(topic_filter: str) -> SubscribeOptions:
    # MQTT v5 3.8.3.1: a shared subscription with no-local is an error of protocol.
    return SubscribeOptions(qos=1, noLocal=not topic_filter.startswith("$share/"))


def _limits() -> Properties:
    """Return what keeps a broker from sending what is not looked at anyway."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MAX_PAYLOAD_BYTES + _LARGEST_HEAD_BYTES
    return properties


def _will(message: Outgoing | None) -> Will | None:
    if message is None:
        return None
    return Will(message.topic, message.payload, message.qos, message.retain)


def _properties(message: Outgoing) -> Properties | None:
    if not (message.correlation or message.response_topic or message.expiry_seconds):
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if message.correlation:
        properties.CorrelationData = message.correlation
    if message.response_topic:
        properties.ResponseTopic = message.response_topic
    if message.expiry_seconds:
        properties.MessageExpiryInterval = message.expiry_seconds
    return properties
