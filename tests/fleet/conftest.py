from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_assistant.fleet.registrar.registrar import Registrar
from tests.fleet.fleet import Ground


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    ground = await Ground(tmp_path / "fleet").start()
    yield ground
    ground.mosquitto.kill()


@pytest.fixture
async def registrar(ground: Ground) -> AsyncIterator[Registrar]:
    async with ground.registrar() as registrar:
        yield registrar
