"""`doctor --fix` does what is safe, says what it does, and leaves the rest to the owner."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from edge_assistant.cli import main
from edge_assistant.config import Config, LlmSettings, Paths, load_paths
from edge_assistant.memory.embedding import EMBEDDER
from edge_assistant.ops import mend
from edge_assistant.ops.doctor import CHECKS
from edge_assistant.ops.finding import failed, warning
from edge_assistant.ops.mend import Step, carried_out, steps
from edge_assistant.store.keys import KeyRing


@pytest.fixture
def open_state(state: Paths) -> Paths:
    """Return a device that others may look into."""
    KeyRing(state.state).create()
    KeyRing(state.state).device_key_path.chmod(0o644)
    state.state.chmod(0o755)
    return state


def modes(paths: Paths) -> tuple[int, int]:
    return paths.state.stat().st_mode & 0o777, KeyRing(paths.state).device_key_path.stat().st_mode & 0o777


def fixed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, list[dict[str, object]]]:
    main(["doctor", "--fix", "--json", *words])
    told: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return told


def test_a_state_folder_that_others_may_look_into_is_closed(
    open_state: Paths, starter_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fixed(capsys)
    assert modes(open_state) == (0o700, 0o600)
    assert {(each["finding"], each["done"]) for each in told["fixes"]} == {("state", True), ("key", True)}
    outcomes = {each["name"]: each["outcome"] for each in told["findings"]}
    assert (outcomes["state"], outcomes["key"]) == ("ok", "ok")
    assert fixed(capsys)["fixes"] == []


def test_a_dry_run_says_the_same_and_does_nothing(
    open_state: Paths, starter_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fixed(capsys, "--dry-run")
    assert modes(open_state) == (0o755, 0o644)
    assert {(each["finding"], each["done"]) for each in told["fixes"]} == {("state", False), ("key", False)}
    main(["doctor", "--fix", "--dry-run"])
    assert f"would do: chmod 700 {open_state.state}" in capsys.readouterr().out
    assert main(["doctor", "--dry-run"]) == 2


def test_without_fix_nothing_is_changed(open_state: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 1
    assert modes(open_state) == (0o755, 0o644)
    assert "chmod 600" in capsys.readouterr().out


def test_only_what_is_safe_is_done_whatever_is_wrong(state: Paths) -> None:
    names = [check.__name__.removeprefix("check_").replace("_", " ") for check in CHECKS]
    everything = [warning(name, "", "mend it") for name in names]
    assert {step.finding for step in steps(Config(), state, everything)} <= {
        "state", "key", "model", "embedder", "time sync"
    }  # fmt: skip


def test_models_of_the_catalogue_are_pulled_and_others_are_not(
    state: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_ASSISTANT_MODELS", str(tmp_path / "models"))
    ill = [failed("model", "", "pull it"), warning("embedder", "", "pull it")]

    def pulled(model: str) -> list[str]:
        found = steps(Config(llm=LlmSettings(model=model)), load_paths(), ill)
        return [step.what.removeprefix("edge-assistant models pull ") for step in found]

    assert pulled("smollm2-135m-instruct-q4_1") == ["smollm2-135m-instruct-q4_1", EMBEDDER]
    assert pulled("no-such-model") == pulled("/srv/my.gguf") == [EMBEDDER]


def test_root_does_not_pull_models_that_the_service_could_not_replace(
    state: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mend.os, "geteuid", lambda: os.getuid() + 1)
    assert steps(Config(), state, [failed("model", "", "pull it")]) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(1, "Operation not permitted"), "not permitted"),
        (subprocess.CalledProcessError(1, ["pull"]), "above"),
        (subprocess.TimeoutExpired(["pull"], 3), "timed out"),
    ],
)
def test_what_can_not_be_done_is_said(error: Exception, words: str) -> None:
    def carry_out() -> None:
        raise error

    outcome = carried_out(Step("model", "edge-assistant models pull x", carry_out))
    assert not outcome.done
    assert words in outcome.problem


@pytest.mark.parametrize("code", [0, 1])
def test_the_clock_follows_a_time_server_again_where_systemd_runs_and_root_asks(
    state: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int
) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\necho $* > {tmp_path}/called\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(mend, "SYSTEMD", tmp_path)
    monkeypatch.setattr(mend.os, "geteuid", lambda: 0)
    (step,) = steps(Config(), state, [warning("time sync", "", "sudo timedatectl set-ntp true")])
    assert carried_out(step).done == (code == 0)
    assert (tmp_path / "called").read_text() == "set-ntp true\n"
    monkeypatch.setattr(mend, "SYSTEMD", tmp_path / "nothing")
    assert steps(Config(), state, [warning("time sync", "", "")]) == []
