"""Every route and method against everybody who may not: 403, and nothing in the store changes.

The table is the server's own router: a new route is in it without anybody's doing.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from edge_assistant.frontends.web.access import UNMARKED, rule_of
from edge_assistant.people.person import SCOPES, at_least

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FOREIGN_ORIGINS = (
    "http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:{port}",
    "ftp://127.0.0.1:{port}", "http://127.0.0.1:{port}.evil.example", "http://x@127.0.0.1:{port}", "",
)  # fmt: skip
FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "192.168.1.20:{port}",
)


class House:
    """A server with an owner, a member, a guest, a program of each, and something of everything."""

    def __init__(self, site, database, assistant):
        self.site, self.database, self.assistant = site, database, assistant
        self.ids = {}
        self.body = {}

    async def move_in(self, conversations):
        people = self.site.people
        await conversations.ensure_session("s1", "owner")
        member = await people.users.add("Mia", "member")
        guest = await people.users.add("Gus", "guest")
        device, _ = await people.devices.add_program("owner", "to be revoked")
        pairing = await people.pairings.begin("owner")
        self.ids = {"users": member.id, "devices": device.id, "pairings": pairing.id}
        self.body = {
            "text": "x", "title": "x", "token": pairing.token, "name": "x", "role": "owner", "user": "owner",
            "visibility": "household", "messages": [{"role": "user", "content": "x"}], "model": "x",
        }  # fmt: skip
        self.users = {"owner": "owner", "member": member.id, "guest": guest.id}
        return self

    @property
    def routes(self):
        """Every (method, handler, address) that the server knows, and each address with each method."""
        table = list(self.site.server._runner.app.router.routes())
        known = {(each.method, each.resource.canonical): each.handler for each in table}
        paths = {path for _, path in known}
        return [(method, known.get((method, path)), path) for path in sorted(paths) for method in METHODS]

    def filled(self, path):
        kind = path.split("/")[2] if path.count("/") > 2 else ""
        return path.replace("{id}", self.ids.get(kind, "s1")).replace("{name}", "app.js")

    async def request(self, client, method, path, headers=None):
        body = {} if method in {"GET", "HEAD"} else {"json": self.body}
        async with client.request(method, self.filled(path), headers=headers or {}, **body) as response:
            if response.content_type != "text/event-stream":  # which need not end
                await response.read()
            return response.status

    async def everything(self):
        """What the store holds; only when somebody was seen is left out."""

        def work(db):
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}

        return await self.database.read(work)

    async def assert_refused(self, client, chosen, headers=None):
        """Try all routes that `chosen` names as `client`; each is refused and changes nothing."""
        before, tried = await self.everything(), 0
        for method, handler, path in self.routes:
            if not chosen(method, handler):
                continue
            status = await self.request(client, method, path, headers)
            assert status == 403 or (handler is None and status == 405), (method, path, status)
            tried += 1
        assert tried > 4
        assert await self.everything() == before
        assert self.assistant.requests == []


@pytest.fixture
async def house(site, database, assistant, conversations) -> House:
    return await House(site, database, assistant).move_in(conversations)


def protected(method: str, handler: Any) -> bool:
    return handler is None or not rule_of(handler).public


async def test_every_route_says_who_may_use_it(house):
    assert [path for _, handler, path in house.routes if handler and rule_of(handler) is UNMARKED] == []


async def test_nobody_reaches_more_than_the_shell(house):
    await house.assert_refused(house.site.client(), protected)


@pytest.mark.parametrize("cookie", ["made-up", "x" * 5000])
async def test_a_made_up_cookie_reaches_nothing(house, cookie):
    await house.assert_refused(house.site.client(cookie), protected)


@pytest.mark.parametrize("credential", ["", "made-up", "edge-" + "A" * 43])
async def test_a_made_up_token_reaches_nothing(house, credential):
    owner = await house.site.sign_in()
    headers = {"Authorization": f"Bearer {credential}"}
    await house.assert_refused(owner, protected, headers)


async def test_a_revoked_browser_reaches_nothing(house):
    browser = await house.site.sign_in()
    async with browser.get("/api/me") as response:
        device = (await response.json())["device"]
    owner = await house.site.sign_in()
    async with owner.delete(f"/api/devices/{device}") as response:
        assert response.status == 204
    await house.assert_refused(browser, protected)


async def test_a_revoked_token_reaches_nothing(house):
    device, token = await house.site.people.devices.add_program("owner", "reader", SCOPES)
    headers = {"Authorization": f"Bearer {token}"}
    assert await house.request(house.site.client(), "GET", "/api/users", headers) == 200
    await house.site.people.devices.revoke(device.id)
    await house.assert_refused(house.site.client(), protected, headers)


async def test_an_expired_sign_in_reaches_nothing(house, clock):
    browser = await house.site.sign_in()
    clock.now += 181 * 86_400
    await house.assert_refused(browser, protected)


@pytest.mark.parametrize("role", ["guest", "member"])
async def test_people_reach_nothing_above_their_role(house, role):
    person = await house.site.sign_in(house.users[role])
    above = [
        handler for _, handler, _ in house.routes if handler and not at_least(role, rule_of(handler).role)
    ]
    assert above
    await house.assert_refused(person, lambda _, handler: handler in above)


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_program_reaches_nothing_outside_its_scope(house, scope):
    _, token = await house.site.people.devices.add_program("owner", "reader", [scope])
    outside = [
        handler
        for _, handler, _ in house.routes
        if handler and not rule_of(handler).public and rule_of(handler).scope != scope
    ]
    headers = {"Authorization": f"Bearer {token}"}
    await house.assert_refused(house.site.client(), lambda _, handler: handler in outside, headers)


async def test_a_program_of_a_guest_is_a_guest(house):
    _, token = await house.site.people.devices.add_program(house.users["guest"], "reader", SCOPES)
    above = [handler for _, handler, _ in house.routes if handler and rule_of(handler).role == "owner"]
    headers = {"Authorization": f"Bearer {token}"}
    await house.assert_refused(house.site.client(), lambda _, handler: handler in above, headers)


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_a_foreign_page_changes_nothing_in_the_owners_name(house, origin):
    owner = await house.site.sign_in()
    headers = {"Origin": origin.replace("{port}", str(house.site.port))}
    # Loading the empty shell by a link from elsewhere is all that is left to a foreign page.
    await house.assert_refused(
        owner, lambda method, handler: method not in {"GET", "HEAD"} or protected(method, handler), headers
    )
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await owner.ws_connect("/api/ws", headers=headers)
    assert refused.value.status == 403


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_rebound_name_reaches_nothing_in_the_owners_name(house, host):
    owner = await house.site.sign_in()
    headers = {"Host": host.replace("{port}", str(house.site.port))}
    before = await house.everything()
    for method, _, path in house.routes:
        assert await house.request(owner, method, path, headers) == 403, (method, path)
    assert await house.everything() == before
    assert house.assistant.requests == []


async def test_the_table_is_not_empty_for_those_who_may(house):
    house.assistant.script = ("fine",)
    owner = await house.site.sign_in()
    last = sorted(house.routes, key=lambda each: (each[2] == "/api/signout", each[0] == "DELETE"))
    for method, handler, path in last:
        if handler is not None:
            assert await house.request(owner, method, path) not in {401, 403}, (method, path)
