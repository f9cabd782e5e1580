"""Lets devices in, keeps what they report, and shuts them out; what it decides is written down first."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence

import apsw
import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.fleet.certificate import (
    common_name,
    fingerprint,
    key_of,
    public_pem,
    read_certificate,
    read_request,
)
from edge_assistant.fleet.registrar import rights
from edge_assistant.fleet.registrar.admission import Asked, admit
from edge_assistant.fleet.registrar.book import (
    MEMBERS,
    Book,
    Claim,
    Device,
    State,
    device_in,
    keep_in,
    revoke_key_in,
    revoked_in,
)
from edge_assistant.fleet.registrar.door import Door
from edge_assistant.fleet.registrar.rights import CLAIM, RECOVERY, Order
from edge_assistant.fleet.registrar.signing import Signing
from edge_assistant.fleet.wire import (
    BAD,
    DEVICE,
    DEVICE_NAME,
    ENROL,
    MAX_MESSAGE_BYTES,
    Desired,
    Issued,
    Pending,
    Refused,
    Renewal,
    Reply,
    Reported,
    Request,
    device_topic,
    encode,
    enrol_topic,
    speaker,
)
from edge_assistant.mqtt.connection import Connection, Handler, Incoming, OfflineError, Outgoing

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 900.0
LONGEST_CLAIM_SECONDS = 86_400.0
"""For a claim that is bound to a serial; any other one lives fifteen minutes at most."""

MAX_WAITING = 10_000
"""Messages of devices that may wait to be handled."""

Watcher = Callable[[Device], None]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that somebody wants."""

    serial: str = ""
    name: str = ""
    groups: tuple[str, ...] = ()
    seconds: float = CLAIM_SECONDS


