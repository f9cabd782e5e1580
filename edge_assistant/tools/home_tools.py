"""Devices of the house as tools: judged by what happens to them, whatever words led to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Protocol

import msgspec

from edge_assistant.config.schema import ActionRisk, HomeDevice
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.home.control import Control, Done
from edge_assistant.home.entity import Entity, State
from edge_assistant.home.orders import SERVICES, commanded
from edge_assistant.home.registry import Registry, controllable
from edge_assistant.home.risk import GUARDS, effect_of, riskier
from edge_assistant.tools.protocol import Call, Effect, Occasion, Outcome

MOST = 100
"""Entities of one call."""

EntityName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Service = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}\Z")]
Data = dict[Annotated[str, msgspec.Meta(max_length=40)], int | float | str | bool]


class Names(Protocol):
    """Who keeps what people call things."""

    async def call(self, entity: Entity, alias: str, principal: str) -> None:
        """Let an entity be called `alias` too."""
        ...

    async def forget_name(self, entity: Entity, alias: str) -> None:
        """Take that back."""
        ...


class Step(msgspec.Struct, frozen=True):
    """One thing told to one entity."""

    entity: EntityName
    service: Service
    data: Data = {}


class Steps(msgspec.Struct, frozen=True):
    """Several, each its own."""

    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1, max_length=MOST)]


class Orders(msgspec.Struct, frozen=True):
    """The same for one or several entities."""

    entities: Annotated[
        tuple[EntityName, ...], msgspec.Meta(min_length=1, max_length=MOST, description="names of devices")
    ]
    service: Annotated[Service, msgspec.Meta(description="such as turn_on, turn_off, open_cover, lock")]
    data: Data = {}


class Look(msgspec.Struct, frozen=True):
    """Which entities; all of a room, or all that can be controlled, without a name."""

    entity: Annotated[str, msgspec.Meta(max_length=100)] = ""
    area: Annotated[str, msgspec.Meta(max_length=100)] = ""


class NewName(msgspec.Struct, frozen=True):
    """What to call an entity."""

    entity: EntityName
    name: Annotated[str, msgspec.Meta(min_length=2, max_length=40)]


class HomeTool:
    """Base of the tools that know the house."""

    def __init__(self, registry: Registry, control: Control, settings: Mapping[str, HomeDevice]) -> None:
        self._registry = registry
        self._control = control
        self._settings = settings

    def _found(self, name: str) -> Entity:
        """Return the one entity that is meant by an id or a name; raises HOME_UNKNOWN, HOME_AMBIGUOUS."""
        if (entity := self._registry.entity(name)) is not None:
            return entity
        found = self._registry.named(name)
        found = controllable(found) or found
        if not found:
            raise UsageError("HOME_UNKNOWN", f"there is no {name[:60]!r} in this house")
        if len(found) > 1:
            where = ", ".join(each.area or each.id for each in found)
            raise UsageError("HOME_AMBIGUOUS", f"there are several {name[:60]!r}: {where}")
        return found[0]

    def _risk(self, steps: tuple[Step, ...]) -> ActionRisk:
        risk: ActionRisk = "free"
        for step in steps:
            entity = self._found(step.entity)
            _, sent = self._control.prepare(entity.id, step.service, step.data)
            wish = self._settings.get(entity.id) or self._settings.get(entity.name) or HomeDevice()
            names = (entity.name, entity.device)
            effect = effect_of(entity.domain, step.service, entity.device_class, names)
            for each in (wish.risk, effect, self._lent({order.topic for order in sent}, entity)):
                risk = riskier(risk, each)
        return risk

    def _lent(self, topics: set[str], entity: Entity) -> ActionRisk:
        """Return the risk of telling something on a topic on which a lock, or the like, is told too.

        Whatever may announce a lamp could else give it the topic of the front door.
        """
        others = (each for each in self._registry.entities if each.domain in GUARDS and each.id != entity.id)
        shared = (each for each in others if not topics.isdisjoint(commanded(each)))
        risk: ActionRisk = "free"
        for each in shared:
            for service in SERVICES[each.domain]:
                risk = riskier(
                    risk, effect_of(each.domain, service, each.device_class, (each.name, each.device))
                )
        return risk

    async def _do(self, steps: tuple[Step, ...]) -> tuple[list[Done], list[EdgeError]]:
        """Tell all of them at once; one that fails doesn't keep the others from it."""
        work = [self._control.act(self._found(step.entity).id, step.service, step.data) for step in steps]
        results = await asyncio.gather(*work, return_exceptions=True)
        failed = [each for each in results if isinstance(each, EdgeError)]
        for each in results:
            if isinstance(each, BaseException) and not isinstance(each, EdgeError):
                raise each
        done = [each for each in results if isinstance(each, Done)]
        if failed and not done:
            raise failed[0]
        return done, failed


