"""What is fastest on this device, found out once for each model and kept; the owner's word comes first."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib import metadata
from pathlib import Path

import msgspec

from edge_assistant.config import Config, LlmSettings, Paths
from edge_assistant.errors import EdgeError, ModelError
from edge_assistant.llm.switched import SwitchedModel
from edge_assistant.llm.wire import LlamaSettings, Tuning, TuningWishes
from edge_assistant.store.files import write_private
from edge_assistant.wiring.tasks import begin
from edge_assistant.workers.background import Background

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
QUIET_LOOKS = 10
"""So many looks in a row must find nobody waiting before the device tunes itself: five minutes."""

PATIENCE = 4
"""After each try that fails so many times as many: where memory doesn't suffice, each costs the model."""

BUSY_LOAD = 0.4
"""Load of a core, over the last minute, beyond which figures tell more of others than of the model."""

KEPT = 8
"""Models whose tuning is remembered."""

_WAIT_SECONDS = 120.0
"""How long `tune` waits for the model to be loaded."""


def tuned(settings: LlamaSettings, llm: LlmSettings, paths: Paths) -> LlamaSettings:
    """Return `settings` with what was found out where the owner of the device has decided nothing."""
    tuning = read_tunings(paths).get(key_of(settings))
    if tuning is None:
        return settings
    return msgspec.structs.replace(
        settings,
        threads=llm.threads or tuning.threads,
        prefill_threads=llm.threads or tuning.prefill_threads,
        batch=llm.batch or tuning.batch,
        kv_type=tuning.kv_type if llm.kv_type == "auto" else llm.kv_type,
    )


def key_of(settings: LlamaSettings) -> str:
    """Return what a tuning holds for: model file, engine, cores and GPU layers."""
    path = Path(settings.model_path)
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    cores = len(os.sched_getaffinity(0))
    engine = metadata.version("llama-cpp-python")
    return f"{path.name} {size} llama-cpp-python {engine} cores {cores} gpu {settings.gpu_layers}"


def read_tunings(paths: Paths) -> dict[str, Tuning]:
    """Return what was found out, by key; a file that can't be read counts for nothing."""
    try:
        return msgspec.json.decode(_file(paths).read_bytes(), type=dict[str, Tuning])
    except (OSError, msgspec.DecodeError):
        return {}


def _file(paths: Paths) -> Path:
    return paths.state / "tuning.json"


class DeviceTuner:
    """Finds out, keeps it, and puts it to use."""

    def __init__(
        self,
        config: Callable[[], Config],
        paths: Paths,
        model: SwitchedModel,
        settings: Callable[[], LlamaSettings],
        exchange_model: Callable[[], None],
    ) -> None:
        """Know the model: `settings` are how it is run, `exchange_model` loads it with what is kept now."""
        self._config = config
        self._paths = paths
        self._model = model
        self._settings = settings
        self._exchange_model = exchange_model

    @property
    def wanted(self) -> bool:
        """Whether the model in use runs here and was never tuned."""
        config = self._config()
        if config.llm.engine != "llama" or not config.llm.tune:
            return False
        try:
            return key_of(self._settings()) not in read_tunings(self._paths)
        except ModelError:
            return False

    async def tune(self) -> Tuning:
        """Find out, and keep and use it; yields to whoever asks something meanwhile.

        Raises `ModelError` TUNING_NOT_POSSIBLE, MODEL_MISSING, or as the model fails.
        """
        llm = self._config().llm
        if llm.engine != "llama":
            raise ModelError("TUNING_NOT_POSSIBLE", "this model doesn't run on this device")
        before = self._settings()
        await self._loaded()
        wishes = TuningWishes(
            threads=llm.threads, batch=llm.batch, kv_type=None if llm.kv_type == "auto" else llm.kv_type
        )
        tuning = await self._model.tune(wishes)
        await asyncio.to_thread(self._keep, key_of(before), tuning)
        logger.info(
            "tuned in %.0f s: %d and %d threads, batch %d, KV %s",
            tuning.seconds, tuning.threads, tuning.prefill_threads, tuning.batch, tuning.kv_type,
        )  # fmt: skip
        if self._settings() != before:
            self._exchange_model()
        return tuning

    async def _loaded(self) -> None:
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while not self._model.idle:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.2)
        except TimeoutError:
            message = "the model is not loaded or always busy; try again later"
            raise ModelError("TUNING_NOT_POSSIBLE", message, retry_after=60.0) from None

    def _keep(self, key: str, tuning: Tuning) -> None:
        others = {name: value for name, value in read_tunings(self._paths).items() if name != key}
        newest = dict([*others.items(), (key, tuning)][-KEPT:])
        write_private(_file(self._paths), msgspec.json.encode(newest) + b"\n")


class QuietOccasion:
    """Finds the moment at which trying disturbs nobody."""

    def __init__(self) -> None:
        self._quiet = 0
        self._needed = QUIET_LOOKS

    def look(self, *, quiet: bool) -> bool:
        """Take one look; return whether it has been quiet for long enough, and begin anew when it has."""
        self._quiet = self._quiet + 1 if quiet else 0
        if self._quiet < self._needed:
            return False
        self._quiet = 0
        return True

    def tried(self, *, well: bool) -> None:
        """Wait longer for the next try when this one came to nothing."""
        self._needed = QUIET_LOOKS if well else self._needed * PATIENCE


def start_tuning(
    stack: AsyncExitStack, tuner: DeviceTuner, model: SwitchedModel, background: Background
) -> None:
    """Tune once, when nobody has asked anything for a while and nothing else works on the machine."""
    occasion = QuietOccasion()

    async def when_quiet() -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            quiet = model.idle and not background.resting and _idle_machine()
            if occasion.look(quiet=quiet) and tuner.wanted:
                occasion.tried(well=await _try(tuner))

    begin(stack, when_quiet(), "tuning")


def _idle_machine() -> bool:
    """Tell whether little else runs: with a busy neighbour other numbers of threads look best."""
    return os.getloadavg()[0] <= BUSY_LOAD * len(os.sched_getaffinity(0))


async def _try(tuner: DeviceTuner) -> bool:
    try:
        await tuner.tune()
    except EdgeError as error:
        logger.warning("not tuned: %s", error)
        return False
    return True
