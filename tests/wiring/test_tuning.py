"""What was found out is kept for each model and used where the owner has decided nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_assistant.config import Config, LlmSettings, Paths
from edge_assistant.errors import ModelError
from edge_assistant.llm.wire import LlamaSettings, Tuning, TuningWishes
from edge_assistant.wiring.tuning import (
    KEPT,
    PATIENCE,
    QUIET_LOOKS,
    DeviceTuner,
    QuietOccasion,
    read_tunings,
    tuned,
)

FOUND = Tuning(
    threads=3, prefill_threads=4, batch=512, kv_type="q8_0", writes_per_second=9.0, reads_per_second=40.0,
    seconds=30.0, complete=True,
)  # fmt: skip


class ScriptedModel:
    idle = True

    def __init__(self) -> None:
        self.wishes: list[TuningWishes] = []

    async def tune(self, wishes: TuningWishes) -> Tuning:
        self.wishes.append(wishes)
        return FOUND


class Device:
    def __init__(self, folder: Path, **llm: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.paths = Paths(state=folder, models=folder)
        self.config = Config(llm=LlmSettings(**llm))
        self.file = folder / "model.gguf"
        self.file.write_bytes(b"GGUF")
        self.model, self.exchanged = ScriptedModel(), 0
        self.tuner = DeviceTuner(
            lambda: self.config,
            self.paths,
            self.model,
            self.settings,
            self._exchange,  # type: ignore[arg-type]
        )

    def settings(self) -> LlamaSettings:
        llm = self.config.llm
        plain = LlamaSettings(model_path=str(self.file), threads=llm.threads, batch=llm.batch)
        return tuned(plain, llm, self.paths)

    def _exchange(self) -> None:
        self.exchanged += 1


async def test_what_was_found_is_used_from_now_on_and_not_looked_for_again(tmp_path: Path) -> None:
    device = Device(tmp_path)
    assert device.tuner.wanted
    assert await device.tuner.tune() == FOUND
    assert device.exchanged == 1
    assert not device.tuner.wanted
    used = device.settings()
    assert (used.threads, used.prefill_threads, used.batch, used.kv_type) == (3, 4, 512, "q8_0")
    again = Device(tmp_path)
    assert not again.tuner.wanted
    assert again.settings() == used


async def test_the_word_of_the_owner_comes_first(tmp_path: Path) -> None:
    device = Device(tmp_path, threads=2, kv_type="f16", batch=100)
    await device.tuner.tune()
    (wishes,) = device.model.wishes
    assert (wishes.threads, wishes.batch, wishes.kv_type) == (2, 100, "f16")
    used = device.settings()
    assert (used.threads, used.prefill_threads, used.batch, used.kv_type) == (2, 2, 100, "f16")


async def test_another_model_is_tuned_for_itself_and_old_ones_are_let_go(tmp_path: Path) -> None:
    device = Device(tmp_path)
    for size in range(1, KEPT + 3):
        device.file.write_bytes(bytes(size))
        assert device.tuner.wanted
        await device.tuner.tune()
    assert len(read_tunings(device.paths)) == KEPT
    assert not device.tuner.wanted


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b"[]"])
async def test_a_damaged_file_is_found_out_anew(tmp_path: Path, content: bytes) -> None:
    device = Device(tmp_path)
    (tmp_path / "tuning.json").write_bytes(content)
    assert device.tuner.wanted
    await device.tuner.tune()
    assert not device.tuner.wanted


async def test_a_model_elsewhere_or_switched_off_is_not_tuned_by_itself(tmp_path: Path) -> None:
    assert not Device(tmp_path, tune=False).tuner.wanted
    remote = Device(tmp_path, engine="openai", url="http://x/v1", remote_model="m")
    assert not remote.tuner.wanted
    with pytest.raises(ModelError, match="TUNING_NOT_POSSIBLE"):
        await remote.tuner.tune()


def test_a_try_that_came_to_nothing_is_repeated_ever_later() -> None:
    occasion = QuietOccasion()

    def looks_until_the_next_try() -> int:
        return next(number for number in range(1, 10_000) if occasion.look(quiet=True))

    assert looks_until_the_next_try() == QUIET_LOOKS
    occasion.look(quiet=True)
    occasion.look(quiet=False)
    assert looks_until_the_next_try() == QUIET_LOOKS, "somebody asked meanwhile"
    occasion.tried(well=False)
    assert looks_until_the_next_try() == QUIET_LOOKS * PATIENCE
    occasion.tried(well=False)
    assert looks_until_the_next_try() == QUIET_LOOKS * PATIENCE**2
    occasion.tried(well=True)
    assert looks_until_the_next_try() == QUIET_LOOKS
