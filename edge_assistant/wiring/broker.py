"""The home's broker: one connection, what is delivered over it, and the frontend on it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.catalog.catalog import load_catalog, model_state
from edge_assistant.config import Config, secret
from edge_assistant.frontends.mqtt.device import Device, Preferences, Voice
from edge_assistant.frontends.mqtt.frontend import MqttFrontend
from edge_assistant.frontends.mqtt.topics import Topics, device_of
from edge_assistant.mqtt.broker import parse_broker
from edge_assistant.mqtt.connection import Connection, Outgoing
from edge_assistant.mqtt.delivery import Delivery
from edge_assistant.mqtt.neighbours import Neighbours
from edge_assistant.mqtt.seen import SeenCommands
from edge_assistant.people.person import Principal
from edge_assistant.store.database import Database
from edge_assistant.store.outbox import Outbox
from edge_assistant.tools.timers import Timers
from edge_assistant.wiring.tasks import begin


@dataclass(frozen=True)
class HomeBroker:
    """The connection, not yet running, and what others use of it."""

    topics: Topics
    connection: Connection
    delivery: Delivery
    neighbours: Neighbours


def home_broker(config: Config, database: Database) -> HomeBroker:
    """Return the connection to `mqtt.url`; raises `ConfigError` MQTT_URL_BAD."""
    mqtt = config.mqtt
    topics = Topics(mqtt.device or device_of(socket.gethostname()))
    broker = parse_broker(
        mqtt.url, username=mqtt.username, password=secret("mqtt_password"), ca_file=mqtt.ca_file,
        certificate_file=mqtt.certificate_file, key_file=mqtt.key_file,
    )  # fmt: skip
    will = Outgoing(topic=topics["availability"], payload="offline", retain=True)
    connection = Connection(broker, f"edge-assistant-{topics.device}", will)
    delivery = Delivery(connection, Outbox(database), topics["ack"])
    return HomeBroker(topics, connection, delivery, Neighbours(connection, topics.device))


async def serve_broker(
    stack: AsyncExitStack,
    home: HomeBroker,
    assistant: Assistant,
    database: Database,
    *,
    preferences: Preferences,
    voice: Voice | None,
    timers: Timers | None,
    models: Path,
    restart: Callable[[], None],
) -> None:
    """Listen and speak on the broker until the stack unwinds."""
    mqtt = preferences.config.mqtt
    device = Device(preferences, voice, timers, restart, lambda: installed_models(models))
    frontend = MqttFrontend(
        home.connection, home.topics, assistant, device, SeenCommands(database),
        principal=Principal(mqtt.user, "member"), discovery_prefix=mqtt.discovery_prefix,
    )  # fmt: skip
    begin(stack, home.delivery.run(), "mqtt-delivery")
    await frontend.start()
    stack.push_async_callback(frontend.stop)


def installed_models(folder: Path) -> list[str]:
    """Return the ids of the language models that are here; reads files."""
    models = [model for model in load_catalog().models if model.role == "llm"]
    return [model.id for model in models if model_state(model, folder) == "installed"]
