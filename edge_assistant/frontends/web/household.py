"""People and devices of the household, for its owner; everybody sees and ends their own devices."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from edge_assistant.errors import UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import SIGNED_IN, Doorkeeper
from edge_assistant.frontends.web.ports import Forgetter
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.people.devices import Devices
from edge_assistant.people.person import PROGRAM_SCOPES, Device, Role, Scope
from edge_assistant.people.users import Users
from edge_assistant.store.erase import Person

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class NewUser(msgspec.Struct, frozen=True):
    """The body of `POST /api/users`."""

    name: Name
    role: Role = "member"


class UserChange(msgspec.Struct, frozen=True):
    """The body of `PATCH /api/users/{id}`."""

    name: Name | None = None
    role: Role | None = None


class NewToken(msgspec.Struct, frozen=True):
    """The body of `POST /api/tokens`; without `user` the token acts in the name of whoever asks."""

    name: Name
    user: Annotated[str, msgspec.Meta(max_length=64)] = ""
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1, max_length=16)] = PROGRAM_SCOPES


class DeviceView(Device, frozen=True, kw_only=True):
    """A device as a list shows it; `current` is the one that asks."""

    current: bool


class Household:
    """Serves people, devices and tokens."""

    def __init__(
        self,
        users: Users,
        devices: Devices,
        doorkeeper: Doorkeeper,
        forgetter: Forgetter,
    ) -> None:
        self._users = users
        self._devices = devices
        self._doorkeeper = doorkeeper
        self._forgetter = forgetter

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of people, devices and tokens."""
        return [
            web.get("/api/users", self.list_users),
            web.post("/api/users", self.add_user),
            web.patch("/api/users/{id}", self.change_user),
            web.delete("/api/users/{id}", self.remove_user),
            web.get("/api/devices", self.list_devices),
            web.delete("/api/devices/{id}", self.revoke),
            web.post("/api/tokens", self.add_token),
        ]

    @allow("owner", "manage")
    async def list_users(self, request: web.Request) -> web.Response:
        """Return everybody, the owner first."""
        del request
        return json_response({"users": await self._users.list()})

    @allow("owner", "manage")
    async def add_user(self, request: web.Request) -> web.Response:
        """Add a person, who then needs a pairing."""
        body = await read_json(request, NewUser)
        return json_response(await self._users.add(body.name, body.role), status=201)

    @allow("owner", "manage")
    async def change_user(self, request: web.Request) -> web.Response:
        """Give a person another name or role; with the role their open connections end."""
        body, user_id = await read_json(request, UserChange), request.match_info["id"]
        user = await self._users.change(user_id, body.name, body.role)
        if body.role is not None:
            await self._doorkeeper.drop("your role changed", lambda each: each.user == user_id, keep=request)
        return json_response(user)

    @allow("owner", "manage")
    async def remove_user(self, request: web.Request) -> web.Response:
        """Remove a person: devices, tokens, and whatever they said."""
        user = await self._users.get(request.match_info["id"])
        if user.id == request[SIGNED_IN].user:
            raise UsageError("USER_IS_OWNER", "nobody removes themselves")
        await self._users.remove(user.id)
        await self._doorkeeper.drop("removed", lambda each: each.user == user.id)
        await self._forgetter.forget(Person(user.id, account=True), request[SIGNED_IN].user)
        return web.Response(status=204)

    @allow("guest", "manage")
    async def list_devices(self, request: web.Request) -> web.Response:
        """Return the paired devices: everybody's for the owner, one's own for others."""
        sign_in = request[SIGNED_IN]
        devices = await self._devices.list(None if sign_in.role == "owner" else sign_in.user)
        views = [
            DeviceView(**msgspec.structs.asdict(each), current=each.id == sign_in.device) for each in devices
        ]
        return json_response({"devices": views})

    @allow("guest", "manage")
    async def revoke(self, request: web.Request) -> web.Response:
        """End a device and drop what it has open; others than the owner end their own ones only."""
        sign_in = request[SIGNED_IN]
        device = await self._devices.revoke(
            request.match_info["id"], None if sign_in.role == "owner" else sign_in.user
        )
        await self._doorkeeper.drop("revoked", lambda each: each.device == device.id, keep=request)
        return web.Response(status=204)

    @allow("owner", "manage")
    async def add_token(self, request: web.Request) -> web.Response:
        """Return a token for a program, shown only now."""
        body = await read_json(request, NewToken)
        user_id = body.user or request[SIGNED_IN].user
        device, token = await self._devices.add_program(user_id, body.name, body.scopes)
        return json_response({"device": device, "token": token}, status=201)
