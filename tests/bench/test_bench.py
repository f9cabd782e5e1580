"""The benches measure the real thing, quickly when asked to."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from edge_assistant.bench.device import to_toml
from edge_assistant.bench.registry import find_bench
from edge_assistant.bench.voice import talk
from edge_assistant.config import Paths, load_config
from tests.daemon import run_cli

ALONE = re.compile("guesses|strangers")
"""What is measured without a model."""


@pytest.mark.timeout(620)  # a minute on a machine of its own, several on a busy core
@pytest.mark.parametrize(
    "name", ["appliance", "chat", "cloud", "fleet", "home", "llm", "retrieval", "storage"]
)
def test_a_quick_bench_reports_every_goal_on_the_real_model(
    name: str, state: Paths, starter_model: Path
) -> None:
    done = run_cli("bench", name, "--quick", "--json", timeout=600)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    goals = [goal for measurement in find_bench(name) for goal in measurement.goals]
    assert [result["metric"] for result in report["results"]] == [goal.metric for goal in goals]
    assert [result["goal"] for result in report["results"]] == [goal.text for goal in goals]
    assert not [result["note"] for result in report["results"] if result["value"] is None]
    assert done.returncode == (0 if all(result["holds"] for result in report["results"]) else 1)
    assert not state.state.exists(), "a bench leaves the device's own state alone"


@pytest.mark.timeout(320)
def test_the_bench_of_the_voice_speaks_to_a_device_and_hears_its_answer(
    state: Paths, voice_models: Path
) -> None:
    done = run_cli("bench", "voice", "--quick", "--json", "--only", "first sound", timeout=300)
    assert done.stderr == ""
    results = json.loads(done.stdout)["results"]
    assert [result["metric"] for result in results] == [goal.metric for goal in talk.MEASUREMENTS[0].goals]
    assert all(result["value"] is not None for result in results)
    assert not state.state.exists(), "a bench leaves the device's own state alone"


def test_a_device_without_the_model_gets_no_figures_but_the_way_to_the_model(
    state: Paths, tmp_path: Path
) -> None:
    done = run_cli("bench", "chat", "--json", environ={**os.environ, "EDGE_ASSISTANT_MODELS": str(tmp_path)})
    results = json.loads(done.stdout)["results"]
    needing_the_model = [result for result in results if not ALONE.search(result["metric"])]
    assert {result["holds"] for result in needing_the_model} == {None}
    assert "models pull" in results[0]["note"]


def test_sections_become_the_configuration_they_mean(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    tricky = 'He said "no"\\ and\n\tleft. Ü 😀 # not a comment'
    sections = {
        "llm": {"parallel": 2, "temperature": 0.5, "model": "x"},
        "web": {"enabled": False, "allowed_hosts": ["a", "b"]},
        "personas.default": {"instructions": tricky},
    }
    file.write_text(to_toml(sections), encoding="utf-8")
    config = load_config(file, {})
    assert (config.llm.parallel, config.llm.temperature) == (2, 0.5)
    assert config.web.allowed_hosts == ("a", "b")
    assert config.personas["default"].instructions == tricky
