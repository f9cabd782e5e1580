"""From a service to the messages that a device understands. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.home.entity import Entity, State
from edge_assistant.home.reading import bounds, number
from edge_assistant.home.template import Templates

SERVICES: dict[str, tuple[str, ...]] = {
    "alarm_control_panel": ("alarm_arm_away", "alarm_arm_home", "alarm_disarm"),
    "button": ("press",),
    "climate": ("set_temperature", "turn_on", "turn_off", "set_hvac_mode"),
    "cover": ("open_cover", "close_cover", "stop_cover", "set_cover_position"),
    "fan": ("turn_on", "turn_off", "toggle", "set_percentage"),
    "humidifier": ("turn_on", "turn_off", "toggle"),
    "light": ("turn_on", "turn_off", "toggle"),
    "lock": ("lock", "unlock", "open"),
    "media_player": (
        "media_play",
        "media_pause",
        "media_stop",
        "media_next_track",
        "media_previous_track",
        "volume_set",
        "volume_mute",
        "turn_on",
        "turn_off",
    ),
    "number": ("set_value",),
    "scene": ("turn_on",),
    "select": ("select_option",),
    "siren": ("turn_on", "turn_off", "toggle"),
    "switch": ("turn_on", "turn_off", "toggle"),
    "vacuum": ("start", "stop", "pause", "return_to_base"),
    "valve": ("open_cover", "close_cover", "stop_cover", "set_cover_position"),
}
"""What can be done with each kind of thing."""

COLORS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "brown": (165, 42, 42),
    "green": (0, 255, 0),
    "orange": (255, 128, 0),
    "pink": (255, 105, 180),
    "purple": (128, 0, 128),
    "red": (255, 0, 0),
    "turquoise": (64, 224, 208),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
}

_WORDS = {
    "lock": ("payload_lock", "LOCK"),
    "unlock": ("payload_unlock", "UNLOCK"),
    "open": ("payload_open", "OPEN"),
    "open_cover": ("payload_open", "OPEN"),
    "close_cover": ("payload_close", "CLOSE"),
    "stop_cover": ("payload_stop", "STOP"),
    "start": ("payload_start", "start"),
    "stop": ("payload_stop", "stop"),
    "pause": ("payload_pause", "pause"),
    "return_to_base": ("payload_return_to_base", "return_to_base"),
    "press": ("payload_press", "PRESS"),
    "media_play": ("payload_play", "play"),
    "media_pause": ("payload_pause", "pause"),
    "media_stop": ("payload_stop", "stop"),
    "media_next_track": ("payload_next", "next"),
    "media_previous_track": ("payload_previous", "previous"),
    "alarm_disarm": ("payload_disarm", "DISARM"),
    "alarm_arm_home": ("payload_arm_home", "ARM_HOME"),
    "alarm_arm_away": ("payload_arm_away", "ARM_AWAY"),
    "turn_on": ("payload_on", "ON"),
    "turn_off": ("payload_off", "OFF"),
}
_NUMBERS = {
    "set_temperature": ("temperature", "temperature_command_topic", "temperature_command_template"),
    "set_percentage": ("percentage", "percentage_command_topic", "percentage_command_template"),
    "set_cover_position": ("position", "set_position_topic", "set_position_template"),
    "volume_set": ("volume", "volume_command_topic", "volume_command_template"),
    "set_value": ("value", "command_topic", "command_template"),
}
_TOGGLED = {"on": "turn_off", "off": "turn_on"}


class Order(msgspec.Struct, frozen=True):
    """A message for a device."""

    topic: str
    payload: str
    retain: bool = False


def commanded(entity: Entity) -> set[str]:
    """Return the topics on which an entity is told what to do."""
    config = entity.config.items()
    return {
        value
        for key, value in config
        if key.endswith("command_topic") or key == "set_position_topic"
        if isinstance(value, str)
    }


def possible(entity: Entity) -> tuple[str, ...]:
    """Return the services that an entity has topics for."""
    return tuple(service for service in SERVICES.get(entity.domain, ()) if _can(entity, service))


def _can(entity: Entity, service: str) -> bool:
    config = entity.config
    if service in _NUMBERS:
        return isinstance(config.get(_NUMBERS[service][1]), str)
    if service == "volume_mute":
        return isinstance(config.get("mute_command_topic"), str)
    if entity.domain == "climate":
        return isinstance(config.get("mode_command_topic"), str)
    word = _WORDS[service][0] if service in _WORDS else ""
    return isinstance(config.get("command_topic"), str) and config.get(word, word) is not None


def orders(
    entity: Entity, state: State, service: str, data: dict[str, Any], templates: Templates
) -> list[Order]:
    """Return the messages for a service; raises HOME_SERVICE_UNKNOWN, HOME_DATA_BAD, HOME_CANNOT."""
    if service not in SERVICES.get(entity.domain, ()):
        raise UsageError("HOME_SERVICE_UNKNOWN", f"{entity.name} can't do {service[:40]!r}")
    if service == "toggle":
        if state.value not in _TOGGLED:
            raise EdgeError("HOME_CANNOT", f"I don't know whether {entity.name} is on")
        service = _TOGGLED[state.value]
    if service in _NUMBERS:
        return [_numbered(entity, service, data, templates)]
    if entity.domain == "light":
        return _light(entity, service, data, templates)
    if entity.domain == "climate":
        return [_climate(entity, service, data, templates)]
    if service == "volume_mute":
        muted = "payload_mute" if data.get("muted", True) else "payload_unmute"
        return [
            _order(
                entity, ("mute_command_topic",), str(entity.config.get(muted, muted.removeprefix("payload_")))
            )
        ]
    if service == "select_option":
        option = str(data.get("option", ""))
        if option not in (entity.config.get("options") or ()):
            raise UsageError("HOME_DATA_BAD", f"{entity.name} has no option {option[:40]!r}")
        return [_order(entity, ("command_topic",), _filled(entity, "command_template", option, templates))]
    return [_worded(entity, service, templates)]


def _worded(entity: Entity, service: str, templates: Templates) -> Order:
    key, word = _WORDS[service]
    if entity.config.get(key, word) is None:  # so a cover says that it can't be stopped
        raise EdgeError("HOME_CANNOT", f"{entity.name} can't do that")
    payload = str(entity.config.get(key, word))
    return _order(entity, ("command_topic",), _filled(entity, "command_template", payload, templates))


def _numbered(entity: Entity, service: str, data: dict[str, Any], templates: Templates) -> Order:
    what, topic, template = _NUMBERS[service]
    wanted = _wanted(entity, what, data)
    low, high = bounds(entity, what)
    if what in {"percentage", "position", "volume"}:
        wanted = low + (high - low) * wanted / 100
    if service == "volume_set" and entity.config.get("volume_scale"):
        wanted = wanted * number(entity.config["volume_scale"], 100) / 100
    topics = (
        (topic, "command_topic") if service == "set_cover_position" and wanted in {low, high} else (topic,)
    )
    if topic not in entity.config and service == "set_cover_position":
        if wanted not in {low, high}:
            raise EdgeError("HOME_CANNOT", f"{entity.name} can only be opened and closed")
        key, word = _WORDS["open_cover" if wanted == high else "close_cover"]
        return _order(entity, topics, str(entity.config.get(key, word)))
    return _order(
        entity, topics, _filled(entity, template, _plain(wanted), templates, position=_plain(wanted))
    )


def _wanted(entity: Entity, what: str, data: dict[str, Any]) -> float:
    value = data.get(what)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124 - NaN
        raise UsageError("HOME_DATA_BAD", f"{entity.name} needs a number: {what}")
    if what in {"percentage", "position", "volume"}:
        low, high = 0.0, 100.0
    elif what == "temperature":
        low, high = number(entity.config.get("min_temp"), 5), number(entity.config.get("max_temp"), 35)
    else:
        low, high = number(entity.config.get("min"), 1), number(entity.config.get("max"), 100)
    if not low <= value <= high:
        raise UsageError("HOME_DATA_BAD", f"{entity.name} takes {_plain(low)} to {_plain(high)}")
    return float(value)


def _light(entity: Entity, service: str, data: dict[str, Any], templates: Templates) -> list[Order]:
    config, wish = entity.config, _light_wish(entity, data) if service == "turn_on" else {}
    if config.get("schema") == "json":
        payload = {"state": "ON" if service == "turn_on" else "OFF", **wish}
        return [_order(entity, ("command_topic",), msgspec.json.encode(payload).decode())]
    if config.get("schema") == "template":
        key = "command_on_template" if service == "turn_on" else "command_off_template"
        color = dict(zip(("red", "green", "blue"), wish.get("color", {}).values(), strict=False))
        text = templates.render(str(config.get(key, "")), **{**wish, **color, "state": service[5:]})
        return [_order(entity, ("command_topic",), text)]
    key, word = _WORDS[service]
    found = (
        []
        if wish and config.get("on_command_type") == "brightness"
        else [_order(entity, ("command_topic",), str(config.get(key, word)))]
    )
    if "brightness" in wish:
        text = _filled(entity, "brightness_command_template", str(wish["brightness"]), templates)
        found.append(_order(entity, ("brightness_command_topic",), text))
    if "color" in wish:
        color = dict(zip(("red", "green", "blue"), wish["color"].values(), strict=True))
        plain = ",".join(map(str, color.values()))
        found.append(
            _order(
                entity,
                ("rgb_command_topic",),
                _filled(entity, "rgb_command_template", plain, templates, **color),
            )
        )
    if "color_temp" in wish:
        text = _filled(entity, "color_temp_command_template", str(wish["color_temp"]), templates)
        found.append(_order(entity, ("color_temp_command_topic",), text))
    return found


def _light_wish(entity: Entity, data: dict[str, Any]) -> dict[str, Any]:
    wish: dict[str, Any] = {}
    if "brightness" in data:
        percent = data["brightness"]
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:  # noqa: PLR2004
            raise UsageError("HOME_DATA_BAD", f"{entity.name} takes a brightness from 0 to 100")
        wish["brightness"] = round(bounds(entity, "brightness")[1] * percent / 100)
    if "color" in data:
        rgb = COLORS.get(str(data["color"]).casefold())
        if rgb is None:
            raise UsageError("HOME_DATA_BAD", f"I don't know the colour {str(data['color'])[:20]!r}")
        wish["color"] = dict(zip("rgb", rgb, strict=True))
    if "kelvin" in data:
        kelvin = min(10_000.0, max(1_000.0, number(data["kelvin"], 2_700)))
        wish["color_temp"] = round(kelvin if entity.config.get("color_temp_kelvin") else 1_000_000 / kelvin)
    return wish


def _climate(entity: Entity, service: str, data: dict[str, Any], templates: Templates) -> Order:
    modes = entity.config.get("modes") or ["off", "heat"]
    mode = str(data.get("hvac_mode", "")) if service == "set_hvac_mode" else "off"
    if service == "turn_on":
        mode = next((each for each in ("heat", "auto", "heat_cool", "cool") if each in modes), "heat")
    if mode not in modes:
        raise UsageError("HOME_DATA_BAD", f"{entity.name} has no mode {mode[:20]!r}")
    return _order(entity, ("mode_command_topic",), _filled(entity, "mode_command_template", mode, templates))


def _order(entity: Entity, topics: tuple[str, ...], payload: str) -> Order:
    for key in topics:
        if isinstance(topic := entity.config.get(key), str) and topic:
            return Order(topic, payload, entity.config.get("retain") is True)
    raise EdgeError("HOME_CANNOT", f"{entity.name} can't do that")


def _filled(entity: Entity, key: str, value: str, templates: Templates, **more: Any) -> str:
    template = entity.config.get(key)
    if not isinstance(template, str) or not template:
        return value
    try:
        typed: Any = msgspec.json.decode(value)
    except msgspec.DecodeError:
        typed = value
    return templates.render(template, value=typed, **more)


def _plain(value: float) -> str:
    return f"{value:g}"
