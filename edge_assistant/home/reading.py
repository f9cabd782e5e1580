"""From a device's messages to the state of an entity. Pure."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from edge_assistant.home.entity import Entity, State
from edge_assistant.home.template import TemplateError, Templates

LONGEST_VALUE = 255
"""Characters of a state; Home Assistant's limit too."""

_ATTRIBUTES: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "light": (("brightness", "brightness_state_topic", ("brightness_value_template",)),),
    "cover": (("position", "position_topic", ("position_template", "value_template")),),
    "valve": (("position", "position_topic", ("position_template",)),),
    "fan": (("percentage", "percentage_state_topic", ("percentage_value_template",)),),
    "climate": (
        ("temperature", "temperature_state_topic", ("temperature_state_template", "value_template")),
        (
            "current_temperature",
            "current_temperature_topic",
            ("current_temperature_template", "value_template"),
        ),
    ),
    "media_player": (("volume", "volume_state_topic", ("volume_value_template",)),),
}
"""By domain: an attribute, the key of its topic, and the keys of its template in order."""

_TEMPLATES = ("state_value_template", "value_template")
_ON_OFF = frozenset(("light", "switch", "fan", "siren", "humidifier", "binary_sensor"))


class Reading(msgspec.Struct, frozen=True):
    """Something that can be read from a topic: `state`, `available`, or an attribute."""

    entity: str
    what: str
    template: str = ""
    payloads: tuple[str, str] = ("", "")
    """Of availability: what says that it is there, and that it isn't."""


def readings(entity: Entity) -> list[tuple[str, Reading]]:
    """Return the topics that tell of an entity, each with what is read there."""
    config, found = entity.config, []
    topic, names = "state_topic", _TEMPLATES
    if entity.domain == "climate":
        topic, names = "mode_state_topic", ("mode_state_template", "value_template")
    if topic in config:
        json_light = entity.domain == "light" and config.get("schema") == "json"
        what = "json" if json_light or entity.domain == "vacuum" else "state"
        template = "" if what == "json" else _first(config, names)
        found.append((config[topic], Reading(entity.id, what, template)))
    if "asked_state_topic" in config:  # ours, of devices that answer elsewhere than they tell by themselves
        template = _first(config, ("asked_value_template",))
        found.append((config["asked_state_topic"], Reading(entity.id, "state", template)))
    for attribute, key, templates in _ATTRIBUTES.get(entity.domain, ()):
        if key in config:
            found.append((config[key], Reading(entity.id, attribute, _first(config, templates))))
    return [*found, *_availability(entity)]


def _availability(entity: Entity) -> list[tuple[str, Reading]]:
    config = entity.config
    entries = [each for each in config.get("availability") or () if isinstance(each, dict)]
    if isinstance(config.get("availability_topic"), str):
        entries.append(
            {
                **config,
                "topic": config["availability_topic"],
                "value_template": _first(config, ("availability_template",)),
            }
        )
    found = []
    for entry in entries[:4]:
        if isinstance(entry.get("topic"), str):
            payloads = (
                str(entry.get("payload_available", "online")),
                str(entry.get("payload_not_available", "offline")),
            )
            reading = Reading(
                entity.id, f"available:{entry['topic']}", _first(entry, ("value_template",)), payloads
            )
            found.append((entry["topic"], reading))
    return found


def read(
    entity: Entity, state: State, reading: Reading, payload: bytes, *, templates: Templates, at: float
) -> State:
    """Return the state after a message; the same when the message says nothing of it."""
    try:
        if reading.what == "json":
            return _json_state(entity, state, payload, at)
        text = templates.value(reading.template, payload)[:LONGEST_VALUE]
    except TemplateError:
        return state
    if reading.what.startswith("available:"):
        return _available(entity, state, reading, text)
    if reading.what != "state":
        number_now = _scaled(entity, reading.what, text)
        return _with(state, at, {reading.what: number_now}, _of_position(entity, reading.what, number_now))
    if text in {"", "None"}:
        return state
    return _with(state, at, {}, _value(entity, text))


