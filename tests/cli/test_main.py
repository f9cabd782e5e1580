"""The command line starts fast, says errors in one line, and ends with the code that fits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_assistant import cli
from edge_assistant.config import Paths
from edge_assistant.errors import EdgeError
from tests.daemon import run_cli

HEAVY = {"aiohttp", "apsw", "asyncio", "cryptography", "jinja2", "llama_cpp", "numpy", "psutil", "tqdm"}


def loaded_by(*words: str) -> set[str]:
    """Return the top-level packages that a command imports."""
    script = (
        "import json, sys; from edge_assistant import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        (sys.executable, "-c", script, *words), capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_and_the_commands_of_a_terminal_load_nothing_heavy(state: Paths) -> None:
    assert not loaded_by("--help") & {*HEAVY, "msgspec"}
    assert not loaded_by("pair") & HEAVY
    assert not loaded_by("ask", "--help") & HEAVY
    assert not loaded_by("chat", "--help") & HEAVY


def test_every_command_has_a_module_and_help(state: Paths) -> None:
    for name, module, line in cli.COMMANDS:
        if not (Path(cli.__file__).parent / f"{module.rpartition('.')[2]}.py").exists():
            continue
        done = run_cli(name, "--help")
        assert done.returncode == 0, done.stderr
        assert line[:30] in done.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "USAGE"),
        (("fly",), "USAGE"),
        (("ask",), "USAGE"),
        (("ask", "hello", "--no-such-option"), "USAGE"),
        (("run", "--config", "/no/such/file.toml"), "CONFIG_UNREADABLE"),
        (("restore", "backup"), "RECOVERY_CODE_NEEDED"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(state: Paths, words: tuple[str, ...], code: str) -> None:
    done = run_cli(*words)
    assert done.returncode == 2
    error = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert error[0].startswith(f"error: {code}: ")
    assert "Traceback" not in done.stderr


def test_what_fails_is_one_line_and_exit_code_1(state: Paths) -> None:
    done = run_cli("pair")
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"error: DAEMON_NOT_RUNNING: [^\n]+\n", done.stderr)


def test_debug_shows_where_it_failed_and_keeps_the_exit_code(state: Paths) -> None:
    done = run_cli("--debug", "pair")
    assert "Traceback" in done.stderr
    assert "error: DAEMON_NOT_RUNNING" in done.stderr
    assert done.returncode == 1
    assert "Traceback" in run_cli("pair", "--debug").stderr


@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (EdgeError("SOME", "one\nline"), 1, "error: SOME: one line\n"),
        (KeyboardInterrupt(), 130, ""),
        (PermissionError(13, "no"), 1, "error: SYSTEM: [Errno 13] no\n"),
        (ValueError("odd"), 1, "error: INTERNAL: ValueError: odd (--debug tells more)\n"),
    ],
)
def test_every_error_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    exit_code: int,
    said: str,
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr("edge_assistant.cli.pair.run", fail)
    assert cli.main(["pair"]) == exit_code
    assert capsys.readouterr().err == said


def test_a_reader_that_leaves_gets_no_complaint(state: Paths) -> None:
    done = subprocess.run(
        ("sh", "-c", f"{sys.executable} -m edge_assistant doctor --json | true"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )
    assert done.stderr == ""


def test_version_is_printed() -> None:
    assert re.fullmatch(r"edge-assistant \d+\.\d+\.\d+\n", run_cli("--version").stdout)


def test_ctrl_c_ends_a_command_with_130(state: Paths) -> None:
    with subprocess.Popen(
        (sys.executable, "-m", "edge_assistant", "ask", "-"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    ) as process:
        assert process.stderr is not None
        # It waits for its text on standard input; give it time to get there, whatever the load.
        while Path(f"/proc/{process.pid}/wchan").exists() and not _reads_pipe(process.pid):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert b"Traceback" not in process.stderr.read()


def _reads_pipe(pid: int) -> bool:
    return Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").startswith("0 0x0 ")