class Registrar:
    """The service; `run` it as long as it shall work. `clock` gives UNIX seconds."""

    def __init__(
        self,
        book: Book,
        connection: Connection,
        signing: Signing,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.book = book
        self.connection = connection
        self.door = Door(book, connection, signing.password, clock=clock)
        self._signing = signing
        self._clock = clock
        self._watchers: list[Watcher] = []
        self._inbox: asyncio.Queue[tuple[Handler, Incoming]] = asyncio.Queue(MAX_WAITING)
        connection.subscribe(f"{ENROL}/+/request", self._later(self._requested))
        connection.subscribe(f"{DEVICE}/+/reported", self._later(self._reported))
        connection.subscribe(f"{DEVICE}/+/availability", self._later(self._availability))
        connection.subscribe(f"{DEVICE}/+/renew", self._later(self._renewal))

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with each device that reported something."""
        self._watchers.append(watcher)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="fleet inbox")
            tasks.create_task(self.connection.run(), name="fleet connection")
            tasks.create_task(self.door.keep_expiring(), name="fleet claims")

    # --- what the operator orders ---

    async def claim(self, wishes: Sequence[Wish]) -> list[tuple[Claim, str]]:
        """Return a claim and its token, a secret, for each wish; raises FLEET_BROKER_OFFLINE, USAGE."""
        now, made, orders = self._clock(), [], list[Order]()
        for wish in wishes:
            if not 1 <= wish.seconds <= (LONGEST_CLAIM_SECONDS if wish.serial else CLAIM_SECONDS):
                raise UsageError(
                    "FLEET_CLAIM_TOO_LONG", "a claim lives 15 minutes, with a serial up to a day"
                )
            password = secrets.token_urlsafe(32)
            claim = Claim(
                id=f"{CLAIM}{secrets.token_hex(8)}", serial=wish.serial, name=wish.name, groups=wish.groups,
                created_at=now, expires_at=now + wish.seconds,
            )  # fmt: skip
            made.append((claim, f"{claim.id}:{password}"))
            orders += rights.allow(claim.id, password)
        await self.book.keep_claims(claim for claim, _ in made)
        try:
            await self.door.change(orders)
        except EdgeError:
            await self.book.keep_claims(msgspec.structs.replace(claim, state="void") for claim, _ in made)
            raise
        return made

    async def approve(self, name: str, *, replace: bool = False) -> Device:
        """Let a device in; `replace` revokes others that say they are the same board.

        Raises FLEET_DEVICE_UNKNOWN, FLEET_DEVICE_REVOKED, FLEET_BROKER_OFFLINE.
        """
        device = await self.book.device(name)
        if device.state == "revoked":
            raise UsageError(
                "FLEET_DEVICE_REVOKED", f"{name} was revoked: it needs a new key and a new claim"
            )
        if replace:
            for twin in await self.book.devices():
                if twin.serial == device.serial and twin.name != name and twin.state != "revoked":
                    await self.revoke(twin.name)
        state: State = "enrolled" if device.enrolled_at else "approved"
        device = await self.book.change(name, lambda row: msgspec.structs.replace(row, state=state, note=""))
        issued = await self._issue(device)
        if device.enrolled_at is None:
            await self._reply(device.claim, issued)
        return device

    async def revoke(self, name: str) -> Device:
        """Shut a device out for good, its live session too; raises FLEET_DEVICE_UNKNOWN.

        When the broker is away it is done as soon as it is back.
        """
        now = self._clock()

        def work(db: apsw.Connection) -> Device | None:
            device = device_in(db, name)
            if device is not None:
                revoke_key_in(db, device, now)
                device = msgspec.structs.replace(device, state="revoked", online=False)
                keep_in(db, device)
            return device

        device = await self.book.database.write(work) or await self.book.device(name)
        await self.door.shut(device)
        for leaf in ("desired", "reported", "availability"):
            await self.connection.publish(Outgoing(topic=device_topic(name, leaf), payload=b"", retain=True))
        return device

    async def desire(self, name: str, desired: Desired) -> Device:
        """Tell a device what it shall be."""
        device = await self.book.change(name, lambda row: msgspec.structs.replace(row, desired=desired))
        await self._tell_desired(device)
        return device

    # --- what devices say ---

    def _later(self, handler: Handler) -> Handler:
        """Let `handler` wait its turn: it gives orders whose answers come by the same connection."""

        async def put(message: Incoming) -> None:
            try:
                self._inbox.put_nowait((handler, message))
            except asyncio.QueueFull:
                logger.warning("too much is said at once: a message was left out; devices say it again")

        return put

    async def _listen(self) -> None:
        while True:
            handler, message = await self._inbox.get()
            try:
                await handler(message)
            except EdgeError as error:
                logger.warning("a message was not handled: %s", error)
            except Exception:  # one message must not end the service
                logger.exception("a message was not handled")

    async def _requested(self, message: Incoming) -> None:
        credential = speaker(message.topic)
        if message.retain or len(message.payload) > MAX_MESSAGE_BYTES:
            return
        key = ""
        try:
            request = msgspec.json.decode(message.payload, type=Request)
            public = read_request(request.csr)
            key = fingerprint(public)
            reply: Reply = await self._answer(Asked(credential, request, key, public_pem(public)))
        except BAD:
            return
        except EdgeError as error:
            logger.info("refused a request: %s", error.code)
            reply = Refused(key=key, code=error.code, message=error.message)
        await self._reply(credential, reply)

    async def _answer(self, asked: Asked) -> Reply:
        if asked.claim.startswith(RECOVERY):
            return await self._recover(asked.claim.removeprefix(RECOVERY), asked.key)
        device = await self.book.database.write(lambda db: admit(db, asked, self._clock()))
        if device.state not in MEMBERS:
            return Pending(key=asked.key)
        return await self._issue(device)

    async def _recover(self, name: str, key: str) -> Issued:
        device = await self.book.device(name)
        if device.state not in MEMBERS or device.key != key:
            raise UsageError("FLEET_KEY_REVOKED", "this is not the key of that device")
        return await self._certify(device, anew=self._signing.ends_soon(device, self._clock()))

    async def _renewal(self, message: Incoming) -> None:
        name = speaker(message.topic)
        try:
            renewal = msgspec.json.decode(message.payload, type=Renewal)
            device = await self.book.device(name)
            if device.key != fingerprint(read_request(renewal.csr)) or device.state not in MEMBERS:
                return
        except (*BAD, EdgeError):
            return
        issued = await self._certify(device, anew=not self._signing.is_fresh(device, self._clock()))
        await self._send(Outgoing(topic=device_topic(name, "certificate"), payload=encode(issued)))

    async def _reported(self, message: Incoming) -> None:
        name = speaker(message.topic)
        if not message.payload or len(message.payload) > MAX_MESSAGE_BYTES or not DEVICE_NAME.fullmatch(name):
            return
        try:
            reported = msgspec.json.decode(message.payload, type=Reported)
        except BAD:
            return
        device = await self.book.database.write(
            lambda db: self._note_report(db, name, reported, message.retain)
        )
        if device is None:
            return
        if device.state == "approved":
            await self._arrived(device)
        await self._say_again(device)
        for watcher in self._watchers:
            watcher(device)

    def _note_report(
        self, db: apsw.Connection, name: str, reported: Reported, retained: bool
    ) -> Device | None:
        device = device_in(db, name) or self._adopted(db, name, reported)
        if device is None or device.state == "revoked":
            return None
        contact = device.last_contact if retained and device.last_contact else self._clock()
        device = msgspec.structs.replace(device, reported=reported, last_contact=contact)
        keep_in(db, device)
        return device

    def _adopted(self, db: apsw.Connection, name: str, reported: Reported) -> Device | None:
        """Return a device that enrolled after the backup from which this registrar was restored."""
        try:
            certificate = read_certificate(reported.certificate)
        except EdgeError:
            return None
        key = key_of(certificate)
        if not self._signing.is_ours(certificate) or common_name(certificate) != name or revoked_in(db, key):
            return None
        logger.warning("took up device %s again, which this registrar had forgotten", name)
        now = self._clock()
        return Device(
            name=name, serial=reported.serial, key=key, state="enrolled", certificate=reported.certificate,
            public_key=public_pem(certificate.public_key()),
            note="enrolled after the backup that this registrar was restored from", created_at=now,
            enrolled_at=now, online=True,
        )  # fmt: skip

    async def _arrived(self, device: Device) -> None:
        """Note that it came in with its certificate: its claim has done its work."""
        now = self._clock()
        await self.book.change(
            device.name, lambda row: msgspec.structs.replace(row, state="enrolled", enrolled_at=now)
        )
        logger.info("device %s is enrolled", device.name)
        await self.door.change(rights.refuse(device.claim))

    async def _say_again(self, device: Device) -> None:
        """Tell a device again that never got its newest wish, because the broker lost it."""
        wish, told = device.desired, device.reported
        if wish is not None and told is not None and told.desired.version < wish.version and device.online:
            await self._tell_desired(device)

    async def _availability(self, message: Incoming) -> None:
        name, online = speaker(message.topic), message.payload == b"online"
        now = self._clock()

        def change(row: Device) -> Device:
            if row.state == "revoked":
                return row
            contact = row.last_contact if message.retain else now
            return msgspec.structs.replace(row, online=online, last_contact=contact)

        if message.payload in {b"online", b"offline"}:
            try:
                await self.book.change(name, change)
            except EdgeError:
                return  # of nobody whom we know

    async def _issue(self, device: Device) -> Issued:
        """Let a device in at the broker, then give it its certificate."""
        issued = await self._certify(device, anew=not device.certificate)
        await self.door.open(device)
        return issued

    async def _certify(self, device: Device, *, anew: bool) -> Issued:
        if anew:
            certificate = self._signing.certificate(device, self._clock())
            device = await self.book.change(
                device.name, lambda row: msgspec.structs.replace(row, certificate=certificate)
            )
        return self._signing.issued(device)

    async def _tell_desired(self, device: Device) -> None:
        if device.desired is not None:
            topic = device_topic(device.name, "desired")
            await self._send(Outgoing(topic=topic, payload=encode(device.desired), retain=True))

    async def _reply(self, credential: str, reply: Reply) -> None:
        await self._send(Outgoing(topic=enrol_topic(credential, "reply"), payload=encode(reply)))

    async def _send(self, message: Outgoing) -> None:
        try:
            await self.connection.publish(message)
        except OfflineError:
            logger.info("not sent: the broker is away; who waits asks again")
