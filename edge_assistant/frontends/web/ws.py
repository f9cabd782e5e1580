"""The WebSocket: JSON messages in, events out, any number of sessions interleaved on one socket.

A turn belongs to the assistant. A socket only watches turns: one task a watched turn passes its
events on. A reader that doesn't keep up holds back its own watchers, never the turn; what it missed
is in the turn's replay, so nothing is queued here beyond the transport's buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from edge_assistant.assistant.events import Event
from edge_assistant.assistant.request import Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import BusyError, EdgeError, UsageError
from edge_assistant.frontends.protocol import (
    AudioEnd,
    AudioStart,
    ClientMessage,
    Confirm,
    ProtocolError,
    Refusal,
    Resume,
    SendMessage,
    Stop,
    decode_message,
    refusal,
)
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import SIGNED_IN, principal_of
from edge_assistant.frontends.web.ports import Assistant, Voice
from edge_assistant.frontends.web.responses import unexpected
from edge_assistant.frontends.web.talk import Said, Talks
from edge_assistant.people.person import HOUSEHOLD_ID, SignIn

logger = logging.getLogger(__name__)

MAX_RECEIVED_BYTES = 2 * 1024 * 1024
"""Up to here an oversized message gets a clear refusal; beyond, the socket is closed (1009)."""


MAX_QUICK_BYTES = 32 * 1024
"""A frame that surely fits into an empty buffer of the transport (64 KB)."""

WRITE_SECONDS = 0.3
"""What a full buffer gets on top of `close_seconds`, in which a client may answer the close frame."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one server gives to those who come."""

    connections: int = 512
    """Connections of all kinds; descriptors are usually limited to 1,024."""
    silent_seconds: float = 30.0
    """A connection without a request for so long is closed, also when it has sent half of one."""
    sockets: int = 256
    turns_per_socket: int = 16
    heartbeat_seconds: float = 30.0
    send_seconds: float = 20.0
    """A reader that takes nothing for so long is cut off; it may come back and resume."""
    close_seconds: float = 1.5


class SessionChanged(msgspec.Struct, frozen=True, tag="session.changed", tag_field="type"):
    """A conversation has a new answer to what was not asked on a page."""

    session: str


