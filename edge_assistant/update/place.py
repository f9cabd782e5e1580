"""Where versions lie: a folder each, one symlink that names the one that runs, and what is known of updates.

PREFIX/versions/NAME/    .venv, docs, systemd, install.sh; `version` is written last: none, no version
PREFIX/current           names the version that runs; changed in one step
PREFIX/guard             counts starts in a probation, and ends it; run by systemd before each start
PREFIX/update/           what is trusted (`metadata`), what is on its way (`files`), `probation`, `state.json`
"""

from __future__ import annotations

import fcntl
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge_assistant.store.files import sync_file, sync_folder
from edge_assistant.update.release import MANIFEST, UpdateError, digest_of
from edge_assistant.update.shelf import disk_errors

MOST_FAILURES = 20


class Probation(msgspec.Struct, frozen=True):
    """A version that has to show that it is well; the guard reads this, so it is one line of words."""

    old: str
    new: str
    starts: int = 0
    usual: str = ""
    """What the old version said of its health: a device without a model need not have one afterwards."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an update."""

    at: float
    """UNIX seconds."""
    version: str
    digest: str
    """Which release it was; empty for one that was installed by hand."""
    result: str
    """`applied`, `returned` or `refused`."""
    code: str = ""
    message: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of updates."""

    last: Outcome | None = None
    failed: dict[str, str] = {}
    """Releases that were taken back, and why: they are not tried again by themselves."""


class Place:
    """The folder that the program is installed in."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.work = prefix / "update"
        self._versions = prefix / "versions"
        self._probation = self.work / "probation"
        self._state = self.work / "state.json"

    @classmethod
    def own(cls) -> Place:
        """Return where this very program is installed; raises UPDATE_NOT_INSTALLED."""
        folder = Path(sys.prefix).resolve().parent
        if folder.parent.name != "versions" or not (folder / "version").exists():
            raise UpdateError(
                "UPDATE_NOT_INSTALLED",
                "this program was not installed by install.sh: bring it up to date as you got it",
            )
        return cls(folder.parent.parent)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time update; raises UPDATE_RUNNING, UPDATE_FORBIDDEN."""
        try:
            self.work.mkdir(exist_ok=True)
            lock = (self.work / "lock").open("w")
        except PermissionError as error:
            raise UpdateError("UPDATE_FORBIDDEN", f"{self.work} is not yours to write: use sudo") from error
        except OSError as error:
            raise UpdateError(
                "UPDATE_DISK_FAILED", f"can't write below {self.work}: {error.strerror}"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UpdateError("UPDATE_RUNNING", "another update is under way: wait for it") from None
            yield

    @property
    def current(self) -> str:
        """Name of the version that runs; empty when there is none."""
        try:
            return (self.prefix / "current").readlink().name
        except OSError:
            return ""

    @property
    def others(self) -> list[str]:
        """Names of the other whole versions, the newest first."""
        found = [path.parent for path in self._versions.glob("*/version") if path.parent.name != self.current]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]

    def folder(self, name: str) -> Path:
        """Return where a version lies."""
        return self._versions / name

    def version(self, name: str) -> str:
        """Return a version's number; empty when it is not whole."""
        try:
            words = (self.folder(name) / "version").read_text(encoding="utf-8").split()
        except OSError:
            return ""
        return words[-1] if words else ""

    def release(self, name: str) -> str:
        """Return the digest of the release that a version came from; empty when it was installed by hand."""
        try:
            return digest_of((self.folder(name) / MANIFEST).read_bytes())
        except OSError:
            return ""

    def whole(self, digest: str) -> str:
        """Return the name of the whole version of a release that is here already; else nothing."""
        return next((name for name in self.others if self.release(name) == digest), "")

    def free_name(self, version: str) -> str:
        """Return a name for a version that is to be put together."""
        number = 1
        while (self.folder(f"{version}-{number}") / "version").exists():
            number += 1
        return f"{version}-{number}"

    def switch(self, name: str) -> None:
        """Make another version the one that runs, in one step."""
        with disk_errors(self.prefix):
            link = self.prefix / "current.new"
            link.unlink(missing_ok=True)
            link.symlink_to(f"versions/{name}")
            link.replace(self.prefix / "current")
            sync_folder(self.prefix)

    def keep(self, *names: str) -> None:
        """Take away all versions but these."""
        for folder in self._versions.iterdir():
            if folder.name not in {self.current, *names}:
                self.remove(folder.name)

    def remove(self, name: str) -> None:
        """Take a version away."""
        (self.folder(name) / "version").unlink(missing_ok=True)  # from now on it is half of one
        shutil.rmtree(self.folder(name), ignore_errors=True)

    @property
    def probation(self) -> Probation | None:
        """The probation under way."""
        try:
            old, new, starts, usual = self._probation.read_text(encoding="ascii").split()
            return Probation(old, new, int(starts), usual.removeprefix("-"))
        except (OSError, ValueError):
            return None

    def begin_probation(self, new: str, usual: str) -> Probation:
        """Write down that another version is about to be tried, before it is."""
        self._write(self._probation, f"{self.current} {new} 0 {usual or '-'}\n".encode("ascii"))
        return Probation(self.current, new, 0, usual)

    def end_probation(self) -> None:
        """From now on the version that runs is the one that shall."""
        self._probation.unlink(missing_ok=True)
        sync_folder(self.work)

    @property
    def state(self) -> State:
        """What is remembered."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return State()

    def remember(self, outcome: Outcome) -> None:
        """Write down what became of an update."""
        self._keep_state(outcome, outcome.digest, outcome.code if outcome.result == "returned" else "")

    def refuse(self, digest: str, code: str) -> None:
        """Write down that a release shall not be tried again by itself, and why."""
        self._keep_state(self.state.last, digest, code)

    def _keep_state(self, last: Outcome | None, digest: str, code: str) -> None:
        failed = {known: why for known, why in self.state.failed.items() if known != digest}
        if digest and code:
            failed[digest] = code
        kept = dict(list(failed.items())[-MOST_FAILURES:])
        self._write(self._state, msgspec.json.encode(State(last=last, failed=kept)) + b"\n")

    def _write(self, path: Path, content: bytes) -> None:
        """Replace a small file that others may read; a power cut leaves the old or the new one."""
        with disk_errors(self.work):
            part = path.with_name(f"{path.name}.new")
            part.write_bytes(content)
            sync_file(part)
            part.replace(path)
            sync_folder(path.parent)
