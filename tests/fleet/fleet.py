"""A fleet of the test's own: a real Mosquitto with its plugin, a registrar, and devices' agents on them."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.fleet.agent import Agent
from edge_assistant.fleet.identity import Keeper
from edge_assistant.fleet.registrar.registrar import Registrar, Wish
from edge_assistant.fleet.registrar.service import running_registrar
from edge_assistant.fleet.registrar.setup import Place, set_up
from edge_assistant.fleet.wire import Desired, Reported
from edge_assistant.mqtt.broker import Broker
from tests.mosquitto import Mosquitto, free_port

WAIT_SECONDS = 30.0


class Ground:
    """Folder and broker of one fleet; the registrar comes and goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = Place(
            host="localhost", port=free_port(), mutual_port=free_port(), password=secrets.token_urlsafe(16)
        )
        self.mosquitto = Mosquitto.provisioned(folder / "broker" / "mosquitto.conf", self.place.port)

    async def start(self) -> Ground:
        await set_up(
            self.folder, self.place, ["localhost"], user=getpass.getuser(), broker=self.folder / "broker"
        )
        self.mosquitto.start()
        return self

    def broker(self, user: str | None = None, password: str | None = None) -> Broker:
        """The listener for passwords."""
        return Broker(
            host="localhost", port=self.place.port, tls=True, username=user, password=password,
            ca_file=str(self.folder / "ca.crt"),
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def registrar(self) -> AsyncIterator[Registrar]:
        async with running_registrar(self.folder) as registrar:
            await until(lambda: registrar.connection.online)
            await registrar.door.reconcile()  # and so it has been done once
            yield registrar


class Gadget:
    """A device that is nothing but its agent."""

    def __init__(self, ground: Ground, name: str, token: str, serial: str = "", **more: Any) -> None:
        self.ground = ground
        self.serial = serial or f"serial-{name}"
        self.keeper = Keeper(ground.folder / "devices" / name)
        self.wishes: list[Desired] = []
        self.values: dict[str, str] = {}
        self.agent = Agent(
            self.keeper, ground.broker(), token, serial=self.serial, name=name, report=self.report,
            desired=self.desired, **more,
        )  # fmt: skip

    async def report(self) -> Reported:
        return Reported(version="1", serial=self.serial, health="ok", values=self.values, clock=1.0)

    async def desired(self, desired: Desired) -> None:
        self.wishes.append(desired)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Gadget]:
        task = asyncio.create_task(self.agent.run(), name="gadget")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def a_token(registrar: Registrar, **wish: Any) -> str:
    ((_, token),) = await registrar.claim([Wish(**wish)])
    return token


async def until(holds: Any, seconds: float = WAIT_SECONDS) -> None:
    """Wait until something holds, which may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            held = holds()
            if await held if asyncio.iscoroutine(held) else held:
                return
            await asyncio.sleep(0.02)


def plain(struct: msgspec.Struct) -> dict[str, Any]:
    return msgspec.to_builtins(struct)
