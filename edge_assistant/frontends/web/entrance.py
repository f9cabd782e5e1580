"""Listens, and keeps connections that only wait from keeping others out.

A program that opens connections and says nothing, or a letter now and then, holds one each until it is
cut off. So there are only so many; when all are taken the oldest one that has no request being answered
makes room, and nobody is cut off whose request is being answered.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from edge_assistant.frontends.web.responses import Handler

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
"""What the beginning of TLS may take; a phone on bad Wi-Fi needs a second or two."""

UNHEARD_MILLISECONDS = 60_000
"""A peer that acknowledges nothing for so long is gone: its machine is off, or out of the house."""

SILENCE_PROBES = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""The kernel asks a silent peer after a minute whether it is there, and gives up after another one."""


class Entrance:
    """Takes connections for a server, at most `most` of them at once."""

    def __init__(self, most: int) -> None:
        self._server: web.Server | None = None
        self._most = most
        self._answering: set[asyncio.Protocol] = set()
        """Connections whose request is being answered."""

    def serve(self, server: web.Server) -> None:
        """Name the server, which there is only when it runs."""
        self._server = server

    async def listen(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext | None = None,
        listening: socket.socket | None = None,
    ) -> asyncio.Server:
        """Listen, or use a socket that does already; raises `OSError` when the address can't be had."""
        where: dict[str, Any] = {"host": host, "port": port} if listening is None else {"sock": listening}
        handshake = HANDSHAKE_SECONDS if context else None
        listener = await asyncio.get_running_loop().create_server(
            lambda: _Knock(self), **where, ssl=context, ssl_handshake_timeout=handshake
        )
        for each in listener.sockets:  # what is accepted there inherits it
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_MILLISECONDS)
            for option, value in SILENCE_PROBES:
                each.setsockopt(socket.IPPROTO_TCP, option, value)
        return listener

    @web.middleware
    async def attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note that a connection's request is being answered."""
        connection = request.protocol
        self._answering.add(connection)
        try:
            return await handler(request)
        finally:
            self._answering.discard(connection)

    def admit(self, transport: asyncio.BaseTransport) -> None:
        """Let a connection in, or end it when there is no room."""
        assert isinstance(transport, asyncio.Transport)
        assert self._server is not None
        if len(self._server.connections) >= self._most and not self._room(self._server.connections):
            logger.warning("more than %d connections: one was turned away", self._most)
            transport.abort()
            return
        connection = self._server()
        transport.set_protocol(connection)
        connection.connection_made(transport)

    def _room(self, connections: list[RequestHandler]) -> bool:
        """End the oldest connection that waits for a request; False when all are being answered."""
        alive = [each for each in connections if each.transport is not None]
        if len(alive) < self._most:
            return True  # the others are being closed
        waiting = next((each for each in alive if each not in self._answering), None)
        if waiting is not None:
            waiting.force_close()
        return waiting is not None


class _Knock(asyncio.Protocol):
    """A connection before it is let in; behind TLS that is after the handshake."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be let in."""
        self._entrance.admit(transport)
