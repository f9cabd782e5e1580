"""The device as Home Assistant discovers it: one retained document with all entities.

Form: MQTT device discovery, https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_assistant import __version__
from edge_assistant.frontends.mqtt.happenings import KINDS
from edge_assistant.frontends.mqtt.topics import Topics

LONGEST_STATE = 255
"""Characters that a state of Home Assistant may have; longer text goes into attributes."""

Entity = dict[str, Any]


def document(
    topics: Topics, name: str, *, personas: Sequence[str], models: Sequence[str], voice: bool, restart: bool
) -> dict[str, Any]:
    """Return the discovery document of the device called `name`, with what it has."""
    entities = {**_controls(topics, personas), **_sensors(topics)}
    if models:
        entities["model"] = _select(topics, "Model", "model", models, icon="mdi:brain")
    if voice:
        entities |= _voice(topics)
    if restart:
        entities["restart"] = {
            **_button(topics, "Restart", "restart"), "device_class": "restart", "entity_category": "config",
        }  # fmt: skip
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
        "event": {
            "platform": "event", "name": "Event", "icon": "mdi:bell-ring",
            "state_topic": topics["event"], "event_types": list(KINDS),
        },
        "persona": _select(topics, "Persona", "persona", personas, icon="mdi:drama-masks"),
        "stop": {**_button(topics, "Stop", "stop"), "icon": "mdi:stop"},
    }  # fmt: skip


def _voice(topics: Topics) -> dict[str, Entity]:
    return {
        "say": {
            "platform": "notify", "name": "Say", "icon": "mdi:bullhorn", "command_topic": topics["announce"],
        },
        "mute": _switch(topics, "Microphone off", "mute", "muted", icon="mdi:microphone-off"),
        "quiet": _switch(topics, "Do not disturb", "quiet", "quiet", icon="mdi:minus-circle"),
        "volume": _percent(topics, "Volume", "volume", icon="mdi:volume-high"),
        "threshold": {
            **_percent(topics, "Wake word threshold", "threshold", icon="mdi:ear-hearing"),
            "entity_category": "config",
        },
    }  # fmt: skip


def _sensors(topics: Topics) -> dict[str, Entity]:
    return {
        "phase": _sensor(topics, "Phase", "phase", icon="mdi:state-machine"),
        "answer": {
            **_sensor(topics, "Last answer", "answer", icon="mdi:message-text"),
            "json_attributes_topic": topics["answer"],
        },
        "timers": _sensor(topics, "Timers", "timers", icon="mdi:timer"),
        "running_model": _sensor(topics, "Running model", "model", icon="mdi:brain", diagnostic=True),
        "version": _sensor(topics, "Version", "version", icon="mdi:tag", diagnostic=True),
        "first_token": _duration(topics, "Time to first token", "first_token_ms"),
        "total": _duration(topics, "Time of the last answer", "total_ms"),
        "queue": _duration(topics, "Time in the queue", "queue_ms"),
        "speed": {
            **_sensor(topics, "Speed", "tokens_per_second", icon="mdi:speedometer", diagnostic=True),
            "unit_of_measurement": "tokens/s", "state_class": "measurement",
        },
        "temperature": {
            **_sensor(topics, "Temperature", "temperature", icon="mdi:thermometer", diagnostic=True),
            "device_class": "temperature", "unit_of_measurement": "°C", "state_class": "measurement",
        },
    }  # fmt: skip


def _select(topics: Topics, name: str, key: str, options: Sequence[str], *, icon: str) -> Entity:
    return {
        "platform": "select", "name": name, "icon": icon, "entity_category": "config",
        "command_topic": topics[f"{key}/set"], "options": list(options),
        "state_topic": topics["state"], "value_template": f"{{{{ value_json.{key} }}}}",
    }  # fmt: skip


def _switch(topics: Topics, name: str, topic: str, key: str, *, icon: str) -> Entity:
    return {
        "platform": "switch", "name": name, "icon": icon, "command_topic": topics[f"{topic}/set"],
        "state_topic": topics["state"],
        "value_template": f"{{{{ 'ON' if value_json.{key} else 'OFF' }}}}",
    }  # fmt: skip


def _percent(topics: Topics, name: str, key: str, *, icon: str) -> Entity:
    return {
        "platform": "number", "name": name, "icon": icon, "command_topic": topics[f"{key}/set"],
        "state_topic": topics["state"], "value_template": f"{{{{ value_json.{key} }}}}",
        "min": 0, "max": 100, "step": 1, "unit_of_measurement": "%",
    }  # fmt: skip


def _button(topics: Topics, name: str, key: str) -> Entity:
    return {"platform": "button", "name": name, "command_topic": topics[key], "payload_press": key}


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
