"""The house by rooms, for those who live in it: how things are, and a tap that goes through the one door."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from edge_assistant.errors import UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.home.entity import CONTROLLED, Entity, folded
from edge_assistant.home.orders import possible
from edge_assistant.home.registry import Registry
from edge_assistant.home.view import Dial, dials, options
from edge_assistant.intents.answers import spoken_state, state_word
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.home_tools import Data, Service
from edge_assistant.tools.protocol import Call, Occasion

MOST_SHOWN = 300
"""Things of one answer; more are found by their names."""

LONGEST_SEARCH = 100
PANEL = "panel"
"""The conversation that taps are: a new question withdraws the one before, and an undo means the last tap."""

Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}\Z")]


class Tap(msgspec.Struct, frozen=True):
    """The body of `POST /api/home/{id}`."""

    service: Service
    data: Annotated[Data, msgspec.Meta(max_length=8)] = {}
    language: Language = "en"


class Tapped(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a tap; with `action` it is asked about first, and `POST /api/actions/{id}` answers."""

    status: str
    text: str
    action: str = ""
    summary: str = ""
    pin: bool = False


class ThingView(msgspec.Struct, frozen=True, kw_only=True):
    """A thing as the list shows it."""

    id: str
    name: str
    domain: str
    kind: str
    """Its device class, such as `window`; may be empty."""
    state: str
    words: str
    """The same in the page's language, with a unit."""
    current: float | None
    """Of climate: the temperature that is measured."""
    available: bool
    services: tuple[str, ...]
    """What it can be told."""
    dials: tuple[Dial, ...]
    options: tuple[str, ...]


class HomePages:
    """Serves rooms, devices and states."""

    def __init__(self, registry: Registry, actions: Actions) -> None:
        self._registry = registry
        self._actions = actions

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the house."""
        return [web.get("/api/home", self.rooms), web.post("/api/home/{id}", self.tap)]

    @allow("member", "home")
    async def rooms(self, request: web.Request) -> web.Response:
        """Return rooms with what is in them; 204 when nothing changed since `seen`."""
        seen = f"{self._registry.version}.{self._registry.changes}"
        if request.query.get("seen") == seen:
            return web.Response(status=204)
        language = "de" if request.query.get("lang", "").startswith("de") else "en"
        words = folded(request.query.get("find", "")[:LONGEST_SEARCH]).split()
        every = [each for each in self._registry.entities if not each.diagnostic]
        found = sorted((each for each in every if _fits(each, words)), key=_place)
        rooms: dict[str, list[ThingView]] = {}
        for entity in found[:MOST_SHOWN]:
            rooms.setdefault(entity.area, []).append(self._view(entity, language))
        body = {
            "seen": seen,
            "all": len(every),
            "more": max(0, len(found) - MOST_SHOWN),
            "rooms": [{"name": name, "things": things} for name, things in rooms.items()],
        }
        return json_response(body)

    @allow("member", "home")
    async def tap(self, request: web.Request) -> web.Response:
        """Tell a thing what to do, by the rules that hold for whatever is said."""
        tap = await read_json(request, Tap)
        name = request.match_info["id"]
        if self._registry.entity(name) is None:  # a name may mean several: a tap means one
            raise UsageError("HOME_UNKNOWN", "that is not in this house any more")
        call = Call("control_home", {"entities": [name], "service": tap.service, "data": tap.data})
        occasion = Occasion(
            principal=principal_of(request), session=PANEL, source="web", language=tap.language
        )
        result = await self._actions.do(call, occasion)
        if (asked := result.asked) is None:
            return json_response(Tapped(status=result.status, text=result.text))
        return json_response(
            Tapped(
                status=result.status, text=result.text, action=asked.id, summary=asked.effect.summary,
                pin=asked.pin,
            ),
            status=202,
        )  # fmt: skip

    def _view(self, entity: Entity, language: str) -> ThingView:
        state = self._registry.state(entity.id)
        current = state.attributes.get("current_temperature")
        return ThingView(
            id=entity.id,
            name=entity.name,
            domain=entity.domain,
            kind=entity.device_class,
            state=spoken_state(entity, state),
            words=state_word(entity, state, language),
            current=current if isinstance(current, float) else None,
            available=state.available,
            services=possible(entity),
            dials=dials(entity, state),
            options=options(entity),
        )


def _fits(entity: Entity, words: list[str]) -> bool:
    text = folded(" ".join((*entity.names, entity.area, entity.domain)))
    return all(word in text for word in words)


def _place(entity: Entity) -> tuple[bool, str, bool, str, str]:
    """By rooms, those without one last; in each what can be told something first."""
    return (
        not entity.area, entity.area.casefold(), entity.domain not in CONTROLLED, entity.domain,
        entity.name.casefold(),
    )  # fmt: skip
