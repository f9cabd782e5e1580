from __future__ import annotations

import asyncio
import logging
from hashlib import sha256

import aiohttp
import pytest

from edge_assistant.frontends.web.auth import COOKIE_SECONDS
from edge_assistant.people.devices import SIGN_IN_SECONDS
from edge_assistant.people.pairings import PAIRING_SECONDS
from edge_assistant.people.throttle import MAX_FAILURES
from tests.frontends.web.conftest import cookie_of


async def code_of(response):
    return (await response.json())["error"]["code"]


async def test_a_link_signs_in_once(site):
    token = await site.token()
    async with site.client() as browser, browser.post("/api/signin", json={"token": token}) as response:
        assert response.status == 200
        async with browser.get("/api/status") as status:
            assert status.status == 200
    async with site.client() as other, other.post("/api/signin", json={"token": token}) as response:
        assert response.status == 403
        assert await code_of(response) == "SIGN_IN_LINK_USED"
        assert "Set-Cookie" not in response.headers


async def test_a_link_ends_after_ten_minutes(site, clock):
    token = await site.token()
    clock.now += PAIRING_SECONDS
    async with site.client() as browser, browser.post("/api/signin", json={"token": token}) as response:
        assert response.status == 403


async def test_the_cookie_is_kept_from_scripts_and_other_sites(site):
    async with (
        site.client() as browser,
        browser.post("/api/signin", json={"token": await site.token()}) as response,
    ):
        cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("edge_session=")
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={COOKIE_SECONDS}"):
        assert attribute in cookie
    assert "Secure" not in cookie, "browsers would drop it on plain http"
    assert "Domain" not in cookie


async def test_a_sign_in_survives_a_restart_of_the_server(serve):
    first = await serve()
    cookie = await first.cookie()
    await first.server.stop()
    second = await serve()
    async with second.client(cookie) as browser, browser.get("/api/status") as response:
        assert response.status == 200


async def test_only_a_hash_of_the_cookie_is_stored(site, database):
    cookie = await site.cookie()
    rows = await database.read(lambda db: db.execute("SELECT * FROM devices").fetchall())
    assert sha256(cookie.encode()).digest() in rows[0]
    assert all(cookie not in str(value) for value in rows[0])


async def test_a_sign_in_ends_after_its_time(site, clock):
    browser = await site.sign_in()
    clock.now += SIGN_IN_SECONDS
    async with browser.get("/api/status") as response:
        assert response.status == 403
        assert await code_of(response) == "NOT_SIGNED_IN"


async def test_being_seen_is_written_at_most_hourly(site, clock, database):
    browser = await site.sign_in()

    async def seen():
        await (await browser.get("/api/status")).release()
        return await database.read(lambda db: db.execute("SELECT last_seen_at FROM devices").fetchall()[0][0])

    start = await seen()
    clock.now += 3_599
    assert await seen() == start
    clock.now += 1
    assert await seen() == start + 3_600


async def test_signing_out_ends_the_cookie_and_its_sockets(site):
    browser, other = await site.sign_in(), await site.sign_in()
    cookie = cookie_of(browser)
    async with browser.ws_connect("/api/ws") as socket, other.ws_connect("/api/ws") as stays:
        closed = asyncio.create_task(socket.receive(timeout=60))
        async with browser.post("/api/signout") as response:
            assert response.status == 200
            assert 'edge_session=""' in response.headers["Set-Cookie"]
        assert (await closed).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1008
        assert not stays.closed
    async with site.client(cookie) as again, again.get("/api/status") as response:
        assert response.status == 403
    async with other.get("/api/status") as response:
        assert response.status == 200


@pytest.mark.parametrize("cookie", ["x", "", "é", "a" * 5000, "\\udcff"])
async def test_a_made_up_cookie_is_nobody(site, cookie):
    async with site.client() as browser:
        headers = {"Cookie": f"edge_session={cookie}"}
        async with browser.get("/api/status", headers=headers) as response:
            assert response.status == 403


async def test_a_cookie_is_no_bearer_token(site):
    async with site.client() as browser:
        headers = {"Authorization": f"Bearer {await site.cookie()}"}
        async with browser.get("/api/status", headers=headers) as response:
            assert response.status == 403


async def test_wrong_links_are_throttled_and_a_right_one_works_all_the_same(site, clock):
    good = await site.token()
    async with site.client() as browser:
        for _ in range(MAX_FAILURES):
            async with browser.post("/api/signin", json={"token": "wrong"}) as response:
                assert response.status == 403
        async with browser.post("/api/signin", json={"token": "wrong"}) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) == 60
        async with browser.post("/api/signin", json={"token": good}) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"token": 1}', b'{"token": ""}', b'{"token": "\xff"}', b"null", b"[" * 100_000],
)
async def test_a_malformed_sign_in_is_refused(site, body):
    headers = {"Content-Type": "application/json"}
    async with site.client() as browser, browser.post("/api/signin", data=body, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"]


async def test_a_form_of_another_page_cannot_sign_in(site):
    async with (
        site.client() as browser,
        browser.post("/api/signin", data={"token": await site.token()}) as response,
    ):
        assert response.status == 415


async def test_a_link_whose_sign_in_cannot_be_stored_still_works_later(site, database, monkeypatch):
    from edge_assistant.errors import StoreError

    async def full(work):
        raise StoreError("STORE_FULL", "the disk is full: make room")

    token = await site.token()
    async with site.client() as browser:
        with monkeypatch.context() as patched:
            patched.setattr(database, "write", full)
            async with browser.post("/api/signin", json={"token": token}) as response:
                assert response.status == 507
                assert await code_of(response) == "STORE_FULL"
        async with browser.post("/api/signin", json={"token": token}) as response:
            assert response.status == 200


async def test_no_token_or_cookie_is_ever_logged(site, caplog):
    caplog.set_level(logging.DEBUG)
    token = await site.token()
    async with site.client() as browser:
        await browser.post("/api/signin", json={"token": token})
        await browser.post("/api/signin", json={"token": token})
        await browser.get(f"/?signin={token}")
        await browser.get(f"/nothing/{token}?x={token}")
        await browser.get("/api/status")
        cookie = cookie_of(browser)
    logged = "\n".join(record.getMessage() + (record.exc_text or "") for record in caplog.records)
    assert token not in logged
    assert cookie not in logged


async def test_the_log_names_the_address(serve, caplog):
    caplog.set_level(logging.INFO)
    site = await serve()
    assert f"web chat at {site.url}" in caplog.messages
