"""Rules of Home Assistant's documentation, each with its source, on the document that we publish."""

from __future__ import annotations

import json
import re

import pytest

from edge_assistant.frontends.mqtt.discovery import document
from edge_assistant.frontends.mqtt.happenings import KINDS
from edge_assistant.frontends.mqtt.topics import Topics

DOCUMENT = document(
    Topics("pi"), "Nabu", personas=["default", "butler"], models=["small", "large"], voice=True, restart=True
)
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
    assert ENTITIES[key]["platform"] in REQUIRED
    assert len({entity["unique_id"] for entity in ENTITIES.values()}) == len(ENTITIES)


REQUIRED = {
    "event": {"state_topic", "event_types"},  # SITE/event.mqtt
    "notify": {"command_topic"},  # SITE/notify.mqtt
    "number": {"command_topic"},  # SITE/number.mqtt
    "switch": {"command_topic"},  # SITE/switch.mqtt
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


def test_there_are_at_least_fourteen_entities_of_eight_kinds():
    assert len(ENTITIES) >= 14
    assert {entity["platform"] for entity in ENTITIES.values()} == set(REQUIRED)


def test_a_device_shows_only_what_it_has():
    bare = document(Topics("pi"), "Nabu", personas=["default"], models=[], voice=False, restart=False)
    assert not {"say", "mute", "quiet", "volume", "threshold", "model", "restart"} & set(bare["components"])


def test_numbers_have_a_range_with_the_smaller_bound_first():
    """`max` is not below `min`, `step` at least 0.001: SITE/number.mqtt."""
    for entity in (e for e in ENTITIES.values() if e["platform"] == "number"):
        assert entity["min"] < entity["max"]
        assert entity["step"] >= 0.001


def test_switches_tell_their_state_as_they_are_switched():
    """`state_on` and `state_off` are `ON` and `OFF` by default, as the payloads: SITE/switch.mqtt."""
    for entity in (e for e in ENTITIES.values() if e["platform"] == "switch"):
        assert "'ON'" in entity["value_template"]
        assert "'OFF'" in entity["value_template"]
        assert not {"payload_on", "state_on"} & set(entity)


def test_every_event_that_we_tell_is_named():
    """An `event_type` that is not in `event_types` is ignored: SITE/event.mqtt."""
    assert ENTITIES["event"]["event_types"] == list(KINDS)
    assert len(set(KINDS)) == len(KINDS)


def test_selects_have_options_and_no_option_twice():
    """`options` is required, a state must be one of them: SITE/select.mqtt."""
    for entity in (e for e in ENTITIES.values() if e["platform"] == "select"):
        assert entity["options"]
        assert len(set(entity["options"])) == len(entity["options"])


CATEGORIES = {"config", "diagnostic"}


@pytest.mark.parametrize("key", ENTITIES)
def test_what_only_tells_is_no_setting(key):
    """`config` is for entities that change a setting, sensors can be `diagnostic` only:
    https://developers.home-assistant.io/docs/core/entity/#generic-properties."""
    category = ENTITIES[key].get("entity_category")
    assert category in {None, *CATEGORIES}
    if ENTITIES[key]["platform"] in {"sensor", "event"}:
        assert category != "config"
    if ENTITIES[key]["platform"] in {"select", "number", "switch", "button"}:
        assert category != "diagnostic"


def test_device_classes_fit_their_platform_and_unit():
    """`restart` of a button, `temperature` in °C of a sensor: SITE/button, SITE/sensor, “Device class”."""
    assert ENTITIES["restart"]["device_class"] == "restart"
    temperature = ENTITIES["temperature"]
    assert (temperature["device_class"], temperature["unit_of_measurement"]) == ("temperature", "°C")


def test_a_measurement_has_a_unit_and_a_text_has_none():
    """With `state_class` or `unit_of_measurement` it is a number: SITE/sensor.mqtt."""
    for entity in (e for e in ENTITIES.values() if e["platform"] == "sensor"):
        assert ("state_class" in entity) == ("unit_of_measurement" in entity)


def test_the_whole_device_is_one_message_that_a_broker_takes():
    """One retained message at `homeassistant/device/ID/config`: SITE/mqtt/#device-discovery-payload."""
    assert len(json.dumps(DOCUMENT)) < 64 * 1024
