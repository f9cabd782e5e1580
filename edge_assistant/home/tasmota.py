"""Reads Tasmota's own announcements, its default since 11.1, as components in Home Assistant's words. Pure.

https://tasmota.github.io/docs/Tasmota-Discovery/ tells the message, https://tasmota.github.io/docs/Commands/
the commands. Home Assistant's form, which older devices use, is `discovery.py`'s.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from edge_assistant.home.discovery import (
    LONGEST_NAME,
    Component,
    DiscoveryError,
    is_topic,
    text,
)
from edge_assistant.home.tasmota_sensor import Measured, measured

PREFIX = "tasmota/discovery"
_TOPIC = re.compile(rf"{PREFIX}/(?P<device>[A-Za-z0-9_-]{{1,40}})/(?P<leaf>config|sensors)", re.ASCII)

LONGEST_MESSAGE = 16 * 1024
"""A device's own buffer is smaller."""

MOST_DEVICES = 500
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
    ifan: int = msgspec.field(name="if", default=0)


class _Sensors(msgspec.Struct, frozen=True):
    sn: dict[str, Any]
    ver: int = 1


_Message = TypeVar("_Message", _Device, _Sensors)


class _Part(NamedTuple):
    name: str
    domain: str
    at: int
    """Place of its name among the friendly names; -1 has none."""
    config: dict[str, Any]
    poll: tuple[str, str] = ("", "")


def is_tasmota(topic: str) -> bool:
    """Return whether a topic is one on which Tasmota announces a device, or the sensors of one."""
    return _TOPIC.fullmatch(topic) is not None


class Devices:
    """What devices of Tasmota announced: sensors come apart from the device that has them, in any order."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}
        self._sensors: dict[str, dict[str, Any]] = {}

    def parse(self, topic: str, payload: bytes) -> dict[str, list[Component]]:
        """Return what is announced now, by topic: nothing for what is withdrawn; raises `DiscoveryError`."""
        match = _TOPIC.fullmatch(topic)
        if match is None:
            raise DiscoveryError("no topic of a discovery message")
        name, kept = match["device"], self._devices if match["leaf"] == "config" else self._sensors
        if len(payload) > LONGEST_MESSAGE:
            raise DiscoveryError(f"an announcement of {len(payload)} bytes")
        if not payload.strip():
            kept.pop(name, None)
        elif name not in kept and len(kept) >= MOST_DEVICES:
            raise DiscoveryError("too many devices of Tasmota")
        elif match["leaf"] == "config":
            self._devices[name] = _device(payload)
        else:
            self._sensors[name] = _decoded(payload, _Sensors).sn
        return self._announced(name, topic)

    def _announced(self, name: str, topic: str) -> dict[str, list[Component]]:
        config, sensors = f"{PREFIX}/{name}/config", f"{PREFIX}/{name}/sensors"
        device = self._devices.get(name)
        found: dict[str, list[Component]] = {sensors: [], config: []}
        if device is not None:
            found[config] = [*_relays(config, device), *_shutters(config, device), *_fan(config, device)]
            report = measured(self._sensors.get(name, {}))
            found[sensors] = [_sensor(sensors, device, value) for value in report]
        return found if topic == config else {sensors: found[sensors]}


def _device(payload: bytes) -> _Device:
    device = _decoded(payload, _Device)
    if device.ver != 1 or len(device.state) < 2:  # noqa: PLR2004 - off and on
        raise DiscoveryError("another version of Tasmota's announcements")
    if not all(is_topic(_topic(device, which)) for which in (0, 1, 2)):
        raise DiscoveryError("no topic")
    return device


def _decoded(payload: bytes, kind: type[_Message]) -> _Message:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError):
        raise DiscoveryError("no announcement of Tasmota") from None


def _relays(topic: str, device: _Device) -> list[Component]:
    lights = device.rl.count(_LIGHT)
    switched = "light" if device.so.get("30") == 1 else "switch"
    found = []
    for at, kind in enumerate(device.rl):
        if kind not in {_SWITCH, _LIGHT} or (device.ifan and at > 0):
            continue
        # The lamp below a fan can't be dimmed.
        domain = "light" if kind == _LIGHT or device.ifan else switched
        config = _power(device, at)
        if kind == _LIGHT and lights == 1 and not device.ifan:
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
        poll = (f"{command}ShutterPosition{at + 1}", "")
        found.append(_component(topic, device, _Part(f"shutter_{at + 1}", "cover", at, config, poll)))
    return found


def _fan(topic: str, device: _Device) -> list[Component]:
    """Return a fan below a ceiling, with three speeds."""
    if not device.ifan:
        return []
    command, tele = f"{_topic(device, 0)}FanSpeed", f"{_topic(device, 2)}STATE"
    config = {
        "command_topic": command,
        "payload_on": "2",
        "payload_off": "0",
        "state_topic": tele,
        "state_value_template": "{{ '0' if value_json.FanSpeed == 0 else '2' }}",
        "percentage_command_topic": command,
        "percentage_state_topic": tele,
        "percentage_value_template": "{{ value_json.FanSpeed }}",
        "speed_range_min": 1,
        "speed_range_max": 3,
    }
    return [_component(topic, device, _Part("fan", "fan", -1, config))]


def _sensor(topic: str, device: _Device, value: Measured) -> Component:
    config = {
        "state_topic": f"{_topic(device, 2)}SENSOR",
        "value_template": value.template(),
        # It tells by itself every five minutes, and at once when it is asked.
        "asked_state_topic": f"{_topic(device, 1)}STATUS10",
        "asked_value_template": value.template("StatusSNS"),
        "device_class": value.kind,
        "unit_of_measurement": value.unit,
    }
    part = "_".join(map(str, value.path))
    poll = (f"{_topic(device, 0)}STATUS", "10")
    return _component(topic, device, _Part(part, "sensor", -1, config, poll), value.name)


def _component(topic: str, device: _Device, part: _Part, name: str = "") -> Component:
    friendly = text(device.fn[part.at]) if 0 <= part.at < len(device.fn) else ""
    own = text(device.dn)
    several = len([kind for kind in device.rl if kind]) > 1 and part.at >= 0
    availability = {
        "availability_topic": f"{_topic(device, 2)}LWT",
        "payload_available": device.onln,
        "payload_not_available": device.ofln,
    }
    return Component(
        key=f"{topic}#{part.name}",
        domain=part.domain,
        object_id=name or friendly or own or device.t,
        name=name
        or ("" if friendly == own else friendly)
        or (part.name.replace("_", " ") if several and friendly != own else ""),
        device=own,
        area="",
        config={**availability, **part.config},
        also=(friendly,) if friendly and friendly != own else (),
        poll=part.poll if part.poll[0] else (f"{_topic(device, 0)}STATE", ""),
    )


def _topic(device: _Device, which: int) -> str:
    words = {"hostname": device.hn, "id": device.mac[-6:], "prefix": device.tp[which], "topic": device.t}
    whole = re.sub(r"%(hostname|id|prefix|topic)%", lambda found: words[found[1]], device.ft)
    return whole if whole.endswith("/") else f"{whole}/"
