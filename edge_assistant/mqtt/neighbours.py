"""Other devices of ours on the same broker, by the availability that they keep there."""

from __future__ import annotations

import re

from edge_assistant.mqtt.connection import Connection, Incoming

MOST = 500
_TOPIC = re.compile(r"edge-assistant/([a-z0-9-]{1,40})/availability")


class Neighbours:
    """Knows which devices are online, besides this one."""

    def __init__(self, connection: Connection, device: str) -> None:
        self._device = device
        self._online: dict[str, bool] = {}
        connection.subscribe("edge-assistant/+/availability", self._heard)

    @property
    def online(self) -> list[str]:
        """Names of the devices that can be reached now."""
        return sorted(name for name, here in self._online.items() if here)

    async def _heard(self, message: Incoming) -> None:
        found = _TOPIC.fullmatch(message.topic)
        if found is None or found[1] == self._device:
            return
        if found[1] in self._online or len(self._online) < MOST:
            self._online[found[1]] = message.payload == b"online"
