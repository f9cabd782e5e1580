"""Signing in and out, and the check that everything else is behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
from aiohttp import web

from edge_assistant.assistant.request import Principal
from edge_assistant.errors import ForbiddenError, UsageError
from edge_assistant.frontends.web.access import allow, public, rule_of
from edge_assistant.frontends.web.responses import Handler, json_response, read_json
from edge_assistant.people.devices import Devices
from edge_assistant.people.pairings import Pairings
from edge_assistant.people.person import SignIn
from edge_assistant.people.users import Users

COOKIE = "edge_session"
TLS_COOKIE = "__Host-edge_session"
"""The prefix binds it to https and to exactly this host: no other page can set it (RFC 6265bis)."""

COOKIE_SECONDS = 400 * 86_400
"""The longest that browsers keep one (RFC 6265bis); how long it is good for, the store knows."""

SIGNED_IN: web.RequestKey[SignIn] = web.RequestKey("signed_in", SignIn)

Secret = Annotated[str, msgspec.Meta(max_length=200)]


class SignInBody(msgspec.Struct, frozen=True):
    """What the page posts: the token it took out of its own address, or the code somebody typed."""

    token: Secret = ""
    code: Secret = ""
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """What the device is called in the list; else the browser's own description."""


def principal_of(request: web.Request) -> Principal:
    """Return in whose name a request is: the device's person, whatever the request says."""
    sign_in = request[SIGNED_IN]
    return Principal(sign_in.user, sign_in.role)


class Doorkeeper:
    """Knows who makes a request; nobody else gets past."""

    def __init__(
        self,
        devices: Devices,
        pairings: Pairings,
        users: Users,
        close_sockets: Callable[[str, Callable[[SignIn], bool]], Awaitable[None]],
    ) -> None:
        self._devices = devices
        self._pairings = pairings
        self._users = users
        self._close_sockets = close_sockets
        self._live: dict[int, tuple[web.Request, SignIn]] = {}
        """Requests that are being answered, streams and sockets among them."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of signing in and out."""
        return [
            web.post("/api/signin", self.sign_in),
            web.post("/api/signout", self.sign_out),
            web.get("/api/me", self.me),
        ]

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let through whoever may; unknown addresses say 404 by themselves."""
        if request.match_info.http_exception is not None:
            return await handler(request)
        rule = rule_of(request.match_info.handler)
        if rule.public:
            return await handler(request)
        sign_in = await self._identify(request)
        if not sign_in.may(rule.role, rule.scope):
            raise ForbiddenError("NOT_ALLOWED", "this needs more rights than yours: ask the owner")
        request[SIGNED_IN] = sign_in
        with self._noted(request, sign_in):
            return await handler(request)

    async def _identify(self, request: web.Request) -> SignIn:
        """Return who asks: by the cookie of this kind of connection, or by a program's token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            sign_in = await self._devices.find(token.strip(), "program") if token.strip() else None
        else:
            secret = request.cookies.get(_cookie_name(request), "")
            sign_in = await self._devices.find(secret) if secret else None
        if sign_in is None:
            raise ForbiddenError("NOT_SIGNED_IN", "sign in first: `edge-assistant pair` prints a new link")
        return sign_in

    @contextmanager
    def _noted(self, request: web.Request, sign_in: SignIn) -> Iterator[None]:
        self._live[id(request)] = request, sign_in  # requests are mappings and can't be keys
        try:
            yield
        finally:
            del self._live[id(request)]

    async def drop(self, why: str, chosen: Callable[[SignIn], bool], keep: web.Request | None = None) -> None:
        """Forget what is cached of rights, and end every connection of the sign-ins chosen but `keep`."""
        self._devices.forget()
        await self._close_sockets(why, chosen)
        for request, sign_in in list(self._live.values()):
            if request is not keep and chosen(sign_in) and isinstance(request.transport, asyncio.Transport):
                request.transport.abort()

    @public
    async def sign_in(self, request: web.Request) -> web.Response:
        """Exchange a token or code for a cookie that scripts can't read and other sites don't send."""
        body = await read_json(request, SignInBody)
        if bool(body.token) == bool(body.code):
            raise UsageError("WEB_BAD_FIELD", "send either `token` or `code`")
        use = self._pairings.use_token if body.token else self._pairings.use_code
        name = body.name or request.headers.get("User-Agent", "")
        device, secret = await use(body.token or body.code, name)
        response = json_response({"signed_in": True, "device": device.id, "user": device.user})
        response.set_cookie(
            _cookie_name(request),
            secret,
            max_age=COOKIE_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response

    @allow("guest", "chat")
    async def sign_out(self, request: web.Request) -> web.Response:
        """End this device's sign-in, and the connections it opened."""
        sign_in = request[SIGNED_IN]
        await self._devices.revoke(sign_in.device)
        await self.drop("signed out", lambda each: each.device == sign_in.device, keep=request)
        response = json_response({"signed_in": False})
        response.del_cookie(
            _cookie_name(request), path="/", httponly=True, samesite="Strict", secure=request.secure
        )
        return response

    @allow("guest", "status")
    async def me(self, request: web.Request) -> web.Response:
        """Say who is signed in here, what that allows, and how many people live here."""
        sign_in = request[SIGNED_IN]
        return json_response(
            {
                "people": len(await self._users.list()),
                "user": await self._users.get(sign_in.user),
                "device": sign_in.device,
                "kind": sign_in.kind,
                "scopes": sorted(sign_in.scopes),
            }
        )


def _cookie_name(request: web.Request) -> str:
    return TLS_COOKIE if request.secure else COOKIE
