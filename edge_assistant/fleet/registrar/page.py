"""The operator's page, for a browser on this machine, served only while somebody wants it.

The registrar itself opens no port: the page passes on what its holder orders, over the registrar's socket.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.fleet.registrar.client import order
from edge_assistant.fleet.registrar.service import MAX_ORDER_BYTES

HOST = "127.0.0.1"

_FILES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "edge-assistant",
}


@asynccontextmanager
async def serving_page(folder: Path, port: int = 0) -> AsyncIterator[str]:
    """Serve the page of the fleet in `folder` for the block; give its link, which holds a secret.

    Raises FLEET_PAGE_PORT when the port is taken.
    """
    key = secrets.token_urlsafe(24)
    application = web.Application(client_max_size=MAX_ORDER_BYTES)
    application.on_response_prepare.append(_add_headers)
    application.add_routes([web.get(path, _file(name)) for path, name in _FILES.items()])
    application.add_routes([web.post("/order", _Desk(folder, key).take)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError("FLEET_PAGE_PORT", f"port {port} can't be used: {error.strerror}") from None
        address = runner.addresses[0]
        # Behind the #: a browser sends that part to nobody.
        yield f"http://{HOST}:{address[1]}/#{key}"
    finally:
        await runner.cleanup()


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.update(_HEADERS)


def _file(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    path = Path(__file__).with_name("static") / name
    content = path.read_bytes()

    async def give(request: web.Request) -> web.Response:
        del request
        return web.Response(body=content, content_type=_TYPES[path.suffix], charset="utf-8")

    return give


class _Desk:
    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key

    async def take(self, request: web.Request) -> web.Response:
        """Pass on an order of who holds the key; without cookies no other page can order as its holder."""
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent.encode(), self._key.encode()):
            return _error("FLEET_PAGE_FORBIDDEN", "open the page by the link that `fleet page` printed", 403)
        try:
            message = msgspec.json.decode(await request.read(), type=dict[str, msgspec.Raw])
            answer = await asyncio.to_thread(order, self._folder, **message)
        except msgspec.DecodeError:
            return _error("USAGE", "no order", 400)
        except EdgeError as error:
            return _error(error.code, error.message, 409)
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def _error(code: str, message: str, status: int) -> web.Response:
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return web.Response(body=body, status=status, content_type="application/json")
