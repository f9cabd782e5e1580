"""The language model that the configuration names: built, exchanged while running, tuned, ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

from edge_assistant.catalog.catalog import find_model
from edge_assistant.config import Config, Paths, secret
from edge_assistant.errors import ModelError
from edge_assistant.llm.switched import OwnedModel, SwitchedModel
from edge_assistant.llm.wire import LlamaSettings
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.preferences import Preferences
from edge_assistant.wiring.care import Relief, start_care
from edge_assistant.wiring.tasks import beside
from edge_assistant.wiring.tuning import DeviceTuner, start_tuning, tuned

logger = logging.getLogger(__name__)

SMALL_MODEL_BYTES = 1_200_000_000
"""Below about two billion parameters at four bits, models mix up what they read."""


async def start_model(
    stack: AsyncExitStack, config: Config, paths: Paths, hurry: asyncio.Event
) -> SwitchedModel:
    """Begin to load the model; with `hurry` set, it is not waited for at the end."""
    model = SwitchedModel(build_model(config, paths))
    stack.push_async_callback(_stop_model, model, hurry)
    await model.start()
    return model


async def _stop_model(model: OwnedModel, hurry: asyncio.Event) -> None:
    """Stop in order; when somebody is in a hurry the worker is killed as the event loop ends."""
    async with (
        beside(hurry.wait(), "hurry") as hurrying,
        beside(model.stop(), "stop model") as stopping,
    ):
        await asyncio.wait([hurrying, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            logger.warning("stopping without waiting for the model")


def look_after_model(
    stack: AsyncExitStack,
    preferences: Preferences,
    paths: Paths,
    *,
    model: SwitchedModel,
    relief: Relief,
    notices: Notices,
    daemon: bool,
) -> DeviceTuner:
    """Spare the device when it is strained, and find out what is fastest on it; that is returned."""

    def exchange() -> None:
        model.begin_switch(build_model(relief.fitting(preferences.config), paths))

    tuner = DeviceTuner(
        lambda: preferences.config, paths, model, lambda: llama_settings(preferences.config, paths), exchange
    )
    if daemon:
        start_care(stack, preferences.config, relief, notices, exchange)
        start_tuning(stack, tuner, model, relief.background)
    return tuner


def build_model(config: Config, paths: Paths) -> OwnedModel:
    """Return the model that the configuration names, or one that says why there is none."""
    if config.llm.engine == "openai":
        from edge_assistant.llm.openai_remote import RemoteModel

        name = config.llm.remote_model
        return RemoteModel(name, url=config.llm.url, model=name, api_key=secret("llm_api_key") or "")
    from edge_assistant.llm.unavailable import UnavailableModel

    try:
        return _local_model(config, paths)
    except ModelError as error:
        logger.error("no model: %s", error)  # noqa: TRY400 - the line says all
        return UnavailableModel(config.llm.model, error)


def _local_model(config: Config, paths: Paths) -> OwnedModel:
    from edge_assistant.llm.client import LlamaModel

    return LlamaModel(llama_settings(config, paths), config.llm.model)


def llama_settings(config: Config, paths: Paths) -> LlamaSettings:
    """Return how the model is run, with what tuning found; raises `ModelError`."""
    from edge_assistant.catalog.catalog import find_model

    llm = config.llm
    settings = LlamaSettings(
        model_path=str(find_model(llm.model, paths.models)),
        context=llm.context,
        threads=llm.threads,
        gpu_layers=llm.gpu_layers,
        parallel=llm.parallel,
        snapshot_dir=str(paths.snapshots) if llm.snapshot_limit_mb else "",
        snapshot_limit_mb=llm.snapshot_limit_mb,
        batch=llm.batch,
        kv_type="f16" if llm.kv_type == "auto" else llm.kv_type,
    )
    return tuned(settings, llm, paths)


def weakness(model: SwitchedModel, paths: Paths) -> Callable[[], bool]:
    """Return what tells whether the model is away, or too small to be trusted with what it reads."""
    return lambda: model.status.phase != "ready" or _is_small(model.status.name, paths)


def _is_small(model: str, paths: Paths) -> bool:
    """Tell whether a model is small by its file; one elsewhere is not."""
    try:
        return find_model(model, paths.models).stat().st_size < SMALL_MODEL_BYTES
    except ModelError:
        return False
