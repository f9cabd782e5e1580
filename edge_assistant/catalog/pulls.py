"""Pulls that the daemon starts: each a process of its own, which tells how far it is.

A process can be ended at any time without harm (what arrived is kept for the next try), and what it
needed in memory goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import msgspec

from edge_assistant.catalog.catalog import load_catalog
from edge_assistant.errors import BusyError

logger = logging.getLogger(__name__)

TOLD_SECONDS = 0.25
"""How often watchers are told of progress at most."""

STOP_SECONDS = 3.0

PullPhase = Literal["running", "done", "failed", "stopped"]

COMMAND = (sys.executable, "-m", "edge_assistant", "models", "pull", "--json")


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """How far a pull is; bytes of the present file."""

    model: str
    phase: PullPhase
    done: int = 0
    total: int = 0
    """0 while unknown."""
    code: str = ""
    message: str = ""
    """Why it failed."""


class Pulls:
    """Starts, watches and ends pulls, one at a time."""

    def __init__(self, command: tuple[str, ...] = COMMAND, environ: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environ = environ
        self._pulls: dict[str, Pull] = {}
        """The newest pull of each model since the start, as it stands."""
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def all(self) -> dict[str, Pull]:
        """The newest pull of each model."""
        return dict(self._pulls)

    @property
    def _running(self) -> Pull | None:
        return next((pull for pull in self._pulls.values() if pull.phase == "running"), None)

    def start(self, model_id: str) -> Pull:
        """Begin to pull a model; does nothing when that is going on. Raises MODEL_UNKNOWN, MODEL_PULLING."""
        load_catalog().model(model_id)
        running = self._running
        if running is not None and running.model != model_id:
            raise BusyError(
                "MODEL_PULLING", f"{running.model} is being fetched: wait for it or stop it", retry_after=30
            )
        if running is None:
            self._tell(Pull(model=model_id, phase="running"))
            self._task = asyncio.create_task(self._pull(model_id), name=f"pull-{model_id}")
        return self._pulls[model_id]

    async def stop(self, model_id: str) -> None:
        """End a running pull; what arrived is kept for the next one."""
        running = self._running
        if running is not None and running.model == model_id:
            await self.close()

    async def events(self) -> AsyncIterator[Pull]:
        """Yield every pull as it stands, then each change, at most a few times a second; never ends."""
        seen: dict[str, Pull] = {}
        while True:
            for model_id, pull in list(self._pulls.items()):
                if seen.get(model_id) != pull:
                    seen[model_id] = pull
                    yield pull
            changed = self._changed
            if seen == self._pulls:
                await changed.wait()
            await asyncio.sleep(TOLD_SECONDS)

    async def close(self) -> None:
        """End what runs."""
        task, process = self._task, self._process
        _signal(process, signal.SIGTERM)
        if task is not None:
            _, pending = await asyncio.wait([task], timeout=STOP_SECONDS)
            if pending:
                _signal(process, signal.SIGKILL)
                await asyncio.wait([task])

    def _tell(self, pull: Pull) -> None:
        self._pulls[pull.model] = pull
        self._changed.set()
        self._changed = asyncio.Event()

    async def _pull(self, model_id: str) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            model_id,
            env={**os.environ, **(self._environ or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1_000_000,
            start_new_session=True,  # the installer that it runs ends with it
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read(), name=f"pull-errors-{model_id}")
        async for line in process.stdout:
            with contextlib.suppress(msgspec.DecodeError):
                self._take(model_id, msgspec.json.decode(line, type=dict[str, Any]))
        code = await process.wait()
        self._tell(self._ended(model_id, code, (await errors).decode(errors="replace")))
        logger.info("pull of %s: %s", model_id, self._pulls[model_id].phase)

    def _take(self, model_id: str, news: dict[str, Any]) -> None:
        done, total = news.get("done"), news.get("total")
        if isinstance(done, int) and isinstance(total, int):
            self._tell(Pull(model=model_id, phase="running", done=min(done, total), total=total))

    def _ended(self, model_id: str, code: int, errors: str) -> Pull:
        before = self._pulls[model_id]
        if code == 0:
            return Pull(model=model_id, phase="done", done=before.total, total=before.total)
        if code < 0:  # by a signal, which is ours
            return Pull(model=model_id, phase="stopped", done=before.done, total=before.total)
        line = next((line for line in reversed(errors.splitlines()) if line.startswith("error: ")), "")
        name, _, message = line.removeprefix("error: ").partition(": ")
        return Pull(
            model=model_id,
            phase="failed",
            code=name or "MODEL_DOWNLOAD_FAILED",
            message=message or "the download ended without saying why",
        )


def _signal(process: asyncio.subprocess.Process | None, number: int) -> None:
    if process is not None and process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
