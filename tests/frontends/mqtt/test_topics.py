from __future__ import annotations

import pytest

from edge_assistant.frontends.mqtt.topics import Topics, device_of, is_device, may_answer_to


@pytest.mark.parametrize(
    ("host", "device"),
    [("Pi.lan", "pi"), ("living room_2", "living-room-2"), ("cloud", "assistant"), ("ü", "assistant")],
)
def test_a_device_is_named_after_its_host(host, device):
    assert device_of(host) == device
    assert is_device(device)


def test_topics_begin_with_the_device():
    assert Topics("pi")["persona/set"] == "edge-assistant/pi/persona/set"


@pytest.mark.parametrize(
    "topic",
    ["home/x", "edge-assistant", "edge-assistant/+/x", "edge-assistant/#", "edge-assistant/" + "x" * 256],
)
def test_answers_go_below_our_own_root_only(topic):
    assert not may_answer_to(topic)
    assert may_answer_to("edge-assistant/phone/replies")
