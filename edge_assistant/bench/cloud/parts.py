"""The parts that the cloud's measurements share: broker, model's server, workers and devices, all real."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from edge_assistant.bench.child import tied
from edge_assistant.bench.mosquitto import Mosquitto, free_port
from edge_assistant.cloud.rpc import CloudModel
from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import Generation, LanguageModel, Message, Piece, Sampling
from edge_assistant.mqtt.broker import Broker
from edge_assistant.mqtt.connection import Connection

START_SECONDS = 30.0


@contextmanager
def broker_folder() -> Iterator[Path]:
    """Yield a folder that goes with the block, and keep the log from telling that brokers come and go."""
    for name in ("mqtt.connection", "mqtt.paho", "cloud.rpc"):
        logging.getLogger(f"edge_assistant.{name}").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mosquitto(folder: Path) -> Iterator[Mosquitto]:
    """Run a broker for the block."""
    running = Mosquitto(
        folder, "allow_anonymous true", "set_tcp_nodelay true", "max_queued_messages 100000"
    ).start()
    try:
        yield running
    finally:
        running.kill()


@asynccontextmanager
async def counting_upstream(model: str = "") -> AsyncIterator[str]:
    """Run the model's server in a process of its own; yields its address. It may know one model only."""
    port = free_port()
    command = tied(sys.executable, "-m", "edge_assistant.bench.upstream", str(port), model)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        await _until_open(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


class Workers:
    """Cloud workers, each a process of its own as an operator starts it."""

    def __init__(self, broker: str, upstream: str, *options: str) -> None:
        self._command = tied(
            *(sys.executable, "-m", "edge_assistant", "cloud-worker", "--broker", broker),
            *("--upstream", upstream, "--model", "counting", *options),
        )
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start one more."""
        process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, env=dict(os.environ))
        self._running.append(process)

    def kill(self, number: int) -> None:
        """End one as a power cut does, and start another in its place."""
        process = self._running.pop(number % len(self._running))
        process.kill()
        process.wait()
        self.start()

    def stop(self) -> None:
        """End all."""
        for process in self._running:
            process.kill()
            process.wait()


@asynccontextmanager
async def workers(count: int, broker: str, upstream: str, *options: str) -> AsyncIterator[Workers]:
    """Run some workers for the block."""
    running = Workers(broker, upstream, *options)
    try:
        for _ in range(count):
            running.start()
        yield running
    finally:
        running.stop()


@asynccontextmanager
async def device(broker: Broker, name: str, seconds: float = 120.0) -> AsyncIterator[CloudModel]:
    """Connect a device for the block; it is as patient as its deadline."""
    connection = Connection(broker, f"bench-{name}")
    model = CloudModel(connection, name, deadline_seconds=seconds, patience_seconds=seconds)
    running = asyncio.create_task(connection.run(), name=f"bench device {name}")
    try:
        async with asyncio.timeout(START_SECONDS):
            while not connection.online:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
        yield model
        await model.stop()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def answer(model: LanguageModel, text: str) -> str:
    """Return the whole answer; raises `EdgeError`."""
    return "".join([item.text async for item in model.generate(asking(text)) if isinstance(item, Piece)])


async def until_served(model: LanguageModel) -> None:
    """Return when some worker answers."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await answer(model, "count 1 hello every 0 ms")
            except EdgeError:
                continue
            return


def asking(text: str) -> Generation:
    """Return a question."""
    sampling = Sampling(max_tokens=1_000_000)
    return Generation(id="bench", messages=(Message("user", text),), sampling=sampling)


async def _until_open(port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
