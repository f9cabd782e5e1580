"""A sweep finds what is fastest, keeps the default when that is noise, and stops when its time is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_assistant.errors import ModelError
from edge_assistant.llm.client import LlamaModel
from edge_assistant.llm.engine import LlamaEngine
from edge_assistant.llm.probe import LlamaProbe
from edge_assistant.llm.protocol import Generation, Message, Piece, Sampling
from edge_assistant.llm.tuning import sweep
from edge_assistant.llm.wire import LlamaSettings, Tuning, TuningWishes


class ScriptedDevice:
    """Seconds a token by number of threads; time passes only while it computes."""

    def __init__(
        self, writes: dict[int, float], reads: dict[int, float], *, q8: float = 1.2, start: float = 0.0
    ) -> None:
        self.writes, self.reads, self.q8, self.start = writes, reads, q8, start
        self.now = 0.0
        self.open = 0
        self.steps: list[float] = []

    def probe(self, kv_type: str) -> ScriptedProbe:
        self.open += 1
        return ScriptedProbe(self, self.q8 if kv_type == "q8_0" else 1.0)

    def sweep(self, wishes: TuningWishes, *candidates: int) -> Tuning:
        running = sweep(self.probe, wishes, candidates, lambda: self.now)
        try:
            while True:
                before = self.now
                next(running)
                self.steps.append(self.now - before)
        except StopIteration as end:
            assert self.open == 0
            return end.value


class ScriptedProbe:
    def __init__(self, device: ScriptedDevice, factor: float) -> None:
        self.device, self.factor = device, factor
        self.writing = self.reading = 0

    def use_threads(self, writing: int, reading: int) -> None:
        self.writing, self.reading = writing, reading

    def read(self, tokens: int) -> float:
        return self._pass((self.device.start + tokens * self.device.reads[self.reading]) * self.factor)

    def write(self) -> float:
        return self._pass(self.device.writes[self.writing] * self.factor)

    def close(self) -> None:
        self.device.open -= 1

    def _pass(self, seconds: float) -> float:
        self.device.now += seconds
        return seconds


def test_writing_and_reading_get_the_threads_that_suit_each() -> None:
    device = ScriptedDevice({4: 0.02, 3: 0.016, 2: 0.018}, {4: 0.004, 3: 0.005, 2: 0.008})
    found = device.sweep(TuningWishes(), 4, 3, 2)
    assert (found.threads, found.prefill_threads, found.kv_type, found.complete) == (3, 4, "f16", True)
    assert (found.writes_per_second, found.reads_per_second) == (62.5, 250)
    assert max(device.steps) < 1.5


def test_a_difference_that_is_noise_changes_nothing() -> None:
    device = ScriptedDevice({4: 0.02, 3: 0.0195}, {4: 0.004, 3: 0.00395}, q8=0.97)
    found = device.sweep(TuningWishes(), 4, 3)
    assert (found.threads, found.prefill_threads, found.kv_type) == (4, 4, "f16")


def test_another_kv_type_is_taken_when_it_is_clearly_faster() -> None:
    device = ScriptedDevice({4: 0.02}, {4: 0.004}, q8=0.8)
    assert device.sweep(TuningWishes(), 4).kv_type == "q8_0"


@pytest.mark.parametrize(("start", "batch"), [(0.0, 128), (0.2, 512)])
def test_larger_slices_are_taken_where_they_read_faster(start: float, batch: int) -> None:
    device = ScriptedDevice({1: 0.01}, {1: 0.0005}, start=start)
    assert device.sweep(TuningWishes(kv_type="f16"), 1).batch == batch


def test_slices_that_would_keep_somebody_waiting_are_not_tried() -> None:
    device = ScriptedDevice({1: 0.2}, {1: 0.02}, start=1.0)
    device.sweep(TuningWishes(kv_type="f16"), 1)
    assert max(device.steps) < 3


def test_what_the_owner_decided_is_not_tried() -> None:
    device = ScriptedDevice({2: 0.03, 4: 0.01}, {2: 0.01, 4: 0.001}, q8=0.1)
    found = device.sweep(TuningWishes(threads=2, batch=96, kv_type="f16"), 4, 2)
    assert (found.threads, found.prefill_threads, found.batch, found.kv_type) == (2, 2, 96, "f16")


def test_a_sweep_ends_when_its_time_is_over_with_what_it_knows() -> None:
    device = ScriptedDevice(dict.fromkeys(range(1, 9), 1.0), dict.fromkeys(range(1, 9), 0.5))
    found = device.sweep(TuningWishes(seconds=60), *range(8, 0, -1))
    assert not found.complete
    assert (found.threads, found.prefill_threads) == (8, 8)
    assert found.seconds < 60 + 2 * 3 * 64 * 0.5 + 12 + 64 * 0.5


def test_the_real_model_can_be_measured_with_either_kv_type(engine: LlamaEngine) -> None:
    for kv_type in ("f16", "q8_0"):
        probe = LlamaProbe(engine.model, kv_type)  # type: ignore[arg-type]
        probe.use_threads(1, 2)
        assert probe.read(64) > 0
        assert probe.write() > 0
        probe.close()


async def test_the_real_worker_answers_while_it_tunes_and_tells_what_it_found(starter_model: Path) -> None:
    model = LlamaModel(LlamaSettings(model_path=str(starter_model), context=512, kv_type="q8_0"), "starter")
    await model.start()
    try:
        with pytest.raises(ModelError, match="TUNING_NOT_POSSIBLE"):
            await model.tune(TuningWishes())
        async with asyncio.timeout(60):
            while model.status.phase != "ready":
                await asyncio.sleep(0.05)
            tuning = asyncio.create_task(model.tune(TuningWishes(kv_type="q8_0")))
            await asyncio.sleep(0.1)
            with pytest.raises(ModelError, match="TUNING_NOT_POSSIBLE"):
                await model.tune(TuningWishes())
            ask = Generation(
                id="a", messages=(Message("user", "Say hello."),), sampling=Sampling(max_tokens=8)
            )
            pieces = [item async for item in model.generate(ask) if isinstance(item, Piece)]
            assert pieces
            found = await tuning
        assert found.threads >= 1
        assert found.writes_per_second > 0
        assert found.kv_type == "q8_0"
    finally:
        await model.stop()
