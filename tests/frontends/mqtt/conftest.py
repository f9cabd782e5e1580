"""A house with a real broker and a real store; model and voice are scripted."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.request import HOUSEHOLD
from edge_assistant.config import Config, Persona
from edge_assistant.frontends.mqtt.device import Device
from edge_assistant.frontends.mqtt.frontend import MqttFrontend
from edge_assistant.frontends.mqtt.topics import Topics
from edge_assistant.frontends.voice.phase import VoiceStatus
from edge_assistant.memory.conversations import Conversations
from edge_assistant.mqtt.connection import Connection, Outgoing
from edge_assistant.mqtt.seen import SeenCommands
from edge_assistant.ops.preferences import Preferences
from edge_assistant.store.database import Database
from edge_assistant.tools.timers import Timers
from tests.fakes import ScriptedModel, with_cloud
from tests.mosquitto import Mosquitto
from tests.mqtt.test_connection import Inbox, running, until


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.kill()


class Mouth:
    """A voice that says what it is told when the test lets it."""

    def __init__(self):
        self.status = VoiceStatus(phase="idle")
        self.said, self.hushed, self.outcome = [], 0, "drained"
        self.gate = asyncio.Event()
        self.gate.set()
        self.error = None
        self._listeners, self.woken = [], []

    def subscribe(self, listener):
        self._listeners.append(listener)
        return lambda: None

    def when_woken(self, listener):
        self.woken.append(listener)

    def mute(self, muted):
        self.status = VoiceStatus(phase="muted" if muted else "idle", muted=muted)
        for listener in self._listeners:
            listener(self.status)

    def hush(self):
        self.hushed += 1

    async def announce(self, text, *, sign=True):
        if self.error:
            raise self.error
        await self.gate.wait()
        self.said.append((text, sign))
        return self.outcome


class House:
    """A broker, the device `pi` on it, and somebody else who listens to everything."""

    def __init__(self, mosquitto, database, tmp_path):
        self.mosquitto = mosquitto
        self.model, self.cloud = ScriptedModel(), ScriptedModel("From far away.")
        conversations = Conversations(database)
        config = Config(personas={"butler": Persona(tone="dry")})
        self.preferences = Preferences(config, tmp_path / "settings.json", frozenset())
        self.assistant = Assistant(config, conversations, self.model, with_cloud(self.cloud, conversations))
        self.connection = Connection(mosquitto.broker, "pi")
        self.voice, self.restarts = Mouth(), []
        self.timers = Timers(database)
        self.device = Device(
            self.preferences, self.voice, self.timers, lambda: self.restarts.append(1), lambda: ["one", "two"]
        )
        self.frontend = MqttFrontend(
            self.connection, Topics("pi"), self.assistant, self.device, SeenCommands(database),
            principal=HOUSEHOLD, discovery_prefix="homeassistant",
        )  # fmt: skip
        self.inbox, self.phone = Inbox(), Connection(mosquitto.broker, "phone")
        self.phone.subscribe("#", self.inbox)

    async def say(self, topic, payload, **properties):
        text = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
        await self.phone.publish(Outgoing(topic=topic, payload=text, **properties))

    def on(self, topic):
        return [message for message in self.inbox.messages if message.topic == topic]

    async def heard(self, topic, count=1):
        await until(lambda: len(self.on(topic)) >= count)
        payloads = [message.payload for message in self.on(topic)]
        return [json.loads(p) if p[:1] == b"{" else p.decode() for p in payloads]


@pytest.fixture
async def house(mosquitto, tmp_path):
    database = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    house = House(mosquitto, database, tmp_path)
    async with running(house.phone):
        await until(lambda: house.phone.online)
        await house.frontend.start()
        await house.heard("edge-assistant/pi/availability")
        yield house
        await house.assistant.close()
        await house.frontend.stop()
    await database.close()
