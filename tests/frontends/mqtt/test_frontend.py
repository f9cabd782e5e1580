"""The frontend on a real broker and a real store; only the model is scripted."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from edge_assistant.assistant.request import HOUSEHOLD
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.mqtt.frontend import MqttFrontend
from edge_assistant.frontends.mqtt.topics import Topics
from edge_assistant.mqtt.connection import Connection
from tests.mqtt.test_connection import until


async def test_a_plain_question_is_answered_in_pieces_and_whole(house):
    await house.say("edge-assistant/pi/ask", "Hi")
    (answer,) = await house.heard("edge-assistant/pi/answer")
    assert (answer["text"], answer["route"]["rung"]) == ("Hello there.", "local")
    pieces = await house.heard("edge-assistant/pi/answer/stream", 2)
    assert "".join(piece["text"] for piece in pieces) == "Hello there."
    assert {piece["session"] for piece in pieces} == {answer["session"]}


async def test_the_answer_goes_to_the_response_topic_with_its_correlation(house):
    await house.say(
        "edge-assistant/pi/ask", "Hi", response_topic="edge-assistant/phone/r", correlation=b"\x01"
    )
    (answer,) = await house.heard("edge-assistant/phone/r")
    assert answer["text"] == "Hello there."
    assert house.on("edge-assistant/phone/r")[0].correlation == b"\x01"
    assert house.on("edge-assistant/pi/answer") == []


async def test_an_answer_never_goes_outside_our_own_topics(house):
    await house.say("edge-assistant/pi/ask", "Hi", response_topic="zigbee2mqtt/lock/set")
    (answer,) = await house.heard("edge-assistant/pi/answer")
    assert answer["error"]["code"] == "MQTT_TOPIC_BAD"
    assert house.model.generations == []
    assert house.on("zigbee2mqtt/lock/set") == []


async def test_a_question_that_comes_again_is_answered_again_and_not_asked_twice(house):
    for _ in range(3):
        await house.say("edge-assistant/pi/ask", {"text": "Hi", "id": "one"})
    answers = await house.heard("edge-assistant/pi/answer", 3)
    assert {(answer["id"], answer["text"], answer["session"]) for answer in answers} == {
        ("one", "Hello there.", answers[0]["session"])
    }
    assert len(house.model.generations) == 1


async def test_questions_go_on_with_the_latest_conversation(house):
    await house.say("edge-assistant/pi/ask", "One")
    await house.heard("edge-assistant/pi/answer")
    await house.say("edge-assistant/pi/ask", "Two")
    one, two = await house.heard("edge-assistant/pi/answer", 2)
    assert one["session"] == two["session"]
    await house.say("edge-assistant/pi/ask", {"text": "Three", "session": "kitchen"})
    assert (await house.heard("edge-assistant/pi/answer", 3))[2]["session"] == "kitchen"


async def test_an_old_command_is_refused(house):
    await house.say("edge-assistant/pi/ask", {"text": "Hi", "sent_at": time.time() - 60})
    (answer,) = await house.heard("edge-assistant/pi/answer")
    assert answer["error"]["code"] == "MQTT_COMMAND_OLD"
    assert house.model.generations == []


async def test_a_command_that_the_broker_kept_from_before_does_nothing(house):
    await house.say("edge-assistant/pi2/ask", "Old", retain=True)
    late = MqttFrontend(
        Connection(house.mosquitto.broker, "pi2"), Topics("pi2"), house.assistant, house.device,
        house.frontend._seen, principal=HOUSEHOLD, discovery_prefix="",
    )  # fmt: skip
    await late.start()
    await house.heard("edge-assistant/pi2/availability")
    await house.say("edge-assistant/pi2/ask", "New")
    await house.heard("edge-assistant/pi2/answer")
    assert [generation.messages[-1].content for generation in house.model.generations] == ["New"]
    await late.stop()


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe",
        b"{",
        b'{"text": 1}',
        b'{"text": "Hi", "session": "../x"}',
        b"{" * 5000,
        b"x" * 100_000,
        b" ",
    ],
)
async def test_a_hostile_payload_gets_one_clear_error(house, payload):
    await house.say("edge-assistant/pi/ask", payload)
    (answer,) = await house.heard("edge-assistant/pi/answer")
    assert answer["error"]["code"] in {"MQTT_COMMAND_BAD", "TEXT_EMPTY"}
    assert house.model.generations == []


async def test_the_persona_is_chosen_and_shown(house):
    await house.say("edge-assistant/pi/persona/set", "butler")
    await until(
        lambda: any(json.loads(m.payload)["persona"] == "butler" for m in house.on("edge-assistant/pi/state"))
    )
    await house.say("edge-assistant/pi/persona/set", "pirate")
    (answer,) = await house.heard("edge-assistant/pi/answer")
    assert answer["error"]["code"] == "CONFIG_BAD_VALUE"


async def test_stop_ends_the_answer_that_runs(house):
    gate = asyncio.Event()
    house.model.steps = ["Once ", gate, "upon a time"]
    await house.say("edge-assistant/pi/ask", "Tell me a story")
    await house.heard("edge-assistant/pi/answer/stream")
    await house.say("edge-assistant/pi/stop", "")
    (answer,) = await house.heard("edge-assistant/pi/answer")
    assert answer["text"] == "Once "


async def test_the_state_is_retained_and_tells_the_phase_and_the_last_timings(house):
    gate = asyncio.Event()
    house.model.steps = ["a", gate, "b"]
    await house.say("edge-assistant/pi/ask", "Hi")
    await until(lambda: any(b'"thinking"' in m.payload for m in house.on("edge-assistant/pi/state")))
    gate.set()
    await until(lambda: json.loads(house.on("edge-assistant/pi/state")[-1].payload).get("answer") == "ab")
    state = json.loads(house.on("edge-assistant/pi/state")[-1].payload)
    assert state["phase"] == "idle"
    assert state["timings"]["total_ms"] > 0


async def test_a_failed_answer_says_its_code(house):
    house.model.steps = [EdgeError("MODEL_GONE", "gone")]
    await house.say("edge-assistant/pi/ask", "Hi")
    (answer,) = await house.heard("edge-assistant/pi/answer")
    assert answer["error"]["code"] == "MODEL_GONE"


async def test_home_assistant_finds_the_device_again_when_either_side_restarts(house):
    topic = "homeassistant/device/pi/config"
    (found,) = await house.heard(topic)
    assert found["device"]["name"] == "Nabu"
    await house.say("homeassistant/status", "online")
    await house.heard(topic, 2)
    house.mosquitto.kill()
    house.mosquitto.start()
    await house.heard(topic, 3)
    assert (await house.heard("edge-assistant/pi/availability"))[-1] == "online"


async def test_an_orderly_end_says_offline(house):
    await house.frontend.stop()
    await until(lambda: house.on("edge-assistant/pi/availability")[-1].payload == b"offline")


async def test_what_is_marked_as_private_is_not_asked_elsewhere(house):
    text = "Ask the cloud: why is the sky blue?"
    await house.say("edge-assistant/pi/ask", {"text": text, "session": "a"})
    await house.say("edge-assistant/pi/ask", {"text": text, "session": "b", "private": True})
    answers = await house.heard("edge-assistant/pi/answer", 2)
    assert {each["session"]: each["route"]["rung"] for each in answers} == {"a": "cloud", "b": "local"}
    assert len(house.cloud.generations) == 1
