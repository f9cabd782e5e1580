"""What the operator wants this device to be: taken over at once and whole, or not at all.

Each step is written down before it is done. A wish that made the device ill within its probation is taken
back; so is one during which the assistant was started a second time, as what it made crash can't tell.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.fleet.wire import Desired, Outcome
from edge_assistant.store.files import make_folder, write_private

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often health is looked at during a probation."""

MOST_STARTS = 2
"""A power cut may fall into a probation; a crash comes again."""

_WORDS = 300


class Settings(Protocol):
    """What is needed of the configuration."""

    def present(self, keys: Collection[str]) -> dict[str, str]:
        """Return the present values."""
        ...

    async def change(self, values: Mapping[str, str]) -> None:
        """Carry out other values, durably; raises `EdgeError` and changes nothing."""
        ...


Examine = Callable[[Collection[str]], Awaitable[str]]
"""Returns a code when the device is not well after these keys were changed; waits for what has to load."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The last wish and what became of it, as it lies on the disk."""

    desired: Desired
    outcome: Outcome
    before: dict[str, str] = {}
    """What the keys were before, as long as there is a way back."""
    starts: int = 0
    """How often the assistant was started since."""


class Follower:
    """Carries out wishes one after the other; a newer one ends the probation of the one before."""

    def __init__(
        self,
        path: Path,
        settings: Settings,
        examine: Examine,
        may_set: Collection[str],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`path` is the file of the record."""
        self._path = path
        self._settings = settings
        self._examine = examine
        self._may_set = frozenset(may_set)
        self.told: Callable[[], None] = lambda: None
        """Called when there is something to report."""
        self._sleep = sleep
        self._next: asyncio.Queue[Desired] = asyncio.Queue(1)
        self._record: Record | None = None

    @property
    def outcome(self) -> Outcome:
        """What became of the last wish."""
        return self._record.outcome if self._record else Outcome()

    @property
    def values(self) -> dict[str, str]:
        """What the operator may change, as it is now."""
        return self._settings.present(sorted(self._may_set))

    async def wish(self, desired: Desired) -> None:
        """Take a wish; one that was carried out already is none."""
        if self._next.full():
            self._next.get_nowait()  # a newer one says more
        self._next.put_nowait(desired)

    async def run(self) -> None:
        """Follow wishes until cancelled."""
        self._record = await asyncio.to_thread(_read, self._path)
        record = self._record
        if record is not None and record.outcome.phase in {"applying", "probation"}:
            await self._go_on(msgspec.structs.replace(record, starts=record.starts + 1))
        while True:
            desired = await self._next.get()
            if self._record is None or desired.id != self._record.desired.id:
                await self._follow(desired)

    async def _go_on(self, record: Record) -> None:
        """Go on with a wish in the middle of which the assistant ended."""
        await self._keep(record)
        if record.starts >= MOST_STARTS:
            await self._return(record, "FLEET_RESTARTED", "the assistant was started anew twice meanwhile")
        else:
            await self._carry_out(record)

    async def _follow(self, desired: Desired) -> None:
        forbidden = sorted(set(desired.values) - self._may_set)
        if forbidden:
            message = f"the owner lets nobody set {', '.join(forbidden)}"
            refused = Record(desired=desired, outcome=_outcome(desired, "refused"))
            await self._end(refused, "FLEET_KEY_FORBIDDEN", message)
            return
        before = self._settings.present(desired.values)
        if (last := self._record) is not None and last.outcome.phase == "probation":
            before |= {key: value for key, value in last.before.items() if key in before}  # known to be well
        await self._carry_out(Record(desired=desired, outcome=_outcome(desired, "applying"), before=before))

    async def _carry_out(self, record: Record) -> None:
        desired = record.desired
        await self._keep(record)
        try:
            await self._settings.change(desired.values)
        except EdgeError as error:
            logger.warning("a desired state is refused: %s", error.code)
            refused = msgspec.structs.replace(record, outcome=_outcome(desired, "refused"), before={})
            await self._end(refused, error.code, error.message)
            return
        logger.info("on probation with desired state %d", desired.version)
        record = msgspec.structs.replace(record, outcome=_outcome(desired, "probation"))
        await self._keep(record)
        await self._probation(record)

    async def _probation(self, record: Record) -> None:
        """Watch until the time is over, the device is ill, or there is a newer wish."""
        desired = record.desired
        changed = [key for key, value in desired.values.items() if record.before.get(key) != value]
        left = desired.probation_seconds
        while True:
            code = await self._examine(changed)
            changed = []  # tried once; from now on it is only watched
            if code:
                await self._return(record, code, "the device was not well with it")
                return
            if left <= 0:
                break
            pause = min(LOOK_SECONDS, left)
            await self._sleep(pause)
            left -= pause
            if not self._next.empty() and self._is_newer(desired):
                return
        await self._end(
            msgspec.structs.replace(record, outcome=_outcome(desired, "applied"), before={}), "", ""
        )

    def _is_newer(self, desired: Desired) -> bool:
        """Return whether what waits is another wish; the same one, told again, is put away."""
        waiting = self._next.get_nowait()
        if waiting.id == desired.id:
            return False
        self._next.put_nowait(waiting)
        return True

    async def _return(self, record: Record, code: str, message: str) -> None:
        """Be again what the device was before."""
        logger.warning("desired state %d is taken back: %s", record.desired.version, code)
        try:
            await self._settings.change(record.before)
        except EdgeError as error:
            code, message = error.code, f"it could not be taken back: {error.message}"
        back = msgspec.structs.replace(record, outcome=_outcome(record.desired, "rolled_back"))
        await self._end(back, code, message)

    async def _end(self, record: Record, code: str, message: str) -> None:
        outcome = msgspec.structs.replace(record.outcome, code=code, message=message[:_WORDS])
        await self._keep(msgspec.structs.replace(record, outcome=outcome))

    async def _keep(self, record: Record) -> None:
        self._record = record
        await asyncio.to_thread(_write, self._path, record)
        self.told()


def _outcome(desired: Desired, phase: str) -> Outcome:
    return msgspec.convert({"version": desired.version, "id": desired.id, "phase": phase}, Outcome)


def _read(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeError):
        return None


def _write(path: Path, record: Record) -> None:
    make_folder(path.parent)
    write_private(path, msgspec.json.encode(record))
