"""A device's life in the fleet: enrolled once, then reporting, renewing its certificate before it ends.

A certificate that ended while the device was off is asked for anew with the recovery that came with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.fleet.certificate import make_request
from edge_assistant.fleet.enrolment import RECONNECT, Enrolment, RefusedError, claim_of
from edge_assistant.fleet.identity import Identity, Keeper, now_utc
from edge_assistant.fleet.wire import (
    BAD,
    MAX_MESSAGE_BYTES,
    Desired,
    Issued,
    Renewal,
    Reported,
    device_topic,
    encode,
)
from edge_assistant.mqtt.broker import Broker
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""How often it is looked whether the certificate is due."""

RENEW_SECONDS = 600.0
"""How long it waits for the answer before it asks for the next certificate again."""

LOST_SECONDS = 300.0
"""A device that can't come in for so long asks for a certificate anew: its clock may be wrong, too."""

REFUSED_SECONDS = 600.0
"""A device that was refused tries again so much later, in case the operator thinks better of it."""


Phase = Literal["starting", "enrolling", "refused", "enrolled", "unclaimed"]


class Agent:
    """Runs beside the assistant; `report` tells how the device is, `desired` takes what it shall be."""

    def __init__(
        self,
        keeper: Keeper,
        broker: Broker,
        claim: str,
        *,
        serial: str,
        name: str,
        report: Callable[[], Awaitable[Reported]],
        desired: Callable[[Desired], Awaitable[None]] | None = None,
        report_seconds: float = 60.0,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`broker` is the listener for claims, without user; `claim` a token, empty once it is enrolled."""
        self._keeper = keeper
        self._broker = broker
        self._claim = claim
        self._serial = serial
        self._name = name
        self._report = report
        self._desired = desired
        self._report_seconds = report_seconds
        self._clock = clock
        self._news = asyncio.Event()
        self._anew = asyncio.Event()
        """Set when the connection shall be made anew: with a new certificate, or for want of a good one."""
        self.phase: Phase = "starting"
        self._problem = ""
        self._enrolling: Enrolment | None = None
        self.connection: Connection | None = None
        """That of the certificate, while there is one."""

    @property
    def problem(self) -> str:
        """Why it is not in the fleet, in words; empty when nothing is wrong."""
        if self._problem or self.phase == "enrolled":
            return self._problem
        return self._enrolling.detail if self._enrolling else ""

    def tell(self) -> None:
        """Report now: something has changed."""
        self._news.set()

    async def run(self) -> None:
        """Be a device of the fleet until cancelled."""
        while True:
            try:
                identity = await asyncio.to_thread(self._keeper.load) or await self._enrol()
                if identity.ended(self._clock()):
                    logger.warning("the certificate has ended: asking for a new one")
                    identity = await self._recover(identity)
                self.phase, self._problem = "enrolled", ""
                await self._live(identity)
            except RefusedError as error:
                self.phase, self._problem = "refused", str(error)
                logger.warning("the fleet refuses this device: %s", error)
                await asyncio.sleep(REFUSED_SECONDS)
            except (EdgeError, OSError) as error:
                self._problem = str(error)
                logger.warning("the fleet has to wait: %s", error)
                await asyncio.sleep(LOOK_SECONDS)

    async def _enrol(self) -> Identity:
        if not self._claim:
            self.phase = "unclaimed"
            raise EdgeError(
                "FLEET_UNCLAIMED",
                "this device is not enrolled: give it a claim token, the secret fleet_claim",
            )
        self.phase = "enrolling"
        user, password = claim_of(self._claim)
        identity = await self._enrolment(user, password).run()
        logger.info("enrolled as %s, until %s", identity.name, identity.until.date())
        return identity

    async def _recover(self, identity: Identity) -> Identity:
        self.phase = "enrolling"
        recovered = await self._enrolment(f"recovery.{identity.name}", identity.recovery).run()
        logger.info("a new certificate, until %s", recovered.until.date())
        return recovered

    def _enrolment(self, user: str, password: str) -> Enrolment:
        broker = msgspec.structs.replace(self._broker, username=user, password=password)
        self._enrolling = Enrolment(self._keeper, broker, serial=self._serial, name=self._name)
        return self._enrolling

    async def _live(self, identity: Identity) -> None:
        """Be connected with the certificate; returns when there is another one."""
        broker = await asyncio.to_thread(self._keeper.broker, identity)
        topic = device_topic(identity.name, "availability")
        will = Outgoing(topic=topic, payload="offline", retain=True)
        connection = Connection(broker, f"edge-assistant-fleet-{identity.name}", will, reconnect=RECONNECT)
        if self._desired is not None:
            connection.subscribe(device_topic(identity.name, "desired"), self._wished)
        connection.subscribe(device_topic(identity.name, "certificate"), self._renewed)
        self.connection = connection

        async def online() -> None:
            await connection.publish(Outgoing(topic=topic, payload="online", retain=True))
            self.tell()

        connection.when_online(online)
        self._anew.clear()
        tasks = [
            asyncio.create_task(connection.run(), name="fleet connection"),
            asyncio.create_task(self._keep_reporting(connection, identity), name="fleet reports"),
            asyncio.create_task(self._keep_certified(connection, identity), name="fleet certificate"),
            asyncio.create_task(self._anew.wait(), name="fleet anew"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_reporting(self, connection: Connection, identity: Identity) -> None:
        while True:
            try:
                async with asyncio.timeout(self._report_seconds):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            if connection.online:
                reported = msgspec.structs.replace(await self._report(), certificate=identity.certificate)
                topic = device_topic(identity.name, "reported")
                try:
                    await connection.publish(Outgoing(topic=topic, payload=encode(reported), retain=True))
                except OfflineError:
                    continue  # it is reported once the connection is back

    async def _keep_certified(self, connection: Connection, identity: Identity) -> None:
        """Ask for the next certificate in time, with the one there is as long as it is let in with it."""
        lost, asked = 0.0, RENEW_SECONDS
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            lost = 0.0 if connection.online else lost + LOOK_SECONDS
            asked += LOOK_SECONDS
            if not connection.online and (identity.ended(self._clock()) or lost >= LOST_SECONDS):
                await self._recover(identity)
                return
            if connection.online and asked >= RENEW_SECONDS and identity.due(self._clock()):
                asked = 0.0
                await self._ask_for_renewal(connection, identity)

    async def _ask_for_renewal(self, connection: Connection, identity: Identity) -> None:
        key = await asyncio.to_thread(self._keeper.key)
        payload = encode(Renewal(csr=make_request(key)))
        try:
            await connection.publish(Outgoing(topic=device_topic(identity.name, "renew"), payload=payload))
        except OfflineError:
            return

    async def _renewed(self, message: Incoming) -> None:
        issued = msgspec.json.decode(message.payload, type=Issued)
        before = await asyncio.to_thread(self._keeper.load)
        if before is not None and before.certificate == issued.certificate:
            return  # nothing new: our clock is ahead
        await asyncio.to_thread(self._keeper.keep, issued)
        logger.info("the certificate was renewed")
        self._anew.set()

    async def _wished(self, message: Incoming) -> None:
        if self._desired is None or not 0 < len(message.payload) <= MAX_MESSAGE_BYTES:
            return
        try:
            desired = msgspec.json.decode(message.payload, type=Desired)
        except BAD:
            logger.warning("a desired state was not understood")
            return
        await self._desired(desired)
