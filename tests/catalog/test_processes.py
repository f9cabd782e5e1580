"""What needs processes of their own: kill -9, two pullers at once, a full disk, no network, the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.catalog.pull import Puller, verify_model
from edge_assistant.errors import ModelError
from tests.catalog.conftest import CONTENT, HubServer, Recorder, hub_model

STARTER = "smollm2-135m-instruct-q4_1"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are certainly gone after the test."""
    running: list[subprocess.Popen[str]] = []
    yield running
    for process in running:
        process.kill()
        process.communicate()


def start_puller(processes: list[subprocess.Popen[str]], *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.catalog.puller", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    processes.append(process)
    return process


def command(
    *words: str, prefix: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "edge_assistant", "models", *words],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def await_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    assert any(text in line for line in process.stdout), process.stderr


def test_a_pull_killed_in_the_middle_leaves_nothing_installed_and_the_next_one_goes_on(
    tmp_path: Path, server: HubServer, processes: list[subprocess.Popen[str]]
) -> None:
    server.hold, server.cut_after = threading.Event(), [600_000]
    killed = start_puller(processes, tmp_path, server.url)
    await_line(killed, "50 %")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    server.hold.set()
    assert not (tmp_path / "hub-model").exists()
    assert start_puller(processes, tmp_path, server.url).wait() == 0
    assert verify_model(hub_model(server.url), tmp_path) == "sound"
    assert server.asked[-1][2] is not None
    assert not any((tmp_path / ".partial").iterdir())


def test_of_two_pullers_the_second_waits_and_finds_everything_here(
    tmp_path: Path, server: HubServer, processes: list[subprocess.Popen[str]]
) -> None:
    server.hold, server.cut_after = threading.Event(), [600_000]
    first = start_puller(processes, tmp_path, server.url)
    await_line(first, "50 %")
    second = start_puller(processes, tmp_path, server.url)
    await_line(second, "another pull is running")
    server.hold.set()
    assert (first.wait(), second.wait()) == (0, 0)
    downloads = [asked for asked in server.asked if asked[:2] == ("GET", "/storage")]
    assert len(downloads) == 2  # cut once, continued once; the second puller asked for nothing
    assert verify_model(hub_model(server.url), tmp_path) == "sound"


def test_a_disk_that_fills_up_is_named_and_the_pull_goes_on_when_there_is_room(
    tmp_path: Path, server: HubServer, processes: list[subprocess.Popen[str]]
) -> None:
    full = start_puller(processes, tmp_path, server.url, 700_000)
    _, errors = full.communicate()
    assert full.returncode == 1
    assert "MODEL_DISK_FULL" in errors
    assert not (tmp_path / "hub-model").exists()
    assert start_puller(processes, tmp_path, server.url).wait() == 0
    assert server.asked[-1] == ("GET", "/storage", "bytes=700000-")


def test_a_model_that_cannot_fit_is_refused_before_anything_is_fetched(
    tmp_path: Path, server: HubServer, progress: Recorder
) -> None:
    with pytest.raises(ModelError, match="MB are needed") as caught:
        Puller(tmp_path, progress).pull([hub_model(server.url, sha256="0" * 64, size=10**15)])
    assert caught.value.code == "MODEL_DISK_FULL"
    assert server.asked == []


def test_without_network_the_command_says_so_in_one_line_and_installs_nothing(tmp_path: Path) -> None:
    without_network = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-rn")
    for model in (STARTER, "qwen3.5-0.8b-q4_k_m"):
        result = command(
            "pull",
            model,
            prefix=without_network,
            EDGE_ASSISTANT_MODELS=str(tmp_path),
            PIP_CONFIG_FILE="/dev/null",
            PIP_FIND_LINKS="",
            PIP_RETRIES="0",
        )
        assert result.returncode == 1
        assert result.stderr.startswith("error: MODEL_DOWNLOAD_FAILED: ")
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / model).exists()


def test_the_list_is_readable_by_programs(starter_model: Path) -> None:
    lines = {line["id"]: line for line in json.loads(command("list", "--json").stdout)}
    assert lines[STARTER]["state"] == "installed"
    assert lines[STARTER]["path"] == str(starter_model)
    assert lines[STARTER]["profiles"] == ["starter"]


def test_pulling_what_is_here_succeeds_without_network(starter_model: Path) -> None:
    result = command("pull", PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert result.returncode == 0
    assert result.stdout.startswith(f"{STARTER}, ")
    assert result.stdout.endswith(": all here\n")


def test_the_command_verifies_and_removes(tmp_path: Path) -> None:
    folder = tmp_path / STARTER
    folder.mkdir()
    (folder / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(CONTENT)
    models = {"EDGE_ASSISTANT_MODELS": str(tmp_path)}
    assert "damaged" in command("verify", **models).stdout
    assert command("remove", STARTER, **models).returncode == 2
    assert folder.exists()
    assert command("remove", STARTER, "--yes", **models).returncode == 0
    assert not folder.exists()


@pytest.mark.parametrize("model", ["../escape", ".partial", "nothing-like-it", "/etc"])
def test_removing_what_is_no_model_is_refused(tmp_path: Path, model: str) -> None:
    (tmp_path / "escape").mkdir()
    result = command("remove", model, "--yes", EDGE_ASSISTANT_MODELS=str(tmp_path / "models"))
    assert result.returncode == 1
    assert "MODEL_UNKNOWN" in result.stderr
    assert (tmp_path / "escape").exists()
