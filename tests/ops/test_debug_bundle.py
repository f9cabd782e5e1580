"""The debug bundle is one small text that tells how a device is, whatever the daemon says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_assistant.cli import main
from edge_assistant.config import Config, Paths
from edge_assistant.errors import ModelError
from edge_assistant.ops.debug import Debug
from edge_assistant.ops.debug_bundle import MOST_BYTES, TOLD, bundle
from edge_assistant.ops.doctor import CHECKS, examine
from edge_assistant.ops.finding import Finding, failed, ok
from tests.ops.patients import GOOD

NOW = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
CANARY = "zanzibar"


def made(*findings: Finding, daemon: Debug | None = None) -> str:
    return bundle(Config(), findings, GOOD, daemon, NOW)


def section(text: str, title: str) -> list[str]:
    return text.split(f"\n== {title}")[1].split("\n\n== ", maxsplit=1)[0].splitlines()[1:]


def test_it_says_first_what_is_in_it_and_when_it_was_made() -> None:
    head = made().split("\n\n== ")[0]
    assert "read it before you send it" in head
    assert "It does not hold anything anybody said" in head
    assert "2026-07-01 12:30:00 UTC" in head


def test_it_tells_versions_board_and_that_no_assistant_runs() -> None:
    text = made()
    assert any(line.startswith("edge-assistant ") for line in section(text, "Versions"))
    assert any(line.startswith("msgspec ") for line in section(text, "Versions"))
    assert not any(line.startswith("pytest") for line in section(text, "Versions"))
    assert "device = Raspberry Pi 5 Model B Rev 1.0" in section(text, "Device")
    assert section(text, "State") == ["the assistant does not run"]
    assert section(text, "Configuration") == ["all as by default"]


def test_however_much_the_daemon_says_it_stays_small_and_keeps_the_newest() -> None:
    log = [f"line {number} {'x' * 380}" for number in range(5_000)]
    figures = "\n".join(f"edge_assistant_figure_{number} {number}.5" for number in range(50_000))
    text = made(daemon=Debug(state=["phase = ready"], figures=figures, log=log))
    assert len(text.encode()) <= MOST_BYTES
    assert log[-1] in text
    assert "older ones are left out" in text
    assert len(made(daemon=Debug(state=["ü" * 10**6], figures="", log=[])).encode()) <= MOST_BYTES


def test_of_a_histogram_only_where_it_rises_is_told() -> None:
    figures = (
        "# HELP x y\n"
        'x_bucket{le="1.0"} 0.0\nx_bucket{le="2.0"} 3.0\nx_bucket{le="4.0"} 3.0\nx_bucket{le="+Inf"} 4.0\n'
        "x_count 4.0\n"
    )
    text = made(daemon=Debug(state=[], figures=figures, log=[]))
    assert section(text, "Figures") == ['x_bucket{le="2.0"} 3.0', 'x_bucket{le="+Inf"} 4.0', "x_count 4.0"]


def test_of_what_a_check_says_only_the_programs_own_words_are_told() -> None:
    text = made(
        ok("disk", "4096 MB free"),
        failed("state", f"/srv/{CANARY} can't be written", f"chown {CANARY}"),
        failed("memory", f"[Errno 13] Permission denied: '/srv/{CANARY}'", "x"),
        failed("model", "MODEL_MISSING", f"pull {CANARY}"),
        failed("broker", f"{CANARY}.lan:1883: refused", "x"),
        failed("embedder", CANARY, "x"),
    )
    assert CANARY not in text
    assert "ok       disk: 4096 MB free" in text
    assert "failed   model: MODEL_MISSING" in text
    assert "failed   state\n" in text


def test_every_check_that_may_be_quoted_exists(state: Paths) -> None:
    assert {check.__name__.removeprefix("check_").replace("_", " ") for check in CHECKS} >= TOLD


@pytest.mark.parametrize(
    "error", [ModelError("X", CANARY), OSError(2, CANARY, f"/srv/{CANARY}"), ValueError(CANARY)]
)
def test_a_check_that_breaks_is_told_without_its_words(
    state: Paths, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def check_memory(_: object) -> Finding:
        raise error

    monkeypatch.setattr("edge_assistant.ops.doctor.CHECKS", (check_memory,))
    assert CANARY not in made(*examine(Config(), state))


def test_a_broken_configuration_is_told_by_its_code(state: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    (state.state.parent / "config.toml").write_text(f'[assistant]\nnamme = "{CANARY}"\n')
    assert main(["debug-bundle", "-"]) == 0
    text = capsys.readouterr().out
    assert "failed   configuration: CONFIG_UNKNOWN_KEY" in text
    assert CANARY not in text


def test_it_is_written_where_one_stands_and_never_over_another_file(
    state: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["debug-bundle"]) == 0
    (file,) = tmp_path.glob("edge-assistant-debug-*.txt")
    assert "It does not hold anything anybody said" in capsys.readouterr().out
    assert main(["debug-bundle", str(file)]) == 1
    assert main(["debug-bundle", str(tmp_path / "no/such/folder")]) == 1
    told = capsys.readouterr().err
    assert "FILE_EXISTS" in told
    assert "FILE_NOT_WRITTEN" in told
