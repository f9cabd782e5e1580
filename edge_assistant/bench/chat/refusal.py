"""Everybody who may not, at every route: 403, and nothing in the store changes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import apsw
import msgspec

from edge_assistant.app import Shutdown, serve
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.config import Config, LlmSettings, Paths, WebSettings
from edge_assistant.frontends.web.access import Rule
from edge_assistant.frontends.web.auth import COOKIE
from edge_assistant.frontends.web.server import WebServer
from edge_assistant.ops.services import Services
from edge_assistant.ops.systemd import Notifier
from edge_assistant.people.people import People
from edge_assistant.people.person import OWNER_ID, SCOPES, at_least

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REFUSED = 403
NO_SUCH_METHOD = 405

BODY = {
    "text": "x", "title": "x", "name": "x", "role": "owner", "user": OWNER_ID, "visibility": "household",
    "messages": [{"role": "user", "content": "x"}], "model": "x", "input": "x",
}  # fmt: skip

ANSWERED = Goal(
    metric="requests of strangers that were answered or changed something, over every route and method",
    unit="requests",
    text="Foreign Origin, rebinding Host, missing or revoked token, guest on an owner's route: 403 and no "
    "side effect, table-driven over every route and method",
    at_most=0,
)


class Attack(msgspec.Struct, frozen=True):
    """Somebody who may not: how their requests look, and which routes they may not use."""

    name: str
    headers: dict[str, str]
    spares: bool = True
    """Whether what anybody may load stays open to them."""
    below_owner: bool = False
    """Whether they may use what guests may."""

    def aims_at(self, method: str, rule: Rule | None) -> bool:
        """Return whether a request must be refused; None is a method that the address doesn't take."""
        if rule is None or not self.spares:
            return True
        if rule.public:
            return "Origin" in self.headers and method not in {"GET", "HEAD"}
        return not (self.below_owner and at_least("guest", rule.role))


class _Captive:
    """Takes the daemon's parts as it starts."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.services: list[Services] = []

    def recovery_code(self, code: str) -> None:
        """Throw it away with the store."""

    async def started(self, services: Services) -> None:
        """Take them."""
        self.services.append(services)
        self.ready.set()


@asynccontextmanager
async def _daemon(folder: Path) -> AsyncIterator[Services]:
    """Run the whole daemon in this process, without a model: nothing here gets as far as one."""
    nowhere = LlmSettings(engine="openai", url="http://127.0.0.1:9/v1", remote_model="none")
    config = Config(web=WebSettings(port=0, lan=False), llm=nowhere)
    captive, shutdown = _Captive(), Shutdown()
    paths = Paths(state=folder / "state", models=folder / "models")
    async with asyncio.TaskGroup() as group:
        group.create_task(
            serve(config, paths, captive, shutdown, Notifier({}), daemon=True), name="bench-daemon"
        )
        await captive.ready.wait()
        try:
            yield captive.services[0]
        finally:
            shutdown.ask()


async def _attack() -> tuple[int, list[str], int]:
    """Return how many requests were tried, which were not refused, and how many attacks left a trace."""
    with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as folder:
        async with _daemon(Path(folder)) as services:
            server = services.web
            assert isinstance(server, WebServer)
            tried, answered, traces = 0, list[str](), 0
            attacks = await _attacks(services.people)
            async with aiohttp.ClientSession(server.url) as session:
                for attack in attacks:
                    before = await _everything(services)
                    for method, path, rule in _table(server):
                        if attack.aims_at(method, rule):
                            tried += 1
                            status = await _request(session, method, path, attack.headers)
                            if status != REFUSED and (rule is not None or status != NO_SUCH_METHOD):
                                answered.append(f"{attack.name}: {method} {path}: {status}")
                    traces += await _everything(services) != before
    return tried, answered, traces


async def _attacks(people: People) -> list[Attack]:
    """Return everybody who may not, with somebody of each kind in the store."""

    async def cookie(user_id: str, *, revoked: bool = False) -> dict[str, str]:
        device, secret = await people.pairings.use_token((await people.pairings.begin(user_id)).token)
        if revoked:
            await people.devices.revoke(device.id)
        return {"Cookie": f"{COOKIE}={secret}"}

    guest = await people.users.add("Guest", "guest")
    program, token = await people.devices.add_program(OWNER_ID, "revoked", SCOPES)
    await people.devices.revoke(program.id)
    owner = await cookie(OWNER_ID)
    return [
        Attack("nobody", {}),
        Attack("a made-up token", {"Authorization": "Bearer made-up"}),
        Attack("a revoked token", {"Authorization": f"Bearer {token}"}),
        Attack("a revoked browser", await cookie(OWNER_ID, revoked=True)),
        Attack("a guest", await cookie(guest.id), below_owner=True),
        Attack("a foreign page in the owner's browser", {**owner, "Origin": "http://evil.example"}),
        Attack("a rebound name in the owner's browser", {**owner, "Host": "evil.example"}, spares=False),
    ]


def _table(server: WebServer) -> list[tuple[str, str, Rule | None]]:
    """Return every address with every method, and what it needs; None where it takes no such method."""
    rules = {(method, path): rule for method, path, rule in server.routes()}
    paths = sorted({path for _, path in rules})
    return [(method, path, _rule(rules, method, path)) for path in paths for method in METHODS]


def _rule(rules: dict[tuple[str, str], Rule], method: str, path: str) -> Rule | None:
    """Return what holds for an address, which may be another's id: `DELETE /api/memory/export` is one."""
    parts = path.split("/")
    for (other, template), rule in sorted(rules.items(), key=lambda each: each[0][1] != path):
        kinds = template.split("/")
        fits = len(kinds) == len(parts) and all(
            kind == part or kind.startswith("{") for kind, part in zip(kinds, parts, strict=True)
        )
        if other == method and fits:
            return rule
    return None


async def _request(session: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str]) -> int:
    filled = path.replace("{name}", "app.js").replace("{id}", OWNER_ID)
    body: dict[str, Any] = {} if method in {"GET", "HEAD"} else {"json": BODY}
    async with session.request(method, filled, headers=headers, **body) as response:
        await response.read()
        return response.status


async def _everything(services: Services) -> dict[str, list[Any]]:
    def work(db: apsw.Connection) -> dict[str, list[Any]]:
        names = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: db.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}  # noqa: S608

    return await services.database.read(work)


def measure(setting: Setting) -> Iterator[Result]:
    """Try all of it on a daemon with a store of its own."""
    del setting
    tried, answered, traces = asyncio.run(_attack())
    note = f"n={tried} requests as 7 kinds of strangers; {traces} of those changed something in the store"
    if answered:
        note += f"; not refused: {', '.join(answered[:5])}"
    yield ANSWERED.measured(len(answered) + traces, note)


MEASUREMENTS = (Measurement((ANSWERED,), measure),)
