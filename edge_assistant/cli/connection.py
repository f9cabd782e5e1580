"""The terminal's side of the control socket; blocking, because a terminal does one thing at a time."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from edge_assistant.config import load_paths
from edge_assistant.config.address import socket_address
from edge_assistant.errors import EdgeError

Message = dict[str, Any]

PIECE_BYTES = 1 << 18


class Connection:
    """A connection to the assistant, one JSON object a line in both directions."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lines = channel.makefile("rb")

    def send(self, **message: Any) -> None:
        """Send one message; raises DAEMON_GONE, or why the daemon hung up on it."""
        try:
            self._channel.sendall(msgspec.json.encode(message) + b"\n")
        except OSError as error:
            raise self._last_word() from error

    def send_bytes(self, file: BinaryIO, size: int) -> None:
        """Send the first `size` bytes of a file; raises DAEMON_GONE."""
        left = size
        try:
            while left:
                piece = file.read(min(left, PIECE_BYTES))
                if not piece:  # it became shorter meanwhile
                    raise EdgeError("DOCUMENT_UNREADABLE", "the file changed while it was read: try again")
                self._channel.sendall(piece)
                left -= len(piece)
        except OSError as error:
            raise _gone() from error

    def receive_line(self) -> bytes:
        """Return the next line as it came; raises DAEMON_GONE."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise _gone() from error
        if not line:
            raise _gone()
        return line

    def receive(self) -> Message:
        """Return the next message; raises the error when it is one."""
        return read_message(self.receive_line())

    def _last_word(self) -> EdgeError:
        """Return why the daemon hung up: it says so before it does, unless it is gone."""
        try:
            while True:
                self.receive()
        except EdgeError as error:
            return error

    def order(self, **message: Any) -> Message:
        """Send one message and return its answer."""
        self.send(**message)
        return self.receive()

    def close(self) -> None:
        """Hang up; turns go on."""
        self._lines.close()
        self._channel.close()


def read_message(line: bytes) -> Message:
    """Decode a line; raises `EdgeError` when it is an error."""
    message: Message = msgspec.json.decode(line)
    if message["type"] == "error":
        raise EdgeError(message["code"], message["message"], retry_after=message.get("retry_after"))
    return message


@contextmanager
def connected(args: argparse.Namespace) -> Iterator[Connection]:
    """Connect to the running daemon, else to an assistant that lives as long as this command."""
    if connection := connect(load_paths().control_socket):
        with _closing(connection):
            yield connection
        return
    from edge_assistant.cli.foreground import foreground

    with foreground(args) as path, _closing(_require(connect(path))) as connection:
        yield connection


@contextmanager
def connected_to_daemon() -> Iterator[Connection]:
    """Connect to the running daemon; raises DAEMON_NOT_RUNNING."""
    with _closing(_require(connect(load_paths().control_socket))) as connection:
        yield connection


def connect(path: Path) -> Connection | None:
    """Return a connection to the daemon at `path`, or None when none listens there."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_address(path) as address:
            channel.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        channel.close()
        return None
    except PermissionError as error:
        channel.close()
        raise EdgeError(
            "DAEMON_FORBIDDEN", f"{path} belongs to another user: run this as that user"
        ) from error
    return Connection(channel)


def _require(connection: Connection | None) -> Connection:
    if connection is None:
        raise EdgeError(
            "DAEMON_NOT_RUNNING", "the assistant is not running: start it with `edge-assistant run`"
        )
    return connection


@contextmanager
def _closing(connection: Connection) -> Iterator[Connection]:
    try:
        yield connection
    finally:
        connection.close()


def _gone() -> EdgeError:
    return EdgeError("DAEMON_GONE", "the assistant stopped; start it again: what it had stored is there")
