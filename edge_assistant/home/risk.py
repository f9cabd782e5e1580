"""What may happen by a service of a kind of thing: judged by the effect, whatever words led to it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge_assistant.config.schema import ActionRisk

ENTRANCES = frozenset(("garage", "door", "gate"))
"""Device classes of covers through which people come in."""

GUARDS = frozenset(("lock", "alarm_control_panel", "cover", "valve", "siren"))
"""Kinds of which some services are asked about."""

_PLAIN = frozenset(("button", "cover", "scene", "select", "switch"))
"""Kinds of which only the name may tell that they open something: a relay that drives a gate is a switch."""

_OPENS = re.compile(
    r"(garage|door|gate)(s|way)?|unlock|\w*(tür|tuer)(e|en|schloss|schloß|öffner)?|toröffner"
    r"|(garagen|hof|garten|einfahrts?|roll|schiebe|sektional)?tor(e|antrieb)?",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"\w*(light|lamp|licht|lampe|leuchte|bell|klingel|chime|camera|kamera|mat)s?", re.IGNORECASE
)
"""What hangs beside a door and opens nothing."""

_ORDER: tuple[ActionRisk, ...] = ("free", "confirm", "pin")


def effect_of(domain: str, service: str, device_class: str = "", names: Iterable[str] = ()) -> ActionRisk:
    """Return the risk of a service: locking is free, unlocking is asked about, disarming needs the PIN.

    `names` are what a thing and its device are called where they are announced: many a garage door says
    of itself no more than that it is a cover, or a switch.
    """
    if domain == "lock":
        return "free" if service == "lock" else "confirm"
    if domain == "alarm_control_panel":
        return "pin" if service == "alarm_disarm" else "confirm"
    if domain in {"cover", "valve"} and (device_class in ENTRANCES or domain == "valve"):
        return "free" if service == "stop_cover" else "confirm"
    if domain in _PLAIN and not device_class and service != "stop_cover" and _opens(names):
        return "confirm"
    return "confirm" if domain == "siren" and service != "turn_off" else "free"


def riskier(one: ActionRisk, other: ActionRisk) -> ActionRisk:
    """Return the higher of two risks."""
    return max(one, other, key=_ORDER.index)


def _opens(names: Iterable[str]) -> bool:
    words = [word for name in names for word in re.findall(r"[^\W_]+", name)]
    return any(map(_OPENS.fullmatch, words)) and not any(map(_HARMLESS.fullmatch, words))
