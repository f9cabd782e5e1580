"""A real daemon on a state folder of its own, as systemd would start it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil

from edge_assistant.bench.child import tied
from edge_assistant.bench.measurement import CannotMeasureError, Setting
from edge_assistant.catalog.catalog import find_model
from edge_assistant.config import Paths, load_paths
from edge_assistant.config.address import socket_address
from edge_assistant.errors import EdgeError, ModelError

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01

Sections = Mapping[str, Mapping[str, Any]]
"""TOML tables by name, such as `{"llm": {"parallel": 4}}`."""


def model_path(setting: Setting) -> Path:
    """Return the GGUF file that is measured; raises `CannotMeasureError` when there is none."""
    if setting.config.llm.engine != "llama":
        raise CannotMeasureError("llm.engine is another server; these figures are of a model on this device")
    try:
        return find_model(setting.config.llm.model, setting.paths.models)
    except ModelError as error:
        raise CannotMeasureError(error.message) from error


class Device:
    """One state folder and the daemon that runs on it, one life after the other."""

    def __init__(
        self, folder: Path, setting: Setting, sections: Sections, secrets: Mapping[str, str] | None = None
    ) -> None:
        """`secrets` by name, such as `fleet_claim`."""
        self.folder = folder
        self._environ = _environ(folder, setting, sections)
        for name, value in (secrets or {}).items():
            self._environ[f"EDGE_ASSISTANT_SECRET_{name.upper()}"] = value
        self._log = folder / "log"
        self._process: asyncio.subprocess.Process | None = None
        self.ready_seconds = 0.0
        """From the start of the process until it said READY to systemd."""

    @property
    def paths(self) -> Paths:
        """Its files."""
        return load_paths(self._environ)

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def rss_bytes(self) -> int:
        """Resident memory of the daemon alone."""
        return int(psutil.Process(self.pid).memory_info().rss)

    async def start(self) -> None:
        """Start the daemon; returns when it is ready, while the model may still load."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            address = self.folder / "notify"
            address.unlink(missing_ok=True)
            channel.bind(str(address))
            with self._log.open("ab") as log:
                started = time.monotonic()
                self._process = await asyncio.create_subprocess_exec(
                    *tied(sys.executable, "-m", "edge_assistant", "run"),
                    env={**self._environ, "NOTIFY_SOCKET": str(address)},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            await self._wait_for_ready(channel)
            self.ready_seconds = time.monotonic() - started

    async def stop(self) -> None:
        """End the daemon as systemd does."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def kill(self) -> None:
        """End the daemon as a power cut does; its workers end by themselves."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def order(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send one order on the control socket and return its answer."""
        with socket_address(self.paths.control_socket) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(msgspec.json.encode({"type": kind, **fields}) + b"\n")
        answer: dict[str, Any] = msgspec.json.decode(await reader.readline())
        writer.close()
        return answer

    async def wait_for_model(self) -> None:
        """Return when the model is loaded; raises BENCH_FAILED when it won't be."""
        while (phase := (await self.order("status"))["model"]["phase"]) != "ready":
            if phase in {"failed", "stopped"}:
                raise EdgeError("BENCH_FAILED", f"the model was not loaded: {self._last_words()}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_for_ready(self, channel: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        assert self._process is not None
        ready = asyncio.create_task(_hear_ready(loop, channel), name="bench ready")
        ended = asyncio.create_task(self._process.wait(), name="bench ended")
        done, pending = await asyncio.wait(
            [ready, ended], timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        await asyncio.wait([ready, ended])
        if ready not in done:
            raise EdgeError("BENCH_FAILED", f"the daemon did not start: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


@asynccontextmanager
async def running_device(setting: Setting, sections: Sections | None = None) -> AsyncIterator[Device]:
    """Run a daemon with the measured model and these sections; nothing of it is left afterwards."""
    model_path(setting)
    folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
    device = Device(folder, setting, sections or {})
    try:
        await device.start()
        yield device
    finally:
        await device.stop()
        shutil.rmtree(folder, ignore_errors=True)


def to_toml(sections: Sections) -> str:
    """Return TOML of tables of plain values: JSON's scalars and lists are TOML's too."""
    lines = []
    for name, table in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _environ(folder: Path, setting: Setting, sections: Sections) -> dict[str, str]:
    """Return an environment in which only the model's settings are this device's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_ASSISTANT_")}
    llm = {**msgspec.to_builtins(setting.config.llm), **sections.get("llm", {})}
    config = folder / "config.toml"
    config.write_text(to_toml({"web": {"port": 0, "lan": False}, **sections, "llm": llm}), encoding="utf-8")
    return {
        **own,
        "STATE_DIRECTORY": str(folder / "state"),
        "EDGE_ASSISTANT_MODELS": str(setting.paths.models),
        "EDGE_ASSISTANT_CONFIG": str(config),
    }


async def _hear_ready(loop: asyncio.AbstractEventLoop, channel: socket.socket) -> None:
    while b"READY=1" not in await loop.sock_recv(channel, 4096):
        pass
