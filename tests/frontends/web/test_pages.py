from __future__ import annotations

import gzip
import re

import aiohttp
import pytest

from edge_assistant.frontends.web.pages import Pages
from tests.frontends.web.conftest import PAGE


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/static/app.js", "text/javascript; charset=utf-8"),
        ("/static/app.css", "text/css; charset=utf-8"),
        ("/favicon.ico", "image/svg+xml"),
    ],
)
async def test_files_have_their_types(site, path, kind):
    async with site.client() as browser, browser.get(path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == kind


async def test_the_page_is_compressed_for_those_who_take_it(site):
    async with aiohttp.ClientSession(site.url, auto_decompress=False) as browser:
        async with browser.get("/", headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.headers["Vary"] == "Accept-Encoding"
            assert gzip.decompress(await response.read()).decode() == PAGE
        async with browser.get("/", headers={"Accept-Encoding": "identity"}) as response:
            assert "Content-Encoding" not in response.headers
            assert (await response.read()).decode() == PAGE


async def test_a_browser_that_has_the_page_gets_nothing_again(site):
    async with site.client() as browser:
        async with browser.get("/static/app.js") as response:
            tag = response.headers["ETag"]
            assert response.headers["Cache-Control"] == "no-cache"
        async with browser.get("/static/app.js", headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == tag
        async with browser.get("/static/app.css", headers={"If-None-Match": tag}) as response:
            assert response.status == 200


async def test_head_tells_the_size_only(site):
    async with site.client() as browser, browser.head("/") as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static", "/static/..%2f..%2fserver.py", "/static/%2e%2e/server.py",
     "/static/index.html%00", "/server.py", "/static/static/app.js"],
)  # fmt: skip
async def test_nothing_else_is_served(site, path):
    async with site.client() as browser, browser.get(path) as response:
        assert response.status == 404


async def test_the_shipped_page_is_small_and_whole():
    pages = Pages()
    assert sum(len(asset.compressed) for asset in pages._assets.values()) <= 120_000
    html = pages._assets["index.html"].plain.decode()
    scripts = b"".join(asset.plain for name, asset in pages._assets.items() if name.endswith(".js")).decode()
    named = {*re.findall(r'"/static/([^"]+)"', html), *re.findall(r'from "\./([^"]+)"', scripts)}
    assert named
    assert named <= pages._assets.keys()
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html), "nothing comes from another host"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", html), (
        "the policy refuses inline code"
    )
