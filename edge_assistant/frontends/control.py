"""The control socket: the terminal's way into the running daemon, one JSON object a line.

It takes the messages of `frontends.protocol` and answers with the events of `assistant.events`, as
the WebSocket does, and a few orders of its own. Whoever can open it is the owner of the device: the
file is 0600 in a folder that only this user may enter, and the kernel names the caller's user. So a
caller may also ask in the name of a person (`user`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.request import Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.config.address import socket_address
from edge_assistant.errors import BusyError, EdgeError
from edge_assistant.frontends import document_orders, memory_orders
from edge_assistant.frontends.document_orders import UploadDocument
from edge_assistant.frontends.orders import (
    AddToken,
    AddUser,
    Backup,
    BackupWritten,
    Debug,
    DeviceList,
    Devices,
    Link,
    LinkMade,
    Order,
    Overhear,
    OwnerOrder,
    Pair,
    PairingMade,
    PeopleOrder,
    RecoveryCode,
    RecoveryCodeMade,
    Revoke,
    Revoked,
    Said,
    Say,
    SessionList,
    Sessions,
    Status,
    TokenMade,
    Tune,
    TuningKept,
    UserAdded,
    decode_envelope,
    decode_order,
    principal_of,
)
from edge_assistant.frontends.protocol import (
    MAX_FRAME_BYTES,
    Confirm,
    ProtocolError,
    Resume,
    SendMessage,
    Stop,
    decode_message,
    refusal,
)
from edge_assistant.frontends.services import Services

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 32
MAX_WATCHED = 16
"""Turns that one connection watches at once."""

SLOW_SECONDS = 20.0
"""A reader that takes nothing for so long is dropped; its turns go on and can be resumed."""

_PEER_CREDENTIALS = struct.Struct("3i")
ROOT = 0


class _CallerLostError(Exception):
    """The caller is gone or takes nothing."""


class ControlSocket:
    """Listens at `path` while started. The caller holds the state lock, so a file there is stale."""

    def __init__(self, path: Path, assistant: Assistant, services: Services) -> None:
        self._path = path
        self._assistant = assistant
        self._services = services
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(
            self._accept, sock=bind(self._path), limit=MAX_FRAME_BYTES + 1, backlog=MAX_CONNECTIONS
        )

    async def stop(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is None:
            return
        self._server.close()
        self._path.unlink(missing_ok=True)
        await cancel_all(self._connections)
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS or not _is_ours(writer):
            logger.warning("a control connection was refused")
            writer.transport.abort()
            return
        connection = _Connection(reader, writer, self._assistant, self._services)
        task = asyncio.get_running_loop().create_task(connection.serve(), name="control-connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)


class _Connection:
    """One caller: a loop that reads its lines, and a task for each turn that it watches."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        assistant: Assistant,
        services: Services,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._assistant = assistant
        self._services = services
        self._watchers: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Serve until the caller is gone. One that only stopped sending still gets its answers."""
        try:
            async with self._dropping_lost_callers():
                while line := await self._read_line():
                    await self._answer(line)
                await asyncio.gather(*self._watchers.values())
        except ValueError:  # readline's way to say that a line is over the limit
            await self._refuse(
                ProtocolError("PROTOCOL_TOO_LARGE", f"a line has at most {MAX_FRAME_BYTES:,} bytes")
            )
        finally:
            await cancel_all(self._watchers.values())
            self._writer.close()

    async def _read_line(self) -> bytes:
        try:
            return await self._reader.readline()
        except OSError as error:
            raise _CallerLostError(type(error).__name__) from error

    async def _answer(self, line: bytes) -> None:
        try:
            await self._obey(line)
        except EdgeError as error:
            await self._refuse(error)
        except _CallerLostError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad message never ends the daemon
            # Its text may quote the person, so only its type and place are logged.
            place = traceback.extract_tb(error.__traceback__)[-1]
            logger.error(  # noqa: TRY400
                "a control message failed: %s at %s:%s", type(error).__name__, place.filename, place.lineno
            )
            await self._refuse(EdgeError("INTERNAL", "this failed for an unexpected reason; see the log"))

    async def _obey(self, line: bytes) -> None:
        envelope = decode_envelope(line)
        if envelope.is_order:
            order = decode_order(line)
            if isinstance(order, UploadDocument):
                await self._send(document_orders.SendNow())
                await self._send(await self._upload(order))
            elif isinstance(order, Say | Overhear):
                await self._voice(order)
            else:
                await self._send(await self._carry_out(order))
            return
        principal = principal_of(envelope.user)
        match decode_message(line):
            case SendMessage(id=identity, session=session, text=text, private=private):
                request = Request(
                    id=identity, text=text, session=session, principal=principal, private=private
                )
                self._watch(await self._assistant.start(request), 0)
            case Resume(id=identity, after=after):
                self._watch(await self._find(identity, principal), after)
            case Stop(id=identity):
                await (await self._find(identity, principal)).cancel()
            case Confirm(confirms=confirms):
                self._watch(await self._assistant.confirm(confirms, principal, "control"), 0)

    async def _upload(self, order: UploadDocument) -> msgspec.Struct:
        await document_orders.write_down(order, self._services.audit)
        try:
            return await document_orders.receive(order, self._services.library, self._reader)
        except (EOFError, OSError) as error:
            raise _CallerLostError(type(error).__name__) from error

    async def _voice(self, order: Say | Overhear) -> None:
        if isinstance(order, Say):
            await self._services.say(order.text)
            await self._send(Said())
            return
        async with aclosing(self._services.overhear(once=order.once)) as events:
            async for event in events:
                await self._send(event)

    async def _carry_out(self, order: Order) -> msgspec.Struct:
        match order:
            case Pair() | AddUser() | AddToken() | Devices() | Revoke():
                return await self._admit(order)
            case Tune() | Link() | Status() | Debug() | Sessions() | Backup() | RecoveryCode():
                return await self._serve_owner(order)
            case _ if isinstance(order, memory_orders.MemoryOrder):
                return await memory_orders.obey(order, self._services)
            case _:
                await document_orders.write_down(order, self._services.audit)
                return await document_orders.obey(order, self._services.library)

    async def _serve_owner(self, order: OwnerOrder) -> msgspec.Struct:
        match order:
            case Link():
                return LinkMade(await self._services.link())
            case Status() | Debug():
                return self._services.status() if isinstance(order, Status) else await self._services.debug()
            case Sessions(user):
                return SessionList(await self._services.sessions(user))
            case Backup(path, folder):
                return await self._back_up(path, folder)
            case RecoveryCode():
                return RecoveryCodeMade(await self._services.new_recovery_code())
            case Tune():
                return TuningKept(await self._services.tune())

    async def _back_up(self, path: str, folder: str) -> BackupWritten:
        if path:
            return BackupWritten(path, await self._services.backup(Path(path), folder))
        made = await self._services.backup_now()
        return BackupWritten(str(made), made.stat().st_size)

    async def _admit(self, order: PeopleOrder) -> msgspec.Struct:
        match order:
            case Pair(user):
                return PairingMade(**msgspec.structs.asdict(await self._services.invite(user)))
            case AddUser(name, role):
                return UserAdded(await self._services.add_user(name, role))
            case AddToken(name, user, scopes):
                return TokenMade(await self._services.add_token(user, name, scopes))
            case Devices():
                return DeviceList(await self._services.devices())
            case Revoke(device):
                return Revoked(await self._services.revoke(device))

    async def _find(self, identity: str, principal: Principal) -> Turn:
        turn = await self._assistant.turn(identity, principal)
        if turn is None:
            raise ProtocolError("TURN_NOT_FOUND", "no such turn is known; send the message again", identity)
        return turn

    def _watch(self, turn: Turn, after: int) -> None:
        if previous := self._watchers.pop(turn.id, None):
            previous.cancel()
        if len(self._watchers) >= MAX_WATCHED:
            raise BusyError("TOO_MANY_TURNS", f"one connection watches at most {MAX_WATCHED} turns")
        task = asyncio.get_running_loop().create_task(
            self._relay(turn, after), name=f"control-turn-{turn.id}"
        )
        self._watchers[turn.id] = task
        task.add_done_callback(lambda _: self._forget(turn.id, task))

    def _forget(self, identity: str, task: asyncio.Task[None]) -> None:
        if self._watchers.get(identity) is task:
            del self._watchers[identity]

    async def _relay(self, turn: Turn, after: int) -> None:
        async with self._dropping_lost_callers():
            async for event in turn.events(after):
                await self._send(event)

    async def _refuse(self, error: EdgeError) -> None:
        async with self._dropping_lost_callers():
            await self._send(refusal(error))

    async def _send(self, message: Any) -> None:
        self._writer.write(msgspec.json.encode(message) + b"\n")
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                await self._writer.drain()
        except OSError as error:  # TimeoutError is one
            raise _CallerLostError(type(error).__name__) from error

    @asynccontextmanager
    async def _dropping_lost_callers(self) -> AsyncIterator[None]:
        try:
            yield
        except _CallerLostError as error:
            logger.info("a control connection ended: %s", error)
            self._writer.transport.abort()


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the caller is this user or root, as the kernel says."""
    channel = writer.get_extra_info("socket")
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    _, user, _ = _PEER_CREDENTIALS.unpack(credentials)
    return user in {os.geteuid(), ROOT}


def bind(path: Path) -> socket.socket:
    """Return a socket bound to `path`, for this user only; a stale file there is replaced.

    A path that is too long for a socket address is reached through its folder's descriptor.
    """
    path.unlink(missing_ok=True)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(channel.fileno(), 0o600)  # on Linux the file inherits it: no moment of wider access
        with socket_address(path) as address:
            channel.bind(address)
    except BaseException:
        channel.close()
        raise
    return channel


async def cancel_all(tasks: Any) -> None:
    """Cancel tasks and wait until they have ended; their errors are theirs."""
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
