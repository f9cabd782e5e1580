from __future__ import annotations

import gzip
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer

from edge_assistant.documents.address import is_neighbour, is_public, own_addresses
from edge_assistant.documents.fetch import MOST_BYTES, WebFetcher
from edge_assistant.errors import DocumentError

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1", "ff02::1", "::ffff:192.168.1.1",
    "::ffff:7f00:1", "64:ff9b::10.0.0.1", "2002:c0a8:101::1", "::127.0.0.1", "localhost", "", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_inside_a_house_is_not_public(host):
    assert not is_public(host)


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"])
def test_an_address_of_the_world_is_public(host):
    assert is_public(host)


OWN = [("192.0.2.2", "255.255.255.0"), ("2a02:8071:1:2::17", "ffff:" * 7 + "ffff"), ("nonsense", "mask")]


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("192.0.2.200", True),
        ("192.0.3.2", False),
        ("2a02:8071:1:2:aaaa::1", True),
        ("2a02:8071:1:3::1", False),
    ],
)
def test_a_public_address_beside_ours_is_in_the_house(host, near):
    assert is_neighbour(host, OWN) == near


def test_the_networks_of_this_device_are_known():
    assert ("127.0.0.1", "255.0.0.0") in own_addresses()
    assert all(is_neighbour(address, own_addresses()) for address, _ in own_addresses())


class Names(AbstractResolver):
    """`public.test` is the server of this test; every other name is a machine in the house."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        address = "127.0.0.1" if host == "public.test" else "192.168.77.7"
        return [{"hostname": host, "host": address, "port": self.port, "family": socket.AF_INET,
                 "proto": 0, "flags": socket.AI_NUMERICHOST}]  # fmt: skip

    async def close(self) -> None:
        pass


LEADS_TO = {
    "moved": "/page",
    "loop": "/loop",
    "evil": "http://evil.test/page",
    "house": "http://router.test/admin",
    "number": "http://192.168.77.7/admin",
    "strange": "http://0x7f000001/admin",
    "file": "file:///etc/passwd",
}


async def page(request: web.Request) -> web.StreamResponse:
    what = request.match_info["what"]
    if what in LEADS_TO:
        raise web.HTTPFound(LEADS_TO[what])
    if what == "page":
        return web.Response(text="<html><body>Hello.</body></html>", content_type="text/html")
    if what == "bomb":
        body = gzip.compress(bytes(MOST_BYTES * 3))
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})
    if what != "endless":
        raise web.HTTPNotFound
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(40):
        await response.write(bytes(1 << 20))
    return response


@pytest_asyncio.fixture
async def server() -> AsyncIterator[TestServer]:
    application = web.Application()
    application.router.add_get("/{what}", page)
    async with TestServer(application) as running:
        yield running


def fetcher(server: TestServer) -> WebFetcher:
    assert server.port is not None
    return WebFetcher(lambda host: host == "127.0.0.1" or is_public(host), Names(server.port))


async def refusal(fetcher: WebFetcher, url: str) -> str:
    with pytest.raises(DocumentError) as caught:
        await fetcher.fetch(url)
    return caught.value.code


async def test_a_page_is_fetched_also_where_it_moved(server):
    for path in ("page", "moved"):
        assert b"Hello." in await fetcher(server).fetch(f"http://public.test/{path}")


@pytest.mark.parametrize("path", ["house", "number"])
async def test_a_page_that_leads_into_the_house_is_not_fetched(server, path):
    assert await refusal(fetcher(server), f"http://public.test/{path}") == "DOCUMENT_WEB_PRIVATE"


class Rebinding(Names):
    """A name server that first tells where the page is and then a machine in the house."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return await super().resolve("public.test" if not self.asked else host, port, family)


async def test_a_name_that_means_the_house_the_second_time_leads_nowhere(server):
    names = Rebinding(server.port)
    fetching = WebFetcher(lambda host: host == "127.0.0.1" or is_public(host), names)
    assert await refusal(fetching, "http://evil.test/evil") == "DOCUMENT_WEB_PRIVATE"
    assert names.asked == ["public.test", "evil.test"], (
        "each connection asks once and goes to what it was told"
    )


async def test_a_name_for_a_page_and_a_machine_in_the_house_is_refused(server):
    class Both(Names):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            return [*await super().resolve("public.test"), *await super().resolve("router.test")]

    fetching = WebFetcher(lambda host: host == "127.0.0.1" or is_public(host), Both(server.port))
    assert await refusal(fetching, "http://evil.test/page") == "DOCUMENT_WEB_PRIVATE"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://[::1]/", "http://0x7f000001/", "http://127.1/", "http://2130706433/",
            "http://localhost/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/meta-data"]
)  # fmt: skip
async def test_an_address_in_the_house_is_refused_however_it_is_written(url):
    assert await refusal(WebFetcher(), url) == "DOCUMENT_WEB_PRIVATE"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("loop", "DOCUMENT_WEB_FAILED"),
        ("missing", "DOCUMENT_WEB_FAILED"),
        ("file", "DOCUMENT_WEB_FAILED"),
        ("strange", "DOCUMENT_WEB_PRIVATE"),
        ("endless", "DOCUMENT_TOO_LARGE"),
        ("bomb", "DOCUMENT_TOO_LARGE"),
    ],
)
async def test_what_is_no_page_or_too_much_says_so(server, path, code):
    assert await refusal(fetcher(server), f"http://public.test/{path}") == code
