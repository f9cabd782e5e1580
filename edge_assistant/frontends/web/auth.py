"""Signing in and out, and the check that everything else is behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from aiohttp import web

from edge_assistant.errors import EdgeError
from edge_assistant.frontends.web.responses import Handler, json_response, read_json, route_of
from edge_assistant.frontends.web.signins import SIGN_IN_SECONDS, SignIn, SignIns

COOKIE = "edge_session"

SIGNED_IN: web.RequestKey[SignIn] = web.RequestKey("signed_in", SignIn)

PUBLIC_ROUTES = frozenset({"/", "/favicon.ico", "/static/{name}", "/healthz", "/api/signin"})
"""Reachable by anybody who reaches the port: the page without content, and the way in."""


class SignInBody(msgspec.Struct, frozen=True):
    """What the page posts after it took the token out of its own address."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Doorkeeper:
    """Knows who makes a request; nobody else gets past."""

    def __init__(self, sign_ins: SignIns, on_sign_out: Callable[[SignIn], Awaitable[None]]) -> None:
        self._sign_ins = sign_ins
        self._on_sign_out = on_sign_out

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of signing in and out."""
        return [web.post("/api/signin", self.sign_in), web.post("/api/signout", self.sign_out)]

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let signed-in requests through, and the public routes; unknown addresses say 404 by themselves."""
        if request.match_info.http_exception is None and route_of(request) not in PUBLIC_ROUTES:
            request[SIGNED_IN] = await self._identify(request)
        return await handler(request)

    async def _identify(self, request: web.Request) -> SignIn:
        """Return who asks. Programs' tokens (`Authorization: Bearer`) will be looked up here too."""
        secret = request.cookies.get(COOKIE, "")
        sign_in = await self._sign_ins.find(secret) if secret else None
        if sign_in is None:
            raise EdgeError("NOT_SIGNED_IN", "sign in first: `edge-assistant pair` prints a new link")
        return sign_in

    async def sign_in(self, request: web.Request) -> web.Response:
        """Exchange a link's token for a cookie that scripts can't read and other sites don't send."""
        body = await read_json(request, SignInBody)
        secret = await self._sign_ins.redeem(body.token, label=request.headers.get("User-Agent", ""))
        response = json_response({"signed_in": True})
        response.set_cookie(
            COOKIE,
            secret,
            max_age=SIGN_IN_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """End this browser's sign-in, and the sockets it opened."""
        sign_in = request[SIGNED_IN]
        await self._sign_ins.end(sign_in)
        await self._on_sign_out(sign_in)
        response = json_response({"signed_in": False})
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict", secure=request.secure)
        return response
