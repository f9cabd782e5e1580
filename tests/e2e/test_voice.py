"""A real daemon with a real microphone and speaker, spoken to and listened to as a person does."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest
from rapidfuzz import fuzz

from edge_assistant.bench.voice.sound import Recording, SoundServer, sound_server
from edge_assistant.speech.phrase import plain
from edge_assistant.speech.resample import resample
from tests.daemon import Daemon, run_cli
from tests.hearing import Samples, begins_like, sounds_like

NO_SOUND = {"PULSE_SERVER": "unix:/nonexistent", "ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf"}


def voice(daemon: Daemon) -> dict[str, Any]:
    report: dict[str, Any] = daemon.order(type="status")["voice"]
    return report


@functools.cache
def token_of(daemon: Daemon) -> str:
    """Return one token, however often it is asked: a device has room for some hundreds."""
    return str(daemon.order(type="add_token", name="test")["token"])


def as_owner(daemon: Daemon, path: str) -> Any:
    headers = {"Authorization": f"Bearer {token_of(daemon)}"}
    request = urllib.request.Request(daemon.url + path, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def wait_for_ears(daemon: Daemon) -> None:
    """Wait until the microphone is open and the model is there."""
    daemon.wait_for_model()
    daemon.wait_until(lambda: (voice(daemon)["input"] or {}).get("condition") == "open")
    daemon.wait_until(lambda: voice(daemon)["phase"] == "idle")


@pytest.fixture
def talking(make_daemon: Callable[..., Daemon], sound: SoundServer, voice_models: Any) -> Daemon:
    daemon = make_daemon(
        EDGE_ASSISTANT__VOICE__ENABLED="on",
        EDGE_ASSISTANT__LLM__MAX_TOKENS="50",
        EDGE_ASSISTANT__LLM__TEMPERATURE="0",
    )
    wait_for_ears(daemon)
    return daemon


def test_a_spoken_question_is_answered_aloud(
    talking: Daemon, sound: SoundServer, spoken: Callable[[str], Samples], written: Callable[[Samples], str]
) -> None:
    with sound.recording() as recording:
        sound.speak(spoken("Okay Nabu, why is the sky blue?"))
        talking.wait_until(lambda: voice(talking)["timings"] is not None, 60)
        talking.wait_until(lambda: voice(talking)["phase"] == "idle", 60)
    (turn,) = all_turns(talking)
    assert sounds_like(turn["user_text"], "sky blue")
    assert sounds_like(written(recording.samples), turn["answer_text"])
    timings = voice(talking)["timings"]
    assert 0 < timings["endpoint_ms"] < timings["sound_ms"]


def loudest(recording: Recording) -> int:
    return int(abs(recording.samples.astype(int)).max(initial=0))


def speech_worker(daemon: Daemon) -> int:
    """Return its process, 0 while none runs."""
    running = (each for each in daemon.workers if each.status() != psutil.STATUS_ZOMBIE)
    return next((each.pid for each in running if "speech.worker" in " ".join(each.cmdline())), 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_ears_and_mouth_that_die_or_freeze_come_back_and_it_is_said(
    talking: Daemon, sound: SoundServer, spoken: Callable[[str], Samples], number: signal.Signals
) -> None:
    before, daemon = speech_worker(talking), talking.pid
    os.kill(before, number)
    talking.wait_until(lambda: speech_worker(talking) not in {0, before})
    talking.wait_until(lambda: "ears and mouth work again" in talking.log)
    wait_for_ears(talking)
    sound.speak(spoken("Okay Nabu, why is the sky blue?"))
    talking.wait_until(lambda: voice(talking)["timings"] is not None, 60)
    assert talking.pid == daemon


def all_turns(daemon: Daemon) -> list[dict[str, Any]]:
    (session,) = daemon.order(type="sessions", user="household")["items"]
    turns: list[dict[str, Any]] = as_owner(daemon, f"/api/sessions/{session['id']}")["turns"]
    return turns


def last_turn(daemon: Daemon) -> dict[str, Any]:
    return all_turns(daemon)[-1]


def begin_a_long_answer(daemon: Daemon, sound: SoundServer, spoken: Callable[[str], Samples]) -> None:
    sound.speak(spoken("Okay Nabu, tell me a long story about a lighthouse."))
    daemon.wait_until(lambda: voice(daemon)["phase"] == "speaking", 60)
    time.sleep(3)


def test_never_mind_after_the_wake_word_ends_the_answer_and_keeps_what_was_heard(
    make_daemon: Callable[..., Daemon],
    starter_model: Any,
    sound: SoundServer,
    spoken: Callable[[str], Samples],
    written: Callable[[Samples], str],
) -> None:
    daemon = make_daemon(EDGE_ASSISTANT__VOICE__ENABLED="on", EDGE_ASSISTANT__LLM__TEMPERATURE="0")
    wait_for_ears(daemon)
    with sound.recording() as recording:
        begin_a_long_answer(daemon, sound, spoken)
        sound.speak(spoken("Okay Nabu, never mind."))
        daemon.wait_until(lambda: voice(daemon)["phase"] == "idle")
        time.sleep(0.5)
    said = plain(written(recording.samples))
    daemon.wait_until(lambda: last_turn(daemon)["status"] == "interrupted")  # it has not just come to its end
    turn = last_turn(daemon)
    assert begins_like(turn["user_text"], "tell me a long story about a lighthouse")
    assert 0 < len(turn["answer_text"]) < 500
    assert fuzz.ratio(said, plain(turn["answer_text"])) > 75


def test_a_stop_word_silences_the_answer_without_the_wake_word(
    make_daemon: Callable[..., Daemon],
    starter_model: Any,
    sound: SoundServer,
    spoken: Callable[[str], Samples],
) -> None:
    daemon = make_daemon(
        EDGE_ASSISTANT__VOICE__ENABLED="on",
        EDGE_ASSISTANT__VOICE__STOP_WORDS='["alexa"]',  # any model does: "stop" itself comes in no package
    )
    wait_for_ears(daemon)
    sound.speak(spoken("Alexa."))
    assert voice(daemon)["phase"] == "idle", "it is armed only while something is said"
    with sound.recording() as recording:
        begin_a_long_answer(daemon, sound, spoken)
        sound.speak(spoken("Alexa."))
        daemon.wait_until(lambda: voice(daemon)["phase"] == "idle")
        quiet_from = len(recording.samples)
        daemon.wait_until(lambda: len(recording.samples) > quiet_from + 24_000)
        after = recording.samples[quiet_from + 8_000 :]
    assert abs(after.astype(int)).max() < 100
    daemon.wait_until(lambda: last_turn(daemon)["status"] == "interrupted")  # it has not just come to its end
    assert 0 < len(last_turn(daemon)["answer_text"]) < 500


@pytest.fixture
def cancelling(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """Run a sound server whose microphone hears nothing of the speaker, and is named as a canceller's."""
    with sound_server(source="mic.echo-cancel") as server:
        for key, value in server.environ.items():
            monkeypatch.setenv(key, value)
        yield server


