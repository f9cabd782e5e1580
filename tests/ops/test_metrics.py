"""Figures are counted cheaply and written down as Prometheus reads them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edge_assistant.assistant.events import (
    Route,
    Timings,
    ToolFinished,
    TurnFailed,
    TurnFinished,
    TurnStarted,
    Usage,
)
from edge_assistant.assistant.request import OWNER
from edge_assistant.assistant.turn import Turn
from edge_assistant.config import Config, LlmSettings
from edge_assistant.frontends.voice.phase import VoiceTimings
from edge_assistant.ops import figures
from edge_assistant.ops.metrics import Distribution, Metrics, Reading, written
from edge_assistant.ops.tally import MOST_CODES, Tally
from edge_assistant.wiring.metrics import VOICE_STAGES, model_name


def samples(readings) -> dict[tuple[str, ...], float]:
    text = written(readings).decode()
    return {
        (each.name, *(value for _, value in sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def a_turn(source: str = "web", code: str = "") -> Turn:
    turn = Turn("t", "s", OWNER, source)
    turn.append(TurnStarted(id="t", seq=1, session="s"))
    with turn.stage("retrieve"):
        pass
    if code:
        turn.append(TurnFailed(id="t", seq=2, code=code, message="a canary"))
    else:
        turn.append(
            TurnFinished(
                id="t", seq=2, text="a canary", status="complete",
                route=Route(rung="local", model="m", reason="r"),
                timings=Timings(first_token_ms=300.0, total_ms=1500.0),
                usage=Usage(prompt_tokens=40, cached_tokens=30, completion_tokens=7),
            )
        )  # fmt: skip
    return turn


async def test_turns_are_counted_with_their_times_and_tokens() -> None:
    tally = Tally()
    for _ in range(3):
        tally.watch(a_turn())
    tally.watch(a_turn("somewhere else", code="MODEL_FAILED"))
    found = samples(tally.readings())
    assert found["edge_assistant_turns_total", "local", "web", "complete"] == 3
    assert found["edge_assistant_turns_total", "none", "other", "failed"] == 1
    assert found["edge_assistant_turn_failures_total", "MODEL_FAILED"] == 1
    assert found["edge_assistant_cached_tokens_total",] == 90
    assert found["edge_assistant_first_token_seconds_bucket", "0.25", "local"] == 0
    assert found["edge_assistant_first_token_seconds_bucket", "0.5", "local"] == 3
    assert found["edge_assistant_turn_seconds_sum", "local"] == 4.5
    assert found["edge_assistant_stage_seconds_count", "retrieve"] == 4
    assert "canary" not in written(tally.readings()).decode()


async def test_a_turn_that_goes_on_or_is_only_remembered_is_not_counted() -> None:
    tally, known, running = Tally(), Turn("t", "s", OWNER), Turn("t", "s", OWNER)
    known.replay([TurnFailed(id="t", seq=1, code="X", message="")])
    running.append(TurnStarted(id="t", seq=1, session="s"))
    tally.watch(known)
    tally.watch(running)
    assert not [name for name in samples(tally.readings()) if name[0] == "edge_assistant_turns_total"]


async def test_a_server_elsewhere_can_not_fill_the_memory_with_new_codes() -> None:
    tally = Tally()
    for number in range(3 * MOST_CODES):
        tally.watch(a_turn(code=f"MADE_UP_{number}"))
    codes = [name for name in samples(tally.readings()) if name[0] == "edge_assistant_turn_failures_total"]
    assert len(codes) == MOST_CODES + 1


async def test_what_was_done_is_counted_with_what_came_of_it() -> None:
    tally, turn = Tally(), Turn("t", "s", OWNER, "web")
    turn.append(TurnStarted(id="t", seq=1, session="s"))
    for seq, outcome in enumerate(("done", "failed", "done"), start=2):
        turn.append(ToolFinished(id="t", seq=seq, name="set_timer", outcome=outcome, code="canary"))
    turn.append(TurnFailed(id="t", seq=5, code="X", message=""))
    tally.watch(turn)
    found = samples(tally.readings())
    assert found["edge_assistant_tool_calls_total", "done", "set_timer"] == 2
    assert found["edge_assistant_tool_calls_total", "failed", "set_timer"] == 1


async def test_a_code_that_is_none_is_counted_without_its_words() -> None:
    tally = Tally()
    tally.watch(a_turn(code="a canary"))
    assert samples(tally.readings())["edge_assistant_turn_failures_total", "other"] == 1


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (LlmSettings(), "smollm2-135m-instruct-q4_1"),
        (LlmSettings(model="canary"), "unknown"),
        (LlmSettings(model="/srv/canary.gguf"), "file"),
        (LlmSettings(engine="openai", url="http://canary", remote_model="canary"), "remote"),
    ],
)
def test_a_model_that_is_not_of_the_catalogue_is_not_named(settings: LlmSettings, label: str) -> None:
    assert model_name(Config(llm=settings)) == label


def test_the_stages_of_a_spoken_exchange_are_told_before_and_after_the_first() -> None:
    tally = Tally(voice_stages=VOICE_STAGES)
    assert samples(tally.readings())["edge_assistant_voice_stage_seconds_count", "sound"] == 0
    tally.heard("t", VoiceTimings(endpoint_ms=250.0, sound_ms=900.0))
    found = samples(tally.readings())
    assert found["edge_assistant_voice_stage_seconds_sum", "endpoint"] == 0.25
    assert {f"{stage}_ms" for stage in VOICE_STAGES} == set(VoiceTimings.__struct_fields__)


@given(st.lists(st.floats(0, 200), max_size=30))
def test_a_distribution_counts_every_value_once_in_the_right_bucket(values: list[float]) -> None:
    found = Distribution((0.5, 1.0, 100.0))
    for value in values:
        found.observe(value)
    assert [count for _, count in found.buckets] == [
        *(sum(value <= bound for value in values) for bound in (0.5, 1.0, 100.0)),
        len(values),
    ]


async def test_sources_are_asked_only_when_somebody_asks() -> None:
    asked = []

    async def source():
        asked.append(True)
        return [Reading(figures.UPTIME, 2.0)]

    metrics = Metrics([source])
    assert not asked
    assert b"edge_assistant_uptime_seconds 2.0" in await metrics.scrape()
    assert len(asked) == 1


def test_the_library_that_writes_figures_is_not_loaded_before_they_are_wanted() -> None:
    program = "import sys, edge_assistant.app; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_figure_has_a_name_of_its_own_and_an_explanation() -> None:
    names = [metric.name for metric in figures.ALL]
    assert len(names) == len(set(names))
    assert all(metric.help for metric in figures.ALL)


def test_the_reference_explains_every_figure_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(edge_assistant_\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE)
    explained = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert explained == {
        each.name + "_total" * (each.kind == "counter"): (each.kind, each.labels) for each in figures.ALL
    }
