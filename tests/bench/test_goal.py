"""A figure is held against what was promised of it, and a bench's exit code says whether all hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_assistant import cli
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.bench.registry import BENCHES, find_bench
from edge_assistant.config import Paths
from edge_assistant.errors import EdgeError

QUICK = Goal(metric="first token", unit="ratio", text="≤ 0.15", at_most=0.15)
FAST = Goal(metric="decode", unit="ratio", text="≥ 0.90", at_least=0.9)


def test_a_goal_holds_up_to_its_bound_as_it_is_shown() -> None:
    assert QUICK.measured(0.15).holds
    assert QUICK.measured(0.150001).holds  # what is shown and judged is 0.15
    assert not QUICK.measured(0.1502).holds
    assert FAST.measured(0.9).holds
    assert not FAST.measured(0.8994).holds


def test_a_figure_without_a_bound_always_holds_and_no_figure_is_no_verdict() -> None:
    assert Goal(metric="m", unit="ms", text="side by side").measured(1e9).holds
    assert QUICK.unmeasured("why").holds is None
    assert QUICK.unmeasured("why").value is None
    assert QUICK.failed("why").holds is False


def test_every_bench_has_measurements_whose_metrics_are_told_apart() -> None:
    for name in BENCHES:
        goals = [goal for measurement in find_bench(name) for goal in measurement.goals]
        assert len({goal.metric for goal in goals}) == len(goals)


def bench(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *measurements: Measurement,
    words: tuple[str, ...] = ("--json",),
) -> tuple[int, Any]:
    """Run `bench llm` with these measurements in place of the real ones."""
    monkeypatch.setattr("edge_assistant.cli.bench.find_bench", lambda _: measurements)
    code = cli.main(["bench", "llm", *words])
    shown = capsys.readouterr().out
    return code, json.loads(shown) if "--json" in words else shown


def fixed(goal: Goal, value: float) -> Measurement:
    return Measurement((goal,), lambda _: [goal.measured(value, "n=1")])


def test_the_report_has_the_promised_shape_and_exit_code_0_when_all_hold(
    state: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = bench(monkeypatch, capsys, fixed(QUICK, 0.1), fixed(FAST, 0.95))
    assert code == 0
    assert list(report) == ["bench", "machine", "date", "results"]
    assert report["bench"] == "llm"
    assert report["results"] == [
        {
            "metric": "first token",
            "value": 0.1,
            "unit": "ratio",
            "goal": "≤ 0.15",
            "holds": True,
            "note": "n=1",
        },
        {"metric": "decode", "value": 0.95, "unit": "ratio", "goal": "≥ 0.90", "holds": True, "note": "n=1"},
    ]


def test_a_missed_goal_makes_exit_code_1_and_is_marked(
    state: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = bench(monkeypatch, capsys, fixed(QUICK, 0.1), fixed(FAST, 0.5), words=())
    assert code == 1
    assert "holds   first token: 0.1 ratio  (goal: ≤ 0.15)" in shown
    assert "MISSED  decode: 0.5 ratio  (goal: ≥ 0.90)" in shown


def test_what_cannot_be_measured_here_is_null_with_the_way_to_get_it(
    state: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(_: Setting) -> Iterator[Result]:
        yield QUICK.measured(0.1)
        raise CannotMeasureError("install the other server: make bench")

    code, report = bench(monkeypatch, capsys, Measurement((QUICK, FAST), measure))
    assert code == 0
    first, second = report["results"]
    assert first["holds"] is True
    assert (second["value"], second["holds"]) == (None, None)
    assert second["note"] == "install the other server: make bench"


def test_a_measurement_that_fails_is_a_missed_goal_and_the_others_go_on(
    state: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(_: Setting) -> Iterator[Result]:
        raise EdgeError("BENCH_FAILED", "the daemon did not start")

    code, report = bench(monkeypatch, capsys, Measurement((QUICK,), measure), fixed(FAST, 0.95))
    assert code == 1
    failed, fine = report["results"]
    assert (failed["value"], failed["holds"]) == (None, False)
    assert failed["note"] == "BENCH_FAILED: the daemon did not start"
    assert fine["holds"] is True


def test_a_bench_gets_the_configuration_and_whether_to_be_quick(
    state: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen: list[Setting] = []

    def measure(setting: Setting) -> Iterator[Result]:
        seen.append(setting)
        yield FAST.measured(1.0)

    monkeypatch.setenv("EDGE_ASSISTANT__LLM__THREADS", "3")
    bench(monkeypatch, capsys, Measurement((FAST,), measure), words=("--json", "--quick"))
    bench(monkeypatch, capsys, Measurement((FAST,), measure))
    assert [setting.quick for setting in seen] == [True, False]
    assert seen[0].config.llm.threads == 3
    assert (seen[0].count(9, 2), seen[1].count(9, 2)) == (2, 9)


def test_an_unknown_bench_is_wrong_usage(state: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["bench", "flying"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: USAGE: ")
