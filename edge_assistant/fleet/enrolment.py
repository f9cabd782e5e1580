"""How a device comes to its certificate: it asks with a claim, or with its recovery, until it is answered.

Asking again with the same key is the same request, so a power cut or a broken network at any point costs
nothing but time. The key is on the disk before anybody is asked.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from edge_assistant.errors import ConfigError, EdgeError
from edge_assistant.fleet.certificate import fingerprint, make_request
from edge_assistant.fleet.identity import Identity, Keeper
from edge_assistant.fleet.wire import BAD, Issued, Pending, Refused, Reply, Request, encode, enrol_topic
from edge_assistant.mqtt.broker import Broker
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing
from edge_assistant.workers.backoff import RestartPolicy

logger = logging.getLogger(__name__)

RECONNECT = RestartPolicy(first_seconds=1.0, longest_seconds=30.0, healthy_seconds=5.0)
ASK_SECONDS = 10.0
PENDING_SECONDS = 60.0
"""After so long a silence it asks again; later while the operator has to approve."""


class RefusedError(EdgeError):
    """The registrar refuses this device; asking again changes nothing."""


def claim_of(token: str) -> tuple[str, str]:
    """Return user and password of a claim token; raises FLEET_CLAIM_BAD."""
    user, colon, password = token.strip().partition(":")
    if not (colon and user.startswith("claim.") and len(user) <= 64 and 16 <= len(password) <= 128):  # noqa: PLR2004
        raise ConfigError(
            "FLEET_CLAIM_BAD", "the secret fleet_claim is no claim token: it looks like claim.…:…"
        )
    return user, password


class Enrolment:
    """One device at the broker's listener for claims. `broker` holds user and password."""

    def __init__(self, keeper: Keeper, broker: Broker, *, serial: str, name: str) -> None:
        self._keeper = keeper
        self._broker = broker
        self._serial = serial
        self._name = name
        self._answers: asyncio.Queue[Reply] = asyncio.Queue(16)
        self.pending = False
        """Whether the operator has to approve."""
        self.connection: Connection | None = None
        """While it runs."""

    @property
    def detail(self) -> str:
        """Why it takes so long, in words; empty when nothing is wrong."""
        if self.connection is not None and self.connection.detail:
            return self.connection.detail
        return "the operator has to approve this device" if self.pending else ""

    async def run(self) -> Identity:
        """Ask until there is a certificate, and return who this device is, kept durably.

        Raises `RefusedError` with the registrar's code, FLEET_KEY_DAMAGED, `StoreError`.
        """
        key = await asyncio.to_thread(self._keeper.key)
        ours = fingerprint(key.public_key())
        request = encode(Request(csr=make_request(key), serial=self._serial, name=self._name))
        user = self._broker.username or ""
        connection = Connection(self._broker, f"edge-assistant-enrol-{ours[:16]}", reconnect=RECONNECT)
        self.connection = connection
        connection.subscribe(enrol_topic(user, "reply"), self._replied)
        up = asyncio.Event()

        async def online() -> None:
            up.set()

        connection.when_online(online)
        connecting = asyncio.create_task(connection.run(), name="fleet enrolment")
        try:
            while True:
                await up.wait()
                up.clear()
                if issued := await self._ask(connection, request, ours, up):
                    return await asyncio.to_thread(self._keeper.keep, issued)
        finally:
            connecting.cancel()
            await asyncio.wait([connecting])

    async def _ask(
        self, connection: Connection, request: bytes, ours: str, again: asyncio.Event
    ) -> Issued | None:
        """Ask, and wait for what is meant for us; None when it is time to ask anew."""
        topic = enrol_topic(self._broker.username or "", "request")
        try:
            await connection.publish(Outgoing(topic=topic, payload=request))
        except OfflineError:
            return None
        try:
            async with asyncio.timeout(PENDING_SECONDS if self.pending else ASK_SECONDS):
                while True:
                    reply = await self._answers.get()
                    if reply.key != ours:
                        continue
                    match reply:
                        case Issued():
                            return reply
                        case Pending():
                            if not self.pending:
                                logger.info("the operator has to approve this device")
                            self.pending = True
                        case Refused():
                            raise RefusedError(reply.code, reply.message)
        except TimeoutError:
            again.set()  # a lost answer: ask once more, on this connection or the next
            return None

    async def _replied(self, message: Incoming) -> None:
        try:
            self._answers.put_nowait(msgspec.json.decode(message.payload, type=Reply))
        except (*BAD, asyncio.QueueFull):
            logger.warning("an answer of the registrar was not understood")
