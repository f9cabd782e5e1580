"""The device spares itself under heat and lack of memory, in stages, and says so."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

import msgspec

from edge_assistant.config import Config
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.strain import SelfCare, Stage, Strain, read_strain
from edge_assistant.wiring.tasks import begin
from edge_assistant.workers.background import Background

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0

LEAST_CONTEXT = 1024
"""Tokens below which a conversation would lose its thread; a smaller context stays as it is."""

HOT, SHORT = "DEVICE_HOT", "MEMORY_SHORT"
"""Codes of notices."""

GIVEN_UP = {
    Stage.CAREFUL: "work in the background rests",
    Stage.REDUCED: "work in the background rests, and the model is smaller for a while",
    Stage.SILENT: "work in the background rests, the model is smaller and speech is unloaded for a while",
}


class Speech(Protocol):
    """What is needed of ears and mouth."""

    async def rest(self, reason: str) -> None:
        """Give back memory and processor until `start`; people are told the reason."""
        ...

    async def start(self) -> None:
        """Listen and speak again."""
        ...


class Relief:
    """What is given up now."""

    def __init__(self) -> None:
        self.background = Background()
        self.stage = Stage.CALM
        """How far it goes."""
        self.reduced = False
        """Whether the model is smaller than configured."""
        self.speech: Speech | None = None
        """Ears and mouth, when the device has them."""

    def fitting(self, config: Config) -> Config:
        """Return the configuration with a model that the device can bear now."""
        llm = config.llm
        if not self.reduced or llm.engine != "llama":
            return config
        smaller = msgspec.structs.replace(
            llm,
            context=max(llm.context // 2, min(llm.context, LEAST_CONTEXT)),
            parallel=max(1, llm.parallel // 2),
            threads=max(1, (llm.threads or len(os.sched_getaffinity(0))) // 2),
        )
        return msgspec.structs.replace(config, llm=smaller)


class Carer:
    """Takes readings and carries out what their stage asks for."""

    def __init__(self, relief: Relief, notices: Notices, exchange_model: Callable[[], None]) -> None:
        """`exchange_model` puts a model in the place of the present one that fits `relief`."""
        self._relief = relief
        self._notices = notices
        self._exchange_model = exchange_model
        self._care = SelfCare()
        self.stage = Stage.CALM

    async def take(self, strain: Strain, now: float) -> None:
        """Take a reading at `now` (seconds, monotonic)."""
        before, self.stage = self.stage, self._care.step(strain, now)
        self._relief.stage = self.stage
        self._tell(strain)
        if self.stage == before:
            return
        if self.stage:
            reasons = [code for code, holds in self._reasons().items() if holds]
            logger.warning("the device spares itself: stage %d, %s", self.stage, " ".join(reasons))
        else:
            logger.info("the device is well again")
        await self._carry_out(before)

    def _reasons(self) -> dict[str, bool]:
        return {HOT: self._care.hot, SHORT: self._care.short_of_memory}

    def _tell(self, strain: Strain) -> None:
        words = {
            HOT: f"the device is hot ({strain.temperature_celsius or 0:.0f} °C)",
            SHORT: "the device is short of memory",
        }
        for code, holds in self._reasons().items():
            if holds and self.stage:
                self._notices.show(code, f"{words[code]}: {GIVEN_UP[self.stage]}")
            else:
                self._notices.clear(code)

    async def _carry_out(self, before: Stage) -> None:
        relief, stage = self._relief, self.stage
        (relief.background.rest if stage >= Stage.CAREFUL else relief.background.go_on)()
        if relief.reduced != (stage >= Stage.REDUCED):
            relief.reduced = stage >= Stage.REDUCED
            self._exchange_model()
        if relief.speech is not None and (before == Stage.SILENT) != (stage == Stage.SILENT):
            if stage == Stage.SILENT:
                await relief.speech.rest("the device is too hot or short of memory: ears and mouth rest")
            else:
                await relief.speech.start()


def start_care(
    stack: AsyncExitStack,
    config: Config,
    relief: Relief,
    notices: Notices,
    exchange_model: Callable[[], None],
) -> None:
    """Look after the device until the stack unwinds; nothing when `care.enabled` is off."""
    if not config.care.enabled:
        return
    carer = Carer(relief, notices, exchange_model)

    async def look() -> None:
        while True:
            strain = await asyncio.to_thread(read_strain, limit_celsius=config.care.hot_celsius)
            await carer.take(strain, time.monotonic())
            await asyncio.sleep(LOOK_SECONDS)

    begin(stack, look(), "self-care")
