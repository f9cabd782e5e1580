"""The registrar as a program: it serves the fleet over the broker and the operator over a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from edge_assistant.config.address import socket_address
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.registrar.campaigns import Campaigns
from edge_assistant.fleet.registrar.orders import Orders
from edge_assistant.fleet.registrar.registrar import Registrar
from edge_assistant.fleet.registrar.setup import opened_fleet
from edge_assistant.mqtt.connection import Connection
from edge_assistant.store.lock import StateLock

logger = logging.getLogger(__name__)

MAX_ORDER_BYTES = 1 << 20
SOCKET = "registrar.sock"


@asynccontextmanager
async def running_registrar(folder: Path) -> AsyncIterator[Registrar]:
    """Run the registrar of the fleet in `folder` for the block; raises STATE_IN_USE, FLEET_MISSING."""
    with StateLock(folder / "lock"):
        async with opened_fleet(folder) as fleet:
            connection = Connection(fleet.broker, "edge-assistant-fleet-registrar")
            registrar = Registrar(fleet.book, connection, fleet.signing)
            campaigns = Campaigns(registrar)
            async with _serving(folder / SOCKET, Orders(registrar, campaigns)):
                task = asyncio.create_task(_run(registrar, campaigns), name="registrar")
                try:
                    yield registrar
                finally:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task


async def _run(registrar: Registrar, campaigns: Campaigns) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(registrar.run(), name="fleet registrar")
        tasks.create_task(campaigns.run(), name="fleet campaigns")


@asynccontextmanager
async def _serving(path: Path, orders: Orders) -> AsyncIterator[None]:
    """Take orders from this very user."""

    async def take(request: web.Request) -> web.Response:
        return await answer(orders, await request.read())

    application = web.Application(client_max_size=MAX_ORDER_BYTES)
    application.add_routes([web.post("/order", take)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, _listening(path)).start()
        yield
    finally:
        await runner.cleanup()
        _remove(path)


def _listening(path: Path) -> socket.socket:
    """Return a socket at `path` that only this user reaches; the state lock says that it is ours alone."""
    _remove(path)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket_address(path) as address:
        channel.bind(address)
    path.chmod(0o600)
    return channel


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def answer(orders: Orders, body: bytes) -> web.Response:
    """Return what an order brought, or the error it met."""
    try:
        return _json(await orders.carry_out(body))
    except EdgeError as error:
        return _json({"error": {"code": error.code, "message": error.message}}, status=409)


def _json(what: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(what), status=status, content_type="application/json")
