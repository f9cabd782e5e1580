"""What keeps other pages away: allowed hosts, own origin, and headers that bind the browser.

A browser lets any page send requests to 127.0.0.1, and a name that an attacker rebinds to it makes
them same-origin. So the Host must be one we know, and who changes something or opens the WebSocket
must come from our own origin. Both checks are needed: rebound GETs carry no Origin, and comparing
Origin with an unchecked Host proves nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

from edge_assistant.errors import ConfigError, ForbiddenError
from edge_assistant.frontends.web.lan import Lan
from edge_assistant.frontends.web.responses import Handler

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")

SHELL = {"/", "/favicon.ico", "/sw.js", "/healthz", "/trust", "/ca.crt"}
"""What a link from elsewhere may open: it tells nothing of anybody."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
    "Server": "edge-assistant",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every response; what is not the page's shell is never kept in a cache."""
    del request
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


class Gate:
    """Lets only requests through that address this device by its own names, from its own page."""

    def __init__(self, host: str, allowed_hosts: Iterable[str], lan: Lan | None = None) -> None:
        self._names = frozenset(name.strip("[]").lower() for name in (*LOOPBACK_NAMES, host, *allowed_hosts))
        self._lan = lan

    def knows(self, name: str, request: web.Request) -> bool:
        """Return whether `name` is one of ours: a known one, or the very address the connection came to."""
        if name in self._names or (request.secure and self._lan and name in self._lan.names.hosts):
            return True
        own: tuple[str, ...] = request.get_extra_info("sockname", ("",))
        return name != "" and name == own[0].partition("%")[0].removeprefix("::ffff:")

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Raise `ForbiddenError` for a foreign Host or Origin."""
        if not self.knows(_host_name(request.host), request):
            raise ForbiddenError(
                "WEB_HOST_UNKNOWN", "this device is not known by that name: add it to web.allowed_hosts"
            )
        if needs_own_origin(request) and not comes_from_own_page(request):
            raise ForbiddenError("WEB_ORIGIN_FOREIGN", "another web page may not use the assistant")
        return await handler(request)


def needs_own_origin(request: web.Request) -> bool:
    """Return whether this request does or reveals something, unlike loading the empty page."""
    shell = request.path in SHELL or request.path.startswith("/static/")
    return not shell or request.method not in {"GET", "HEAD"}


def comes_from_own_page(request: web.Request) -> bool:
    """Return whether Origin and Fetch Metadata, where sent, name our own page.

    Programs send neither and need a credential anyway; a browser always sends an Origin with a
    WebSocket and with every method but GET and HEAD.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origins = request.headers.getall("Origin", [])
    return all(_is_own(origin, request.host) for origin in origins)


def _is_own(origin: str, host: str) -> bool:
    scheme, _, address = origin.partition("://")
    return scheme in {"http", "https"} and _normal(address, scheme) == _normal(host, scheme)


def _normal(address: str, scheme: str) -> str:
    return address.lower().removesuffix(":443" if scheme == "https" else ":80")


def _host_name(host: str) -> str:
    """Return the name or address in a Host header, without port and brackets; empty when malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises ValueError for a bad one
    except ValueError:
        return ""
    return parts.hostname or "" if parts.netloc == host and "@" not in host else ""


def check_loopback(host: str) -> str:
    """Return the address to listen on; raises `ConfigError` unless only this machine can reach it."""
    if host == "localhost":
        return "127.0.0.1"  # one socket: with port 0 two families would get two ports
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            "CONFIG_NOT_AVAILABLE",
            f"web.host = {host!r} would serve the chat to the network without encryption: leave it at "
            "127.0.0.1, devices in the house use https on web.tls_port",
        )
    return host.strip("[]")
