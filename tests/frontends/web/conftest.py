from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edge_assistant.assistant.forgetting import Forgetting
from edge_assistant.catalog.pulls import Pulls
from edge_assistant.config import Config
from edge_assistant.config.schema import WebSettings
from edge_assistant.documents.erasing import document_hook
from edge_assistant.documents.library import Library
from edge_assistant.frontends.web.addresses import Names
from edge_assistant.frontends.web.desk import Tools
from edge_assistant.frontends.web.lan import Lan
from edge_assistant.frontends.web.ports import Assistant, Voice
from edge_assistant.frontends.web.server import WebServer
from edge_assistant.frontends.web.ws import Limits
from edge_assistant.home.control import Control
from edge_assistant.home.registry import Registry
from edge_assistant.home.template import Templates
from edge_assistant.llm.protocol import ModelStatus
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import Embedder, NoEmbedder
from edge_assistant.memory.erasing import conversation_hook, fact_hook, index_hook
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.search import SearchIndex
from edge_assistant.mqtt.connection import Outgoing
from edge_assistant.ops.preferences import Preferences
from edge_assistant.people.erasing import people_hook
from edge_assistant.people.people import People
from edge_assistant.people.person import OWNER_ID
from edge_assistant.people.uptime import Moment
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing
from edge_assistant.tools.abilities import Abilities
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.home_tools import ControlTool
from edge_assistant.tools.kit import everyday_tools
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.timers import Timers
from tests.frontends.web.scripted import ScriptedAssistant

PAGE = "<!doctype html><title>chat</title>" + "<p>a paragraph</p>" * 200


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "state" / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database)


@pytest.fixture
def assistant(conversations: Conversations) -> ScriptedAssistant:
    return ScriptedAssistant(conversations)


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "trust.html").write_text(PAGE)
    (folder / "app.js").write_text("export const answer = 42;\n" * 100)
    (folder / "app.css").write_text("p { color: black }\n")
    (folder / "icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return folder


@dataclass
class Clock:
    """Seconds that pass when a test says so; one hand for both clocks."""

    now: float = 1_800_000_000.0
    boot: str = "this"

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(database: Database, clock: Clock) -> People:
    return People(database, clock=clock, uptime=lambda: Moment(clock.boot, clock.now))


@dataclass
class Site:
    """A running server and a browser-like client."""

    server: WebServer
    url: str
    status: list[ModelStatus]
    people: People
    home: Registry = field(default_factory=Registry)
    """The house that the page shows, with nothing in it at first."""
    sent: list[Outgoing] = field(default_factory=list)
    """What its devices were told."""
    sessions: list[aiohttp.ClientSession] = field(default_factory=list)
    _signed_in: aiohttp.ClientSession | None = None

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def house(self) -> Lan:
        """The https side."""
        lan = self.server._lan
        assert lan is not None
        return lan

    def phone(self, address: str = "") -> aiohttp.ClientSession:
        """A device in the house that has installed the authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(
            cadata=self.house.certificates.authority.public_bytes(Encoding.PEM).decode()
        )
        session = aiohttp.ClientSession(
            address or self.house.url,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            connector=aiohttp.TCPConnector(ssl=context),
        )
        self.sessions.append(session)
        return session

    def client(self, cookie: str | None = None) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            self.url,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            cookies={"edge_session": cookie} if cookie else None,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=30),
        )
        self.sessions.append(session)
        return session

    async def token(self) -> str:
        match = re.fullmatch(r"http://[^/]+/#signin=([A-Za-z0-9_-]+)", await self.server.sign_in_link())
        assert match
        return match[1]

    async def sign_in(self, user_id: str = OWNER_ID) -> aiohttp.ClientSession:
        session = self.client()
        token = (await self.people.pairings.begin(user_id)).token
        async with session.post("/api/signin", json={"token": token}) as response:
            assert response.status == 200, await response.text()
        return session

    async def cookie(self) -> str:
        return cookie_of(await self.sign_in())

    @contextlib.asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        if self._signed_in is None:
            self._signed_in = await self.sign_in()
        async with self._signed_in.ws_connect("/api/ws", **options) as socket:
            yield socket


def cookie_of(session: aiohttp.ClientSession) -> str:
    return next(each.value for each in session.cookie_jar if each.key == "edge_session")


class Recorder:
    """The place of a broker: it keeps what devices would be told."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def publish(self, message: Outgoing) -> None:
        self.sent.append(message)


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    """Return what the desk works with; nothing is pulled from anywhere."""

    async def new_recovery_code() -> str:
        return "AAAAA-BBBBB"

    pulls = Pulls((sys.executable, "-c", "print(1)"))
    preferences = Preferences(Config(), tmp_path / "settings.json", frozenset())
    yield Tools(preferences, pulls, tmp_path / "models", new_recovery_code)
    await pulls.close()


@pytest.fixture
async def serve(
    assistant: ScriptedAssistant,
    conversations: Conversations,
    *,
    database: Database,
    people: People,
    static: Path,
    tools: Tools,
    tmp_path: Path,
) -> AsyncIterator[Callable[..., Any]]:
    sites: list[Site] = []

    async def start(
        limits: Limits | None = None,
        answers: Assistant = assistant,
        names: Names | None = None,
        embedder: Embedder | None = None,
        voice: Voice | None = None,
        **settings: Any,
    ) -> Site:
        audit = AuditLog(database)
        house, broker = Registry(), Recorder()
        control = ControlTool(house, Control(house, broker, Templates()), {})
        timers, lists = Timers(database), Lists(database)
        hooks = (
            conversation_hook(getattr(answers, "forgetting", None)),
            fact_hook(),
            document_hook(None),
            people_hook(people.devices),
            index_hook(),
        )
        status = [ModelStatus(name="scripted", phase="ready", context=512)]
        web = WebSettings(
            **{"port": 0, "lan": False, "tls_host": "127.0.0.1", "tls_port": 0, "announce": False, **settings}
        )
        server = WebServer(
            web,
            answers,
            conversations,
            people,
            lambda: status[0],
            lan=Lan(web, database, "Nabu", names=names and (lambda: names)) if web.lan else None,
            tools=tools,
            embedder=embedder,
            facts=Facts(database, SearchIndex(database, NoEmbedder("m"))),
            library=Library(database, SearchIndex(database, NoEmbedder("m")), max_bytes=2 << 20),
            forgetter=Forgetting(database, KeyRing(tmp_path / "state"), audit, hooks),
            audit=audit,
            voice=voice,
            abilities=Abilities(
                timers, lists, Actions([*everyday_tools(timers, lists), control], audit, pin="2468")
            ),
            home=house,
            limits=limits or Limits(),
            static=static,
        )
        sites.append(Site(server, await server.start(), status, people, house, broker.sent))
        return sites[-1]

    yield start
    for site in sites:
        await site.server.stop()
        await asyncio.gather(*(session.close() for session in site.sessions))


@pytest.fixture
async def site(serve: Callable[..., Any]) -> Site:
    running: Site = await serve()
    return running


async def read_until(socket: aiohttp.ClientWebSocketResponse, *kinds: str) -> list[dict[str, Any]]:
    """Return the frames up to the first of one of these types."""
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["type"] not in kinds:
        frames.append(await socket.receive_json(timeout=60))
    return frames


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return when `condition` holds; what other tasks do between takes a few loop iterations."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
