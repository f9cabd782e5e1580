"""A house with thirty devices in nine rooms, in English or German, and one with five hundred more."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

PREFIX = "homeassistant"

ROOMS = {
    "kitchen": ("Kitchen", "Küche"),
    "living_room": ("Living Room", "Wohnzimmer"),
    "bedroom": ("Bedroom", "Schlafzimmer"),
    "bathroom": ("Bathroom", "Bad"),
    "hall": ("Hall", "Flur"),
    "office": ("Office", "Büro"),
    "garage": ("Garage", "Garage"),
    "garden": ("Garden", "Garten"),
    "": ("", ""),
}


class Thing(NamedTuple):
    """A device of the house."""

    id: str
    room: str
    english: str
    german: str
    more: dict[str, Any] = {}  # noqa: RUF012 - never changed


_DIMMER = {"schema": "json", "brightness": True, "supported_color_modes": ["rgb", "color_temp"]}

THINGS = (
    Thing("light.kitchen", "kitchen", "kitchen light", "Küchenlicht", _DIMMER),
    Thing("light.counter", "kitchen", "counter light", "Arbeitslicht", _DIMMER),
    Thing("light.floor_lamp", "living_room", "floor lamp", "Stehlampe", _DIMMER),
    Thing("light.chandelier", "living_room", "chandelier", "Kronleuchter", _DIMMER),
    Thing("light.bedroom", "bedroom", "bedroom light", "Schlafzimmerlicht", _DIMMER),
    Thing("light.bedside", "bedroom", "bedside lamp", "Nachttischlampe", _DIMMER),
    Thing("light.bathroom", "bathroom", "bathroom light", "Badlicht", _DIMMER),
    Thing("light.hall", "hall", "hall light", "Flurlicht", _DIMMER),
    Thing("light.desk", "office", "desk lamp", "Schreibtischlampe", _DIMMER),
    Thing("light.garden", "garden", "garden lights", "Gartenlicht", _DIMMER),
    Thing("switch.coffee", "kitchen", "coffee machine", "Kaffeemaschine"),
    Thing("switch.heater", "office", "space heater", "Heizlüfter"),
    Thing("switch.printer", "office", "printer", "Drucker"),
    Thing("switch.fountain", "garden", "fountain", "Springbrunnen"),
    Thing(
        "cover.living_blinds",
        "living_room",
        "living room blinds",
        "Wohnzimmerrollo",
        {"device_class": "blind"},
    ),
    Thing(
        "cover.bedroom_curtain",
        "bedroom",
        "bedroom curtains",
        "Schlafzimmervorhang",
        {"device_class": "curtain"},
    ),
    Thing("cover.office_shutter", "office", "office shutter", "Bürorollladen", {"device_class": "shutter"}),
    Thing("cover.garage_door", "garage", "garage door", "Garagentor", {"device_class": "garage"}),
    Thing("climate.living", "living_room", "living room thermostat", "Wohnzimmerthermostat"),
    Thing("climate.bedroom", "bedroom", "bedroom thermostat", "Schlafzimmerthermostat"),
    Thing("lock.front", "hall", "front door", "Haustür"),
    Thing("lock.back", "kitchen", "back door", "Hintertür"),
    Thing("fan.bedroom", "bedroom", "bedroom fan", "Schlafzimmerventilator"),
    Thing("fan.bathroom", "bathroom", "bathroom fan", "Badlüfter"),
    Thing("vacuum.robot", "hall", "robot vacuum", "Saugroboter"),
    Thing("media_player.living", "living_room", "living room speaker", "Wohnzimmerlautsprecher"),
    Thing("scene.movie", "", "movie night", "Filmabend"),
    Thing("scene.reading", "", "reading", "Lesen"),
    Thing(
        "sensor.living_temperature",
        "living_room",
        "living room temperature",
        "Wohnzimmertemperatur",
        {"device_class": "temperature", "unit_of_measurement": "°C"},
    ),
    Thing(
        "sensor.outdoor",
        "garden",
        "outdoor temperature",
        "Außentemperatur",
        {"device_class": "temperature", "unit_of_measurement": "°C"},
    ),
    Thing(
        "sensor.humidity",
        "bathroom",
        "bathroom humidity",
        "Badfeuchtigkeit",
        {"device_class": "humidity", "unit_of_measurement": "%"},
    ),
    Thing(
        "binary_sensor.kitchen_window",
        "kitchen",
        "kitchen window",
        "Küchenfenster",
        {"device_class": "window"},
    ),
)

_TOPICS: dict[str, dict[str, Any]] = {
    "cover": {"position_topic": "~/position", "set_position_topic": "~/position/set"},
    "climate": {
        "temperature_command_topic": "~/temperature/set",
        "temperature_state_topic": "~/temperature",
        "current_temperature_topic": "~/current",
        "mode_command_topic": "~/mode/set",
        "mode_state_topic": "~/mode",
        "modes": ["off", "heat"],
    },
    "fan": {"percentage_command_topic": "~/percentage/set", "percentage_state_topic": "~/percentage"},
    "media_player": {
        "volume_command_topic": "~/volume/set",
        "volume_state_topic": "~/volume",
        "mute_command_topic": "~/mute/set",
    },
}


def announcement(thing: Thing, language: str = "en") -> tuple[str, bytes]:
    """Return the retained discovery message of a thing, with abbreviations as devices use them."""
    domain, _, name = thing.id.partition(".")
    german = language == "de"
    room = ROOMS[thing.room][german]
    device = {"ids": [thing.id], "name": thing.german if german else thing.english}
    if room:
        device["sa"] = room
    document: dict[str, Any] = {
        "~": f"house/{thing.id}",
        "uniq_id": thing.id,
        "name": None,
        "def_ent_id": thing.id,
        "dev": device,
        "cmd_t": "~/set",
        **_TOPICS.get(domain, {}),
        **thing.more,
    }
    if domain not in {"scene", "climate"}:
        document["stat_t"] = "~/state"
    return f"{PREFIX}/{domain}/{name}/config", msgspec.json.encode(document)


def crowd(count: int) -> list[Thing]:
    """Return so many more devices, as a large house has them."""
    kinds = ("light", "switch", "cover", "fan", "sensor")
    words = ("north", "south", "east", "west", "upper", "lower", "left", "right", "old", "new")
    nouns = {"light": "spot", "switch": "socket", "cover": "awning", "fan": "blower", "sensor": "probe"}
    rooms = [room for room in ROOMS if room]
    found = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        name = f"{words[number // 5 % 10]} {nouns[kind]} {number}"
        found.append(Thing(f"{kind}.crowd_{number}", rooms[number % len(rooms)], name, name))
    return found
