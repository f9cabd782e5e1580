from __future__ import annotations

import asyncio

import pytest

from edge_assistant.errors import ConfigError
from edge_assistant.frontends.web.security import HEADERS, check_loopback

SHELL = {"/", "/trust", "/static/app.js", "/favicon.ico"}
JSON = {"Content-Type": "application/json"}


def routes(site):
    """Return every method and address that the server knows, with made-up parameters filled in."""
    table = site.server._runner.app.router.routes()
    return [(each.method, each.resource.canonical) for each in table]


def filled(path):
    return path.replace("{id}", "s1").replace("{name}", "app.js")


async def request(site, client, method, path, **options):
    async with client.request(method, filled(path), **options) as response:
        endless = response.content_type == "text/event-stream"
        return response.status, response.headers, b"" if endless else await response.read()


async def test_every_response_carries_the_protecting_headers(site):
    visitor, person = site.client(), await site.sign_in()
    known = [*routes(site), ("GET", "/nothing"), ("DELETE", "/"), ("GET", "/static/../secret")]
    for method, path in known:
        for client in (visitor, person):
            if path == "/api/signout" and client is person:
                continue
            status, headers, _ = await request(site, client, method, path)
            for name, value in HEADERS.items():
                assert headers[name] == value, (method, path, name)
            shell = status == 200 and filled(path) in SHELL
            assert headers["Cache-Control"] == ("no-cache" if shell else "no-store"), path
            assert "Access-Control-Allow-Origin" not in headers


async def test_the_policy_allows_no_inline_script_and_no_other_host():
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.", "127.0.0.1@evil.example",
     "", "[::1", "localhost:port", "192.168.1.20", "127.0.0.1/x", "127.0.0.1#x"],
)  # fmt: skip
async def test_a_foreign_host_reaches_nothing(site, host, assistant):
    person = await site.sign_in()
    for method, path in [("GET", "/"), ("GET", "/healthz"), ("GET", "/api/status"), ("GET", "/api/ws"),
                         ("POST", "/api/chat"), ("POST", "/api/signin")]:  # fmt: skip
        status, _, _ = await request(site, person, method, path, headers={"Host": host, **JSON})
        assert status in {400, 403}, (method, path)
    assert assistant.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:8080", "chat.home:80"])
async def test_own_names_are_served(serve, host):
    site = await serve(allowed_hosts=("chat.home",))
    status, _, _ = await request(site, site.client(), "GET", "/healthz", headers={"Host": host})
    assert status == 200


async def test_our_own_page_may_do_everything(site, assistant):
    assistant.script = ("fine",)
    person = await site.sign_in()
    headers = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    status, _, _ = await request(site, person, "POST", "/api/chat", json={"text": "x"}, headers=headers)
    assert status == 200
    async with person.ws_connect("/api/ws", headers=headers):
        pass


@pytest.mark.parametrize("fetched", ["cross-site", "same-site"])
async def test_a_foreign_page_cannot_read_either(site, fetched):
    person = await site.sign_in()
    status, _, _ = await request(site, person, "GET", "/api/sessions", headers={"Sec-Fetch-Site": fetched})
    assert status == 403
    status, _, _ = await request(site, person, "GET", "/", headers={"Sec-Fetch-Site": fetched})
    assert status == 200, "a link from elsewhere may open the page"


async def test_errors_have_one_shape(site, assistant):
    assistant.error = ValueError("my secret")
    person = await site.sign_in()
    for method, path, options, status, code in [
        ("GET", "/nothing", {}, 404, "NOT_FOUND"),
        ("GET", "/static/nothing.js", {}, 404, "NOT_FOUND"),
        ("PUT", "/api/sessions", {}, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/api/chat", {"data": b"x" * 600_000, "headers": JSON}, 413, "WEB_TOO_LARGE"),
        ("POST", "/api/chat", {"data": b"{}"}, 415, "WEB_NOT_JSON"),
        ("POST", "/api/chat", {"json": {}}, 400, "WEB_BAD_FIELD"),
        ("POST", "/api/chat", {"json": {"text": "my secret"}}, 500, "INTERNAL"),
    ]:
        async with person.request(method, path, **options) as response:
            body = await response.json()
            assert (response.status, body["error"]["code"]) == (status, code)
            assert body["error"].keys() == {"code", "message"}
            assert "secret" not in body["error"]["message"]


async def test_a_compressed_body_is_refused_unread(site):
    person = await site.sign_in()
    headers = {**JSON, "Content-Encoding": "gzip"}
    async with person.post("/api/chat", data=b"\x1f\x8b", headers=headers) as response:
        assert response.status == 415


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/signin HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/signin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["garbage", "header", "line", "length", "chunk"],
)
async def test_malformed_http_gets_400_and_harms_nobody(site, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(200), 60)
    assert answer.startswith(b"HTTP/1.") or answer == b""
    assert b" 200 " not in answer
    writer.close()
    status, _, _ = await request(site, site.client(), "GET", "/healthz")
    assert status == 200


def test_only_this_machine_can_be_listened_on():
    assert check_loopback("127.0.0.1") == "127.0.0.1"
    assert check_loopback("localhost") == "127.0.0.1"
    assert check_loopback("::1") == check_loopback("[::1]") == "::1"
    for host in ("0.0.0.0", "::", "192.168.1.20", "raspberrypi.local", ""):
        with pytest.raises(ConfigError) as refused:
            check_loopback(host)
        assert refused.value.code == "CONFIG_NOT_AVAILABLE"