class ControlTool(HomeTool):
    """Tells devices what to do."""

    name = "control_home"
    description = "Switch, dim, open, close, lock or set devices of this house."
    arguments = Orders

    def effect(self, arguments: Orders, occasion: Occasion) -> Effect:
        """Return what would happen, with the risk of the riskiest entity."""
        risk = self._risk(_steps(arguments))
        names = [self._found(each).name for each in arguments.entities]
        return Effect(reach="act", risk=risk, summary=summary(arguments.service, names, occasion.language))

    async def run(self, arguments: Orders, occasion: Occasion) -> Outcome:
        """Tell them; the inverse, where there is one, is remembered."""
        done, failed = await self._do(_steps(arguments))
        text = summary(arguments.service, [each.entity.name for each in done], occasion.language, done=True)
        if failed:
            text += " " + failed[0].message[:1].upper() + failed[0].message[1:] + "."
        inverse = [step for each in done if (step := _inverse(each, arguments.service))]
        undo = Call("restore_home", {"steps": inverse}) if inverse else None
        return Outcome(text=text, undo=undo)


class RestoreTool(HomeTool):
    """Brings devices back to how they were."""

    name = "restore_home"
    description = "Tell several devices different things."
    arguments = Steps

    def effect(self, arguments: Steps, occasion: Occasion) -> Effect:
        """Return the risk of the riskiest step."""
        names = [self._found(step.entity).name for step in arguments.steps]
        service = arguments.steps[0].service
        text = summary(service, names, occasion.language)
        return Effect(reach="act", risk=self._risk(arguments.steps), summary=text)

    async def run(self, arguments: Steps, occasion: Occasion) -> Outcome:
        """Tell each its own."""
        done, _ = await self._do(arguments.steps)
        names = [each.entity.name for each in done]
        return Outcome(text=summary(arguments.steps[0].service, names, occasion.language, done=True))


class LookTool(HomeTool):
    """Tells how devices are."""

    name = "home_state"
    description = "Tell the state of devices of this house."
    arguments = Look

    def effect(self, arguments: Look, occasion: Occasion) -> Effect:
        """Say that it changes nothing."""
        del arguments, occasion
        return Effect(summary="look at the house")

    async def run(self, arguments: Look, occasion: Occasion) -> Outcome:
        """Return a line for each; names and states are the devices' words, so it is untrusted."""
        del occasion
        if arguments.entity:
            found = [self._found(arguments.entity)]
        elif arguments.area:
            found = self._registry.in_area(arguments.area)
        else:
            found = controllable(self._registry.entities)
        lines = [f"{each.name}: {shown(each, self._registry.state(each.id))}" for each in found[:MOST]]
        return Outcome(text="\n".join(lines) or "Nothing is known.", untrusted=True)


class NameTool(HomeTool):
    """Lets a device be called something else too."""

    name = "name_device"
    description = "Call a device by another name too."
    arguments = NewName

    def __init__(
        self, registry: Registry, control: Control, settings: Mapping[str, HomeDevice], names: Names
    ) -> None:
        super().__init__(registry, control, settings)
        self._names = names

    def effect(self, arguments: NewName, occasion: Occasion) -> Effect:
        """Say that it can be taken back; a name that is another thing's is refused: HOME_NAME_TAKEN."""
        del occasion
        entity = self._found(arguments.entity)
        if any(each.id != entity.id for each in self._registry.named(arguments.name)):
            raise UsageError("HOME_NAME_TAKEN", f"something else is called {arguments.name!r} already")
        return Effect(reach="note", summary=f"call {entity.name} “{arguments.name}”")

    async def run(self, arguments: NewName, occasion: Occasion) -> Outcome:
        """Keep the name."""
        entity = self._found(arguments.entity)
        new = entity not in self._registry.named(arguments.name)
        await self._names.call(entity, arguments.name, occasion.principal.id)
        german = occasion.language.startswith("de")
        said = "{} heißt jetzt auch {}." if german else "{} is now called {} too."
        back = {"entity": entity.id, "name": arguments.name}
        undo = Call(UnnameTool.name, back) if new else None
        return Outcome(text=said.format(entity.name, arguments.name), undo=undo)


class UnnameTool(NameTool):
    """Takes another name of a device back."""

    name = "unname_device"
    description = "Call a device by a name no more that somebody gave it."

    def effect(self, arguments: NewName, occasion: Occasion) -> Effect:
        """Say that it changes no device."""
        del occasion
        return Effect(reach="note", summary=f"call {arguments.entity} no more “{arguments.name}”")

    async def run(self, arguments: NewName, occasion: Occasion) -> Outcome:
        """Forget the name."""
        entity = self._found(arguments.entity)
        await self._names.forget_name(entity, arguments.name)
        german = occasion.language.startswith("de")
        said = "{} heißt nicht mehr {}." if german else "{} is called {} no more."
        return Outcome(text=said.format(entity.name, arguments.name))


def summary(service: str, names: list[str], language: str, *, done: bool = False) -> str:
    """Return in words what is done, such as `turn on floor lamp`, or was done."""
    german = language.startswith("de")
    shown_names = _listed(names, german=german)
    other = ("{} einstellen", "{} eingestellt.") if german else ("set {}", "Set {}.")
    ask, past = (_GERMAN if german else _ENGLISH).get(service, other)
    return (past if done else ask).format(shown_names)


