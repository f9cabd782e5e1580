"""A provisioned broker with TLS and rights, a counting server, workers and devices on them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from edge_assistant.bench.upstream import counting_server
from edge_assistant.cloud.rpc import CloudModel
from edge_assistant.cloud.worker import CloudWorker
from edge_assistant.llm.openai_remote import RemoteModel
from edge_assistant.llm.protocol import Generation, Message, Piece, Sampling
from edge_assistant.mqtt.broker import Broker
from edge_assistant.mqtt.connection import Connection
from tests.mqtt.test_connection import until
from tests.mqtt.test_provisioning import Guarded


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("broker"))
    guarded.set_up("--cloud-worker", "kitchen", "bedroom")
    guarded.process.kill()
    guarded.process.start()
    yield guarded
    guarded.process.kill()


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    async with counting_server() as url:
        yield url


@contextlib.asynccontextmanager
async def connected(connection: Connection) -> AsyncIterator[Connection]:
    task = asyncio.create_task(connection.run())
    try:
        await until(lambda: connection.online)
        yield connection
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def a_device(broker: Broker, name: str = "kitchen", **more: float) -> AsyncIterator[CloudModel]:
    connection = Connection(broker, f"edge-assistant-cloud-{name}")
    model = CloudModel(connection, name, **{"patience_seconds": 60.0, **more})
    async with connected(connection):
        yield model
        await model.stop()


@contextlib.asynccontextmanager
async def a_worker(broker: Broker, url: str, **more: float) -> AsyncIterator[CloudWorker]:
    model = RemoteModel("counting", url=url, model="counting")
    await model.start()
    name = str(more.pop("name", "")) or "w-1"
    connection = Connection(broker, f"edge-assistant-cloud-{name}")
    worker = CloudWorker(connection, model, name=name, **more)
    try:
        async with connected(connection):
            yield worker
            await worker.stop()
    finally:
        await model.stop()


def generation(text: str, **more: object) -> Generation:
    messages = (Message("system", "You count."), Message("user", text))
    return Generation(id="g", messages=messages, sampling=Sampling(max_tokens=100_000), **more)


async def text_of(stream) -> str:
    return "".join([item.text async for item in stream if isinstance(item, Piece)])
