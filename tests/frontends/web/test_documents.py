"""The library over HTTP: what comes in, what is refused, and whose it is. Nothing is read here."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from edge_assistant.frontends.web import documents
from tests.frontends.web.conftest import Site

BYTES = {"Content-Type": "application/octet-stream"}


async def put(client: aiohttp.ClientSession, data: Any, query: str = "?name=a.txt") -> tuple[int, Any]:
    async with client.post(f"/api/documents{query}", data=data, headers=BYTES) as response:
        return response.status, await response.json()


async def listed(client: aiohttp.ClientSession) -> list[str]:
    async with client.get("/api/documents") as response:
        return [each["name"] for each in (await response.json())["documents"]]


async def test_a_file_is_taken_once_listed_and_removed(site: Site) -> None:
    client = await site.sign_in()
    status, first = await put(client, b"tea " * 400_000)
    assert (status, first["state"], first["bytes"], first["name"]) == (202, "waiting", 1_600_000, "a.txt")
    _, again = await put(client, b"tea " * 400_000, "?name=copy.txt")
    assert again["id"] == first["id"]
    assert await listed(client) == ["a.txt"]
    async with client.get(f"/api/documents/{first['id']}?around=0") as response:
        assert (await response.json())["passages"] == []
    async with client.delete(f"/api/documents/{first['id']}") as response:
        assert response.status == 204
    assert await listed(client) == []


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        ("", {}, "WEB_BAD_FIELD"),
        ("?name=", {}, "WEB_BAD_FIELD"),
        ("?name=" + "a" * 300, {}, "WEB_BAD_FIELD"),
        ("?name=a.txt", {"Content-Encoding": "gzip"}, "WEB_BAD_REQUEST"),
    ],
)
async def test_an_upload_without_name_or_compressed_is_refused(
    site: Site, query: str, headers: dict[str, str], code: str
) -> None:
    client = await site.sign_in()
    async with client.post(f"/api/documents{query}", data=b"x", headers={**BYTES, **headers}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, code)


async def test_a_file_that_is_too_large_is_refused_whether_it_says_so_or_not(site: Site) -> None:
    client = await site.sign_in()
    with_length = await put(client, b"x" * (3 << 20))
    assert (with_length[0], with_length[1]["error"]["code"]) == (413, "DOCUMENT_TOO_LARGE")

    async def pieces() -> Any:
        for _ in range(3):
            yield b"x" * (1 << 20)

    without = await put(client, pieces())
    assert (without[0], without[1]["error"]["code"]) == (413, "DOCUMENT_TOO_LARGE")
    assert await listed(client) == []


async def test_half_a_file_leaves_nothing_behind(site: Site) -> None:
    client = await site.sign_in()

    async def half() -> Any:
        yield b"x" * (1 << 20)
        await asyncio.sleep(60)

    sending = asyncio.create_task(put(client, half()))
    async with asyncio.timeout(30):
        while await listed(client) != ["a.txt"]:
            await asyncio.sleep(0.02)
        sending.cancel()
        while await listed(client):
            await asyncio.sleep(0.02)


async def test_a_file_that_stops_coming_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "SILENT_SECONDS", 0.2)
    client = await site.sign_in()

    async def slow() -> Any:
        yield b"x"
        await asyncio.sleep(3)

    status, answer = await put(client, slow())
    assert (status, answer["error"]["code"]) == (408, "WEB_TOO_SLOW")
    assert await listed(client) == []


async def test_documents_are_private_unless_shared_and_guests_share_nothing(site: Site) -> None:
    ann = await site.people.users.add("Ann", "member")
    gus = await site.people.users.add("Gus", "guest")
    owner, member, guest = await site.sign_in(), await site.sign_in(ann.id), await site.sign_in(gus.id)
    _, mine = await put(owner, b"mine", "?name=mine.txt")
    await put(owner, b"ours", "?name=ours.txt&shared=1")
    await put(guest, b"his", "?name=his.txt&shared=1")
    assert await listed(owner) == ["ours.txt", "mine.txt"]
    assert await listed(member) == ["ours.txt"]
    assert await listed(guest) == ["his.txt"]
    for method in ("GET", "DELETE"):
        async with member.request(method, f"/api/documents/{mine['id']}") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, "DOCUMENT_NOT_FOUND")


async def test_a_web_page_waits_to_be_fetched_and_other_addresses_are_refused(site: Site) -> None:
    client = await site.sign_in()
    async with client.post("/api/documents", json={"url": "https://example.org/a#b"}) as response:
        answer = await response.json()
        assert (response.status, answer["origin"]) == (202, "url:https://example.org/a")
    async with client.post("/api/documents", json={"url": "file:///etc/passwd"}) as response:
        answer = await response.json()
        assert (response.status, answer["error"]["code"]) == (400, "DOCUMENT_BAD_ADDRESS")
    async with client.get("/api/documents?q=tea&since=soon") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "WEB_BAD_FIELD")