def shown(entity: Entity, state: State) -> str:
    """Return how an entity is, in a few words: `on, brightness 40`."""
    if not state.available:
        return "not available"
    parts = [f"{state.value} {entity.unit}".strip()]
    parts += [
        f"{key.replace('_', ' ')} {value:g}" for key, value in state.attributes.items() if _shows(key, value)
    ]
    return ", ".join(parts)


def _shows(key: str, value: Any) -> bool:
    return isinstance(value, (int, float)) and not key.startswith("_")


def _listed(names: list[str], *, german: bool) -> str:
    if len(names) > 4:  # noqa: PLR2004 - nobody listens to more
        return f"{len(names)} Geräte" if german else f"{len(names)} devices"
    last = " und " if german else " and "
    return last.join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _steps(arguments: Orders) -> tuple[Step, ...]:
    return tuple(Step(entity, arguments.service, arguments.data) for entity in arguments.entities)


_INVERSE = {
    "open_cover": "close_cover",
    "close_cover": "open_cover",
    "lock": "unlock",
    "media_pause": "media_play",
    "media_play": "media_pause",
}
_BACK = {
    "set_temperature": "temperature",
    "set_percentage": "percentage",
    "set_cover_position": "position",
    "volume_set": "volume",
}


def _inverse(done: Done, service: str) -> dict[str, Any] | None:
    """Return what brings an entity back to how it was; None when that is not known."""
    entity, before = done.entity.id, done.before
    if service in _BACK and (value := before.attributes.get(_BACK[service])) is not None:
        return {"entity": entity, "service": service, "data": {_BACK[service]: value}}
    if service in {"turn_on", "turn_off", "toggle"} and before.value in {"on", "off"}:
        data: dict[str, Any] = {}
        if before.value == "on" and done.entity.domain == "light" and "brightness" in before.attributes:
            data["brightness"] = before.attributes["brightness"]
        return {"entity": entity, "service": f"turn_{before.value}", "data": data}
    if service in _INVERSE:
        return {"entity": entity, "service": _INVERSE[service], "data": {}}
    return None


_ENGLISH = {
    "turn_on": ("turn on {}", "Turned on {}."),
    "turn_off": ("turn off {}", "Turned off {}."),
    "toggle": ("toggle {}", "Toggled {}."),
    "open_cover": ("open {}", "Opening {}."),
    "close_cover": ("close {}", "Closing {}."),
    "stop_cover": ("stop {}", "Stopped {}."),
    "lock": ("lock {}", "Locked {}."),
    "unlock": ("unlock {}", "Unlocked {}."),
    "open": ("open {}", "Opened {}."),
    "start": ("start {}", "Started {}."),
    "stop": ("stop {}", "Stopped {}."),
    "pause": ("pause {}", "Paused {}."),
    "return_to_base": ("send {} back", "{} goes back to its base."),
    "media_play": ("play on {}", "Playing on {}."),
    "media_pause": ("pause {}", "Paused {}."),
    "media_next_track": ("skip on {}", "Skipped."),
    "media_previous_track": ("go back on {}", "Going back."),
    "volume_mute": ("mute {}", "Muted {}."),
    "press": ("press {}", "Pressed {}."),
    "alarm_disarm": ("disarm {}", "Disarmed {}."),
    "alarm_arm_home": ("arm {}", "Armed {}."),
    "alarm_arm_away": ("arm {}", "Armed {}."),
}
_GERMAN = {
    "turn_on": ("{} einschalten", "{} eingeschaltet."),
    "turn_off": ("{} ausschalten", "{} ausgeschaltet."),
    "toggle": ("{} umschalten", "{} umgeschaltet."),
    "open_cover": ("{} öffnen", "{} wird geöffnet."),
    "close_cover": ("{} schließen", "{} wird geschlossen."),
    "stop_cover": ("{} anhalten", "{} angehalten."),
    "lock": ("{} abschließen", "{} abgeschlossen."),
    "unlock": ("{} aufschließen", "{} aufgeschlossen."),
    "open": ("{} öffnen", "{} geöffnet."),
    "start": ("{} starten", "{} gestartet."),
    "stop": ("{} anhalten", "{} angehalten."),
    "pause": ("{} anhalten", "{} angehalten."),
    "return_to_base": ("{} zurückschicken", "{} fährt zurück."),
    "media_play": ("{} abspielen", "{} spielt weiter."),
    "media_pause": ("{} anhalten", "{} angehalten."),
    "media_next_track": ("{} weiterschalten", "Nächster Titel."),
    "media_previous_track": ("{} zurückschalten", "Vorheriger Titel."),
    "volume_mute": ("{} stummschalten", "{} stummgeschaltet."),
    "press": ("{} drücken", "{} gedrückt."),
    "alarm_disarm": ("{} entschärfen", "{} entschärft."),
    "alarm_arm_home": ("{} scharfschalten", "{} scharf."),
    "alarm_arm_away": ("{} scharfschalten", "{} scharf."),
}
