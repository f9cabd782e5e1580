"""From a sentence that was understood to what is to be done: which entities, which service. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from edge_assistant.home.entity import Entity, folded
from edge_assistant.home.orders import SERVICES
from edge_assistant.home.registry import Registry
from edge_assistant.intents import clock
from edge_assistant.intents.wire import Match
from edge_assistant.tools.protocol import Call

_EVERYTHING = frozenset(("light", "switch", "fan"))
"""What `everything off` means in a room."""

_ON = {"cover": "open_cover", "valve": "open_cover", "lock": "lock", "vacuum": "start", "button": "press"}
_OFF = {"cover": "close_cover", "valve": "close_cover", "lock": "unlock", "vacuum": "return_to_base"}
_STOP = {"cover": "stop_cover", "valve": "stop_cover", "vacuum": "stop", "media_player": "media_pause"}
_STEP = 25
"""Percent of `brighter`."""

_FIXED = {
    "EdgeLock": ("lock", "lock"),
    "EdgeUnlock": ("lock", "unlock"),
    "HassVacuumStart": ("vacuum", "start"),
    "HassVacuumReturnToBase": ("vacuum", "return_to_base"),
    "HassMediaPause": ("media_player", "media_pause"),
    "HassMediaUnpause": ("media_player", "media_play"),
    "HassMediaNext": ("media_player", "media_next_track"),
    "HassMediaPrevious": ("media_player", "media_previous_track"),
    "HassMediaPlayerMute": ("media_player", "volume_mute"),
    "HassMediaPlayerUnmute": ("media_player", "volume_mute"),
    "HassSetVolume": ("media_player", "volume_set"),
    "HassFanSetSpeed": ("fan", "set_percentage"),
    "HassSetPosition": ("cover", "set_cover_position"),
    "HassClimateSetTemperature": ("climate", "set_temperature"),
    "HassLightSet": ("light", "turn_on"),
}
"""Intents that mean one kind of thing and one service."""

_ONE = frozenset(("vacuum", "media_player"))
"""Kinds of which a sentence without a name means the one that there is."""

_SLOTS = {
    "percentage": "percentage",
    "position": "position",
    "temperature": "temperature",
    "volume_level": "volume",
}
_COLORS_DE = {
    "weiß": "white",
    "schwarz": "black",
    "rot": "red",
    "orange": "orange",
    "gelb": "yellow",
    "grün": "green",
    "blau": "blue",
    "violett": "purple",
    "lila": "purple",
    "braun": "brown",
    "rosa": "pink",
    "pink": "pink",
    "türkis": "turquoise",
}


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Tell entities what to do."""

    entities: tuple[Entity, ...]
    service: str
    data: dict[str, Any] = {}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Tell how entities are: `kind` as the templates call it, `state` is what is asked about."""

    entities: tuple[Entity, ...]
    kind: str
    state: str = ""
    what: Literal["", "temperature", "humidity"] = ""


class Do(msgspec.Struct, frozen=True):
    """Use another tool."""

    call: Call


class Tell(msgspec.Struct, frozen=True):
    """Say something: `which`, `time`, `date`, `undo`, `none`."""

    what: str
    entities: tuple[Entity, ...] = ()


Plan = Act | Ask | Do | Tell


def plan(match: Match, registry: Registry, room: str) -> list[Plan] | None:  # noqa: PLR0911 - a line a kind
    """Return what a command means in this house; None when it means nothing here."""
    name = match.intent
    if name in {"HassTurnOn", "HassTurnOff", "EdgeStop", "EdgeToggle"}:
        return _switched(match, registry, room)
    if name in {"EdgeBrighter", "EdgeDimmer"}:
        return _brighter(match, registry, room)
    if name == "EdgeEverythingOff":
        found = [
            each for each in registry.in_area(str(match.slots.get("area", ""))) if each.domain in _EVERYTHING
        ]
        return _acts(found, "turn_off")
    if name in _FIXED:
        return _fixed(match, registry, room)
    if name in {"HassGetState", "HassClimateGetTemperature", "EdgeHumidity"}:
        return _asked(match, registry, room)
    if name in {"HassGetCurrentTime", "HassGetCurrentDate"}:
        return [Tell("time" if name.endswith("Time") else "date")]
    if name == "EdgeUndo":
        return [Tell("undo")]
    call = _other(match)
    return [Do(call)] if call else None


def _switched(match: Match, registry: Registry, room: str) -> list[Plan] | None:
    found = _meant(match, registry, room)
    if isinstance(found, Tell):
        return [found]
    table = {"HassTurnOn": _ON, "HassTurnOff": _OFF, "EdgeStop": _STOP, "EdgeToggle": {}}[match.intent]
    other = {
        "HassTurnOn": "turn_on",
        "HassTurnOff": "turn_off",
        "EdgeStop": "turn_off",
        "EdgeToggle": "toggle",
    }
    plans: list[Plan] = []
    for service in dict.fromkeys(table.get(each.domain, other[match.intent]) for each in found):
        able = [
            each
            for each in found
            if table.get(each.domain, other[match.intent]) == service
            and service in SERVICES.get(each.domain, ())
        ]
        plans += [Act(entities=tuple(able), service=service)] if able else []
    return plans or None


def _brighter(match: Match, registry: Registry, room: str) -> list[Plan] | None:
    found = _meant(match, registry, room, ("light",))
    if isinstance(found, Tell):
        return [found]
    step = _STEP if match.intent == "EdgeBrighter" else -_STEP
    plans: list[Plan] = []
    for each in found:
        state = registry.state(each.id)
        now = state.attributes.get("brightness", 100.0 if state.value == "on" else 0.0)
        plans.append(
            Act(entities=(each,), service="turn_on", data={"brightness": min(100, max(1, now + step))})
        )
    return plans or None


def _fixed(match: Match, registry: Registry, room: str) -> list[Plan] | None:
    domain, service = _FIXED[match.intent]
    domains = (domain, "valve") if domain == "cover" else (domain,)
    found = _meant(match, registry, room, domains)
    if isinstance(found, Tell):
        return [found]
    data = {_SLOTS[key]: value for key, value in match.slots.items() if key in _SLOTS and domain != "light"}
    if domain == "light":
        data = _light_data(match)
    if match.intent.endswith("mute"):
        data["muted"] = match.intent == "HassMediaPlayerMute"
    return _acts(found, service, data)


def _light_data(match: Match) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if "brightness" in match.slots:
        data["brightness"] = match.slots["brightness"]
    if (color := str(match.slots.get("color", ""))) != "":
        data["color"] = _COLORS_DE.get(color.casefold(), color)
    if "temperature" in match.slots:
        data["kelvin"] = match.slots["temperature"]
    return data


def _asked(match: Match, registry: Registry, room: str) -> list[Plan] | None:
    slots = match.slots
    if match.intent == "HassGetState":
        found = _meant(match, registry, room)
        if isinstance(found, Tell):
            return [found]
        kind, state = match.response or "one", str(slots.get("state", ""))
        return [Ask(entities=tuple(found), kind=kind, state=state)] if found else None
    what: Literal["temperature", "humidity"] = "humidity" if match.intent == "EdgeHumidity" else "temperature"
    if "name" in slots:
        found = registry.named(str(slots["name"]), ("climate", "sensor"))
    else:
        here = (
            registry.in_area(str(slots.get("area") or room))
            if slots.get("area") or room
            else registry.entities
        )
        found = [
            each
            for each in here
            if each.domain == "sensor" and each.device_class == what and not each.diagnostic
        ]
        found = found or [each for each in here if each.domain == "climate" and what == "temperature"]
    return [Ask(entities=tuple(found[:1]), kind="one", what=what)] if found else None


def _meant(match: Match, registry: Registry, room: str, domains: Iterable[str] = ()) -> list[Entity] | Tell:
    """Return the entities that a command is about; several of one name are asked about."""
    slots, wanted = match.slots, tuple(domains)
    area = str(slots.get("area") or "")
    if "name" in slots:
        return _named(match, registry, area or room, wanted)
    kinds = slots.get("domain")
    wanted = wanted or ((str(kinds),) if kinds else ())
    if not wanted:
        return []
    found = registry.in_area(area) if area else registry.entities
    found = [each for each in found if each.domain in wanted and not each.diagnostic]
    if "device_class" in slots:
        found = [each for each in found if each.device_class == slots["device_class"]] or (
            found
            if slots["device_class"] in {"blind", "curtain", "shade", "shutter"} and wanted == ("cover",)
            else []
        )
    if not area and wanted[0] in _ONE:
        here = [each for each in found if room and folded(each.area) == folded(room)]
        found = (here or found)[:1]
    elif not area and match.intent in _FIXED and not slots.get("every"):
        found = [each for each in found if room and folded(each.area) == folded(room)] or (
            found if len(found) == 1 else []
        )
    return found


def _named(match: Match, registry: Registry, area: str, domains: tuple[str, ...]) -> list[Entity] | Tell:
    name = str(match.slots["name"])
    found = registry.named(name, domains or ((match.domain,) if match.domain else ()))
    if len(found) > 1 and area:
        found = [each for each in found if folded(each.area) == folded(area)] or found
    return Tell("which", tuple(found)) if len(found) > 1 else found


def _acts(found: list[Entity], service: str, data: dict[str, Any] | None = None) -> list[Plan] | None:
    able = tuple(each for each in found if service in SERVICES.get(each.domain, ()))
    return [Act(entities=able, service=service, data=data or {})] if able else None


def _other(match: Match) -> Call | None:
    if "Timer" in match.intent:
        return _timer(match)
    if (call := clock.meant(match.intent, match.slots)) is not None:
        return call
    slots, items = match.slots, {"list": _SHOPPING.get(match.language, "shopping")}
    if match.intent in {"HassShoppingListAddItem", "HassListAddItem"} and slots.get("item"):
        return Call("add_to_list", {"items": [str(slots["item"])], **items})
    if match.intent == "HassShoppingListCompleteItem" and slots.get("item"):
        return Call("remove_from_list", {"items": [str(slots["item"])], **items})
    return Call("show_list", items) if match.intent == "EdgeShowList" else None


def _timer(match: Match) -> Call | None:
    slots = match.slots
    if "conversation_command" in slots:
        return None  # a command for later: a timer that only rings would be no answer to it
    name, seconds = str(slots.get("name", ""))[:100], _minutes(slots, "start_") * 60
    which = {"name": name, "kind": "timer", "seconds": seconds}
    if match.intent == "HassStartTimer":
        return Call("set_timer", {"minutes": _minutes(slots), "label": name})
    if match.intent in {"HassCancelTimer", "HassCancelAllTimers"}:
        every = {"name": "all"} if match.intent == "HassCancelAllTimers" else {}
        return Call("cancel_timer", {**which, **every})
    if match.intent == "HassTimerStatus":
        return Call("list_timers", which)
    if match.intent in _TIMER_STEPS:
        step, sign = _TIMER_STEPS[match.intent]
        return Call("change_timer", {**which, "step": step, "minutes": sign * _minutes(slots)})
    return None


_SHOPPING = {"de": "Einkauf"}
"""The list that is meant when none is named, as the page calls it too."""

_TIMER_STEPS = {
    "HassIncreaseTimer": ("lengthen", 1),
    "HassDecreaseTimer": ("lengthen", -1),
    "HassPauseTimer": ("pause", 0),
    "HassUnpauseTimer": ("resume", 0),
}


def _minutes(slots: dict[str, Any], prefix: str = "") -> float:
    found = (_number(slots.get(f"{prefix}{unit}")) for unit in ("hours", "minutes", "seconds"))
    return sum(number * minutes for number, minutes in zip(found, (60, 1, 1 / 60), strict=True))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
