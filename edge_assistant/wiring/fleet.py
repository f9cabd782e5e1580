"""The fleet: this device as the operator's registrar knows it."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack

from edge_assistant import __version__
from edge_assistant.config import Config, Paths, secret
from edge_assistant.fleet.agent import Agent
from edge_assistant.fleet.identity import Keeper, own_serial
from edge_assistant.fleet.wire import Reported
from edge_assistant.frontends.mqtt.topics import device_of
from edge_assistant.mqtt.broker import parse_broker
from edge_assistant.ops.hardware import read_hardware
from edge_assistant.ops.services import Services
from edge_assistant.wiring.broker import installed_models

_PROBLEM_CHARACTERS = 200


async def start_fleet(stack: AsyncExitStack, config: Config, paths: Paths, services: Services) -> Agent:
    """Be a device of the fleet until the stack unwinds; raises `ConfigError` MQTT_URL_BAD."""
    fleet = config.fleet
    serial = await asyncio.to_thread(own_serial, fleet.serial)
    vitals = Vitals(paths, services, serial)
    agent = Agent(
        Keeper(paths.state / "fleet"), parse_broker(fleet.url, ca_file=fleet.ca_file),
        secret("fleet_claim") or "", serial=serial, name=fleet.device or device_of(socket.gethostname()),
        report=vitals.read, report_seconds=fleet.report_seconds,
    )  # fmt: skip
    task = asyncio.create_task(agent.run(), name="fleet")

    async def stop() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(stop)
    return agent


class Vitals:
    """Reads how this device is."""

    def __init__(self, paths: Paths, services: Services, serial: str) -> None:
        self._paths = paths
        self._services = services
        self._serial = serial
        self._started = time.monotonic()

    async def read(self) -> Reported:
        """Return how it is; nothing in it is about a person."""
        hardware = await asyncio.to_thread(read_hardware, self._paths.state)
        models = await asyncio.to_thread(installed_models, self._paths.models)
        problems = self.problems()
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
            clock=round(time.time(), 1),
        )

    def problems(self) -> list[str]:
        """Return why this device is not well, as codes: nobody's words are in them."""
        model = self._services.model.status
        failing = ["MODEL_FAILED"] if model.phase in {"failed", "stopped"} else []
        return [*failing, *(notice.code for notice in self._services.notices.shown)]
