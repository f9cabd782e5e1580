"""Reads Tasmota's own announcements, its default since 11.1, as components in Home Assistant's words. Pure.

https://tasmota.github.io/docs/Tasmota-Discovery/ tells the message, https://tasmota.github.io/docs/Commands/
the commands. Home Assistant's form, which older devices use, is `discovery.py`'s.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

import msgspec

from edge_assistant.home.discovery import (
    LONGEST_NAME,
    LONGEST_PAYLOAD,
    Component,
    DiscoveryError,
    is_topic,
    text,
)

PREFIX = "tasmota/discovery"
_TOPIC = re.compile(rf"{PREFIX}/[A-Za-z0-9_-]+/config", re.ASCII)

MOST_RELAYS = 32
_SWITCH, _LIGHT, _SHUTTER = 1, 2, 3
_TEMPERED, _COLOURED = frozenset((2, 5)), frozenset((3, 4, 5))
"""Kinds of lights (`lt_st`) that are warm and cold, and that have colours."""

Word = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]


class _Device(msgspec.Struct, frozen=True):
    """What is read of the message."""

    t: Word
    ft: Annotated[str, msgspec.Meta(max_length=500)]
    tp: Annotated[tuple[Word, ...], msgspec.Meta(min_length=3, max_length=3)]
    rl: Annotated[tuple[int, ...], msgspec.Meta(max_length=MOST_RELAYS)]
    dn: str = ""
    fn: tuple[str | None, ...] = ()
    hn: Word = ""
    mac: Word = ""
    state: tuple[Word, ...] = ("OFF", "ON")
    ofln: Word = "Offline"
    onln: Word = "Online"
    so: dict[str, Any] = {}
    sho: tuple[int, ...] = ()
    lt_st: int = 0
    ver: int = 1


class _Part(NamedTuple):
    name: str
    domain: str
    at: int
    """Place of its name among the friendly names."""
    config: dict[str, Any]
    poll: str = ""


def is_tasmota(topic: str) -> bool:
    """Return whether a topic is one on which Tasmota announces a device."""
    return _TOPIC.fullmatch(topic) is not None


def parse(topic: str, payload: bytes) -> list[Component]:
    """Return what a device of Tasmota has: nothing when it is withdrawn; raises `DiscoveryError`."""
    if not is_tasmota(topic):
        raise DiscoveryError("no topic of a discovery message")
    if not payload.strip():
        return []
    if len(payload) > LONGEST_PAYLOAD:
        raise DiscoveryError(f"an announcement of {len(payload)} bytes")
    try:
        device = msgspec.json.decode(payload, type=_Device)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError):
        raise DiscoveryError("no announcement of Tasmota") from None
    if device.ver != 1 or len(device.state) < 2:  # noqa: PLR2004 - off and on
        raise DiscoveryError("another version of Tasmota's announcements")
    if not all(is_topic(_topic(device, which)) for which in (0, 1, 2)):
        raise DiscoveryError("no topic")
    return [*_relays(topic, device), *_shutters(topic, device)]


def _relays(topic: str, device: _Device) -> list[Component]:
    lights = device.rl.count(_LIGHT)
    switched = "light" if device.so.get("30") == 1 else "switch"
    found = []
    for at, kind in enumerate(device.rl):
        if kind not in {_SWITCH, _LIGHT}:
            continue
        domain = "light" if kind == _LIGHT else switched
        config = _power(device, at)
        if kind == _LIGHT and lights == 1:
            config |= _light(device)
        found.append(_component(topic, device, _Part(f"relay_{at + 1}", domain, at, config)))
    return found


def _power(device: _Device, at: int) -> dict[str, Any]:
    command, tele = _topic(device, 0), _topic(device, 2)
    # A device with one relay may call it POWER or POWER1 (SetOption26).
    value = "value_json.POWER1 | default(value_json.POWER)" if at == 0 else f"value_json.POWER{at + 1}"
    return {
        "command_topic": f"{command}POWER{at + 1}",
        "state_topic": f"{tele}STATE",
        "value_template": f"{{{{ {value} }}}}",
        "state_value_template": f"{{{{ {value} }}}}",
        "payload_off": device.state[0],
        "payload_on": device.state[1],
    }


def _light(device: _Device) -> dict[str, Any]:
    command, tele = _topic(device, 0), _topic(device, 2)
    config: dict[str, Any] = {
        "brightness_command_topic": f"{command}Dimmer",
        "brightness_state_topic": f"{tele}STATE",
        "brightness_value_template": "{{ value_json.Dimmer }}",
        "brightness_scale": 100,
    }
    if device.lt_st in _TEMPERED:
        config["color_temp_command_topic"] = f"{command}CT"
    if device.lt_st in _COLOURED:
        config["rgb_command_topic"] = f"{command}Color2"
    return config


def _shutters(topic: str, device: _Device) -> list[Component]:
    """Two relays side by side are one shutter: the motor's two directions."""
    command, stat = _topic(device, 0), _topic(device, 1)
    pairs = device.rl.count(_SHUTTER) // 2
    found = []
    for at in range(pairs):
        name = f"Shutter{at + 1}"
        inverted = at < len(device.sho) and device.sho[at] & 1
        config = {
            "command_topic": f"{command}Backlog",
            "payload_open": f"ShutterOpen{at + 1}",
            "payload_close": f"ShutterClose{at + 1}",
            "payload_stop": f"ShutterStop{at + 1}",
            "set_position_topic": f"{command}ShutterPosition{at + 1}",
            "position_topic": f"{stat}RESULT",
            "position_template": f"{{{{ value_json.{name}.Position }}}}",
            "position_open": 0 if inverted else 100,
            "position_closed": 100 if inverted else 0,
        }
        poll = f"{command}ShutterPosition{at + 1}"
        found.append(_component(topic, device, _Part(f"shutter_{at + 1}", "cover", at, config, poll)))
    return found


def _component(topic: str, device: _Device, part: _Part) -> Component:
    name = text(device.fn[part.at]) if part.at < len(device.fn) else ""
    own = text(device.dn)
    several = len([kind for kind in device.rl if kind]) > 1
    availability = {
        "availability_topic": f"{_topic(device, 2)}LWT",
        "payload_available": device.onln,
        "payload_not_available": device.ofln,
    }
    return Component(
        key=f"{topic}#{part.name}",
        domain=part.domain,
        object_id=name or own or device.t,
        name="" if name == own else name or (part.name.replace("_", " ") if several else ""),
        device=own,
        area="",
        config={**availability, **part.config},
        also=(name,) if name and name != own else (),
        poll=part.poll or f"{_topic(device, 0)}STATE",
    )


def _topic(device: _Device, which: int) -> str:
    words = {"hostname": device.hn, "id": device.mac[-6:], "prefix": device.tp[which], "topic": device.t}
    whole = re.sub(r"%(hostname|id|prefix|topic)%", lambda found: words[found[1]], device.ft)
    return whole if whole.endswith("/") else f"{whole}/"
