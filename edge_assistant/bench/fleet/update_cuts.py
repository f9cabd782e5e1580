"""Power cuts in the middle of an update: the old version or the new one starts, and the update ends.

The process that updates is killed with all that it started, half of the times at a moment and half of the
times just before one of its operations on files; then the device boots.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from edge_assistant.bench.fleet.yard import Yard
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.errors import EdgeError

CUTS, CUTS_PER_RELEASE, AT_ONCE = 200, 10, 2
LATEST_SECONDS = 120.0

_OPERATIONS = frozenset({
    "open", "os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chown", "os.chmod",
    "subprocess.Popen",
})  # fmt: skip
"""Audit events (PEP 578) between which a cut may fall."""

NEITHER = Goal(
    metric="power cuts in an update after which neither version started",
    unit="cuts",
    text="200 power cuts at random points of an update: the old or the new version starts, never neither",
    at_most=0,
)
LOST = Goal(
    metric="updates that were neither complete nor taken back in the end, after the cuts",
    unit="updates",
    text="200 power cuts at random points of an update: each ends when it is left alone",
    at_most=0,
)


def update(folder: Path, operations: int) -> None:
    """Update until killed, at the latest before so many operations; this runs in a process of its own."""
    os.setpgid(0, 0)
    logging.disable(logging.CRITICAL)
    yard = Yard(folder)
    service = yard.service()
    service.start()
    left = operations

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        del arguments
        if event in _OPERATIONS:
            left -= 1
            if left == 0:
                os.killpg(0, signal.SIGKILL)

    if operations:
        sys.addaudithook(count)
    try:
        with contextlib.suppress(EdgeError):  # taken back: what starts then tells
            yard.updater(service).apply()
    finally:
        service.stop()


class Device:
    """A device that is updated again and again, and cut off."""

    def __init__(self, context: ForkServerContext, folder: Path) -> None:
        self.yard = Yard(folder).set_up()
        self.neither = self.unfinished = self.taken_back = self.updates = 0
        self._running = "1.0"
        self.booted: list[str] = []
        """`old` or `new`, after each cut."""
        self._context = context
        self._number = 0

    def undisturbed(self) -> tuple[float, int]:
        """Take a release without a cut; return how many seconds and operations on files that took."""
        self._release()
        service = self.yard.service()
        service.start()
        began = time.monotonic()
        with _counted() as counted:
            self.yard.updater(service).apply()
        seconds = time.monotonic() - began
        service.stop()
        self._running = self._new
        return seconds, len(counted)

    def suffer(self, wanted: Callable[[], bool], seconds: float, operations: int) -> None:
        """Take a release with some cuts on the way, and then without one."""
        old = self._running
        self._release()
        for number in range(CUTS_PER_RELEASE):
            if not wanted():
                break
            if number % 2:
                cut = self._live(LATEST_SECONDS, random.randint(1, operations))  # noqa: S311 - no secret
            else:
                cut = self._live(random.uniform(0.0, seconds))  # noqa: S311
            if not cut:
                break  # it was quicker
            version = self.yard.boot()
            self.neither += version not in {old, self._new}
            self.booted.append("new" if version == self._new else "old")
        self._live(LATEST_SECONDS)
        self.updates += 1
        self._running = self.yard.boot()
        # Cuts in a probation are starts, of which a version has three: then it has to give its place back.
        last = self.yard.place.state.last
        gave_back = last is not None and last.version == self._new and last.code == "UPDATE_RESTARTED"
        self.taken_back += gave_back
        self.unfinished += self._running != (old if gave_back else self._new)

    @property
    def _new(self) -> str:
        return f"1.{self._number}"

    def _release(self) -> None:
        self._number += 1
        self.yard.release(self._new)

    def _live(self, seconds: float, operations: int = 0) -> bool:
        """Update for a while; return whether that was cut off."""
        process: ForkServerProcess = self._context.Process(target=update, args=(self.yard.folder, operations))
        process.start()
        process.join(seconds)
        for kill in (os.killpg, os.kill):  # it may have no group of its own yet
            if process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    kill(process.pid, signal.SIGKILL)
        process.join()
        return process.exitcode == -signal.SIGKILL


@contextlib.contextmanager
def _counted() -> Iterator[list[str]]:
    """Note the operations on files of this process."""
    found: list[str] = []
    counting = True

    def look(event: str, arguments: tuple[object, ...]) -> None:
        del arguments
        if counting and event in _OPERATIONS:
            found.append(event)

    sys.addaudithook(look)
    yield found
    counting = False


async def _cut(setting: Setting, folder: Path) -> tuple[list[Device], float, int]:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    at_once = setting.count(AT_ONCE, 1)
    devices = [
        await asyncio.to_thread(Device, context, folder / f"device{number}") for number in range(at_once)
    ]
    # One after the other: what is counted is all that this process does.
    found = [await asyncio.to_thread(device.undisturbed) for device in devices]
    seconds, operations = min(seconds for seconds, _ in found), min(number for _, number in found)
    cuts = setting.count(CUTS, 2)

    def wanted() -> bool:
        return sum(len(device.booted) for device in devices) < cuts

    async def lane(device: Device) -> None:
        while wanted():
            await asyncio.to_thread(device.suffer, wanted, seconds, operations)

    await asyncio.gather(*(lane(device) for device in devices))
    return devices, seconds, operations


def measure(setting: Setting) -> Iterator[Result]:
    """Cut, boot, and let them finish."""
    folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
    try:
        devices, seconds, operations = asyncio.run(_cut(setting, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    booted = [version for device in devices for version in device.booted]
    yield NEITHER.measured(
        sum(device.neither for device in devices),
        f"n={len(booted)} times SIGKILL of the updater and all that it started, anywhere in {seconds:.2g} s "
        f"or before one of its {operations} operations on files; what started: {booted.count('old')} times "
        f"the old, {booted.count('new')} times the new version; a small program in the assistant's place",
    )
    updates = sum(device.updates for device in devices)
    yield LOST.measured(
        sum(device.unfinished for device in devices),
        f"n={updates} updates, each cut off up to {CUTS_PER_RELEASE} times and then left alone; "
        f"{sum(device.taken_back for device in devices)} of them were cut in their probation so often that "
        "the old version had its place again",
    )


MEASUREMENTS = (Measurement((NEITHER, LOST), measure),)
