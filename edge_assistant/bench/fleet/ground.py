"""What the fleet's measurements and tests share: a broker with its plugin, a registrar, devices, all real."""

from __future__ import annotations

import asyncio
import getpass
import inspect
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge_assistant.bench.mosquitto import Mosquitto, free_port
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.agent import Agent
from edge_assistant.fleet.identity import Keeper
from edge_assistant.fleet.registrar.registrar import Registrar
from edge_assistant.fleet.registrar.rights import REGISTRAR
from edge_assistant.fleet.registrar.service import running_registrar
from edge_assistant.fleet.registrar.setup import Place, set_up
from edge_assistant.fleet.wire import Desired, Reported
from edge_assistant.mqtt.broker import Broker

WAIT_SECONDS = 60.0


class Ground:
    """Folder and broker of one fleet; the registrar comes and goes."""

    def __init__(self, folder: Path, lifetime_hours: float = 90 * 24) -> None:
        self.folder = folder
        self.place = Place(
            host="localhost", port=free_port(), mutual_port=free_port(), password=secrets.token_urlsafe(16),
            lifetime_hours=lifetime_hours,
        )  # fmt: skip
        self.mosquitto = Mosquitto.provisioned(folder / "broker" / "mosquitto.conf", self.place.port)

    async def start(self) -> Ground:
        """Make the fleet and start its broker."""
        broker = self.folder / "broker"
        await set_up(self.folder, self.place, ["localhost"], user=getpass.getuser(), broker=broker)
        await asyncio.to_thread(self.mosquitto.start)
        return self

    def broker(self, user: str | None = None, password: str | None = None) -> Broker:
        """Return the listener for passwords."""
        return Broker(
            host="localhost", port=self.place.port, tls=True, username=user, password=password,
            ca_file=str(self.folder / "ca.crt"),
        )  # fmt: skip

    @property
    def operator(self) -> Broker:
        """The broker as the registrar sees it: everything of the fleet."""
        return self.broker(REGISTRAR, self.place.password)

    @asynccontextmanager
    async def registrar(self) -> AsyncIterator[Registrar]:
        """Run the registrar for the block."""
        async with running_registrar(self.folder) as registrar:
            await until(lambda: registrar.connection.online)
            await registrar.door.reconcile()  # and so it has been done once
            yield registrar


class Gadget:
    """A device that is nothing but its agent."""

    def __init__(self, ground: Ground, name: str, token: str, serial: str = "", **more: Any) -> None:
        self.ground = ground
        self.name = name
        self.serial = serial or f"serial-{name}"
        self.keeper = Keeper(ground.folder / "devices" / name)
        self.wishes: list[Desired] = []
        self.values: dict[str, str] = {}
        self.agent = Agent(
            self.keeper, ground.broker(), token, serial=self.serial, name=name, report=self.report,
            desired=self.desired, **more,
        )  # fmt: skip

    async def report(self) -> Reported:
        """Say that all is well."""
        return Reported(version="1", serial=self.serial, health="ok", values=self.values, clock=1.0)

    async def desired(self, desired: Desired) -> None:
        """Note what is wished."""
        self.wishes.append(desired)

    @property
    def online(self) -> bool:
        """Whether it is in with its certificate."""
        return self.agent.connection is not None and self.agent.connection.online

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Gadget]:
        """Let it live for the block."""
        task = asyncio.create_task(self.agent.run(), name=f"gadget {self.name}")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Any], seconds: float = WAIT_SECONDS) -> None:
    """Wait until something holds, which may be a coroutine; raises BENCH_FAILED when it never does."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                held = holds()
                if await held if inspect.isawaitable(held) else held:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise EdgeError("BENCH_FAILED", "what was waited for never came to hold") from None
