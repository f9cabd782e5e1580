"""Timers, lists and open questions of whoever is signed in."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from edge_assistant.errors import EdgeError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.people.person import Principal
from edge_assistant.tools.abilities import Abilities
from edge_assistant.tools.lists import LONGEST
from edge_assistant.tools.protocol import Call, Occasion
from edge_assistant.tools.timer import Kind, Timer
from edge_assistant.tools.timer_tools import Date, Label, when


class NewTimer(msgspec.Struct, frozen=True):
    """The body of `POST /api/timers`: a duration, or a time on the wall."""

    kind: Kind = "timer"
    label: Label = ""
    seconds: float = 0
    time: Annotated[str, msgspec.Meta(pattern=r"^(([01]?\d|2[0-3]):[0-5]\d)?\Z")] = ""
    date: Date = ""
    days: Annotated[str, msgspec.Meta(pattern=r"^[1-7]{0,7}\Z")] = ""


class Change(msgspec.Struct, frozen=True):
    """The body of `POST /api/timers/{id}`; `stop` is for one that rings."""

    step: Literal["pause", "resume", "stop", "cancel"]


class TimerView(msgspec.Struct, frozen=True, kw_only=True):
    """A timer as a list shows it."""

    id: str
    kind: Kind
    label: str
    left_seconds: float
    """Until it rings; 0 when it does."""
    local: str
    """Of an alarm: when it rings, on the wall; empty of a timer."""
    days: str
    paused: bool
    ringing: bool
    late_seconds: float
    """How much too late it rang."""


class OnList(msgspec.Struct, frozen=True):
    """The body of `POST /api/lists` and `DELETE /api/lists`: one item of a list."""

    list: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST // 2)]
    item: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question whether something may be done."""

    id: str
    summary: str
    pin: bool
    seconds: float


class Given(msgspec.Struct, frozen=True):
    """The body of `POST /api/actions/{id}`."""

    approve: bool
    pin: Annotated[str, msgspec.Meta(max_length=32)] = ""


class Done(msgspec.Struct, frozen=True):
    """What came of it."""

    status: str
    text: str


class AbilityPages:
    """Serves what the assistant keeps and does for a person."""

    def __init__(self, abilities: Abilities) -> None:
        self._timers = abilities.timers
        self._lists = abilities.lists
        self._actions = abilities.actions

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of abilities."""
        return [
            web.get("/api/timers", self.timers),
            web.post("/api/timers", self.add_timer),
            web.post("/api/timers/{id}", self.change_timer),
            web.get("/api/lists", self.lists),
            web.post("/api/lists", self.add_item),
            web.delete("/api/lists", self.remove_item),
            web.get("/api/actions", self.actions),
            web.post("/api/actions/{id}", self.answer),
        ]

    @allow("guest", "home")
    async def timers(self, request: web.Request) -> web.Response:
        """List what is set, what rings first."""
        found = self._timers.of(principal_of(request))
        return json_response({"timers": [self._view(timer) for timer in found]})

    @allow("guest", "home")
    async def add_timer(self, request: web.Request) -> web.Response:
        """Set a timer, an alarm or a reminder."""
        new, principal = await read_json(request, NewTimer), principal_of(request)
        if new.time:
            at = when(new.time, new.date)
            timer = await self._timers.at(principal, at, new.label, days=new.days, kind=new.kind)
        else:
            timer = await self._timers.start(principal, new.seconds, new.label, kind=new.kind)
        return json_response(self._view(timer), status=201)

    @allow("guest", "home")
    async def change_timer(self, request: web.Request) -> web.Response:
        """Pause, resume, stop (when it rings) or cancel one."""
        timer = self._found(request)
        match (await read_json(request, Change)).step:
            case "pause":
                timer = await self._timers.pause(timer)
            case "resume":
                timer = await self._timers.resume(timer)
            case "stop":
                await self._timers.take_note([timer])
            case "cancel":
                await self._timers.cancel([timer])
        return json_response(self._view(timer))

    @allow("guest", "home")
    async def lists(self, request: web.Request) -> web.Response:
        """List every list with its items."""
        return json_response({"lists": await self._lists.all(principal_of(request))})

    @allow("guest", "home")
    async def add_item(self, request: web.Request) -> web.Response:
        """Put an item on a list."""
        new = await read_json(request, OnList)
        await self._do(Call("add_to_list", {"items": [new.item], "list": new.list}), principal_of(request))
        return await self.lists(request)

    @allow("guest", "home")
    async def remove_item(self, request: web.Request) -> web.Response:
        """Take an item off a list."""
        gone = await read_json(request, OnList)
        call = Call("remove_from_list", {"items": [gone.item], "list": gone.list})
        await self._do(call, principal_of(request))
        return await self.lists(request)

    @allow("guest", "home")
    async def actions(self, request: web.Request) -> web.Response:
        """List the open questions that this person may answer."""
        confirmations = self._actions.confirmations
        asked = [
            Asked(
                id=each.id, summary=each.effect.summary, pin=each.pin,
                seconds=round(confirmations.left_seconds(each), 1),
            )
            for each in confirmations.of(principal_of(request))
        ]  # fmt: skip
        return json_response({"actions": asked})

    @allow("guest", "home")
    async def answer(self, request: web.Request) -> web.Response:
        """Say yes or no to one of them."""
        given = await read_json(request, Given)
        result = await self._actions.answer(
            request.match_info["id"], principal_of(request), approve=given.approve, pin=given.pin
        )
        return json_response(Done(result.status, result.text))

    async def _do(self, call: Call, principal: Principal) -> None:
        await self._actions.do(call, Occasion(principal=principal, source="web"))

    def _found(self, request: web.Request) -> Timer:
        name = request.match_info["id"]
        found = next((t for t in self._timers.of(principal_of(request)) if t.id == name), None)
        if found is None:
            raise EdgeError("TIMER_NOT_FOUND", "no such timer is set")
        return found

    def _view(self, timer: Timer) -> TimerView:
        return TimerView(
            id=timer.id,
            kind=timer.kind,
            label=timer.label,
            left_seconds=0.0 if timer.rang_at is not None else round(self._timers.left(timer), 3),
            local=timer.local,
            days=timer.days,
            paused=timer.paused_left is not None,
            ringing=timer.rang_at is not None,
            late_seconds=timer.late,
        )
