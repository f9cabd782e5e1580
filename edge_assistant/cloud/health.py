"""Whether a cloud worker is well, and what it did, for those who run many: `/healthz` and `/metrics`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from edge_assistant.cloud.worker import CloudWorker
from edge_assistant.errors import UsageError


@asynccontextmanager
async def serving_health(worker: CloudWorker, address: str) -> AsyncIterator[None]:
    """Serve health and metrics at `HOST:PORT` for the block; nothing when it is empty."""
    if not address:
        yield
        return
    from aiohttp import web

    async def health(request: web.Request) -> web.Response:
        del request
        text = "ok" if worker.healthy else "degraded"
        return web.json_response({"status": text}, status=200 if worker.healthy else 503)

    async def metrics(request: web.Request) -> web.Response:
        del request
        return web.Response(text=metrics_text(worker))

    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError("USAGE", "--health takes HOST:PORT")
    application = web.Application()
    application.add_routes([web.get("/healthz", health), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port)).start()
        yield
    finally:
        await runner.cleanup()


def metrics_text(worker: CloudWorker) -> str:
    """Return what Prometheus reads."""
    lines = [f"edge_assistant_cloud_worker_working {worker.working}"]
    for name, value in msgspec.structs.asdict(worker.counters).items():
        lines.append(f"edge_assistant_cloud_worker_{name}_total {value}")
    return "\n".join(lines) + "\n"
