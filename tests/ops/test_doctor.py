"""The doctor finds what is wrong and says what to do about it."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from edge_assistant.config import Config, LlmSettings, Paths, WebSettings
from edge_assistant.config.schema import VoiceSettings
from edge_assistant.ops import doctor
from edge_assistant.ops.doctor import examine
from edge_assistant.ops.finding import Finding, Patient, VoiceHealth
from edge_assistant.store.keys import KeyRing
from tests.ops.patients import needs_fix, patient

MANUAL = Path(__file__).parents[2] / "docs/operations.md"


def test_a_healthy_device_has_nothing_to_mend(state: Paths, starter_model: Path) -> None:
    findings = examine(Config(web=WebSettings(port=0)), state)
    assert [each for each in findings if each.outcome == "failed"] == []
    assert {"python", "processor", "memory", "disk", "model", "key", "clock", "port", "state"} <= {
        each.name for each in findings
    }


def test_a_board_without_room_for_the_model_is_told_to_take_a_smaller_one(state: Paths) -> None:
    needs_fix(doctor.check_memory(patient(state, memory_bytes=200 << 20)))
    needs_fix(doctor.check_memory(patient(state, memory_available_bytes=100 << 20)), "warning")


def test_a_full_disk_fails_and_a_nearly_full_one_warns(state: Paths) -> None:
    needs_fix(doctor.check_disk(patient(state, disk_free_bytes=100 << 20)))
    needs_fix(doctor.check_disk(patient(state, disk_free_bytes=700 << 20)), "warning")


def test_a_hot_or_old_processor_is_a_warning(state: Paths) -> None:
    needs_fix(doctor.check_temperature(patient(state, temperature_celsius=84.0)), "warning")
    needs_fix(doctor.check_processor(patient(state, features=())), "warning")
    assert doctor.check_temperature(patient(state, temperature_celsius=None)).outcome == "ok"


@pytest.mark.parametrize("now", [0.0, 1_500_000_000.0, 5_000_000_000.0])
def test_a_clock_that_can_not_be_right_fails(
    state: Paths, monkeypatch: pytest.MonkeyPatch, now: float
) -> None:
    monkeypatch.setattr(doctor.time, "time", lambda: now)
    needs_fix(doctor.check_clock(patient(state)))


def test_a_house_that_cannot_reach_the_page_is_told_why(state: Paths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        web = WebSettings(port=0, tls_host="127.0.0.1", tls_port=server.getsockname()[1])
        taken = doctor.check_house(patient(state, Config(web=web)))
        assert (taken.outcome, bool(taken.fix)) == ("warning", True)
    assert doctor.check_house(patient(state, Config(web=web))).outcome == "ok"
    runs = msgspec.structs.replace(patient(state, Config(web=web)), daemon_url="", house_problem="no network")
    assert "no network" in doctor.check_house(runs).detail
    assert doctor.check_house(patient(state, Config(web=WebSettings(lan=False)))).outcome == "ok"


def test_a_port_of_another_program_fails_but_not_that_of_the_daemon(state: Paths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = Config(web=WebSettings(port=server.getsockname()[1]))
        needs_fix(doctor.check_port(patient(state, config)))
        own = msgspec.structs.replace(patient(state, config), daemon_url="http://127.0.0.1:1")
        assert doctor.check_port(own).outcome == "ok"


def test_a_missing_a_damaged_and_an_unknown_model_say_how_to_get_one(state: Paths, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"not a model")
    for model in (str(damaged), str(tmp_path / "missing.gguf"), "no-such-model"):
        config = Config(llm=LlmSettings(model=model))
        finding = next(each for each in examine(config, state) if each.name == "model")
        needs_fix(finding)


def test_keys_that_others_may_read_or_that_do_not_fit_fail(state: Paths) -> None:
    ring = KeyRing(state.state)
    ring.create()
    assert doctor.check_key(patient(state)).outcome == "ok"
    ring.device_key_path.chmod(0o644)
    needs_fix(doctor.check_key(patient(state)))
    ring.device_key_path.unlink()
    ring.device_key_path.write_bytes(bytes(32))
    ring.device_key_path.chmod(0o600)
    finding = next(each for each in examine(Config(), state) if each.name == "key")
    needs_fix(finding)


def test_a_state_folder_open_to_others_is_a_warning(state: Paths) -> None:
    state.state.mkdir(mode=0o755)
    needs_fix(doctor.check_state(patient(state)), "warning")


def test_a_voice_tells_its_phase_what_is_broken_and_how_often_the_wake_word_was_nearly_heard(
    state: Paths,
) -> None:
    def checked(phase: str, *problems: str) -> Finding:
        health = VoiceHealth(phase=phase, problems=problems, near_misses=3, muted=False)
        own = patient(state, Config(voice=VoiceSettings(enabled=True)))
        return doctor.check_voice(msgspec.structs.replace(own, voice=health))

    well = checked("idle")
    assert (well.outcome, well.detail) == ("ok", "idle; the wake word was nearly heard 3 times")
    needs_fix(checked("idle", "no model `x`"), "warning")
    broken = checked("error", "there is no microphone")
    needs_fix(broken)
    assert "there is no microphone" in broken.detail


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(
    state: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_of_something(_: Patient) -> Finding:
        raise ValueError("a canary")

    monkeypatch.setattr(doctor, "CHECKS", (check_of_something, doctor.check_python))
    broken, python = examine(Config(), state)
    needs_fix(broken)
    assert (broken.name, "canary" in broken.detail, python.outcome) == ("of something", False, "ok")


def test_every_check_has_a_name_of_its_own(state: Paths) -> None:
    names = [finding.name for finding in examine(Config(web=WebSettings(port=0)), state)]
    assert len(set(names)) == len(names) == len(doctor.CHECKS)
    table = MANUAL.read_text().partition("| check | what it looks at |")[2].partition("\n\n")[0]
    told = {name for row in table.splitlines()[2:] for name in row.split("|")[1].strip().split(", ")}
    assert told == {"configuration", *names}
