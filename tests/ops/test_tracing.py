"""Traces reach a collector, whatever it does meanwhile, and hold no text."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest

from edge_assistant.assistant.events import TextDelta, ToolCalled, TurnFailed, TurnStarted
from edge_assistant.assistant.request import OWNER
from edge_assistant.assistant.turn import Turn
from edge_assistant.frontends.voice.phase import VoiceTimings
from edge_assistant.ops.spans import Clock, Span, names_of, spans_of, voice_spans
from edge_assistant.ops.tracing import MOST_SPANS, Exporter, request_of
from edge_assistant.workers.backoff import RestartPolicy
from tests.collector import Collector, attributes
from tests.ops.test_metrics import a_turn

QUICK = RestartPolicy(first_seconds=0.01, longest_seconds=0.02, healthy_seconds=1.0)


@contextlib.asynccontextmanager
async def exporting(url: str, **options: str) -> AsyncIterator[Exporter]:
    exporter = Exporter(url, retry=QUICK, gather_seconds=0.01, **options)
    task = asyncio.create_task(exporter.run())
    try:
        yield exporter
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


def some(count: int = 1) -> list[Span]:
    return [
        Span(trace=bytes(16), id=n.to_bytes(8, "big"), name="turn", began_ns=1, ended_ns=2)
        for n in range(count)
    ]


async def test_a_turn_becomes_a_trace_with_its_stages(collector: Collector) -> None:
    async with exporting(collector.url, token="t0ken", device="kitchen") as exporter:
        exporter.add(spans_of(a_turn(), "a-model", Clock()))
        await until(lambda: bool(collector.spans))
    (request,) = collector.decoded
    resource = {each.key: each.value.string_value for each in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "edge-assistant"
    assert resource["service.instance.id"] == "kitchen"
    assert collector.headers[0]["Authorization"] == "Bearer t0ken"
    root, stage = collector.spans
    assert (root.name, stage.name) == ("turn", "retrieve")
    assert stage.parent_span_id == root.span_id
    assert stage.trace_id == root.trace_id == names_of("t")[0]
    assert attributes(root) == {
        "edge_assistant.source": "web", "edge_assistant.rung": "local", "edge_assistant.status": "complete",
        "edge_assistant.cached_tokens": 30, "gen_ai.request.model": "a-model",
        "gen_ai.usage.input_tokens": 40, "gen_ai.usage.output_tokens": 7,
    }  # fmt: skip
    assert root.end_time_unix_nano - root.start_time_unix_nano == pytest.approx(1.5e9, rel=0.01)
    assert abs(root.start_time_unix_nano - time.time_ns()) < 60e9
    assert b"canary" not in collector.bodies[0]


async def test_a_failed_turn_tells_its_code_and_no_word() -> None:
    turn = Turn("t", "canary-session", OWNER, "mqtt")
    turn.append(TurnStarted(id="t", seq=1, session="canary-session"))
    turn.append(TextDelta(id="t", seq=2, text="canary"))
    turn.append(ToolCalled(id="t", seq=3, name="add_to_list", summary="add canary"))
    with contextlib.suppress(ValueError), turn.stage("tool", "add_to_list"):
        raise ValueError("canary")
    turn.append(TurnFailed(id="t", seq=4, code="MODEL_FAILED", message="canary"))
    request = request_of(spans_of(turn, "m", Clock()))
    root, tool = request.resource_spans[0].scope_spans[0].spans
    assert root.status.code == root.status.STATUS_CODE_ERROR
    assert attributes(root)["error.type"] == "MODEL_FAILED"
    assert attributes(tool) == {"edge_assistant.tool": "add_to_list"}
    assert b"canary" not in request.SerializeToString()


def test_the_moment_of_the_first_word_is_marked_in_the_models_span() -> None:
    turn = a_turn_that_asked_the_model()
    spans = request_of(spans_of(turn, "m", Clock())).resource_spans[0].scope_spans[0].spans
    model = next(each for each in spans if each.name == "model")
    assert [event.name for event in model.events] == ["first token"]
    assert model.start_time_unix_nano <= model.events[0].time_unix_nano <= model.end_time_unix_nano


def a_turn_that_asked_the_model() -> Turn:
    async def made() -> Turn:
        turn = a_turn()
        turn.created -= 10.0
        turn.stages.append(type(turn.stages[0])("model", turn.created + 0.2, turn.created + 1.4))
        return turn

    return asyncio.run(made())


async def test_what_the_voice_waited_for_joins_the_trace_of_its_turn() -> None:
    timings = VoiceTimings(
        endpoint_ms=200.0, transcript_ms=300.0, first_text_ms=100.0, first_audio_ms=50.0, sound_ms=650.0
    )
    sound, *stages = voice_spans("t", timings, Clock())
    assert (sound.trace, sound.parent) == names_of("t")
    assert [each.name.removeprefix("voice.") for each in stages] == [
        "endpoint", "transcript", "first_text", "first_audio"
    ]  # fmt: skip
    assert all(each.parent == sound.id for each in stages)
    assert [a.ended_ns for a in stages[:-1]] == [b.began_ns for b in stages[1:]]
    assert abs(stages[-1].ended_ns - sound.ended_ns) < 1_000_000


async def test_a_collector_that_is_overloaded_gets_the_same_again_once() -> None:
    collector = Collector(503, 429)
    try:
        async with exporting(collector.url) as exporter:
            exporter.add(some(3))
            await until(lambda: len(collector.spans) == 3)
        assert collector.requests == 3
    finally:
        collector.close()


async def test_what_a_collector_refuses_for_good_is_not_sent_again(caplog) -> None:
    collector = Collector(400)
    try:
        async with exporting(collector.url) as exporter:
            exporter.add(some())
            await until(lambda: collector.requests == 1)
            exporter.add(some())
            await until(lambda: bool(collector.spans))
        assert len(collector.spans) == 1
    finally:
        collector.close()
    assert [record.getMessage() for record in caplog.records] == ["traces can't be sent: HTTP 400"]


async def test_without_a_collector_the_newest_spans_are_kept_and_it_is_said_once(caplog) -> None:
    async with exporting("http://127.0.0.1:1") as exporter:
        for _ in range(5):
            exporter.add(some(MOST_SPANS))
            await asyncio.sleep(0.05)
        await until(lambda: bool(caplog.records))
        assert len(exporter._spans) <= MOST_SPANS
    assert len(caplog.records) == 1


async def test_the_end_of_the_daemon_still_sends_what_waits(collector: Collector) -> None:
    exporter = Exporter(collector.url, gather_seconds=60.0)
    task = asyncio.create_task(exporter.run())
    exporter.add(some())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    assert len(collector.spans) == 1


def test_nothing_of_it_is_loaded_unless_it_is_wanted() -> None:
    program = (
        "import sys, edge_assistant.app, edge_assistant.wiring.observing;"
        "print([name for name in sys.modules if 'opentelemetry' in name or name.endswith('ops.tracing')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
