"""What is given up in each stage, that it is said, and that all of it comes back."""

from __future__ import annotations

import pytest

from edge_assistant.config import Config, LlmSettings
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.strain import CALM_SECONDS, Strain
from edge_assistant.wiring.care import Carer, Relief

CALM, WARM = Strain(temperature_celsius=40), Strain(temperature_celsius=73)
HOT, BURNING = Strain(temperature_celsius=78), Strain(temperature_celsius=85)
FULL = Strain(used_percent=98.0)


class ScriptedSpeech:
    def __init__(self) -> None:
        self.life: list[str] = []

    async def rest(self, reason: str) -> None:
        assert reason
        self.life.append("rest")

    async def start(self) -> None:
        self.life.append("start")


class House:
    def __init__(self) -> None:
        self.relief, self.notices = Relief(), Notices()
        self.relief.speech = self.speech = ScriptedSpeech()
        self.models: list[bool] = []
        self.carer = Carer(self.relief, self.notices, lambda: self.models.append(self.relief.reduced))
        self.now = 0.0

    async def take(self, strain: Strain, times: int = 1) -> None:
        for _ in range(times):
            await self.carer.take(strain, self.now)
            self.now += CALM_SECONDS

    @property
    def told(self) -> dict[str, str]:
        return {notice.code: notice.message for notice in self.notices.shown}


@pytest.fixture
def house() -> House:
    return House()


async def test_each_stage_gives_up_more_and_all_of_it_comes_back(house: House) -> None:
    await house.take(WARM)
    assert house.relief.background.resting
    assert (house.models, house.speech.life) == ([], [])
    assert "73 °C" in house.told["DEVICE_HOT"]
    await house.take(HOT, 2)
    assert (house.models, house.speech.life) == ([True], [])
    assert "the model is smaller" in house.told["DEVICE_HOT"]
    await house.take(BURNING)
    assert house.speech.life == ["rest"]
    assert house.relief.stage == 3
    assert "speech is unloaded" in house.told["DEVICE_HOT"]
    await house.take(CALM, 4)
    assert not house.relief.background.resting
    assert (house.models, house.speech.life) == ([True, False], ["rest", "start"])
    assert house.told == {}
    assert house.relief.stage == 0


async def test_a_jump_to_the_last_stage_carries_out_all_of_them(house: House) -> None:
    await house.take(FULL)
    assert house.relief.background.resting
    assert (house.models, house.speech.life) == ([True], ["rest"])
    assert list(house.told) == ["MEMORY_SHORT"]


async def test_a_device_without_a_voice_has_none_to_unload(house: House) -> None:
    house.relief.speech = None
    await house.take(BURNING)
    await house.take(CALM, 4)
    assert house.models == [True, False]


def test_the_model_is_halved_only_while_it_must_be_and_another_server_is_none_of_ours() -> None:
    relief, config = Relief(), Config(llm=LlmSettings(context=4096, parallel=4, threads=4))
    assert relief.fitting(config) is config
    relief.reduced = True
    llm = relief.fitting(config).llm
    assert (llm.context, llm.parallel, llm.threads) == (2048, 2, 2)
    small = relief.fitting(Config(llm=LlmSettings(context=600, parallel=1))).llm
    assert (small.context, small.parallel) == (600, 1)
    assert small.threads >= 1
    remote = Config(llm=LlmSettings(engine="openai", url="http://x/v1", remote_model="m"))
    assert relief.fitting(remote) is remote


async def test_work_in_the_background_waits_and_goes_on(house: House) -> None:
    import asyncio

    await house.take(WARM)
    waiting = asyncio.create_task(house.relief.background.turn())
    await asyncio.sleep(0)
    assert not waiting.done()
    await house.take(CALM, 2)
    await asyncio.wait_for(waiting, 60)
