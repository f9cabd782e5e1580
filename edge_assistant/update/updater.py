"""An update from beginning to end: asked for, brought here, put together beside the old one, tried."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from edge_assistant.update.keepsake import Keepsake
from edge_assistant.update.place import Outcome, Place
from edge_assistant.update.release import MANIFEST, File, Release, UpdateError, this_platform
from edge_assistant.update.shelf import Shelf, disk_errors, require_room
from edge_assistant.update.source import Source
from edge_assistant.update.trial import Trial, succeeded
from edge_assistant.update.trust import Offer, Trust

logger = logging.getLogger(__name__)

_INSTALL_SECONDS = 3600.0
_SAID_CHARACTERS = 300


class Progress(Protocol):
    """Shows a person how far a download is."""

    def begin(self, name: str, total: int) -> None:
        """Start with `total` bytes."""

    def advance(self, count: int) -> None:
        """Count bytes; negative when a file starts over."""

    def end(self) -> None:
        """Finish, whatever became of it."""

    def note(self, text: str) -> None:
        """Say something in one line."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator offers and what it would take."""

    installed: str
    """The version that runs."""
    offered: str
    update: bool
    """Whether they differ."""
    failed_before: str
    """The code with which this release was taken back before; else empty."""
    download_bytes: int
    clock_behind_seconds: float


