"""The house on a real Mosquitto: what it learns, survives and tells devices."""

from __future__ import annotations

import asyncio
import json

import pytest

from edge_assistant.bench.home.house import PREFIX, THINGS, announcement
from edge_assistant.config.schema import Home, HomeDevice
from edge_assistant.errors import EdgeError
from edge_assistant.home.control import Control
from edge_assistant.home.discovery import parse
from edge_assistant.home.house import House
from edge_assistant.home.registry import MOST, Registry
from edge_assistant.home.template import Templates
from edge_assistant.mqtt.connection import Connection
from tests.home.conftest import living, publish, until

LAMP = announcement(next(thing for thing in THINGS if thing.id == "light.floor_lamp"))


async def furnished(house, devices):
    for thing in THINGS:
        await publish(devices, *announcement(thing))
    await until(lambda: len(house.registry.entities) == len(THINGS))
    await until(lambda: not house._wanted)
    await asyncio.sleep(0.4)


async def test_a_device_is_learnt_told_and_seen(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        await furnished(house, devices)
        registry = house.registry
        await publish(devices, "house/light.floor_lamp/state", '{"state": "ON", "brightness": 51}')
        await until(lambda: registry.state("light.floor_lamp").value == "on")
        assert registry.state("light.floor_lamp").attributes["brightness"] == 20
        control = Control(registry, house.connection, house.templates)
        await control.act("light.floor_lamp", "turn_on", {"brightness": 50, "color": "red"})
        await control.act("cover.living_blinds", "set_cover_position", {"position": 40})
        await control.act("climate.living", "set_temperature", {"temperature": 21.5})
        await control.act("lock.front", "lock", {})
        await until(lambda: len([t for t, _ in house.heard if t.endswith("/set")]) >= 4)
        told = {topic: payload for topic, payload in house.heard if topic.endswith("/set")}
        assert json.loads(told["house/light.floor_lamp/set"]) == {
            "state": "ON", "brightness": 128, "color": {"r": 255, "g": 0, "b": 0},
        }  # fmt: skip
        assert told["house/cover.living_blinds/position/set"] == "40"
        assert told["house/climate.living/temperature/set"] == "21.5"
        assert told["house/lock.front/set"] == "LOCK"


async def test_what_was_learnt_is_known_without_a_broker(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        await furnished(house, devices)
        for name in ("big light", "sunny"):
            await house.call(house.registry.entity("light.floor_lamp"), name, "ann")
        await house.forget_name(house.registry.entity("light.floor_lamp"), "sunny")
        assert house.registry.named("sunny") == []
    mosquitto.kill()
    again = House(Home(), Connection(mosquitto.broker, "again"), database)
    await again.load()
    assert len(again.registry.entities) == len(THINGS)
    assert [each.id for each in again.registry.named("big light")] == ["light.floor_lamp"]
    assert again.registry.named("sunny") == []


async def test_a_device_that_withdraws_is_gone_and_one_that_is_away_says_so(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        topic, payload = LAMP
        document = {**json.loads(payload), "avty_t": "house/lamp/alive"}
        await publish(devices, topic, json.dumps(document))
        await until(lambda: "house/lamp/alive" in house._readings and not house._wanted)
        await publish(devices, "house/lamp/alive", "offline")
        await until(lambda: not house.registry.state("light.floor_lamp").available)
        with pytest.raises(EdgeError, match="HOME_AWAY"):
            await Control(house.registry, house.connection, house.templates).act(
                "light.floor_lamp", "turn_on", {}
            )
        await publish(devices, topic, b"")
        await until(lambda: not house.registry.entities)


async def test_an_entity_that_comes_later_hears_what_is_retained_on_a_topic_it_shares(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        sensor = {"state_topic": "plug", "value_template": "{{ value_json.power }}", "name": "Plug power"}
        switch = sensor | {
            "value_template": "{{ value_json.state }}",
            "command_topic": "plug/set",
            "name": "Plug",
        }
        await publish(devices, "plug", '{"state": "ON", "power": 12}')
        await publish(devices, "homeassistant/sensor/plug/config", json.dumps({**sensor, "unique_id": "p"}))
        await until(lambda: house.registry.state("sensor.plug_power").value == "12")
        await publish(devices, "homeassistant/switch/plug/config", json.dumps({**switch, "unique_id": "s"}))
        await until(lambda: house.registry.state("switch.plug").value == "on")


async def test_topics_that_tell_of_nothing_any_more_are_left(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        for number in range(3):
            config = {"state_topic": f"moves/{number}", "name": "Restless", "unique_id": "r"}
            await publish(devices, "homeassistant/sensor/restless/config", json.dumps(config))
            await until(lambda topic=f"moves/{number}": house.connection.listens(topic))
        await until(
            lambda: not house.connection.listens("moves/0") and not house.connection.listens("moves/1")
        )
        await publish(devices, "moves/2", "7")
        await until(lambda: house.registry.state("sensor.restless").value == "7")


async def test_the_owner_names_places_and_aliases_devices(mosquitto, database):
    settings = Home(devices={"light.floor_lamp": HomeDevice(name="Big one", area="Attic", aliases=("sun",))})
    async with living(mosquitto.broker, database, settings) as (house, devices):
        await publish(devices, *LAMP)
        await until(lambda: house.registry.entities)
        [lamp] = house.registry.entities
        assert (lamp.name, lamp.area) == ("Big one", "Attic")
        assert house.registry.named("SUN") == [lamp]


async def test_ten_thousand_retained_messages_and_garbage_leave_it_alive(mosquitto, database):
    devices = Connection(mosquitto.broker, "devices")
    task = asyncio.create_task(devices.run())
    await until(lambda: devices.online)
    try:
        good, bad = LAMP[1], (b"{", b"\xff" * 1000, b'{"cmd_t": 1}', b"x" * 200_000)
        for number in range(10_000):
            payload = (
                good.replace(b"light.floor_lamp", b"light.l%d" % number) if number % 10 else bad[number % 4]
            )
            kind = "light" if number % 7 else "teleporter"
            message = f"homeassistant/{kind}/n{number}/config", payload
            await devices._client.publish(*message, qos=0, retain=True)
    finally:
        task.cancel()
        await asyncio.wait([task])
    async with living(mosquitto.broker, database) as (house, devices):
        turns = set()
        async with asyncio.timeout(60):
            while house.heard_announcements < 10_000:
                turns.add(house.heard_announcements)
                await asyncio.sleep(0)
        assert len(turns) > 10, "the event loop got its turn meanwhile"
        assert len(house.registry.entities) == MOST, "more are not learnt"
        assert house.refused > 500
        known = house.registry.entities[0]
        await publish(devices, known.key, b"")
        await until(lambda: house.registry.entity(known.id) is None)
        await publish(devices, *LAMP)
        await until(lambda: any(each.key == LAMP[0] for each in house.registry.entities))


async def test_a_megabyte_on_a_state_topic_changes_nothing(mosquitto, database):
    async with living(mosquitto.broker, database) as (house, devices):
        await publish(devices, *LAMP)
        await until(lambda: house.registry.entities and not house._wanted)
        await asyncio.sleep(0.4)
        await publish(devices, "house/light.floor_lamp/state", b'{"state": "' + b"x" * 1_000_000 + b'"}')
        await publish(devices, "house/light.floor_lamp/state", b'{"state": "OFF"}')
        await until(lambda: house.registry.state("light.floor_lamp").value == "off")


@pytest.mark.parametrize(
    ("entity", "service", "data", "code"),
    [
        ("light.nowhere", "turn_on", {}, "HOME_UNKNOWN"),
        ("light.floor_lamp", "unlock", {}, "HOME_SERVICE_UNKNOWN"),
        ("light.floor_lamp", "turn_on", {"brightness": 400}, "HOME_DATA_BAD"),
        ("light.floor_lamp", "turn_on", {"color": "plaid"}, "HOME_DATA_BAD"),
        ("light.floor_lamp", "toggle", {}, "HOME_CANNOT"),
        ("climate.living", "set_temperature", {"temperature": 90}, "HOME_DATA_BAD"),
        ("climate.living", "set_temperature", {"temperature": float("nan")}, "HOME_DATA_BAD"),
        ("cover.living_blinds", "set_cover_position", {"position": "x"}, "HOME_DATA_BAD"),
    ],
)
def test_what_a_device_can_not_do_is_refused(entity, service, data, code):
    registry = Registry()
    for thing in THINGS:
        topic, payload = announcement(thing)
        registry.replace(topic, parse(PREFIX, topic, payload))
    with pytest.raises(EdgeError) as caught:
        Control(registry, None, Templates()).prepare(entity, service, data)
    assert caught.value.code == code
