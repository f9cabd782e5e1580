"""Devices as their makers document them: what they announce, what they then tell, and what they are told.

zigbee2mqtt: https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html and its Home Assistant
extension. ESPHome: https://esphome.io/components/mqtt. Tasmota: https://tasmota.github.io/docs/Tasmota-Discovery
and, for older ones, SetOption19.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.home import tasmota
from edge_assistant.home.discovery import DiscoveryError, parse
from edge_assistant.home.entity import Entity, State
from edge_assistant.home.orders import orders
from edge_assistant.home.reading import read, readings
from edge_assistant.home.registry import Registry
from edge_assistant.home.template import Templates
from tests.home.conftest import living, publish, until

Z2M = {
    "availability": [
        {"topic": "zigbee2mqtt/bridge/state", "value_template": "{{ value_json.state }}"},
        {"topic": "zigbee2mqtt/0x1/availability", "value_template": "{{ value_json.state }}"},
    ],
    "availability_mode": "all",
    "origin": {"name": "Zigbee2MQTT", "sw": "2.1.0", "url": "https://www.zigbee2mqtt.io"},
}
ESP = {
    "avty_t": "blind/status",
    "uniq_id": "ESPcoverblind",
    "dev_cla": "shutter",
    "dev": {
        "ids": "a4cf12",
        "name": "blind",
        "sw": "esphome v2026.1.0",
        "mdl": "nodemcuv2",
        "mf": "espressif",
    },
}
TASMOTA = {
    "ip": "192.168.15.10",
    "dn": "Living Room",
    "fn": ["Ceiling Lamp", "Floor Lamp", None],
    "hn": "tasmota-49A3BC-0956",
    "mac": "00000049A3BC",
    "md": "Sonoff Basic",
    "ty": 0,
    "if": 0,
    "ofln": "Offline",
    "onln": "Online",
    "state": ["OFF", "ON", "TOGGLE", "HOLD"],
    "sw": "14.4.1",
    "t": "tasmota_49A3BC",
    "ft": "%prefix%/%topic%/",
    "tp": ["cmnd", "stat", "tele"],
    "rl": [1, 0, 0, 0],
    "swc": [-1, -1],
    "swn": [None],
    "btn": [0, 0],
    "so": {
        "4": 0,
        "11": 0,
        "13": 0,
        "17": 1,
        "20": 0,
        "30": 0,
        "68": 0,
        "73": 1,
        "82": 0,
        "114": 0,
        "117": 0,
    },
    "lk": 1,
    "lt_st": 0,
    "sho": [0, 0, 0, 0],
    "ver": 1,
}


def learnt(topic: str, document: dict[str, Any]) -> dict[str, Entity]:
    payload = json.dumps(document).encode()
    read_ = (
        tasmota.Devices().parse(topic, payload)[topic]
        if tasmota.is_tasmota(topic)
        else parse("homeassistant", topic, payload)
    )
    return {entity.id: entity for entity in Registry().replace(topic, read_)}


def after(entity: Entity, *messages: tuple[str, str]) -> State:
    """Return the state after what a device told."""
    state = State()
    for topic, payload in messages:
        for where, reading in readings(entity):
            if where == topic:
                state = read(entity, state, reading, payload.encode(), templates=Templates(), at=1.0)
    return state


def told(entity: Entity, service: str, state: State | None = None, **data: Any) -> list[tuple[str, str]]:
    return [
        (each.topic, each.payload) for each in orders(entity, state or State(), service, data, Templates())
    ]


# --- zigbee2mqtt


def test_a_bulb_of_zigbee2mqtt():
    document = Z2M | {
        "name": None,
        "brightness": True,
        "brightness_scale": 254,
        "command_topic": "zigbee2mqtt/bulb/set",
        "device": {
            "identifiers": ["zigbee2mqtt_0x1"],
            "name": "bulb",
            "via_device": "zigbee2mqtt_bridge_0x2",
        },
        "effect": True,
        "effect_list": ["blink"],
        "schema": "json",
        "state_topic": "zigbee2mqtt/bulb",
        "supported_color_modes": ["xy", "color_temp"],
        "unique_id": "0x1_light_zigbee2mqtt",
        "object_id": "bulb",
    }
    [bulb] = learnt("homeassistant/light/0x1/light/config", document).values()
    state = after(bulb, ("zigbee2mqtt/bulb", '{"state": "ON", "brightness": 127, "color": {"x": 0.3}}'))
    assert (state.value, state.attributes["brightness"]) == ("on", 50)
    [(topic, payload)] = told(bulb, "turn_on", brightness=100)
    assert (topic, json.loads(payload)) == ("zigbee2mqtt/bulb/set", {"state": "ON", "brightness": 254})
    away = after(
        bulb,
        ("zigbee2mqtt/bridge/state", '{"state": "online"}'),
        ("zigbee2mqtt/0x1/availability", '{"state": "offline"}'),
    )
    assert not away.available


def test_a_lock_and_a_thermostat_of_zigbee2mqtt():
    lock = Z2M | {
        "name": None,
        "command_topic": "zigbee2mqtt/door/set",
        "state_topic": "zigbee2mqtt/door",
        "value_template": "{{ value_json.state }}",
        "state_locked": "LOCK",
        "state_unlocked": "UNLOCK",
        "payload_lock": "LOCK",
        "payload_unlock": "UNLOCK",
        "device": {"name": "door"},
    }
    [door] = learnt("homeassistant/lock/0x3/lock/config", lock).values()
    assert after(door, ("zigbee2mqtt/door", '{"state": "UNLOCK"}')).value == "unlocked"
    assert told(door, "lock") == [("zigbee2mqtt/door/set", "LOCK")]
    climate = Z2M | {
        "name": None,
        "device": {"name": "radiator"},
        "min_temp": "5",
        "max_temp": "30",
        "temp_step": 0.5,
        "current_temperature_topic": "zigbee2mqtt/radiator",
        "modes": ["off", "heat", "auto"],
        "current_temperature_template": "{{ value_json.local_temperature }}",
        "temperature_state_topic": "zigbee2mqtt/radiator",
        "mode_state_topic": "zigbee2mqtt/radiator",
        "temperature_state_template": "{{ value_json.occupied_heating_setpoint }}",
        "mode_state_template": "{{ value_json.system_mode }}",
        "temperature_command_topic": "zigbee2mqtt/radiator/set/occupied_heating_setpoint",
        "mode_command_topic": "zigbee2mqtt/radiator/set/system_mode",
    }
    [radiator] = learnt("homeassistant/climate/0x4/climate/config", climate).values()
    report = {"local_temperature": 20.5, "occupied_heating_setpoint": 21, "system_mode": "heat"}
    state = after(radiator, ("zigbee2mqtt/radiator", json.dumps(report)))
    assert (state.value, state.attributes) == ("heat", {"current_temperature": 20.5, "temperature": 21.0})
    assert told(radiator, "set_temperature", temperature=19.5) == [
        ("zigbee2mqtt/radiator/set/occupied_heating_setpoint", "19.5")
    ]


# --- ESPHome


def test_a_shutter_of_esphome_in_its_short_keys():
    document = ESP | {
        "name": "Blind",
        "stat_t": "blind/cover/blind/state",
        "cmd_t": "blind/cover/blind/command",
        "pos_t": "blind/cover/blind/position/state",
        "set_pos_t": "blind/cover/blind/position/command",
    }
    [blind] = learnt("homeassistant/cover/blind/blind/config", document).values()
    assert (blind.device_class, blind.device) == ("shutter", "blind")
    state = after(
        blind,
        ("blind/cover/blind/state", "open"),
        ("blind/cover/blind/position/state", "40"),
        ("blind/status", "online"),
    )
    assert (state.value, state.attributes["position"], state.available) == ("open", 40, True)
    assert told(blind, "close_cover") == [("blind/cover/blind/command", "CLOSE")]
    assert told(blind, "set_cover_position", position=70) == [("blind/cover/blind/position/command", "70")]
    assert not after(blind, ("blind/status", "offline")).available


def test_a_light_and_a_fan_of_esphome():
    light = ESP | {
        "name": "Strip",
        "schema": "json",
        "stat_t": "strip/light/strip/state",
        "cmd_t": "strip/light/strip/command",
        "brightness": True,
        "sup_clrm": ["rgb"],
        "effect": True,
        "fx_list": ["None", "Rainbow"],
        "dev_cla": None,
    }
    [strip] = learnt("homeassistant/light/strip/strip/config", light).values()
    report = '{"state": "ON", "brightness": 255, "color_mode": "rgb", "color": {"r": 255, "g": 1, "b": 0}}'
    assert after(strip, ("strip/light/strip/state", report)).attributes["brightness"] == 100
    [(_, payload)] = told(strip, "turn_on", color="blue")
    assert json.loads(payload) == {"state": "ON", "color": {"r": 0, "g": 0, "b": 255}}
    fan = ESP | {
        "name": "Fan",
        "stat_t": "f/fan/f/state",
        "cmd_t": "f/fan/f/command",
        "pct_cmd_t": "f/fan/f/speed_level/command",
        "pct_stat_t": "f/fan/f/speed_level/state",
        "spd_rng_max": 4,
        "dev_cla": None,
    }
    [blower] = learnt("homeassistant/fan/f/f/config", fan).values()
    assert (
        after(blower, ("f/fan/f/state", "ON"), ("f/fan/f/speed_level/state", "2")).attributes["percentage"]
        == 50
    )
    assert told(blower, "set_percentage", percentage=75) == [("f/fan/f/speed_level/command", "3")]


# --- Tasmota


def test_a_plug_of_an_older_tasmota():
    document = {
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
    [plug] = learnt("homeassistant/switch/1_RL_1/config", document).values()
    assert after(plug, ("plug/tele/STATE", '{"Time": "2026-11-26T18:00:00", "POWER": "ON"}')).value == "on"
    assert told(plug, "turn_off") == [("plug/cmnd/POWER", "OFF")]
    assert not after(plug, ("plug/tele/LWT", "Offline")).available


TOPIC = "tasmota/discovery/00000049A3BC/config"


def test_two_relays_of_tasmota_have_the_names_their_owner_gave():
    found = learnt(TOPIC, TASMOTA | {"rl": [1, 1, 1, 0]})
    assert list(found) == [
        "switch.living_room_ceiling_lamp",
        "switch.living_room_floor_lamp",
        "switch.living_room_relay_3",
    ]
    lamp = found["switch.living_room_floor_lamp"]
    assert "Floor Lamp" in lamp.names
    assert told(lamp, "turn_on") == [("cmnd/tasmota_49A3BC/POWER2", "ON")]
    assert after(lamp, ("tele/tasmota_49A3BC/STATE", '{"POWER1": "OFF", "POWER2": "ON"}')).value == "on"
    assert not after(lamp, ("tele/tasmota_49A3BC/LWT", "Offline")).available


@pytest.mark.parametrize("report", ['{"POWER": "ON"}', '{"POWER1": "ON"}'])
def test_the_only_relay_of_tasmota_tells_its_state_under_either_name(report):
    [plug] = learnt(TOPIC, TASMOTA).values()
    assert after(plug, ("tele/tasmota_49A3BC/STATE", report)).value == "on"


def test_a_relay_that_its_owner_calls_a_light_is_one():
    assert list(learnt(TOPIC, TASMOTA | {"so": {"30": 1}})) == ["light.living_room_ceiling_lamp"]


def test_a_coloured_light_of_tasmota():
    [bulb] = learnt(TOPIC, TASMOTA | {"rl": [2, 0], "lt_st": 5, "fn": ["Living Room"]}).values()
    assert (bulb.id, bulb.name) == ("light.living_room", "Living Room")
    state = after(bulb, ("tele/tasmota_49A3BC/STATE", '{"POWER": "ON", "Dimmer": 60, "Color": "FF00000000"}'))
    assert (state.value, state.attributes["brightness"]) == ("on", 60)
    assert told(bulb, "turn_on", brightness=30, color="red") == [
        ("cmnd/tasmota_49A3BC/POWER1", "ON"),
        ("cmnd/tasmota_49A3BC/Dimmer", "30"),
        ("cmnd/tasmota_49A3BC/Color2", "255,0,0"),
    ]
    assert told(bulb, "turn_on", kelvin=2700)[1:] == [("cmnd/tasmota_49A3BC/CT", "370")]


@pytest.mark.parametrize(("inverted", "position", "sent"), [(0, 30, "30"), (1, 70, "70")])
def test_a_shutter_of_tasmota_has_two_relays_and_may_be_turned_round(inverted, position, sent):
    [shutter] = learnt(TOPIC, TASMOTA | {"rl": [3, 3, 0], "sho": [inverted], "fn": ["Shade"]}).values()
    assert told(shutter, "open_cover") == [("cmnd/tasmota_49A3BC/Backlog", "ShutterOpen1")]
    assert told(shutter, "stop_cover") == [("cmnd/tasmota_49A3BC/Backlog", "ShutterStop1")]
    assert told(shutter, "set_cover_position", position=30) == [
        ("cmnd/tasmota_49A3BC/ShutterPosition1", sent)
    ]
    report = {"Shutter1": {"Position": position, "Direction": 0, "Target": position}}
    state = after(shutter, ("stat/tasmota_49A3BC/RESULT", json.dumps(report)))
    assert (state.value, state.attributes["position"]) == ("open", 30)
    assert after(shutter, ("stat/tasmota_49A3BC/RESULT", '{"POWER1": "ON"}')) == State()


@pytest.mark.parametrize(
    "change",
    [
        {"ver": 2},
        {"rl": [1] * 100},
        {"rl": "x"},
        {"tp": ["cmnd"]},
        {"ft": "a/#/"},
        {"t": "+"},
        {"state": []},
        {"t": 5},
        {"ft": "x" * 600},
        {"dn": ["x"]},
    ],
)
def test_what_tasmota_never_says_is_refused(change):
    with pytest.raises(DiscoveryError):
        learnt(TOPIC, TASMOTA | change)


@given(
    st.dictionaries(
        st.sampled_from(sorted(TASMOTA)),
        st.none() | st.integers() | st.text(max_size=9) | st.lists(st.integers(-9, 9), max_size=9),
        max_size=4,
    )
)
def test_whatever_a_tasmota_says_is_taken_or_refused(change):
    try:
        found = learnt(TOPIC, TASMOTA | change)
    except DiscoveryError:
        return
    for entity in found.values():
        assert readings(entity)


def test_a_ceiling_fan_of_tasmota_and_the_lamp_below_it():
    found = learnt(TOPIC, TASMOTA | {"if": 1, "rl": [2, 1, 1, 1], "dn": "Bedroom", "fn": ["Bedroom"]})
    lamp, fan = found["light.bedroom"], found["fan.bedroom"]
    assert len(found) == 2
    assert told(lamp, "turn_on") == [("cmnd/tasmota_49A3BC/POWER1", "ON")]
    assert told(fan, "turn_on") == [("cmnd/tasmota_49A3BC/FanSpeed", "2")]
    assert told(fan, "turn_off") == [("cmnd/tasmota_49A3BC/FanSpeed", "0")]
    assert told(fan, "set_percentage", percentage=100) == [("cmnd/tasmota_49A3BC/FanSpeed", "3")]
    fast = after(fan, ("tele/tasmota_49A3BC/STATE", '{"POWER1": "OFF", "FanSpeed": 3}'))
    assert (fast.value, fast.attributes["percentage"]) == ("on", 100)
    assert after(fan, ("tele/tasmota_49A3BC/STATE", '{"POWER1": "ON", "FanSpeed": 0}')).value == "off"
    assert after(lamp, ("tele/tasmota_49A3BC/STATE", '{"POWER1": "ON", "FanSpeed": 0}')).value == "on"


SENSORS = "tasmota/discovery/00000049A3BC/sensors"
REPORT = {
    "sn": {
        "Time": "2026-11-30T12:00:00",
        "BME280": {"Temperature": 21.4, "Humidity": 48.2, "DewPoint": 9.8, "Pressure": 1011.2},
        "DS18B20": {"Id": "000008B5ED1F", "Temperature": 4.1},
        "ENERGY": {"TotalStartTime": "2026-01-01T00:00:00", "Total": 12.5, "Power": [3, 60], "Factor": 0.9},
        "PN532": {"UID": "7A"},
        "PressureUnit": "hPa",
        "TempUnit": "C",
    },
    "ver": 1,
}


def with_sensors(report: dict[str, Any], **change: Any) -> dict[str, Entity]:
    devices = tasmota.Devices()
    devices.parse(TOPIC, json.dumps(TASMOTA | {"rl": []} | change).encode())
    found = devices.parse(SENSORS, json.dumps(report).encode())[SENSORS]
    return {entity.name: entity for entity in Registry().replace(SENSORS, found)}


def test_sensors_of_tasmota_are_called_by_what_they_measure():
    found = with_sensors(REPORT)
    assert {name: entity.unit for name, entity in found.items()} == {
        "Living Room BME280 temperature": "°C",
        "Living Room DS18B20 temperature": "°C",
        "Living Room humidity": "%",
        "Living Room dew point": "°C",
        "Living Room pressure": "hPa",
        "Living Room energy": "kWh",
        "Living Room ENERGY 1 power": "W",
        "Living Room ENERGY 2 power": "W",
        "Living Room power factor": "",
    }
    cold = found["Living Room DS18B20 temperature"]
    assert (cold.domain, cold.device_class) == ("sensor", "temperature")
    report = json.dumps(REPORT["sn"] | {"DS18B20": {"Temperature": -3.5}})
    assert after(cold, ("tele/tasmota_49A3BC/SENSOR", report)).value == "-3.5"
    assert after(cold, ("stat/tasmota_49A3BC/STATUS10", f'{{"StatusSNS": {report}}}')).value == "-3.5"
    assert after(cold, ("tele/tasmota_49A3BC/SENSOR", '{"BME280": {"Temperature": 1}}')) == State()
    second = found["Living Room ENERGY 2 power"]
    assert after(second, ("tele/tasmota_49A3BC/SENSOR", report)).value == "60"
    assert not after(second, ("tele/tasmota_49A3BC/LWT", "Offline")).available


@pytest.mark.parametrize(
    "sensors",
    [
        {"x' ~ 9": {"Temperature": 1}},
        {"A": {"Temperature": "warm", "Humidity": True, "Power": {"deep": 1}, "Current": ["x"]}},
        {"A": {"Temperature": 1}, "TempUnit": "x" * 50},
        {"A": [1], "Temperature": 3},
    ],
)
def test_what_no_sensor_says_is_left_out(sensors):
    assert with_sensors({"sn": sensors, "ver": 1}) == {}


@pytest.mark.parametrize("payload", [b"x", b"[]", b'{"sn": 1}', b'{"ver": 1}', b" " + b"x" * 20_000])
def test_sensors_that_are_none_are_refused(payload):
    with pytest.raises(DiscoveryError):
        tasmota.Devices().parse(SENSORS, payload)


def test_no_more_devices_of_tasmota_are_kept_than_fit():
    devices, payload = tasmota.Devices(), json.dumps(TASMOTA).encode()
    topics = [f"tasmota/discovery/{number}/config" for number in range(tasmota.MOST_DEVICES + 1)]
    for topic in topics[:-1]:
        devices.parse(topic, payload)
    with pytest.raises(DiscoveryError):
        devices.parse(topics[-1], payload)
    devices.parse(topics[0], b"")
    assert devices.parse(topics[-1], payload)[topics[-1]]


async def test_sensors_are_known_whatever_comes_first_asked_and_kept_over_a_restart(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        await publish(devices, SENSORS, json.dumps(REPORT))
        await publish(devices, TOPIC, json.dumps(TASMOTA | {"rl": []}))
        await until(lambda: ("cmnd/tasmota_49A3BC/STATUS", "10") in house.heard)
        await publish(
            devices, "stat/tasmota_49A3BC/STATUS10", json.dumps({"StatusSNS": REPORT["sn"]}), retain=False
        )
        await until(lambda: house.registry.state("sensor.living_room_humidity").value == "48.2")
        names = {entity.id for entity in house.registry.entities}
    async with living(mosquitto.broker, database) as (house, devices):
        assert {entity.id for entity in house.registry.entities} == names
        await publish(devices, TOPIC, b"")
        await until(lambda: not house.registry.entities)


async def test_a_tasmota_is_asked_how_it_is_and_gone_when_it_withdraws(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        await publish(devices, TOPIC, json.dumps(TASMOTA))
        await until(lambda: ("cmnd/tasmota_49A3BC/STATE", "") in house.heard)
        await publish(devices, "tele/tasmota_49A3BC/STATE", '{"POWER": "ON"}', retain=False)
        [plug] = house.registry.entities
        await until(lambda: house.registry.state(plug.id).value == "on")
        await publish(devices, TOPIC, b"")
        await until(lambda: not house.registry.entities)
