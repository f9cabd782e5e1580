"""Power cuts in the middle of enrolment: a device is enrolled or not, and its token takes it in all the same.

Each device is a process; it is killed again and again, anywhere in its way in, and then left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from edge_assistant.bench.fleet.ground import Gadget, Ground, until
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.statistic import median
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.identity import Keeper
from edge_assistant.fleet.registrar.book import Serial
from edge_assistant.fleet.registrar.registrar import Registrar, Wish
from edge_assistant.workers.parent import die_with_parent

CUTS, CUTS_PER_DEVICE, AT_ONCE = 200, 5, 4
LONGEST = 1.2
"""The latest cut, as a share of the time that an undisturbed enrolment takes."""

LATEST_SECONDS = 30.0

NEITHER = Goal(
    metric="power cuts in enrolment after which a device was neither enrolled nor not",
    unit="cuts",
    text="200 power cuts at random points of enrolment: the device is enrolled or not, never neither",
    at_most=0,
)
LOST = Goal(
    metric="devices that did not come in with their token after the cuts, or came in twice",
    unit="devices",
    text="200 power cuts at random points of enrolment: each device enrols once, with its one token",
    at_most=0,
)


def live(ground: Ground, name: str, token: str) -> None:
    """Be a device until killed; this runs in a process of its own."""
    die_with_parent()
    logging.disable(logging.CRITICAL)
    asyncio.run(_live(Gadget(ground, name, token)))


async def _live(gadget: Gadget) -> None:
    async with gadget.running():
        await asyncio.Event().wait()


class Victim:
    """A device whose power is cut."""

    def __init__(self, context: ForkServerContext, ground: Ground, name: str, token: str) -> None:
        self.name = name
        self.neither = 0
        self.stages: list[str] = []
        self._context = context
        self._ground, self._token = ground, token
        self._keeper = Keeper(ground.folder / "devices" / name)

    async def suffer(self, cuts: int, whole_seconds: float) -> None:
        """Be cut off somewhere in the time that the whole way takes, so often or until it is enrolled."""
        while len(self.stages) < cuts and "enrolled" not in self.stages:
            await self._life(random.uniform(0.0, whole_seconds))  # noqa: S311 - no secret
            self._look()

    async def come_in(self, registrar: Registrar) -> float:
        """Live until it is enrolled and return how long that took."""
        began = time.monotonic()
        with self._begun():
            await until(lambda: _enrolled(registrar, f"serial-{self.name}"), LATEST_SECONDS)
        return time.monotonic() - began

    async def _life(self, seconds: float) -> None:
        with self._begun():
            await asyncio.sleep(seconds)

    @contextlib.contextmanager
    def _begun(self) -> Iterator[None]:
        process: ForkServerProcess = self._context.Process(
            target=live, args=(self._ground, self.name, self._token), daemon=True
        )
        process.start()
        try:
            yield
        finally:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)
            process.join()

    def _look(self) -> None:
        """Look what the cut has left, with the eyes of the next life."""
        folder = self._keeper.folder
        key, identity = (folder / "key.pem").exists(), (folder / "identity.json").exists()
        loaded = self._keeper.load() if key else None
        self.stages.append("enrolled" if loaded else "key" if key else "nothing")
        if identity and loaded is None:
            self.neither += 1


async def _enrolled(registrar: Registrar, serial: str) -> bool:
    devices = await registrar.book.devices()
    return any(device.serial == serial and device.state == "enrolled" for device in devices)


@asynccontextmanager
async def _ground(folder: Path) -> AsyncIterator[tuple[Ground, Registrar]]:
    ground = Ground(folder)
    try:
        await ground.start()
        async with ground.registrar() as registrar:
            yield ground, registrar
    finally:
        ground.mosquitto.kill()


async def _cut(setting: Setting, folder: Path) -> tuple[list[Victim], int, int, float]:
    cuts = setting.count(CUTS, 20)
    names = [f"d{number}" for number in range(cuts)]  # more than it takes: most are cut more than once
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    async with _ground(folder) as (ground, registrar):
        await registrar.book.keep_serials(Serial(serial=f"serial-{name}") for name in ("first", *names))
        made = await registrar.claim([Wish(name=name) for name in ("first", *names)])
        first, *victims = [Victim(context, _shipped(ground), claim.name, token) for claim, token in made]
        await first.come_in(registrar)  # the fork server warms up
        whole = await _typical(registrar, context, ground)
        waiting, done = iter(victims), list[Victim]()
        lost = 0

        async def lane() -> None:
            nonlocal lost
            while sum(len(victim.stages) for victim in done) < cuts:
                victim = next(waiting)
                done.append(victim)
                await victim.suffer(CUTS_PER_DEVICE, LONGEST * whole)
                try:
                    await victim.come_in(registrar)
                except EdgeError:
                    lost += 1

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))
        serials = [each.serial for each in await registrar.book.devices()]
        twice = sum(serials.count(f"serial-{victim.name}") > 1 for victim in done)
        return done, lost, twice, whole


async def _typical(registrar: Registrar, context: ForkServerContext, ground: Ground) -> float:
    """Return how long an undisturbed device takes, at the load of the measurement."""
    names = [f"warm{number}" for number in range(AT_ONCE)]
    await registrar.book.keep_serials(Serial(serial=f"serial-{name}") for name in names)
    made = await registrar.claim([Wish(name=name) for name in names])
    calm = [Victim(context, _shipped(ground), claim.name, token) for claim, token in made]
    return median(await asyncio.gather(*(each.come_in(registrar) for each in calm)))


def _shipped(ground: Ground) -> Ground:
    """Return what a device's process needs of it: not the broker's."""
    copy = Ground(ground.folder)
    copy.place = ground.place
    return copy


def measure(setting: Setting) -> Iterator[Result]:
    """Cut, look, and let them come in."""
    logging.getLogger("edge_assistant").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
    try:
        victims, lost, twice, whole = asyncio.run(_cut(setting, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    stages = [stage for victim in victims for stage in victim.stages]
    spread = ", ".join(f"{stages.count(stage)} with {stage}" for stage in ("nothing", "key", "enrolled"))
    note = (
        f"n={len(stages)} times SIGKILL of {len(victims)} devices anywhere in {LONGEST * whole:.2g} s; "
        f"undisturbed enrolment takes {whole:.2g} s; what was left: {spread}"
    )
    yield NEITHER.measured(sum(victim.neither for victim in victims), note)
    yield LOST.measured(lost + twice, f"n={len(victims)} devices, each with one token")


MEASUREMENTS = (Measurement((NEITHER, LOST), measure),)
