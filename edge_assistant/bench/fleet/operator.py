"""The operator's machine: a broker, the registrar as a process of its own, and a model's server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge_assistant.bench.child import tied
from edge_assistant.bench.fleet.ground import Ground, until
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.registrar.client import order
from edge_assistant.fleet.registrar.setup import folder_of


class Operator:
    """Gives orders to a registrar as its commands do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def order(self, **message: Any) -> Any:
        """Send an order and return its answer."""
        return await asyncio.to_thread(lambda: order(self._folder, **message))

    async def devices(self) -> dict[str, dict[str, Any]]:
        """Return how all devices are, by name."""
        status = await self.order(type="status")
        return {device["name"]: device for device in status["devices"]}

    async def has(self, name: str, state: str) -> bool:
        """Return whether a device is in a state."""
        return bool((await self.devices()).get(name, {}).get("state") == state)

    async def connected(self) -> bool:
        """Return whether the registrar is at its broker."""
        try:
            return bool((await self.order(type="status"))["connected"])
        except EdgeError:
            return False

    async def campaign(self, identifier: str) -> dict[str, Any]:
        """Return a campaign."""
        campaigns: list[dict[str, Any]] = (await self.order(type="campaigns"))["campaigns"]
        return next(each for each in campaigns if each["id"] == identifier)


@asynccontextmanager
async def running_operator(state: Path) -> AsyncIterator[tuple[Ground, Operator]]:
    """Run a broker and a registrar for the block, with everything in the folder `state`."""
    ground = Ground(folder_of(state))
    await ground.start()
    process = await asyncio.create_subprocess_exec(
        *tied(sys.executable, "-m", "edge_assistant", "fleet", "registrar"),
        env={**os.environ, "STATE_DIRECTORY": str(state)}, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        operator = Operator(ground.folder)
        await until(operator.connected)
        yield ground, operator
    finally:
        process.terminate()
        await process.wait()
        await asyncio.to_thread(ground.mosquitto.kill)
