"""Simulated devices on a real broker: they announce themselves, obey, and tell how they are."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from edge_assistant.bench.home.house import Thing, announcement
from edge_assistant.mqtt.connection import Connection, Incoming, Outgoing
from tests.mosquitto import Mosquitto

STATES = {"lock": "LOCKED", "cover": "open", "climate": "21", "sensor": "19.5", "binary_sensor": "OFF"}
OBEYED = {"LOCK": "LOCKED", "UNLOCK": "UNLOCKED", "OPEN": "open", "CLOSE": "closed"}


class Devices:
    """Live on a thread of their own: the browser's loop is not to be shared."""

    def __init__(self, mosquitto: Mosquitto, things: Sequence[Thing], language: str = "en") -> None:
        self.heard: list[tuple[str, str]] = []
        """What they were told: the thing's id and the payload."""
        self.answers: list[dict[str, Any]] = []
        """What the assistant answered on the broker."""
        self._things = [(thing, *announcement(thing, language)) for thing in things]
        self._connection = Connection(mosquitto.broker, "devices")
        self._connection.subscribe("house/+/set", self._hear)
        self._connection.subscribe("edge-assistant/+/answer", self._answered)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="devices")
        self._thread.start()

    @property
    def online(self) -> bool:
        return self._connection.online

    def announce(self) -> None:
        """Have every device announce itself and tell its state."""
        for thing, topic, payload in self._things:
            self.publish(topic, payload)
            self.publish(f"house/{thing.id}/state", _state(thing.id, STATES.get(_domain(thing.id), "OFF")))

    def publish(self, topic: str, payload: bytes | str) -> None:
        """Publish something retained, and return when the broker has it."""
        self._send(Outgoing(topic=topic, payload=payload, retain=True))

    def command(self, name: str, **command: Any) -> None:
        """Tell an assistant something, such as on `shelf/ask`."""
        self._send(Outgoing(topic=f"edge-assistant/{name}", payload=json.dumps(command)))

    def _send(self, message: Outgoing) -> None:
        asyncio.run_coroutine_threadsafe(self._connection.publish(message), self._loop).result(20)

    def close(self) -> None:
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()

    async def _hear(self, message: Incoming) -> None:
        name, payload = message.topic.split("/")[1], message.payload.decode()
        self.heard.append((name, payload))
        told = json.loads(payload)["state"] if payload.startswith("{") else OBEYED.get(payload, payload)
        state = Outgoing(topic=f"house/{name}/state", payload=_state(name, told), retain=True)
        await self._connection.publish(state)

    async def _answered(self, message: Incoming) -> None:
        self.answers.append(json.loads(message.payload))

    def _run(self) -> None:
        self._task = self._loop.create_task(self._connection.run())
        with pytest.raises(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)


def _domain(thing_id: str) -> str:
    return thing_id.partition(".")[0]


def _state(thing_id: str, state: str) -> str:
    return json.dumps({"state": state}) if _domain(thing_id) in {"light", "vacuum"} else state