def test_where_the_echo_is_cancelled_a_question_interrupts_without_the_wake_word_and_yeah_does_not(
    make_daemon: Callable[..., Daemon],
    starter_model: Any,
    cancelling: SoundServer,
    voice_models: Any,
    spoken: Callable[[str], Samples],
) -> None:
    daemon = make_daemon(EDGE_ASSISTANT__VOICE__ENABLED="on", EDGE_ASSISTANT__LLM__TEMPERATURE="0")
    wait_for_ears(daemon)
    begin_a_long_answer(daemon, cancelling, spoken)
    cancelling.speak(spoken("Yeah."))
    time.sleep(2)
    daemon.wait_until(lambda: voice(daemon)["phase"] == "speaking")
    assert last_turn(daemon)["status"] != "interrupted", "who only listens gets the rest"
    cancelling.speak(spoken("What is the capital of France?"))
    daemon.wait_until(lambda: len(all_turns(daemon)) == 2)
    daemon.wait_until(lambda: all_turns(daemon)[0]["status"] == "interrupted")
    first, second = all_turns(daemon)
    assert begins_like(first["user_text"], "tell me a long story about a lighthouse")
    assert 0 < len(first["answer_text"]) < 500
    assert sounds_like(second["user_text"], "what is the capital of France")


async def say_into_a_page(daemon: Daemon, samples: Samples) -> tuple[list[dict[str, Any]], Samples]:
    """Return the events until the answer was spoken, and its sound at 16 kHz."""
    token = daemon.order(type="add_token", name="page")["token"]
    events: list[dict[str, Any]] = []
    sounds: list[bytes] = []
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(f"{daemon.url}/api/ws") as socket,
    ):
        await socket.send_json({"type": "audio.start", "id": "said-1", "session": "page-1"})
        for start in range(0, len(samples), 3200):
            await socket.send_bytes(samples[start : start + 3200].tobytes())
        await socket.send_json({"type": "audio.end", "id": "said-1"})
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.BINARY:
                if len(frame.data) == 4:
                    break
                sounds.append(frame.data[4:])
            else:
                events.append(frame.json())
                assert events[-1]["type"] != "error", events[-1]
    rate = next(each["rate"] for each in events if each["type"] == "audio.begin")
    return events, resample(np.frombuffer(b"".join(sounds), np.int16), rate, 16_000)


