"""What devices announce, as their makers document it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.home.discovery import DiscoveryError, parse
from edge_assistant.home.registry import Registry

ZIGBEE2MQTT = {
    "availability": [{"topic": "zigbee2mqtt/bridge/state", "value_template": "{{ value_json.state }}"}],
    "brightness": True,
    "brightness_scale": 254,
    "command_topic": "zigbee2mqtt/bulb/set",
    "name": None,
    "device": {"identifiers": ["zigbee2mqtt_0x1"], "name": "bulb", "suggested_area": "Hall"},
    "object_id": "bulb",
    "origin": {"name": "Zigbee2MQTT"},
    "schema": "json",
    "state_topic": "zigbee2mqtt/bulb",
    "supported_color_modes": ["xy", "color_temp"],
    "unique_id": "0x1_light_zigbee2mqtt",
}
TASMOTA = {
    "name": "Plug",
    "cmd_t": "~cmnd/POWER",
    "stat_t": "~tele/STATE",
    "val_tpl": "{{value_json.POWER}}",
    "~": "plug/",
    "pl_off": "OFF",
    "pl_on": "ON",
    "avty_t": "~tele/LWT",
    "pl_avail": "Online",
    "pl_not_avail": "Offline",
    "uniq_id": "1_RL_1",
    "dev": {"ids": ["1"], "name": "Coffee machine"},
}
ESPHOME = {
    "dev_cla": "temperature",
    "unit_of_meas": "°C",
    "name": "Temperature",
    "stat_t": "esp/sensor/t/state",
    "avty_t": "esp/status",
    "uniq_id": "ESPt",
    "dev": {"ids": "a1", "name": "Attic", "sw": "esphome v2026"},
}


def test_a_light_of_zigbee2mqtt_is_known_by_its_device():
    [bulb] = parse("homeassistant", "homeassistant/light/0x1/light/config", json.dumps(ZIGBEE2MQTT).encode())
    assert (bulb.domain, bulb.device, bulb.area, bulb.name) == ("light", "bulb", "Hall", "")
    assert bulb.config["brightness_scale"] == 254


def test_short_keys_and_the_base_topic_are_written_out():
    [plug] = parse("homeassistant", "homeassistant/switch/1_RL_1/config", json.dumps(TASMOTA).encode())
    assert plug.config["command_topic"] == "plug/cmnd/POWER"
    assert plug.config["value_template"] == "{{value_json.POWER}}"
    assert plug.config["availability_topic"] == "plug/tele/LWT"


def test_an_entity_is_called_by_its_device_and_by_both():
    registry = Registry()
    for topic, document in (("sensor/esp/t", ESPHOME), ("switch/1_RL_1", TASMOTA)):
        found = parse("homeassistant", f"homeassistant/{topic}/config", json.dumps(document).encode())
        registry.replace(topic, found)
    assert [each.id for each in registry.named("attic temperature")] == ["sensor.attic_temperature"]
    assert [each.domain for each in registry.named("Coffee machine")] == ["switch"]


def test_a_whole_device_is_one_message_and_what_it_drops_is_gone():
    topic = "homeassistant/device/d1/config"
    document = {
        "dev": {"ids": "d1", "name": "Box"},
        "o": {"name": "x"},
        "~": "box",
        "cmps": {
            "a": {"p": "switch", "cmd_t": "~/a", "name": "Fan", "uniq_id": "a"},
            "b": {"p": "sensor", "stat_t": "~/b", "name": "Heat", "uniq_id": "b"},
        },
    }
    registry = Registry()
    registry.replace(topic, parse("homeassistant", topic, json.dumps(document).encode()))
    assert {each.id for each in registry.entities} == {"switch.box_fan", "sensor.box_heat"}
    assert registry.entity("switch.box_fan").config["command_topic"] == "box/a"
    document["cmps"]["b"] = {"p": "sensor"}
    registry.replace(topic, parse("homeassistant", topic, json.dumps(document).encode()))
    assert [each.id for each in registry.entities] == ["switch.box_fan"]
    registry.replace(topic, parse("homeassistant", topic, b""))
    assert registry.entities == []


def test_two_of_one_name_keep_their_ids_over_a_restart():
    lamps = {
        f"homeassistant/light/{n}/config": {
            "name": "Lamp",
            "cmd_t": f"{n}/set",
            "dev": {"name": "Lamp", "sa": room},
        }
        for n, room in (("a", "Hall"), ("b", "Office"))
    }
    one, other = Registry(), Registry()
    for topic, document in lamps.items():
        one.replace(topic, parse("homeassistant", topic, json.dumps(document).encode()))
    assert [each.id for each in one.named("lamp")] == ["light.lamp", "light.lamp_2"]
    other.restore_ids({each.key: each.id for each in one.entities}, {})
    for topic, document in reversed(lamps.items()):
        other.replace(topic, parse("homeassistant", topic, json.dumps(document).encode()))
    assert {each.id: each.area for each in other.entities} == {"light.lamp": "Hall", "light.lamp_2": "Office"}


def test_kinds_that_nobody_knows_are_left_alone():
    assert parse("homeassistant", "homeassistant/teleporter/x/config", b'{"name": "x"}') == []


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[]",
        b"1",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"command_topic": 5}',
        b'{"state_topic": "a/#"}',
        b'{"name": "' + b"x" * 1_000_000 + b'"}',
    ],
)
def test_malformed_announcements_are_refused(payload):
    with pytest.raises(DiscoveryError):
        parse("homeassistant", "homeassistant/light/x/config", payload)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["~", "dev", "cmps", "p", "name", "cmd_t", "stat_t", "avty", "sa", "def_ent_id"]
                )
                | st.text(max_size=5),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["device", "light", "climate"]),
)
def test_whatever_is_announced_is_taken_or_refused(document, kind):
    try:
        found = parse("homeassistant", f"homeassistant/{kind}/x/config", json.dumps(document).encode())
    except DiscoveryError:
        return
    Registry().replace("t", found)
