"""What is asked about, whatever a device says that it is."""

from __future__ import annotations

import json

import pytest

from edge_assistant.home.control import Control
from edge_assistant.home.discovery import parse
from edge_assistant.home.registry import Registry
from edge_assistant.home.risk import effect_of
from edge_assistant.home.template import Templates
from edge_assistant.people.person import Principal
from edge_assistant.tools.home_tools import ControlTool, Orders
from edge_assistant.tools.protocol import Occasion


@pytest.mark.parametrize(
    ("domain", "service", "device_class", "name", "risk"),
    [
        ("lock", "lock", "", "Front door", "free"),
        ("lock", "unlock", "", "Front door", "confirm"),
        ("lock", "open", "", "Haustür", "confirm"),
        ("cover", "open_cover", "garage", "Big one", "confirm"),
        ("cover", "open_cover", "", "Garage door", "confirm"),
        ("cover", "open_cover", "", "Garagentor", "confirm"),
        ("cover", "stop_cover", "", "Garagentor", "free"),
        ("cover", "open_cover", "", "Living room blinds", "free"),
        ("cover", "open_cover", "shutter", "Balcony door shutter", "free"),
        ("switch", "turn_on", "", "Gate", "confirm"),
        ("switch", "turn_on", "", "Einfahrtstor", "confirm"),
        ("button", "press", "", "Türöffner", "confirm"),
        ("scene", "turn_on", "", "Unlock everything", "confirm"),
        ("switch", "turn_on", "", "Front door light", "free"),
        ("switch", "turn_on", "", "Door bell", "free"),
        ("switch", "turn_on", "", "Ventilator", "free"),
        ("switch", "turn_on", "", "Monitor", "free"),
        ("switch", "turn_on", "", "Outdoor socket", "free"),
        ("light", "turn_on", "", "Garage", "free"),
        ("valve", "close_cover", "", "Water", "confirm"),
        ("siren", "turn_on", "", "Siren", "confirm"),
        ("siren", "turn_off", "", "Siren", "free"),
        ("alarm_control_panel", "alarm_disarm", "", "Alarm", "pin"),
    ],
)
def test_the_risk_is_that_of_the_effect(domain, service, device_class, name, risk):
    assert effect_of(domain, service, device_class, (name,)) == risk


def test_a_lamp_on_the_topic_of_a_lock_is_asked_about_as_the_lock_is():
    registry = Registry()
    announced = {
        "lock/front": {"name": "Front door", "command_topic": "door/set"},
        "light/hall": {"name": "Hall", "command_topic": "door/set", "payload_on": "UNLOCK"},
        "light/attic": {"name": "Attic", "command_topic": "attic/set"},
    }
    for path, config in announced.items():
        topic, payload = f"homeassistant/{path}/config", json.dumps(config | {"unique_id": path}).encode()
        registry.replace(topic, parse("homeassistant", topic, payload))
    tool = ControlTool(registry, Control(registry, None, Templates()), {})
    occasion = Occasion(principal=Principal("ann", "owner"), session="s", source="web")
    risks = [
        tool.effect(Orders(entities=(entity,), service="turn_on"), occasion).risk
        for entity in ("light.attic", "light.hall")
    ]
    assert risks == ["free", "confirm"]
