"""A real daemon with the real model, used as a person at the device uses it."""

from __future__ import annotations

import json
import re
import stat
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from edge_assistant.config import Paths
from tests.daemon import Daemon, run_cli

STORY = "Write a long story about a lighthouse keeper, her dog and the sea, with many details."


def test_ask_streams_an_answer_and_prints_its_events(daemon: Daemon) -> None:
    done = daemon.cli("ask", "What is the capital of France?", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
    assert sum(each["type"] == "text.delta" for each in events) > 3
    last = events[-1]
    assert last["type"] == "turn.finished"
    assert last["text"] == "".join(each["text"] for each in events if each["type"] == "text.delta")
    assert last["route"]["model"] == "smollm2-135m-instruct-q4_1"
    assert last["usage"]["completion_tokens"] > 3
    assert last["timings"]["first_token_ms"] > 0


def test_ask_prints_the_text_alone_on_stdout(daemon: Daemon) -> None:
    done = daemon.cli("ask", "-", stdin="Say hello.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr == ""


def test_a_text_far_too_long_is_refused_with_the_limit(daemon: Daemon) -> None:
    done = daemon.cli("ask", "-", stdin="a" * 1_000_000)
    assert done.returncode == 1
    assert done.stderr.startswith("error: PROTOCOL_TOO_LARGE: ")
    assert len(done.stderr.splitlines()) == 1
    assert daemon.ask("Say hello.")["type"] == "turn.finished"


def test_chat_answers_lines_and_obeys_its_commands(daemon: Daemon) -> None:
    done = daemon.cli(
        "chat", stdin="Say hello.\n/sessions\n/open 1\nAnd again.\n/new\n/nonsense\n/help\n/quit\n"
    )
    assert done.returncode == 0, done.stderr
    assert "Conversation 1 goes on." in done.stdout
    assert "A new conversation." in done.stdout
    assert "/nonsense is no command" in done.stdout
    assert "Ctrl+C stops an answer" in done.stdout
    items = daemon.order(type="sessions")["items"]
    assert [each["turns"] for each in items] == [2]


def test_ask_without_a_daemon_starts_what_it_needs_and_leaves_nothing(
    state: Paths, starter_model: Path
) -> None:
    first = run_cli("ask", "Remember the word kestrel.", "--session", "s1")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip()
    second = run_cli("ask", "Which word?", "--session", "s1", "--json")
    usage = json.loads(second.stdout.splitlines()[-1])["usage"]
    assert usage["prompt_tokens"] > 40, "the first turn belongs to the prompt of the second"
    assert not state.control_socket.exists()
    assert not [each for each in psutil.Process().children(recursive=True) if "edge" in str(each.cmdline())]


def test_a_chat_without_a_daemon_serves_other_terminals_too(state: Paths, starter_model: Path) -> None:
    done = run_cli("chat", "--session", "s1", stdin="Say hello.\nAnd goodbye.\n")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 2


def test_ready_comes_before_the_model_and_the_page_answers_meanwhile(
    make_daemon: Callable[..., Daemon], starter_model: Path
) -> None:
    daemon = make_daemon()
    with urllib.request.urlopen(f"{daemon.url}/healthz", timeout=60) as answer:
        assert json.load(answer)["status"] in {"starting", "ok"}
    with urllib.request.urlopen(f"{daemon.url}/", timeout=60) as answer:
        assert answer.status == 200
    daemon.wait_for_model()


def test_a_link_from_pair_signs_in_once(daemon: Daemon) -> None:
    done = daemon.cli("pair")
    (link,) = re.findall(rf"{daemon.url}/#signin=[\w-]+", done.stdout)
    assert [_sign_in(daemon.url, link) for _ in range(2)] == [200, 403]


def _sign_in(url: str, link: str) -> int:
    request = urllib.request.Request(
        f"{url}/api/signin",
        json.dumps({"token": link.partition("#signin=")[2]}).encode(),
        {"Content-Type": "application/json", "Origin": url},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_log_holds_no_word_of_a_conversation_and_no_secret(daemon: Daemon) -> None:
    said = "zanzibar-kumquat"
    answer = daemon.ask(f"Repeat: {said}. {STORY}")
    token = daemon.link().partition("#signin=")[2]
    code = daemon.order(type="recovery_code")["code"]
    daemon.stop()
    words = re.findall(r"[A-Z][a-z]{7,}", answer["text"])
    for secret in (said, token, code, code.split("-")[0], "lighthouse", *words):
        assert secret not in daemon.log
    assert answer["id"] in daemon.log


def test_everything_it_keeps_is_for_this_user_only(daemon: Daemon, state: Paths) -> None:
    daemon.ask("Say hello.")
    assert stat.S_IMODE(state.state.stat().st_mode) == 0o700
    for path in state.state.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_the_daemon_loads_no_inference_library(daemon: Daemon) -> None:
    daemon.ask("Say hello.")
    maps = Path(f"/proc/{daemon.pid}/maps").read_text(encoding="utf-8")
    for library in ("llama", "ggml", "numpy", "markupsafe"):
        assert library not in maps
    worker = next(each for each in daemon.workers if "workers.child" in " ".join(each.cmdline()))
    assert "llama" in Path(f"/proc/{worker.pid}/maps").read_text(encoding="utf-8")


def test_a_second_daemon_on_the_same_state_is_refused(daemon: Daemon) -> None:
    done = daemon.cli("run")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: STATE_IN_USE: ")
    assert str(daemon.pid) in done.stderr
    assert daemon.ask("Say hello.")["type"] == "turn.finished"


def test_a_port_in_use_is_said_and_nothing_is_left_running(daemon: Daemon, tmp_path: Path) -> None:
    port = daemon.url.rpartition(":")[2]
    other = tmp_path / "other"
    done = daemon.cli("run", STATE_DIRECTORY=str(other), EDGE_ASSISTANT__WEB__PORT=port)
    assert done.returncode == 2
    assert "error: WEB_PORT_IN_USE: " in done.stderr
    assert not (other / "control.sock").exists()


@pytest.mark.parametrize(
    ("model", "content", "code"),
    [
        ("missing.gguf", None, "MODEL_MISSING"),
        ("damaged.gguf", b"this is no model", "MODEL_CORRUPT"),
        ("cut.gguf", b"GGUF\x03\x00\x00\x00", "MODEL"),
        ("smollm", None, "MODEL_UNKNOWN"),
    ],
)
def test_a_model_that_can_not_be_had_is_said_and_the_rest_works(
    make_daemon: Callable[..., Daemon], tmp_path: Path, model: str, content: bytes | None, code: str
) -> None:
    name = str(tmp_path / model) if model.endswith(".gguf") else model
    if content is not None:
        (tmp_path / model).write_bytes(content)
    daemon = make_daemon(EDGE_ASSISTANT__LLM__MODEL=name)
    last = daemon.ask("Say hello.")
    assert last["type"] == "turn.failed"
    assert last["code"].startswith(code), last
    daemon.wait_until(lambda: daemon.order(type="status")["model"]["phase"] == "failed")
    assert daemon.order(type="status")["model"]["detail"]
    assert "#signin=" in daemon.link()
    done = daemon.cli("ask", "Say hello.")
    assert done.returncode == 1
    assert re.fullmatch(r"error: MODEL\w+: [^\n]+\n", done.stderr)


def test_a_configuration_with_a_misspelt_key_stops_the_start_with_a_hint(
    state: Paths, tmp_path: Path
) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text("[llm]\ncontxt = 2048\n", encoding="utf-8")
    done = run_cli("run", "--config", str(config))
    assert done.returncode == 2
    assert "error: CONFIG_UNKNOWN_KEY: " in done.stderr
    assert "llm.context" in done.stderr
    assert not state.state.exists()


def test_a_repeated_message_id_is_answered_once(daemon: Daemon) -> None:
    first = daemon.ask("Say hello.", session="s1", turn_id="t1")
    again = daemon.ask("Say goodbye.", session="s1", turn_id="t1")
    assert again["text"] == first["text"]
    assert daemon.order(type="sessions")["items"][0]["turns"] == 1


def test_a_backup_is_restored_on_another_device_by_its_recovery_code(daemon: Daemon, tmp_path: Path) -> None:
    daemon.ask("Say hello.", session="kept")
    code = daemon.cli("recovery-code").stdout.strip()
    backup = tmp_path / "backup"
    assert daemon.cli("backup", str(backup)).returncode == 0
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    running = daemon.cli("restore", str(backup), EDGE_ASSISTANT_SECRET_RECOVERY_CODE=code)
    assert running.returncode == 1
    assert "STATE_IN_USE" in running.stderr
    daemon.stop()
    other = {"STATE_DIRECTORY": str(tmp_path / "other"), "EDGE_ASSISTANT_SECRET_RECOVERY_CODE": code}
    restored = daemon.cli("restore", str(backup), **other)
    assert restored.returncode == 0, restored.stderr
    listed = daemon.cli("chat", stdin="/sessions\n", **other)
    assert "  1  20" in listed.stdout, listed.stderr