async def test_what_is_said_into_a_page_is_answered_aloud_without_any_device(
    make_daemon: Callable[..., Daemon],
    starter_model: Any,
    spoken: Callable[[str], Samples],
    written: Callable[[Samples], str],
) -> None:
    daemon = make_daemon(
        EDGE_ASSISTANT__VOICE__ENABLED="on", EDGE_ASSISTANT__VOICE__INPUT="off",
        EDGE_ASSISTANT__VOICE__OUTPUT="off", EDGE_ASSISTANT__LLM__TEMPERATURE="0",
        EDGE_ASSISTANT__LLM__MAX_TOKENS="40", **NO_SOUND,
    )  # fmt: skip
    daemon.wait_for_model()
    async with asyncio.timeout(60):
        events, sound = await say_into_a_page(daemon, spoken("Why is the sky blue?"))
    final = next(each for each in events if each["type"] == "transcript.final")
    assert final["id"] == "said-1"
    assert begins_like(final["text"], "why is the sky blue")
    finished = next(each for each in events if each["type"] == "turn.finished")
    assert sounds_like(written(sound), finished["text"])


def test_without_a_sound_server_it_chats_on_and_says_why_it_is_deaf(
    make_daemon: Callable[..., Daemon], starter_model: Any, voice_models: Any
) -> None:
    daemon = make_daemon(EDGE_ASSISTANT__VOICE__ENABLED="on", **NO_SOUND)
    daemon.wait_until(lambda: voice(daemon)["phase"] == "error")
    assert "no microphone" in " ".join(voice(daemon)["problems"])
    assert "ears and mouth don't work: there is no microphone" in daemon.log
    found = daemon.cli("doctor")
    assert found.returncode == 1
    assert "FAILED   voice: error; there is no microphone" in found.stdout
    daemon.wait_for_model()
    assert daemon.ask("Say hello.")["type"] == "turn.finished"


def test_missing_engines_are_named_and_the_rest_works(
    make_daemon: Callable[..., Daemon], starter_model: Any, sound: SoundServer, tmp_path: Any, state: Any
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / starter_model.parent.name).symlink_to(starter_model.parent)
    daemon = make_daemon(EDGE_ASSISTANT__VOICE__ENABLED="on", EDGE_ASSISTANT_MODELS=str(models))
    daemon.wait_until(lambda: voice(daemon)["phase"] == "error")
    assert any("whisper-tiny.en-int8" in each for each in voice(daemon)["problems"])
    daemon.wait_for_model()
    assert daemon.ask("Say hello.")["type"] == "turn.finished"


def test_a_device_without_voice_runs_no_process_for_it(daemon: Daemon) -> None:
    assert daemon.order(type="status")["voice"] is None
    assert not any("speech" in " ".join(each.cmdline()) for each in daemon.workers)


def test_say_and_listen_use_the_running_daemon(
    talking: Daemon, sound: SoundServer, spoken: Callable[[str], Samples], written: Callable[[Samples], str]
) -> None:
    with sound.recording() as recording:
        done = talking.cli("say", "The bread is in the oven.")
    assert (done.returncode, done.stderr) == (0, "")
    assert sounds_like(written(recording.samples), "bread is in the oven")
    with sound.recording() as recording:
        listening = talking.begin("listen", "--once")
        talking.wait_until(lambda: loudest(recording) > 1_000)  # the command has started: its sign is heard
    time.sleep(0.5)  # and over
    sound.speak(spoken("Turn on the light in the kitchen."))
    out, _ = listening.communicate(timeout=60)
    assert listening.returncode == 0
    assert sounds_like(out, "light in the kitchen")
    assert talking.order(type="sessions", user="household")["items"] == [], "it is not answered"


def test_say_and_listen_need_no_daemon(
    state: Any, sound: SoundServer, voice_models: Any, written: Callable[[Samples], str]
) -> None:
    with sound.recording() as recording:
        assert run_cli("say", "The bread is in the oven.").returncode == 0
    assert sounds_like(written(recording.samples), "bread is in the oven")
    silent = run_cli("listen", "--once")
    assert (silent.returncode, silent.stdout) == (1, "")
    devices = run_cli("listen", "--devices")
    assert "default  (microphone and speaker" in devices.stdout


def test_say_without_anything_to_speak_with_is_one_clear_line(state: Any) -> None:
    said = run_cli(
        "say", "Hello.", environ={**os.environ, **NO_SOUND, "EDGE_ASSISTANT_MODELS": str(state.state)}
    )
    assert said.returncode == 1
    assert said.stderr.startswith("error: ")
    assert said.stderr.count("\n") == 1
