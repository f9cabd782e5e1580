"""What may happen by a service of a kind of thing: judged by the effect, whatever words led to it."""

from __future__ import annotations

from edge_assistant.config.schema import ActionRisk

ENTRANCES = frozenset(("garage", "door", "gate"))
"""Device classes of covers through which people come in."""

_ORDER: tuple[ActionRisk, ...] = ("free", "confirm", "pin")


def effect_of(domain: str, service: str, device_class: str = "") -> ActionRisk:
    """Return the risk of a service: locking is free, unlocking is asked about, disarming needs the PIN."""
    if domain == "lock":
        return "free" if service == "lock" else "confirm"
    if domain == "alarm_control_panel":
        return "pin" if service == "alarm_disarm" else "confirm"
    if domain in {"cover", "valve"} and (device_class in ENTRANCES or domain == "valve"):
        return "free" if service == "stop_cover" else "confirm"
    return "confirm" if domain == "siren" and service != "turn_off" else "free"


def riskier(one: ActionRisk, other: ActionRisk) -> ActionRisk:
    """Return the higher of two risks."""
    return max(one, other, key=_ORDER.index)
