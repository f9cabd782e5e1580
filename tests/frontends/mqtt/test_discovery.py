"""Rules of Home Assistant's documentation, each with its source, on the document that we publish."""

from __future__ import annotations

import re

import pytest

from edge_assistant.frontends.mqtt.discovery import document
from edge_assistant.frontends.mqtt.topics import Topics

DOCUMENT = document(Topics("pi"), "Nabu", ["default", "butler"])
ENTITIES = DOCUMENT["components"]
SITE = "https://www.home-assistant.io/integrations"


def test_origin_is_there_with_a_name():
    """A device discovery payload must hold `origin` with `name`: SITE/mqtt/#device-discovery-payload."""
    assert DOCUMENT["origin"]["name"]


def test_the_device_can_be_identified():
    """At least one of `identifiers` and `connections`: SITE/mqtt/#device-discovery-payload."""
    assert DOCUMENT["device"]["identifiers"]


@pytest.mark.parametrize("key", ENTITIES)
def test_every_entity_names_its_platform_and_is_unique(key):
    """`platform` and `unique_id` are required for each component: SITE/mqtt/#device-discovery-payload."""
    assert ENTITIES[key]["platform"] in {"text", "select", "button", "sensor"}
    assert len({entity["unique_id"] for entity in ENTITIES.values()}) == len(ENTITIES)


REQUIRED = {
    "text": {"command_topic"},  # SITE/text.mqtt
    "select": {"command_topic", "options"},  # SITE/select.mqtt
    "button": {"command_topic"},  # SITE/button.mqtt
    "sensor": {"state_topic"},  # SITE/sensor.mqtt
}


@pytest.mark.parametrize("key", ENTITIES)
def test_every_entity_has_what_its_platform_requires(key):
    assert REQUIRED[ENTITIES[key]["platform"]] <= set(ENTITIES[key])


@pytest.mark.parametrize("key", ENTITIES)
def test_ids_hold_only_what_discovery_topics_may_hold(key):
    """Object ids: `[a-zA-Z0-9_-]`: SITE/mqtt/#discovery-topic."""
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", key)


def test_text_keeps_to_the_longest_state():
    """`max` is at most 255: SITE/text.mqtt."""
    assert ENTITIES["ask"]["max"] <= 255


def test_a_duration_has_a_unit_of_time():
    """Device class `duration` takes d, h, min, s, ms: SITE/sensor/#device-class."""
    durations = [entity for entity in ENTITIES.values() if entity.get("device_class") == "duration"]
    assert durations
    assert all(entity["unit_of_measurement"] == "ms" for entity in durations)
