"""The web server: one listener, its routes and the checks in front of them."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from edge_assistant.assistant.turn import Turn
from edge_assistant.config.schema import WebSettings
from edge_assistant.documents.library import Library
from edge_assistant.errors import ConfigError
from edge_assistant.frontends.web.abilities import AbilityPages
from edge_assistant.frontends.web.access import Rule, rule_of
from edge_assistant.frontends.web.auth import Doorkeeper
from edge_assistant.frontends.web.desk import Desk, Tools
from edge_assistant.frontends.web.documents import DocumentPages
from edge_assistant.frontends.web.entrance import Entrance
from edge_assistant.frontends.web.history import History
from edge_assistant.frontends.web.household import Household
from edge_assistant.frontends.web.lan import Lan
from edge_assistant.frontends.web.memory import MemoryPages
from edge_assistant.frontends.web.models import Models
from edge_assistant.frontends.web.openai_api import OpenAI
from edge_assistant.frontends.web.pages import STATIC, Pages
from edge_assistant.frontends.web.pairing import Invitation, Inviter, PairingPages
from edge_assistant.frontends.web.ports import Assistant, Forgetter, Voice
from edge_assistant.frontends.web.privacy import Privacy
from edge_assistant.frontends.web.responses import MAX_BODY_BYTES, errors_as_json
from edge_assistant.frontends.web.security import Gate, add_headers, check_loopback
from edge_assistant.frontends.web.sessions import Sessions
from edge_assistant.frontends.web.sse import Chat
from edge_assistant.frontends.web.status import Scrape, StatusPages
from edge_assistant.frontends.web.ws import Limits, Sockets
from edge_assistant.llm.protocol import ModelStatus
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import Embedder
from edge_assistant.memory.facts import Facts
from edge_assistant.people.people import People
from edge_assistant.people.person import OWNER_ID
from edge_assistant.store.audit import AuditLog
from edge_assistant.tools.abilities import Abilities

if TYPE_CHECKING:
    from edge_assistant.home.registry import Registry

logger = logging.getLogger(__name__)


class _Part(Protocol):
    def routes(self) -> list[web.RouteDef]: ...


class WebServer:
    """Serves the page and its interface from `start` to `stop`."""

    def __init__(
        self,
        settings: WebSettings,
        assistant: Assistant,
        conversations: Conversations,
        people: People,
        model_status: Callable[[], ModelStatus],
        *,
        lan: Lan | None = None,
        embedder: Embedder | None = None,
        facts: Facts | None = None,
        library: Library | None = None,
        forgetter: Forgetter,
        audit: AuditLog,
        voice: Voice | None = None,
        abilities: Abilities | None = None,
        home: Registry | None = None,
        tools: Tools,
        listening: socket.socket | None = None,
        scrape: Scrape | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        static: Path = STATIC,
    ) -> None:
        self._host, self._port = check_loopback(settings.host), settings.port
        self._listening = listening
        """A socket that listens already, in the place of host and port; None opens one."""
        if listening is not None:
            self._host, self._port = check_loopback(listening.getsockname()[0]), listening.getsockname()[1]
        self._people = people
        self._lan = lan
        self._inviter = Inviter(people.pairings, lan)
        self._limits = limits
        self._sockets = Sockets(assistant, limits, voice)
        self._doorkeeper = Doorkeeper(people.devices, people.pairings, people.users, self._sockets.close)
        self._parts: tuple[_Part, ...] = (
            Pages(static),
            self._doorkeeper,
            self._sockets,
            Chat(assistant, limits.send_seconds),
            Sessions(assistant, conversations, audit),
            OpenAI(assistant, model_status, embedder, limits.send_seconds),
            History(conversations, audit),
            Desk(tools),
            Models(tools),
            Household(people.users, people.devices, self._doorkeeper, forgetter),
            PairingPages(self._inviter, people.pairings, lan),
            Privacy(forgetter, conversations, audit),
            StatusPages(
                tools.preferences, tools.notices, model_status, voice, self._sockets.__len__, scrape=scrape
            ),
        )
        if facts is not None:
            self._parts += (MemoryPages(facts, conversations, audit),)
        if library is not None:
            self._parts += (DocumentPages(library, audit),)
        if abilities is not None and home is not None:
            from edge_assistant.frontends.web.home import HomePages  # it brings the whole house and MQTT

            self._parts += (HomePages(home, abilities.actions),)
        if abilities is not None:
            self._parts += (AbilityPages(abilities),)
        self._entrance = Entrance(limits.connections)
        self._gate = Gate(settings.host, settings.allowed_hosts, lan)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self.url = ""
        """Where the page is, without a slash at the end; empty until started."""

    async def start(self) -> str:
        """Listen and return the URL; raises `ConfigError` when the address can't be had."""
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            auto_decompress=False,  # a compressed body is refused, so it can't be a bomb
            keepalive_timeout=self._limits.silent_seconds,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        self._entrance.serve(self._runner.server)
        try:
            self._listener = await self._entrance.listen(self._host, self._port, listening=self._listening)
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(error, self._host, self._port) from None
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://[{self._host}]:{port}" if ":" in self._host else f"http://{self._host}:{port}"
        self._inviter.local_url = self.url
        logger.info("web chat at %s", self.url)
        if self._lan is not None:
            await self._lan.start(self._entrance)
        return self.url

    async def invite(self, user_id: str) -> Invitation:
        """Return a way in for another device of a person: link, QR code and digits, all secrets."""
        return await self._inviter.invite(user_id)

    async def drop(self, device_id: str) -> None:
        """End every connection of a device that was revoked."""
        await self._doorkeeper.drop("revoked", lambda each: each.device == device_id)

    def routes(self) -> list[tuple[str, str, Rule]]:
        """Return method, address and rule of everything that is served, once started."""
        assert self._runner is not None
        routes = [(each, each.resource) for each in self._runner.app.router.routes()]
        return [(each.method, to.canonical, rule_of(each.handler)) for each, to in routes if to is not None]

    @property
    def house(self) -> tuple[str, str]:
        """Where the house reaches the page, and why it doesn't, although it should; each may be empty."""
        return (self._lan.url, self._lan.problem) if self._lan else ("", "")

    def turn_ended(self, turn: Turn) -> None:
        """Let open pages know of an answer that came without them; see `Assistant.watch_turns`."""
        self._sockets.turn_ended(turn)

    @property
    def open_sockets(self) -> int:
        """How many pages are open."""
        return len(self._sockets)

    async def sign_in_link(self) -> str:
        """Return a one-time address that signs a browser in. It is a secret: never log it.

        The token stands in the fragment, which browsers don't send: it is in no request line.
        """
        pairing = await self._people.pairings.begin(OWNER_ID, with_code=False)
        return f"{self.url}/#signin={pairing.token}"

    async def stop(self) -> None:
        """Stop listening and close every connection within four seconds; running turns go on."""
        if self._runner is None or self._listener is None:
            return
        self._listener.close()
        if self._lan is not None:
            await self._lan.stop_listening()
        await self._sockets.close("the assistant is stopping")
        await self._runner.cleanup()
        self._runner = self._listener = None

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._entrance.attend, errors_as_json, self._gate.check, self._doorkeeper.check],
            client_max_size=MAX_BODY_BYTES,
        )
        application.on_response_prepare.append(add_headers)
        for part in self._parts:
            application.add_routes(part.routes())
        return application


def _cannot_listen(error: OSError, host: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            "WEB_PORT_IN_USE",
            f"port {port} of {host} is in use: set web.port to another one (0 picks a free one)",
        )
    if error.errno == errno.EACCES:
        return ConfigError("WEB_PORT_FORBIDDEN", f"port {port} needs more rights: set web.port above 1023")
    return ConfigError(
        "WEB_ADDRESS_UNUSABLE",
        f"can't listen on {host} port {port} ({error.strerror}): set web.host and web.port",
    )
