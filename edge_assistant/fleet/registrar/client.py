"""The command line's way to a running registrar; blocking, because a terminal does one thing at a time."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.config.address import socket_address
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.registrar.service import SOCKET

WAIT_SECONDS = 120.0


class _Channel(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("registrar", timeout=WAIT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT_SECONDS)
        with socket_address(self._path) as address:
            self.sock.connect(address)


def order(folder: Path, /, **message: Any) -> Any:
    """Send an order and return its answer; raises FLEET_REGISTRAR_NOT_RUNNING, or what it met."""
    channel = _Channel(folder / SOCKET)
    try:
        channel.request("POST", "/order", msgspec.json.encode(message))
        answer = msgspec.json.decode(channel.getresponse().read())
    except (FileNotFoundError, ConnectionRefusedError):
        raise EdgeError(
            "FLEET_REGISTRAR_NOT_RUNNING", "the registrar is not running: start `fleet registrar`"
        ) from None
    finally:
        channel.close()
    if isinstance(answer, dict) and "error" in answer:
        raise EdgeError(answer["error"]["code"], answer["error"]["message"])
    return answer
