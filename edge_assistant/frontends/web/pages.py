"""The page and its files, read and compressed once at start."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from aiohttp import ETag, web

from edge_assistant.errors import EdgeError
from edge_assistant.frontends.web.access import public

STATIC = Path(__file__).with_name("static")

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}

LISTING = "shell.json"
"""Names all files of the page, for the worker that keeps them."""

NOT_KEPT = {"sw.js", "index.html", "trust.html", "trust.js"}
"""What it does not keep: itself, the page that it keeps as `/`, and what is read beside the device."""


class Asset:
    """One file as it is served."""

    def __init__(self, name: str, plain: bytes) -> None:
        self.plain = plain
        self.compressed = gzip.compress(self.plain, 9, mtime=0)
        self.content_type = TYPES.get(Path(name).suffix, "application/octet-stream")
        self.etag = ETag(hashlib.sha256(self.plain).hexdigest()[:24], is_weak=True)

    def respond(self, request: web.Request) -> web.Response:
        """Return the file, or 304 when the browser has it. Weak tag: it stands for both encodings."""
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if any(each.value in {self.etag.value, "*"} for each in request.if_none_match or ()):
            response = web.Response(status=304, headers=headers)
        elif "gzip" in request.headers.get("Accept-Encoding", "") and len(self.compressed) < len(self.plain):
            headers["Content-Encoding"] = "gzip"
            response = web.Response(body=self.compressed, headers=headers, content_type=self.content_type)
        else:
            response = web.Response(body=self.plain, headers=headers, content_type=self.content_type)
        if self.content_type.startswith("text/") and response.status == 200:  # noqa: PLR2004
            response.charset = "utf-8"
        response.etag = self.etag
        return response


class Pages:
    """The shell of the chat: nothing in it is about a person, so it needs no sign-in."""

    def __init__(self, folder: Path = STATIC) -> None:
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        self._assets = {path.name: Asset(path.name, path.read_bytes()) for path in files}
        self._assets[LISTING] = Asset(LISTING, _list_shell(self._assets))

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the page."""
        return [
            web.get("/", self.index),
            web.get("/favicon.ico", self.icon),
            web.get("/trust", self.trust),
            web.get("/sw.js", self.service_worker),
            web.get("/static/{name}", self.file),
        ]

    @public
    async def index(self, request: web.Request) -> web.Response:
        """Serve the page."""
        return self._respond(request, "index.html")

    @public
    async def trust(self, request: web.Request) -> web.Response:
        """Serve the page that explains how a phone comes to trust this device."""
        return self._respond(request, "trust.html")

    @public
    async def icon(self, request: web.Request) -> web.Response:
        """Serve the icon that browsers ask for unasked."""
        return self._respond(request, "icon.svg")

    @public
    async def service_worker(self, request: web.Request) -> web.Response:
        """Serve the worker that keeps the shell for times without the device: only from here may it."""
        return self._respond(request, "sw.js")

    @public
    async def file(self, request: web.Request) -> web.Response:
        """Serve one file; only names that were there at start exist, so no path can lead elsewhere."""
        return self._respond(request, request.match_info["name"])

    def _respond(self, request: web.Request, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            raise EdgeError("NOT_FOUND", "there is nothing at this address")
        return asset.respond(request)


def _list_shell(names: Iterable[str]) -> bytes:
    """Return the body of the listing."""
    return msgspec.json.encode({"files": [f"/static/{name}" for name in names if name not in NOT_KEPT]})
