"""What SQLite sees of simulated disks: a VFS of apsw, below the encryption."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from edge_assistant.bench.storage.disk import SECTOR_BYTES, CardError, Disk, File

NAME = "simulated-disk"


class OpenFile:
    """A file of a disk as SQLite works on it; methods as in apsw.VFSFile."""

    def __init__(self, disk: Disk, file: File, *, overwrites_safely: bool) -> None:
        self._disk = disk
        self._file = file
        self._overwrites_safely = overwrites_safely

    def xRead(self, amount: int, offset: int) -> bytes:
        with _told():
            self._disk.begin()
        return bytes(self._file.now[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        with _told():
            self._disk.write(self._file, bytes(data), offset)

    def xTruncate(self, size: int) -> None:
        with _told():
            self._disk.truncate(self._file, size)

    def xSync(self, flags: int) -> None:
        del flags
        with _told():
            self._disk.sync(self._file)

    def xFileSize(self) -> int:
        with _told():
            self._disk.begin()
        return len(self._file.now)

    def xLock(self, level: int) -> None:
        """One connection is all there is."""

    def xUnlock(self, level: int) -> None:
        """One connection is all there is."""

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        del op, pointer
        return False

    def xSectorSize(self) -> int:
        return SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE if self._overwrites_safely else 0

    def xClose(self) -> None:
        """Nothing is written at a close."""


class FileSystem(apsw.VFS):
    """The disks that are mounted, each below a folder of its own."""

    def __init__(self) -> None:
        super().__init__(NAME, "unix")
        self.disks: dict[str, Disk] = {}
        """By folder."""

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> OpenFile:  # type: ignore[override]
        assert name is not None, "temporary files lie in memory"
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        disk, base = self._find(path)
        with _told():
            disk.begin()
        if base not in disk.files:
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise apsw.CantOpenError
            disk.files[base] = File()
        flags[1] = flags[0]
        # The unix VFS believes in safe overwriting unless the database's name says psow=0.
        safely = not isinstance(name, apsw.URIFilename) or name.uri_boolean("psow", default=True)
        return OpenFile(disk, disk.files[base], overwrites_safely=safely)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        disk, base = self._find(filename)
        if base in disk.files:
            with _told():
                disk.delete(base, safe=syncdir)

    def xAccess(self, pathname: str, flags: int) -> bool:
        del flags
        disk, base = self._find(pathname)
        with _told():
            disk.begin()
        return base in disk.files

    def xFullPathname(self, name: str) -> str:
        return name

    def _find(self, path: str) -> tuple[Disk, str]:
        return self.disks[str(Path(path).parent)], Path(path).name


@contextmanager
def _told() -> Iterator[None]:
    """Give SQLite the code that its own file system would."""
    try:
        yield
    except CardError as error:
        raise (apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError)(str(error)) from None


_FILE_SYSTEM: list[FileSystem] = []
"""Registered when it is first needed; the encryption keeps a pointer to it, so it stays."""


@contextmanager
def mounted(disk: Disk) -> Iterator[Path]:
    """Mount a disk and return its folder, which is on no real one."""
    if not _FILE_SYSTEM:
        _FILE_SYSTEM.append(FileSystem())
    folder = f"/simulated/{id(disk)}"
    _FILE_SYSTEM[0].disks[folder] = disk
    try:
        yield Path(folder)
    finally:
        del _FILE_SYSTEM[0].disks[folder]