class Sockets:
    """All WebSockets of the server."""

    def __init__(self, assistant: Assistant, limits: Limits, voice: Voice | None = None) -> None:
        self._voice = voice
        self._assistant = assistant
        self._limits = limits
        self._connections: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._connections)

    def routes(self) -> list[web.RouteDef]:
        """Return the route of the WebSocket."""
        return [web.get("/api/ws", self.serve)]

    @allow("guest", "chat")
    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Upgrade the request and serve the socket to its end."""
        if len(self._connections) >= self._limits.sockets:
            raise BusyError("WEB_TOO_MANY_SOCKETS", "too many pages are open: close some", retry_after=10)
        socket = web.WebSocketResponse(
            timeout=self._limits.close_seconds,
            heartbeat=self._limits.heartbeat_seconds,
            writer_limit=0,  # wait whenever the transport's buffer is over its limit of 64 KB
            compress=False,  # frames are small and mostly local: deflate would only add delay
            max_msg_size=MAX_RECEIVED_BYTES,
            decode_text=False,
        )
        connection = Connection(request, socket, self._assistant, self._limits, self._voice)
        self._connections.add(connection)
        try:
            await socket.prepare(request)
            await connection.serve()
        finally:
            self._connections.discard(connection)
        return socket

    def turn_ended(self, turn: Turn) -> None:
        """Tell the pages of those who see it that a turn ended which no page began."""
        if turn.finished and turn.source not in {"web", "api"}:
            for each in self._connections:
                if each.sees(turn):
                    each.tell_changed(turn.session)

    async def close(self, reason: str, chosen: Callable[[SignIn], bool] | None = None) -> None:
        """Close the sockets of the sign-ins chosen, or all; raises nothing, ends within two seconds."""
        code = WSCloseCode.GOING_AWAY if chosen is None else WSCloseCode.POLICY_VIOLATION
        closing = [each for each in self._connections if chosen is None or chosen(each.sign_in)]
        await asyncio.gather(*(each.close(code, reason) for each in closing))


class Connection:
    """One WebSocket and the turns it watches."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse[bool],
        assistant: Assistant,
        limits: Limits,
        voice: Voice | None,
    ) -> None:
        self._transport = request.transport
        self.sign_in = request[SIGNED_IN]
        """Who opened it; a change of rights closes the socket."""
        self._principal = principal_of(request)
        self._talks = Talks(voice, self._ask, self._send, self._send_binary, self._refuse)
        self._socket = socket
        self._assistant = assistant
        self._limits = limits
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Task[None]] = {}
        self._blocked: asyncio.Task[None] | None = None
        """Writes a frame to a client that reads too slowly; None while there is room."""

    async def serve(self) -> None:
        """Answer messages until the socket closes. The watched turns go on without it."""
        try:
            async for frame in self._socket:
                await self._hear(frame.type, frame.data)
        except ConnectionError:
            pass  # the client went away while we wrote
        finally:
            await self._leave()

    def sees(self, turn: Turn) -> bool:
        """Whether a turn belongs to whoever opened this page, or to all who live here."""
        own = self._principal.id
        return turn.line[0] == own or (turn.line[0] == HOUSEHOLD_ID and self._principal.role != "guest")

    def tell_changed(self, session: str) -> None:
        """Say that a conversation has something new; returns at once, and says it once to a slow reader."""
        if session not in self._news:
            self._begin(self._news, session, self._say_changed(session), "news")

    async def _say_changed(self, session: str) -> None:
        with contextlib.suppress(ConnectionError):
            await self._send(SessionChanged(session))

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, or cut the connection when the client doesn't take that."""
        try:
            async with asyncio.timeout(self._limits.close_seconds + WRITE_SECONDS):
                await self._socket.close(code=code, message=reason.encode())
        except TimeoutError:
            self._abort()

    async def _leave(self) -> None:
        tasks = [*self._watchers.values(), *self._stops.values(), *self._news.values(), *self._talks.tasks]
        if self._blocked is not None:
            tasks.append(self._blocked)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, kind: WSMsgType, data: Any) -> None:
        if kind is WSMsgType.BINARY:
            await self._take_sound(data)
        elif kind is WSMsgType.TEXT:
            await self._carry_out(data)

    async def _carry_out(self, data: bytes) -> None:
        try:
            message = decode_message(data)
        except ProtocolError as error:
            await self._refuse(error)
            return
        try:
            await self._do(message)
        except ConnectionError:
            raise
        except EdgeError as error:
            await self._refuse(error, message.id)
        except Exception as error:  # noqa: BLE001 - a defect in one message must not end the others
            await self._refuse(unexpected(error, "a WebSocket message"), message.id)

    async def _do(self, message: ClientMessage) -> None:
        match message:
            case SendMessage():
                self._check_room(message.id)
                self._watch(await self._assistant.start(self._request(message)), after=0)
            case Resume():
                self._check_room(message.id)
                self._watch(await self._own_turn(message.id), after=message.after)
            case Stop():
                talked = self._talks.stop(message.id)
                if not talked or await self._assistant.turn(message.id, self._principal):
                    self._stop(await self._own_turn(message.id))
            case AudioStart():
                self._talks.start(message.id, message.session)
            case AudioEnd():
                self._talks.end(message.id)
            case Confirm():
                await self._confirm(message)

    async def _take_sound(self, pcm: bytes) -> None:
        identity = self._talks.uploading
        try:
            self._talks.feed(pcm)
        except EdgeError as error:
            await self._refuse(error, identity)

    async def _ask(self, identity: str, session: str, text: str) -> Turn:
        """Ask what was said, and watch the answer."""
        self._check_room(identity)
        turn = await self._assistant.start(
            Request(id=identity, text=text, session=session, principal=self._principal, source="web")
        )
        self._watch(turn, after=0)
        return turn

    async def _confirm(self, message: Confirm) -> None:
        name = message.turn or ""
        self._check_room(name)
        try:
            turn = await self._assistant.confirm(message.confirms, self._principal, "web", name)
        except EdgeError as error:  # whoever named the turn waits for it, not for the one that asked
            await self._refuse(error, name or message.id)
        else:
            self._watch(turn, after=0)

    def _request(self, message: SendMessage) -> Request:
        if message.attachments:
            raise UsageError("ATTACHMENTS_NOT_AVAILABLE", "this version takes text only")
        return Request(
            id=message.id,
            text=message.text,
            session=message.session,
            principal=self._principal,
            source="web",
            replaces=message.replaces or "",
            private=message.private,
        )

    def _check_room(self, turn_id: str) -> None:
        if len(self._watchers) >= self._limits.turns_per_socket and turn_id not in self._watchers:
            raise BusyError(
                "WEB_TOO_MANY_TURNS", "too many answers at once on this page: wait for one", retry_after=5
            )

    async def _own_turn(self, turn_id: str) -> Turn:
        turn = await self._assistant.turn(turn_id, self._principal)
        if turn is None:
            raise EdgeError("TURN_NOT_FOUND", "there is no such answer: send the message again")
        return turn

    def _watch(self, turn: Turn, after: int) -> None:
        """Pass the turn's events on from number `after`; asking again starts over from there."""
        previous = self._watchers.pop(turn.id, None)
        if previous is not None:
            previous.cancel()
        self._begin(self._watchers, turn.id, self._pass_on(turn, after), "watch")

    def _stop(self, turn: Turn) -> None:
        """Cancel the turn beside the loop that listens: an engine may take its time to stop."""
        if turn.id not in self._stops:
            self._begin(self._stops, turn.id, turn.cancel(), "stop")

    def _begin(
        self, tasks: dict[str, asyncio.Task[None]], name: str, work: Coroutine[Any, Any, None], verb: str
    ) -> None:
        task = asyncio.create_task(work, name=f"web-{verb}-{name}")
        tasks[name] = task

        def ended(task: asyncio.Task[None]) -> None:
            if tasks.get(name) is task:
                del tasks[name]
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                unexpected(error, f"{verb} of a turn or session")

        task.add_done_callback(ended)

    async def _pass_on(self, turn: Turn, after: int) -> None:
        try:
            async for event in turn.events(after=after):
                await self._send(event)
        except ConnectionError:
            pass  # the client is gone; `serve` sees that too
        except EdgeError as error:
            await self._refuse(error, turn.id)

    async def _refuse(self, error: EdgeError, turn_id: str = "") -> None:
        await self._send(refusal(error, turn_id))

    async def _send(self, message: Event | Refusal | Said | SessionChanged) -> None:
        await self._send_frame(msgspec.json.encode(message), WSMsgType.TEXT)

    async def _send_binary(self, data: bytes) -> None:
        await self._send_frame(data, WSMsgType.BINARY)

    async def _send_frame(self, frame: bytes, kind: Literal[WSMsgType.TEXT, WSMsgType.BINARY]) -> None:
        """Write one frame: at once when nothing waits in this socket's buffer, else when there is room.

        All who wait for room wait for the same task. None of them waits inside aiohttp: there they
        would share a future that the first one to be cancelled cancels for all.
        """
        while self._blocked is not None:
            await asyncio.shield(self._blocked)
        if len(frame) <= MAX_QUICK_BYTES and not self._buffered():
            await self._socket.send_frame(frame, kind)
            return
        self._blocked = asyncio.create_task(self._send_slowly(frame, kind), name="web-slow-send")
        await asyncio.shield(self._blocked)

    async def _send_slowly(self, frame: bytes, kind: Literal[WSMsgType.TEXT, WSMsgType.BINARY]) -> None:
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._socket.send_frame(frame, kind)
        except TimeoutError:
            logger.info("cut off a page that takes nothing any more")
            self._abort()
            raise ConnectionResetError from None
        finally:
            self._blocked = None

    def _buffered(self) -> int:
        return (
            self._transport.get_write_buffer_size() if isinstance(self._transport, asyncio.Transport) else 0
        )

    def _abort(self) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()