def _of_position(entity: Entity, what: str, percent: float | None) -> str | None:
    """Return the state of a cover that tells its position alone, as Home Assistant does; else None."""
    if what != "position" or percent is None or "state_topic" in entity.config:
        return None
    return "open" if percent > 0 else "closed"


def _available(entity: Entity, state: State, reading: Reading, text: str) -> State:
    if text not in reading.payloads:
        return state
    told = {**state.attributes.get("_there", {}), reading.what: text == reading.payloads[0]}
    there = any if entity.config.get("availability_mode") == "any" else all
    available = (
        told[reading.what] if entity.config.get("availability_mode") == "latest" else there(told.values())
    )
    attributes = {**state.attributes, "_there": told}
    return msgspec.structs.replace(state, attributes=attributes, available=available)


def _value(entity: Entity, text: str) -> str:
    config = entity.config
    if entity.domain in _ON_OFF:
        on = {str(config.get(key, "ON")) for key in ("state_on", "payload_on")}
        off = {str(config.get(key, "OFF")) for key in ("state_off", "payload_off")}
        return "on" if text in on else "off" if text in off else _switch_word(text)
    if entity.domain == "lock":
        return (
            "locked"
            if text == config.get("state_locked", "LOCKED")
            else "unlocked"
            if text == config.get("state_unlocked", "UNLOCKED")
            else text.casefold()
        )
    if entity.domain in {"cover", "valve"}:
        for state in ("open", "closed", "opening", "closing", "stopped"):
            if text == config.get(f"state_{state}", state):
                return state
        return text.casefold()
    return text if entity.domain in {"sensor", "number", "select", "scene"} else text.casefold()


def _switch_word(text: str) -> str:
    return {"true": "on", "1": "on", "false": "off", "0": "off"}.get(text.casefold(), text.casefold())


def _json_state(entity: Entity, state: State, payload: bytes, at: float) -> State:
    try:
        told = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError):
        return state
    attributes = {}
    if "brightness" in told and entity.domain == "light":
        attributes["brightness"] = _scaled(entity, "brightness", str(told["brightness"]))
    value = told.get("state")
    word = str(value)[:LONGEST_VALUE].casefold() if isinstance(value, (str, int, bool)) else state.value
    return _with(state, at, attributes, _switch_word(word) if entity.domain == "light" else word)


def _scaled(entity: Entity, what: str, text: str) -> float | None:
    """Return a number in percent, degrees or whatever it is; None when it is none."""
    with contextlib.suppress(ValueError, ZeroDivisionError, OverflowError):
        number = float(text)
        low, high = bounds(entity, what)
        if what in {"brightness", "position", "percentage"}:
            number = 100 * (number - low) / (high - low)
            return float(min(100, max(0, round(number))))
        return number if abs(number) < 1e9 else None  # noqa: PLR2004
    return None


def bounds(entity: Entity, what: str) -> tuple[float, float]:
    """Return what a device calls 0 and 100 percent."""
    keys = {
        "brightness": ("", "brightness_scale", 0, 255),
        "position": ("position_closed", "position_open", 0, 100),
        "percentage": ("speed_range_min", "speed_range_max", 1, 100),
    }.get(what, ("", "", 0, 100))
    low, high = number(entity.config.get(keys[0]), keys[2]), number(entity.config.get(keys[1]), keys[3])
    return (low - 1 if what == "percentage" else low), high


def number(value: Any, default: float) -> float:
    """Return a number of an announcement, which may hold anything."""
    with contextlib.suppress(TypeError, ValueError):
        return float(value)
    return float(default)


def _with(state: State, at: float, attributes: dict[str, Any], value: str | None = None) -> State:
    merged = {**state.attributes, **{key: each for key, each in attributes.items() if each is not None}}
    return State(value=value or state.value, attributes=merged, available=state.available, changed_at=at)


def _first(config: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((config[key] for key in keys if isinstance(config.get(key), str)), "")
