"""A start that goes wrong changes nothing and says why in one line; a wrong clock is no reason to fail."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_assistant.config import Paths, load_config
from edge_assistant.errors import ConfigError
from edge_assistant.store.nightly import nightly_backups
from tests.daemon import Daemon, run_cli
from tests.store.conftest import hashes

CONFIGURATION = """[assistant]
name = "Ada"

[llm]
context = 2048

[personas.butler]
tone = "dry"
"""


def refused(code: str, exit_code: int, **environ: str) -> str:
    """Start the daemon, which must end with one line that names `code`, and return that line."""
    done = run_cli("run", environ={**os.environ, **environ})
    assert done.returncode == exit_code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {code}: "), line
    assert "Traceback" not in done.stderr
    return line


def refusal(file: Path) -> ConfigError | None:
    """Return why a configuration is refused, or None when it is taken."""
    try:
        load_config(file, {})
    except ConfigError as error:
        return error
    return None


def test_a_half_written_configuration_is_refused_by_name_or_means_what_is_there(
    state: Paths, tmp_path: Path
) -> None:
    file, refusals = tmp_path / "half.toml", []
    for length in range(len(CONFIGURATION)):
        file.write_text(CONFIGURATION[:length])
        if error := refusal(file):
            refusals.append(error)
    assert len(refusals) > 20
    assert {each.code for each in refusals} <= {
        "CONFIG_UNREADABLE", "CONFIG_UNKNOWN_KEY", "CONFIG_BAD_VALUE",
    }  # fmt: skip
    assert not [each for each in refusals if "\n" in each.message]
    file.write_text(CONFIGURATION[:8])
    assert str(file) in refused("CONFIG_UNREADABLE", 2, EDGE_ASSISTANT_CONFIG=str(file))
    assert not state.database.exists()


def test_a_state_folder_of_another_device_is_left_alone_and_opens_with_its_code(
    make_daemon: Callable[..., Daemon], state: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_ASSISTANT__LLM__MODEL", "/no/model.gguf")
    daemon = make_daemon()
    code = daemon.order(type="recovery_code")["code"]
    daemon.stop()
    (state.state / "device.key").write_bytes(os.urandom(32))
    before = hashes(state.state) | {"lock": ""}
    line = refused("KEY_WRONG", 1)
    assert "edge-assistant unlock" in line
    assert hashes(state.state) | {"lock": ""} == before
    unlocked = run_cli("unlock", environ={**os.environ, "EDGE_ASSISTANT_SECRET_RECOVERY_CODE": code})
    assert unlocked.returncode == 0, unlocked.stderr
    daemon.start()
    daemon.stop()


def test_a_file_in_the_place_of_the_state_folder_is_said_and_what_to_do(state: Paths) -> None:
    state.state.write_text("a file, where a folder belongs")
    assert f"{state.state} is a file" in refused("STATE_UNUSABLE", 2)
    for command in (("ask", "Hello?"), ("doctor",), ("backup",)):
        done = run_cli(*command)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "error: STATE_UNUSABLE" in done.stderr


def test_a_state_folder_that_cannot_be_made_is_said_and_what_to_do() -> None:
    line = refused("STATE_UNUSABLE", 1, STATE_DIRECTORY="/proc/edge-assistant")
    assert "/proc/edge-assistant can't be used: No such file or directory;" in line


def test_a_clock_that_begins_in_1970_starts_backs_up_and_is_mended_later(
    make_daemon: Callable[..., Daemon], state: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    faketime = shutil.which("faketime")
    assert faketime, "`make test` installs it"
    monkeypatch.setenv("EDGE_ASSISTANT__LLM__MODEL", "/no/model.gguf")
    monkeypatch.setenv("EDGE_ASSISTANT__WEB__LAN", "on")
    monkeypatch.setenv("EDGE_ASSISTANT__WEB__TLS_HOST", "127.0.0.1")
    monkeypatch.setenv("EDGE_ASSISTANT__WEB__TLS_PORT", "0")
    monkeypatch.setenv("EDGE_ASSISTANT__WEB__ANNOUNCE", "off")
    wrong = (faketime, "-m", "-f", "@1970-01-02 00:00:00", *Daemon(state, {}).command)
    daemon = make_daemon(program=wrong, FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
    assert daemon.link()
    daemon.order(type="backup")
    daemon.stop()
    daemon.command = Daemon(state, {}).command
    daemon.start()
    daemon.order(type="backup")
    newest, oldest = nightly_backups(state.state / "backups")
    assert (oldest.made_at.year, newest.made_at.year) == (1970, time.localtime().tm_year)
    status = daemon.order(type="status")
    assert status["house_problem"] == ""
    assert daemon.link()