class Updater:
    """Updates one device; one at a time."""

    def __init__(
        self, place: Place, root: Path, source: Callable[[], Source], *, trial: Trial, keepsake: Keepsake,
        models: Path, progress: Progress, pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """`root` is the operator's first root; `models` lies in the state folder."""
        self._place = place
        self._root = root
        self._source = source
        self._trial = trial
        self._keepsake = keepsake
        self._models = models
        self._progress = progress
        self._shelf = Shelf(place.work / "files", pause)

    def check(self) -> Check:
        """Ask what is offered."""
        with self._place.alone():
            offer, _ = self._offer()
            return self._checked(offer)

    def apply(self, *, again: bool = False) -> Outcome | None:
        """Bring the device to what is offered; None when it is there already.

        `again` tries a release that was taken back. Raises `UpdateError`; what ran before goes on running.
        """
        with self._place.alone():
            self.go_on()
            offer, source = self._offer()
            check = self._checked(offer)
            if not check.update:
                return None
            if check.failed_before and not again:
                raise UpdateError(
                    "UPDATE_FAILED_BEFORE",
                    f"{check.offered} was taken back before ({check.failed_before}); `--again` tries it",
                )
            name = self._place.whole(offer.digest) or self._install(offer, source)
            return succeeded(self._trial.begin(name))

    def go_on(self) -> Outcome | None:
        """End what a power cut left half done."""
        outcome = self._trial.go_on()
        if outcome is not None:
            self._tidy()
        return outcome

    def rollback(self) -> Outcome:
        """Go back to the version before; raises UPDATE_NO_WAY_BACK."""
        with self._place.alone():
            self.go_on()
            others = self._place.others
            if not others:
                raise UpdateError("UPDATE_NO_WAY_BACK", "the version before is not here any more")
            self._place.refuse(self._place.release(self._place.current), "UPDATE_ROLLED_BACK")
            return succeeded(self._trial.begin(others[0]))

    def _offer(self) -> tuple[Offer, Source]:
        source = self._source()
        offer = Trust(self._root, self._place.work / "metadata", self._shelf, source).offer(this_platform())
        if offer.clock_behind_seconds:
            logger.warning(
                "update: the clock is %.0f s behind what was signed; the newest signed date counts",
                offer.clock_behind_seconds,
            )
        return offer, source

    def _checked(self, offer: Offer) -> Check:
        missing = sum(
            self._shelf.missing_bytes(file.sha256, file.size) for file in self._needed(offer.release)
        )
        current = self._place.current
        return Check(
            installed=self._place.version(current), offered=offer.release.version,
            update=self._place.release(current) != offer.digest, download_bytes=missing,
            failed_before=self._place.state.failed.get(offer.digest, ""),
            clock_behind_seconds=round(offer.clock_behind_seconds, 1),
        )  # fmt: skip

    def _needed(self, release: Release) -> list[File]:
        """Return the files of a release, without models that are here already."""
        here = {
            model for model, files in release.models().items()
            if all(self._is_here(file) for file in files)
        }  # fmt: skip
        return [
            file
            for file in release.files
            if file.path.split("/")[:2] not in [["models", model] for model in here]
        ]

    def _is_here(self, file: File) -> bool:
        path = self._models / file.path.removeprefix("models/")
        return path.is_file() and path.stat().st_size == file.size and Shelf.digest(path) == file.sha256

    def _install(self, offer: Offer, source: Source) -> str:
        """Bring a release here and put it together beside the one that runs; returns its name."""
        files = self._needed(offer.release)
        models = [file for file in files if file.path.startswith("models/")]
        self._keepsake.require_room(sum(file.size for file in models))
        missing = sum(self._shelf.missing_bytes(file.sha256, file.size) for file in files)
        require_room(self._place.work, missing + offer.release.installed_bytes)
        self._fetch(files, source, missing)
        bundle = self._unpacked(offer, files)
        name = self._place.free_name(offer.release.version)
        self._progress.note(f"putting version {offer.release.version} together")
        _put_together(bundle, name, self._place.prefix, self._models.parent)
        self._tidy({file.sha256 for file in files if file not in models})  # those lie where they belong
        return name

    def _fetch(self, files: list[File], source: Source, missing: int) -> None:
        self._progress.begin("update", missing)
        try:
            for file in files:
                if not self._shelf.holds(file.sha256, file.size):
                    self._shelf.bring(source, file.target, file.sha256, file.size, self._progress.advance)
        finally:
            self._progress.end()

    def _unpacked(self, offer: Offer, files: list[File]) -> Path:
        """Lay the files out as a bundle has them; nothing is copied."""
        bundle = self._place.work / "bundle"
        with disk_errors(bundle):
            shutil.rmtree(bundle, ignore_errors=True)
            for file in files:
                path = bundle / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.hardlink_to(self._shelf.path(file.sha256))
            (bundle / MANIFEST).write_bytes(offer.manifest)
        return bundle

    def _tidy(self, wanted: set[str] | None = None) -> None:
        """Keep the files of the newest release, so that the next one brings only what differs."""
        shutil.rmtree(self._place.work / "bundle", ignore_errors=True)
        if wanted is not None:
            self._shelf.keep(wanted)


def _put_together(bundle: Path, name: str, prefix: Path, state: Path) -> None:
    """Let the release's own installer do it; raises UPDATE_INSTALL_FAILED, UPDATE_DISK_FULL."""
    words = ["sh", str(bundle / "install.sh"), "--beside", name, "--python", _base_python()]
    if importlib.util.find_spec("faster_whisper"):
        words.append("--voice")
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False, errors="replace",
        env={**os.environ, "EDGE_ASSISTANT_PREFIX": str(prefix), "EDGE_ASSISTANT_STATE": str(state)},
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-_SAID_CHARACTERS:]
        if "No space left on device" in done.stderr + done.stdout:
            raise UpdateError("UPDATE_DISK_FULL", f"the disk of {prefix} is full: make room and update again")
        raise UpdateError("UPDATE_INSTALL_FAILED", f"version {name} can't be put together: {said}")


def _base_python() -> str:
    """Return the Python that this program's own environment was made from."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def settle_units(place: Place, name: str) -> None:
    """Bring units and guard up to date with a version; what it lacks stays as it is."""
    script = place.folder(name) / "install.sh"
    if not script.exists():
        return
    done = subprocess.run(("sh", str(script), "--units"), capture_output=True, text=True, check=False)
    if done.returncode:
        logger.warning("update: the units stay as they were")
