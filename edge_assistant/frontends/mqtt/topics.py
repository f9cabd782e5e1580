"""The topics of one device, see docs/mqtt.md; names are promises."""

from __future__ import annotations

import re

ROOT = "edge-assistant"
RESERVED = frozenset({"cloud", "fleet"})
"""No device may be called so: these stand beside the devices."""

_DEVICE = re.compile(r"[a-z0-9-]{1,40}")
_MAX_TOPIC_BYTES = 256


class Topics:
    """Where one device listens and speaks."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.base = f"{ROOT}/{device}"

    def __getitem__(self, name: str) -> str:
        """Return the device's topic `name`."""
        return f"{self.base}/{name}"


def is_device(name: str) -> bool:
    """Return whether a device may be called `name`."""
    return _DEVICE.fullmatch(name) is not None and name not in RESERVED


def device_of(host: str) -> str:
    """Return a name for the device from its host's name."""
    name = re.sub(r"[^a-z0-9-]+", "-", host.split(".", maxsplit=1)[0].lower()).strip("-")[:40]
    return name if is_device(name) else "assistant"


def may_answer_to(topic: str) -> bool:
    """Return whether an answer may go to this response topic: below our own root, and no pattern.

    Where questions leave for the cloud nobody may let us write: the two brokers may be one.
    """
    return (
        topic.startswith(f"{ROOT}/")
        and not topic.startswith(f"{ROOT}/cloud/")
        and len(topic.encode(errors="replace")) <= _MAX_TOPIC_BYTES
        and not set(topic) & set("+#\0")
    )
