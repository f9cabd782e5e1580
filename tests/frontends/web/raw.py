"""A WebSocket client that can misbehave: it writes whatever bytes it is told to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import struct
from collections.abc import AsyncIterator

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(payload: bytes, opcode: int = TEXT, first: int = 0x80, mask: bool = True) -> bytes:
    """Return one frame (RFC 6455, section 5.2); `first` holds FIN and the reserved bits."""
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes([first | opcode, bit | size])
    elif size < 65_536:
        head = bytes([first | opcode, bit | 126]) + struct.pack(">H", size)
    else:
        head = bytes([first | opcode, bit | 127]) + struct.pack(">Q", size)
    return head + (bytes(4) if mask else b"") + payload  # a mask of zeros changes nothing


class RawSocket:
    """One upgraded connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame, (8, b"") when the connection just ended."""
        try:
            async with asyncio.timeout(60):
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack(">H", await self.reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
                return first & 0x0F, await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return CLOSE, b""

    async def close_code(self) -> int:
        """Return the code with which the server closes, 1006 when it just hung up."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big") or 1006


@contextlib.asynccontextmanager
async def raw_socket(host: str, cookie: str, **headers: str) -> AsyncIterator[RawSocket]:
    """Upgrade by hand."""
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Cookie": f"edge_session={cookie}",
        **headers,
    }
    request = "GET /api/ws HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in lines.items())
    writer.write(f"{request}\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101"), answer
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
