"""A thing in the house that has a state or can be told what to do."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import msgspec

DOMAINS = frozenset(
    {
        "alarm_control_panel",
        "binary_sensor",
        "button",
        "climate",
        "cover",
        "fan",
        "humidifier",
        "light",
        "lock",
        "media_player",
        "number",
        "scene",
        "select",
        "sensor",
        "siren",
        "switch",
        "vacuum",
        "valve",
    }
)
"""Kinds that are understood; others are counted and left alone."""

CONTROLLED = DOMAINS - {"binary_sensor", "sensor"}


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """One entity as its device announced it, with what its owner calls it."""

    id: str
    """`light.floor_lamp`: unique here, and the same after a restart."""
    key: str
    """Where it is from: the discovery topic, and within it the component."""
    domain: str
    name: str
    area: str = ""
    device: str = ""
    """Name of the device it is part of."""
    aliases: tuple[str, ...] = ()
    device_class: str = ""
    unit: str = ""
    config: dict[str, Any] = {}
    """The announcement with whole keys."""
    diagnostic: bool = False
    """Whether it is about the device and not about the house, such as its signal strength."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it is called."""
        return (self.name, *self.aliases)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How an entity is."""

    value: str = "unknown"
    """`on`, `off`, `locked`, `open`, `21.5`, …; `unknown` until it was told."""
    attributes: dict[str, Any] = {}
    """Such as brightness and position in percent, temperature, volume."""
    available: bool = True
    changed_at: float = 0.0
    """UNIX seconds of the last message."""


UNKNOWN = State()


def slug(text: str) -> str:
    """Return `text` in small ASCII letters, digits and underscores: `Küchenlicht 2` is `kuchenlicht_2`."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.casefold()).strip("_")[:60] or "unnamed"


def folded(name: str) -> str:
    """Return a name such that two ways to write it are one."""
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))
