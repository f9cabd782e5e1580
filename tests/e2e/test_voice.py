"""A real daemon with a real microphone and speaker, spoken to and listened to as a person does."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from rapidfuzz import fuzz

from edge_assistant.speech.phrase import plain
from tests.daemon import Daemon
from tests.hearing import Samples
from tests.sound import SoundServer

NO_SOUND = {"PULSE_SERVER": "unix:/nonexistent", "ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf"}


def voice(daemon: Daemon) -> dict[str, Any]:
    report: dict[str, Any] = daemon.order(type="status")["voice"]
    return report


def as_owner(daemon: Daemon, path: str) -> Any:
    token = daemon.order(type="add_token", name="test")["token"]
    request = urllib.request.Request(daemon.url + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wait_for_ears(daemon: Daemon) -> None:
    """Wait until the microphone is open and the model is there."""
    daemon.wait_for_model()
    daemon.wait_until(lambda: (voice(daemon)["input"] or {}).get("condition") == "open", 30)
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
    (session,) = talking.order(type="sessions", user="household")["items"]
    assert session["turns"] == 1
    (turn,) = as_owner(talking, f"/api/sessions/{session['id']}")["turns"]
    assert "sky blue" in turn["user_text"].lower()
    assert fuzz.partial_ratio(plain(written(recording.samples)), plain(turn["answer_text"])) > 80
    timings = voice(talking)["timings"]
    assert 0 < timings["endpoint_ms"] < timings["sound_ms"]


def test_without_a_sound_server_it_chats_on_and_says_why_it_is_deaf(
    make_daemon: Callable[..., Daemon], starter_model: Any, voice_models: Any
) -> None:
    daemon = make_daemon(EDGE_ASSISTANT__VOICE__ENABLED="on", **NO_SOUND)
    daemon.wait_until(lambda: voice(daemon)["phase"] == "error", 30)
    assert "no microphone" in " ".join(voice(daemon)["problems"])
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
    daemon.wait_until(lambda: voice(daemon)["phase"] == "error", 30)
    assert any("whisper-tiny.en-int8" in each for each in voice(daemon)["problems"])
    daemon.wait_for_model()
    assert daemon.ask("Say hello.")["type"] == "turn.finished"


def test_a_device_without_voice_runs_no_process_for_it(daemon: Daemon) -> None:
    assert daemon.order(type="status")["voice"] is None
    assert not any("speech" in " ".join(each.cmdline()) for each in daemon.workers)
