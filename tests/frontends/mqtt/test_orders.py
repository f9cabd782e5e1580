"""Commands over a real broker: each once, answered when it is done, whatever else is sent."""

from __future__ import annotations

import json
import os

import pytest

from edge_assistant.config import load_config
from edge_assistant.errors import SpeechError
from edge_assistant.frontends.mqtt.happenings import KINDS
from edge_assistant.people.person import HOUSEHOLD
from tests.mqtt.test_connection import until


async def order(house, name, payload, **more):
    """Send a command and return its answer."""
    reply = f"edge-assistant/phone/{len(house.inbox.messages)}"
    await house.say(f"edge-assistant/pi/{name}", payload, response_topic=reply, **more)
    return (await house.heard(reply))[0]


def state(house):
    return json.loads(house.on("edge-assistant/pi/state")[-1].payload)


async def test_what_is_said_is_answered_when_it_was_heard(house):
    house.voice.gate.clear()
    await house.say("edge-assistant/pi/say", {"text": "Hello.", "id": "1"}, response_topic="edge-assistant/r")
    await house.say("edge-assistant/pi/say", {"text": "Hello.", "id": "1"}, response_topic="edge-assistant/r")
    assert (await order(house, "announce", {"text": "", "id": "2"}))["error"]["code"] == "TEXT_EMPTY"
    assert house.on("edge-assistant/r") == []
    house.voice.gate.set()
    assert await house.heard("edge-assistant/r") == [{"id": "1", "done": True}]
    assert house.voice.said == [("Hello.", False)]
    assert await order(house, "say", {"text": "Hello.", "id": "1"}) == {"id": "1", "done": True}
    assert len(house.voice.said) == 1


async def test_what_failed_may_come_again(house):
    house.voice.error = SpeechError("SPEECH_UNAVAILABLE", "no worker", retry_after=1)
    refused = await order(house, "announce", {"text": "Dinner.", "id": "1"})
    assert refused["error"]["code"] == "SPEECH_UNAVAILABLE"
    house.voice.error = None
    house.voice.outcome = "failed"
    assert (await order(house, "announce", {"text": "Dinner.", "id": "1"}))["error"][
        "code"
    ] == "SAYING_FAILED"
    house.voice.outcome = "drained"
    assert await order(house, "announce", {"text": "Dinner.", "id": "1"}) == {"id": "1", "done": True}
    assert house.voice.said[-1] == ("Dinner.", True)


async def test_switches_numbers_and_choices_take_effect_and_are_shown(house):
    for name, payload in (
        ("mute/set", "ON"), ("quiet/set", "on"), ("volume/set", "40"), ("threshold/set", "93"),
        ("persona/set", "butler"),
    ):  # fmt: skip
        assert await order(house, name, payload) == {"id": "", "done": True}
    await until(lambda: state(house)["persona"] == "butler")
    shown = state(house)
    assert (shown["muted"], shown["quiet"], shown["volume"], shown["threshold"], shown["phase"]) == (
        True, True, 40, 93, "muted",
    )  # fmt: skip
    assert house.preferences.config.voice.volume == 0.4


@pytest.mark.parametrize(
    ("name", "payload", "code"),
    [
        ("mute/set", "maybe", "MQTT_COMMAND_BAD"),
        ("volume/set", "101", "MQTT_COMMAND_BAD"),
        ("volume/set", "nan", "MQTT_COMMAND_BAD"),
        ("volume/set", "loud", "MQTT_COMMAND_BAD"),
        ("threshold/set", "-1", "MQTT_COMMAND_BAD"),
        ("model/set", "../../etc/passwd", "MODEL_MISSING"),
        ("persona/set", "pirate", "CONFIG_BAD_VALUE"),
        ("confirm", {"action": "none", "approve": True}, "NOTHING_TO_CONFIRM"),
        ("confirm", {"action": "../x", "approve": True}, "MQTT_COMMAND_BAD"),
        ("confirm", {"approve": "yes"}, "MQTT_COMMAND_BAD"),
    ],
)
async def test_a_senseless_value_is_refused(house, name, payload, code):
    assert (await order(house, name, payload))["error"]["code"] == code


async def test_a_model_that_is_here_is_chosen(house):
    await order(house, "model/set", "two")
    assert house.preferences.config.llm.model == "two"


async def test_stop_hushes_and_takes_note_of_what_rings(house):
    await house.timers.start(HOUSEHOLD, 1, "tea")
    (timer,) = house.timers.of(HOUSEHOLD)
    house.timers._timers[timer.id] = timer.__class__(
        **{name: getattr(timer, name) for name in timer.__struct_fields__ if name != "rang_at"}, rang_at=1.0
    )
    await order(house, "stop", "")
    assert (house.voice.hushed, house.timers.ringing()) == (1, [])


async def test_a_restart_is_asked_for_once(house):
    await order(house, "restart", {"id": "r1"})
    await order(house, "restart", {"id": "r1"})
    await until(lambda: house.restarts)
    assert house.restarts == [1]


async def test_timers_and_the_wake_word_are_events(house):
    for listener in house.voice.woken:
        listener()
    await house.timers.start(HOUSEHOLD, 1, "tea")
    (timer,) = house.timers.of(HOUSEHOLD)
    house.timers._timers[timer.id] = type(timer)(
        **{n: getattr(timer, n) for n in timer.__struct_fields__ if n != "due_up"}, due_up=timer.due_up - 1
    )
    await house.timers._ring_due()
    events = await house.heard("edge-assistant/pi/event", 2)
    assert [event["event_type"] for event in events] == ["wake_word", "timer_finished"]
    assert events[1]["text"] == "Your timer is done: tea."
    assert {event["event_type"] for event in events} <= set(KINDS)


async def test_an_answer_is_spoken_when_that_is_asked_for(house):
    await house.say("edge-assistant/pi/ask", {"text": "Hi", "speak": True})
    await until(lambda: house.voice.said)
    assert house.voice.said == [("Hello there.", False)]


HOSTILE = [
    b"", b"\x00", b"\xff\xfe\xfd", b"{", b"[" * 100_000, b'{"id": 1}', b'{"text": {"a": 1}}', b"null",
    b'{"id": "' + b"x" * 65 + b'"}', b'{"sent_at": 1e999}', b'{"sent_at": "now"}', b"x" * 200_000,
    os.urandom(1_000), b"x" * 1_048_576,
]  # fmt: skip


async def test_hostile_and_huge_payloads_on_every_topic_do_nothing_and_harm_nobody(house):
    names = ["ask", "confirm", *house.frontend._orders.quick, *house.frontend._orders.slow]
    before = house.preferences.config
    for name in names:
        for payload in HOSTILE:
            if name in {"stop", "restart"} and payload[:1] != b"{":
                continue  # whatever is sent there means it
            await house.say(f"edge-assistant/pi/{name}", payload)
    assert await order(house, "mute/set", "OFF") == {"id": "", "done": True}
    assert house.connection.online
    assert house.preferences.config == before
    assert house.connection.connects == 1


def test_numbers_chosen_over_mqtt_are_numbers_after_a_restart(tmp_path, monkeypatch):
    settings = tmp_path / "settings.json"
    settings.write_text(
        '{"choices": {"voice.volume": "0.4", "voice.quiet": "true", "voice.wake_threshold": "x"}}'
    )
    file = tmp_path / "config.toml"
    file.write_text("")
    config = load_config(file, {"HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path)})
    assert (config.voice.volume, config.voice.quiet, config.voice.wake_threshold) == (0.4, True, 0.0)
