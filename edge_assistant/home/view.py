"""What a screen shows of an entity: what it can be told, and how far it is turned. Pure."""

from __future__ import annotations

import msgspec

from edge_assistant.home.entity import Entity, State
from edge_assistant.home.orders import possible
from edge_assistant.home.reading import number

MOST_OPTIONS = 50
"""Of a choice; nobody scrolls through more."""


class Dial(msgspec.Struct, frozen=True):
    """A number that can be set: `{what: value}` is the data of `service`."""

    what: str
    service: str
    value: float | None
    low: float = 0.0
    high: float = 100.0
    step: float = 1.0
    unit: str = "%"


def dials(entity: Entity, state: State) -> tuple[Dial, ...]:
    """Return what can be turned."""
    services, config = possible(entity), entity.config
    found = []
    if "turn_on" in services and entity.domain == "light" and _dimmable(entity):
        found.append(Dial("brightness", "turn_on", _now(state, "brightness")))
    if "set_cover_position" in services:
        found.append(Dial("position", "set_cover_position", _now(state, "position")))
    if "set_percentage" in services:
        found.append(Dial("percentage", "set_percentage", _now(state, "percentage")))
    if "volume_set" in services:
        found.append(Dial("volume", "volume_set", _now(state, "volume")))
    if "set_temperature" in services:
        low, high = number(config.get("min_temp"), 5), number(config.get("max_temp"), 35)
        step = number(config.get("temp_step"), 0.5)
        found.append(Dial("temperature", "set_temperature", _now(state, "temperature"), low, high, step, "°"))
    if "set_value" in services:
        low, high = number(config.get("min"), 1), number(config.get("max"), 100)
        value = number(state.value, low) if state.value != "unknown" else None
        found.append(Dial("value", "set_value", value, low, high, number(config.get("step"), 1), entity.unit))
    return tuple(each for each in found if each.low < each.high and each.step > 0)


def options(entity: Entity) -> tuple[str, ...]:
    """Return what can be chosen from."""
    if "select_option" not in possible(entity):
        return ()
    offered = entity.config.get("options")
    chosen = offered if isinstance(offered, list) else []
    return tuple(each for each in chosen if isinstance(each, str))[:MOST_OPTIONS]


def _dimmable(entity: Entity) -> bool:
    config = entity.config
    if config.get("schema") == "json":
        modes = config.get("supported_color_modes")
        modes = modes if isinstance(modes, list) else []
        return config.get("brightness") is True or any(
            mode not in {"onoff", "white"} for mode in map(str, modes)
        )
    return isinstance(config.get("brightness_command_topic"), str)


def _now(state: State, what: str) -> float | None:
    value = state.attributes.get(what)
    return float(value) if isinstance(value, (int, float)) else None
