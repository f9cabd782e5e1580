"""Keeps the broker's rights in step with the book.

A generation, counted up with every change of rights, stands in both: when the broker's is ahead, the book
is an old backup. Then a device is in only when both know it: nobody who was revoked since comes back, and
whoever enrolled since is taken up again by its own certificate. When the broker's is not ahead, what it
lacks was lost there and is given anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import apsw
import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.fleet.registrar import rights
from edge_assistant.fleet.registrar.book import (
    MEMBERS,
    Book,
    Claim,
    Device,
    claims_in,
    devices_in,
    keep_claim_in,
    keep_in,
)
from edge_assistant.fleet.registrar.rights import CLAIM, RECOVERY, Order, Rights
from edge_assistant.mqtt.connection import Connection

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often expired claims are taken away from the broker. That they have expired counts at once."""

HELD = "the broker lets it in no more: it was revoked, or the broker lost its list; approve or revoke it"


class Door:
    """Changes rights at the broker. `password` is that of a device's recovery."""

    def __init__(
        self,
        book: Book,
        connection: Connection,
        password: Callable[[Device], str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rights = Rights(connection)
        self._book = book
        self._password = password
        self._clock = clock
        self._changing = asyncio.Lock()
        """Held while book and broker are brought in step."""
        connection.when_online(self.reconcile)

    async def open(self, device: Device) -> None:
        """Let a device in; raises FLEET_BROKER_OFFLINE."""
        await self.change(self._opening(device))

    async def shut(self, device: Device) -> None:
        """Shut a device out, its live session too; raises FLEET_BROKER_OFFLINE."""
        users = filter(None, (device.name, RECOVERY + device.name, device.claim))
        await self.change([order for user in users for order in rights.refuse(user)])

    async def change(self, orders: Sequence[Order]) -> None:
        """Carry out orders; the generation is counted up in the book before and at the broker after."""
        async with self._changing:
            generation = await self._next_generation()
            await self.rights.carry_out([*orders, *rights.number(generation)])

    async def reconcile(self) -> None:
        """Bring book and broker in step after a time apart."""
        async with self._changing:
            there, here = await self.rights.generation(), await self._generation()
            users = await self.rights.users()
            if restored := there > here:
                logger.warning("the broker is %d changes ahead: this registrar was restored", there - here)
                await self._book.database.write(lambda db: _hold(db, users))
            orders = await self._mending(users, restored=restored)
            generation = await self._next_generation(there + 1)
            await self.rights.carry_out([*orders, *rights.number(generation)])

    async def keep_expiring(self) -> None:
        """Take expired claims away from the broker, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            gone = await self._book.database.write(lambda db: _expire(db, self._clock()))
            if gone:
                try:
                    await self.change([order for claim in gone for order in rights.refuse(claim)])
                except EdgeError as error:  # `reconcile` does it
                    logger.info("expired claims leave the broker later: %s", error.code)

    async def _mending(self, users: set[str], *, restored: bool) -> list[Order]:
        """Return the orders after which the broker lets in those whom the book does."""
        devices, claims = await self._book.devices(), await self._book.claims()
        members = [device for device in devices if device.state in MEMBERS]
        wanted = {name for device in members for name in (device.name, RECOVERY + device.name)}
        wanted |= {device.claim for device in devices if device.state in {"pending", "approved"}}
        wanted |= {claim.id for claim in claims if claim.state == "open"}
        orders: list[Order] = []
        for device in members:
            if not {device.name, RECOVERY + device.name} <= users:
                orders += self._opening(device)
        for user in users - wanted:
            if restored and not user.startswith(CLAIM):
                continue  # it may have enrolled since the backup: its report will tell
            orders += rights.refuse(user)
        lost = [claim for claim in claims if claim.state == "open" and claim.id not in users]
        await self._book.keep_claims(msgspec.structs.replace(claim, state="void") for claim in lost)
        return orders

    def _opening(self, device: Device) -> list[Order]:
        return [*rights.allow(device.name), *rights.allow(RECOVERY + device.name, self._password(device))]

    async def _generation(self) -> int:
        return int(await self._book.setting("generation") or b"0")

    async def _next_generation(self, at_least: int = 0) -> int:
        generation = max(await self._generation() + 1, at_least)
        await self._book.set_setting("generation", str(generation).encode())
        return generation


def _hold(db: apsw.Connection, users: set[str]) -> None:
    """Keep those out whom the broker does not know any more, until the operator has looked."""
    for device in devices_in(db):
        if device.state in MEMBERS and device.name not in users:
            keep_in(db, msgspec.structs.replace(device, state="held", note=HELD, online=False))
    for claim in claims_in(db):
        if claim.state == "open":
            keep_claim_in(db, msgspec.structs.replace(claim, state="void"))


def _expire(db: apsw.Connection, now: float) -> list[str]:
    gone: list[Claim] = [
        claim for claim in claims_in(db) if claim.state == "open" and now >= claim.expires_at
    ]
    for claim in gone:
        keep_claim_in(db, msgspec.structs.replace(claim, state="void"))
    return [claim.id for claim in gone]
