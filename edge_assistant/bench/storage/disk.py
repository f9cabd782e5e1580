"""A disk that loses power: what was not synced is kept, dropped or garbled, sector by sector.

A sector with any unsynced byte is at risk as a whole, also what was synced there before: cards
rewrite whole sectors. Sizes and names are at risk in the same way until they are synced.
"""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field

SECTOR_BYTES = 4096
"""What SQLite's own file system takes for a sector (SQLITE_DEFAULT_SECTOR_SIZE)."""


class CardError(OSError):
    """An operation that the disk did not do."""

    def __init__(self, number: int = errno.EIO) -> None:
        super().__init__(number, "the simulated card failed")


@dataclass
class File:
    """What is read now, what is safe, and what each unsynced sector held in between."""

    now: bytearray = field(default_factory=bytearray)
    safe: bytes = b""
    unsynced: dict[int, list[bytes]] = field(default_factory=dict)
    named: bool = False
    """Whether its name survives a cut."""

    def write(self, data: bytes, offset: int) -> None:
        """Overwrite and extend; unsynced."""
        if len(self.now) < offset:
            self.now.extend(bytes(offset - len(self.now)))
        self.now[offset : offset + len(data)] = data
        for sector in range(offset // SECTOR_BYTES, (offset + len(data) - 1) // SECTOR_BYTES + 1):
            self.unsynced.setdefault(sector, []).append(self._sector(self.now, sector))

    def sync(self) -> None:
        """Make all of it safe."""
        self.safe, self.named = bytes(self.now), True
        self.unsynced.clear()

    def after_cut(self, chance: random.Random) -> None:
        """Become what a power cut leaves."""
        size = chance.choice((len(self.safe), len(self.now)))
        left = bytearray(self.safe[:size].ljust(size, b"\0"))
        for sector, versions in self.unsynced.items():
            start = sector * SECTOR_BYTES
            match chance.randrange(3):
                case 0:
                    content = chance.choice(versions)
                case 1:
                    continue
                case _:
                    content = chance.randbytes(SECTOR_BYTES)
            left[start : start + SECTOR_BYTES] = content[: max(0, size - start)]
        self.now, self.safe = left[:size], bytes(left[:size])
        self.unsynced.clear()

    @staticmethod
    def _sector(content: bytearray, sector: int) -> bytes:
        return bytes(content[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES])


class Disk:
    """Files by name, a count of what was done to them, and the moment at which that goes wrong."""

    def __init__(self, files: dict[str, bytes]) -> None:
        """`files` are there and safe."""
        self.files = {
            name: File(now=bytearray(content), safe=content, named=True) for name, content in files.items()
        }
        self._deleted: dict[str, File] = {}
        """Files whose deletion may be undone by a cut."""
        self.done = 0
        """Operations so far."""
        self.changes = 0
        """Those of them that change something, or make it safe."""
        self._cut_at = 0
        self._fault_at = 0
        self._fault: OSError = CardError()
        self.dead = False

    def cut_power_at(self, change: int) -> None:
        """Lose power in the middle of the `change`th change from now on."""
        self._cut_at = self.changes + change

    def fail_at(self, operation: int, error: OSError) -> None:
        """Fail the `operation`th operation from now on, that one alone."""
        self._fault_at, self._fault = self.done + operation, error

    def power_back(self, chance: random.Random) -> None:
        """Be as the card is found after the cut."""
        for name, file in self._deleted.items():
            if name not in self.files and chance.randrange(2):
                self.files[name] = file
        for name, file in list(self.files.items()):
            if not file.named and chance.randrange(2):
                del self.files[name]
            else:
                file.after_cut(chance)
        self._deleted.clear()
        self._cut_at = 0
        self.dead = False

    def write(self, file: File, data: bytes, offset: int) -> None:
        """Write; cut off in its middle it may have happened."""
        self.begin(change=True)
        file.write(data, offset)
        self._cut()

    def truncate(self, file: File, size: int) -> None:
        """Shorten a file; cut off, it may have happened."""
        self.begin(change=True)
        del file.now[size:]
        self._cut()

    def sync(self, file: File) -> None:
        """Make a file safe; cut off, it is not."""
        self.begin(change=True)
        self._cut()
        file.sync()

    def delete(self, name: str, *, safe: bool) -> None:
        """Delete a file; unless `safe`, a cut may bring it back."""
        self.begin(change=True)
        self._cut()
        file = self.files.pop(name)
        if not safe and file.named:
            self._deleted[name] = file

    def begin(self, *, change: bool = False) -> None:
        """Count an operation; raise when the disk is dead or fails in it."""
        if self.dead:
            raise CardError
        self.done += 1
        self.changes += change
        if self.done == self._fault_at:
            raise self._fault

    def _cut(self) -> None:
        if self.changes == self._cut_at:
            self.dead = True
            raise CardError
