"""The device as Home Assistant discovers it: one retained document with all entities.

Form: MQTT device discovery, https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_assistant import __version__
from edge_assistant.frontends.mqtt.topics import Topics

LONGEST_STATE = 255
"""Characters that a state of Home Assistant may have; longer text goes into attributes."""

Entity = dict[str, Any]


def document(topics: Topics, name: str, personas: Sequence[str]) -> dict[str, Any]:
    """Return the discovery document of the device called `name`."""
    entities = {**_controls(topics, personas), **_sensors(topics)}
    for key, entity in entities.items():
        entity["unique_id"] = f"edge_assistant_{topics.device}_{key}"
    return {
        "device": {
            "identifiers": [f"edge_assistant_{topics.device}"],
            "name": name,
            "manufacturer": "Edge Assistant",
            "model": "Edge Assistant",
            "sw_version": __version__,
        },
        "origin": {"name": "edge-assistant", "sw_version": __version__},
        "availability": [{"topic": topics["availability"]}],
        "components": entities,
        "qos": 1,
    }


def _controls(topics: Topics, personas: Sequence[str]) -> dict[str, Entity]:
    return {
        "ask": {
            "platform": "text", "name": "Ask", "icon": "mdi:chat-question",
            "command_topic": topics["ask"], "max": LONGEST_STATE,
        },
        "persona": {
            "platform": "select", "name": "Persona", "icon": "mdi:drama-masks", "entity_category": "config",
            "command_topic": topics["persona/set"], "options": list(personas),
            "state_topic": topics["state"], "value_template": "{{ value_json.persona }}",
        },
        "stop": {
            "platform": "button", "name": "Stop", "icon": "mdi:stop",
            "command_topic": topics["stop"], "payload_press": "stop",
        },
    }  # fmt: skip


def _sensors(topics: Topics) -> dict[str, Entity]:
    return {
        "phase": _sensor(topics, "Phase", "phase", icon="mdi:state-machine"),
        "answer": {
            **_sensor(topics, "Last answer", "answer", icon="mdi:message-text"),
            "json_attributes_topic": topics["answer"],
        },
        "model": _sensor(topics, "Model", "model", icon="mdi:brain", diagnostic=True),
        "version": _sensor(topics, "Version", "version", icon="mdi:tag", diagnostic=True),
        "first_token": _duration(topics, "Time to first token", "first_token_ms"),
        "total": _duration(topics, "Time of the last answer", "total_ms"),
        "queue": _duration(topics, "Time in the queue", "queue_ms"),
        "speed": {
            **_sensor(topics, "Speed", "tokens_per_second", icon="mdi:speedometer", diagnostic=True),
            "unit_of_measurement": "tokens/s", "state_class": "measurement",
        },
    }  # fmt: skip


def _sensor(topics: Topics, name: str, key: str, *, icon: str, diagnostic: bool = False) -> Entity:
    entity: Entity = {
        "platform": "sensor", "name": name, "icon": icon, "state_topic": topics["state"],
        "value_template": f"{{{{ value_json.{key} }}}}",
    }  # fmt: skip
    return {**entity, "entity_category": "diagnostic"} if diagnostic else entity


def _duration(topics: Topics, name: str, key: str) -> Entity:
    return {
        **_sensor(topics, name, f"timings.{key}", icon="mdi:timer-outline", diagnostic=True),
        "device_class": "duration", "unit_of_measurement": "ms", "state_class": "measurement",
    }  # fmt: skip
