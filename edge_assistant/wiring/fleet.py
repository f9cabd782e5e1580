"""The fleet: this device as the operator's registrar knows it."""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack

from edge_assistant import __version__
from edge_assistant.config import OPERATED, Config, Paths, secret
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.agent import Agent
from edge_assistant.fleet.desired import Follower
from edge_assistant.fleet.identity import Keeper, own_serial
from edge_assistant.fleet.wire import Reported
from edge_assistant.frontends.mqtt.topics import device_of
from edge_assistant.llm.protocol import Generation, Message, Sampling
from edge_assistant.mqtt.broker import parse_broker
from edge_assistant.ops.hardware import read_hardware
from edge_assistant.ops.preferences import Preferences
from edge_assistant.ops.services import Services
from edge_assistant.wiring.broker import installed_models
from edge_assistant.wiring.tasks import beside

TRY_SECONDS = 900.0
"""How long a model may take to load and to say a word."""

_TRY = (Message("system", "You answer with one word."), Message("user", "Hello"))
_PROBLEM_CHARACTERS = 200


async def start_fleet(stack: AsyncExitStack, config: Config, paths: Paths, services: Services) -> Agent:
    """Be a device of the fleet until the stack unwinds; raises `ConfigError` MQTT_URL_BAD."""
    fleet = config.fleet
    serial = await asyncio.to_thread(own_serial, fleet.serial)
    vitals = Vitals(paths, services, serial)
    folder = paths.state / "fleet"
    follower = Follower(
        folder / "desired.json", Chosen(services.preferences), vitals.examine, may_set(config)
    )
    agent = Agent(
        Keeper(folder), parse_broker(fleet.url, ca_file=fleet.ca_file),
        secret("fleet_claim") or "", serial=serial, name=fleet.device or device_of(socket.gethostname()),
        report=lambda: vitals.read(follower), desired=follower.wish, report_seconds=fleet.report_seconds,
    )  # fmt: skip
    follower.told = agent.tell
    await stack.enter_async_context(beside(follower.run(), "fleet wishes"))
    await stack.enter_async_context(beside(agent.run(), "fleet"))
    return agent


def may_set(config: Config) -> tuple[str, ...]:
    """Return the keys that the operator may change."""
    return OPERATED if "*" in config.fleet.may_set else config.fleet.may_set


class Chosen:
    """The configuration as the operator changes it."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    def present(self, keys: Collection[str]) -> dict[str, str]:
        """Return the present values."""
        return self._preferences.present(keys)

    async def change(self, values: Mapping[str, str]) -> None:
        """Carry out other values, durably; raises `EdgeError` and changes nothing."""
        await self._preferences.change(values, choosable=OPERATED)


class Vitals:
    """Reads how this device is."""

    def __init__(self, paths: Paths, services: Services, serial: str) -> None:
        self._paths = paths
        self._services = services
        self._serial = serial
        self._started = time.monotonic()
        self._usual: frozenset[str] = frozenset()
        """Problems that are there without any wish of the operator."""

    async def read(self, follower: Follower) -> Reported:
        """Return how it is; nothing in it is about a person."""
        hardware = await asyncio.to_thread(read_hardware, self._paths.state)
        models = await asyncio.to_thread(installed_models, self._paths.models)
        problems = self.problems()
        if follower.outcome.phase not in {"applying", "probation"}:
            self._usual = frozenset(problems)
        return Reported(
            version=__version__,
            serial=self._serial,
            health="failing" if problems else "ok",
            problems=tuple(problem[:_PROBLEM_CHARACTERS] for problem in problems),
            uptime_seconds=round(time.monotonic() - self._started, 1),
            disk_free_mb=hardware.disk_free_bytes // 10**6,
            memory_available_mb=hardware.memory_available_bytes // 10**6,
            temperature_celsius=hardware.temperature_celsius,
            model=self._services.model.status.name[:_PROBLEM_CHARACTERS],
            models=tuple(models),
            values=follower.values,
            desired=follower.outcome,
            clock=round(time.time(), 1),
        )

    def problems(self) -> list[str]:
        """Return why this device is not well, as codes: nobody's words are in them."""
        model = self._services.model.status
        failing = ["MODEL_FAILED"] if model.phase in {"failed", "stopped"} else []
        return [*failing, *(notice.code for notice in self._services.notices.shown)]

    async def examine(self, keys: Collection[str]) -> str:
        """Return a code when the device is not well; a model that was changed is tried with one word."""
        if any(key.startswith("llm.") for key in keys) and (code := await self._try_model()):
            return code
        return next((problem for problem in self.problems() if problem not in self._usual), "")

    async def _try_model(self) -> str:
        generation = Generation(id=uuid.uuid4().hex, messages=_TRY, sampling=Sampling(max_tokens=1))
        try:
            async with asyncio.timeout(TRY_SECONDS):
                async for _ in self._services.model.generate(generation):
                    pass
        except EdgeError as error:
            return error.code
        except TimeoutError:
            return "MODEL_FAILED"
        return ""
