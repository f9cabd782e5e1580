"""The model catalogue: what can be pulled, from where, how large it is, and what it needs.

The catalogue is `models/catalog.toml`. It holds no weights. A file without `sha256` lives on a hub
that names the hash itself; it is pinned on this device when it is first pulled (see pins.py).
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from edge_assistant.catalog.pins import Pins
from edge_assistant.catalog.sources import HubSource, PackageSource, parse_source
from edge_assistant.errors import ModelError

Role = Literal["llm", "embedder", "transcriber", "synthesizer"]
State = Literal["installed", "missing", "damaged"]

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_FILE_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,59}/){0,2}[A-Za-z0-9_][A-Za-z0-9._-]{0,119}")
_SHA256 = re.compile(r"([0-9a-f]{64})?")
_GGUF_MAGIC = b"GGUF"
_PACKAGED = Path(__file__).parent.parent / "models" / "catalog.toml"
_CHECKOUT = Path(__file__).parent.parent.parent / "models" / "catalog.toml"


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model."""

    name: str
    """Its name in the model's folder; some engines want subfolders, at most two deep."""
    sources: tuple[str, ...]
    """Where its bytes come from; several sources are the parts of one file, in order."""
    sha256: str = ""
    """Lower-case hex; empty when the hub names it at pull time."""
    size: int = 0
    """Bytes; 0 when the hub names it at pull time."""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model that can be pulled."""

    id: str
    role: Role
    description: str
    licence: str
    """An SPDX identifier, or the name of the terms."""
    provenance: str
    """The page of those who made or converted it."""
    ram_mb: int
    """Memory it takes while loaded with a context of 4,096 tokens, in MB; an estimate unless verified."""
    files: tuple[ModelFile, ...]
    tools: bool = False
    """Whether its makers trained it to call tools and it is large enough to know when not to."""
    verified: bool = False
    """True when it was pulled and run by this project; False when only its address is known."""

    def folder(self, models: Path) -> Path:
        """Return where it lives below the folder of models."""
        return models / self.id

    def size(self, pins: Pins | None = None) -> int:
        """Return the bytes of all files as far as they are known."""
        return sum(expected_size(self, file, pins) for file in self.files)


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The models that suit one kind of device."""

    description: str
    models: tuple[str, ...]


class Catalog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All models and profiles, as read from the file."""

    models: tuple[Model, ...]
    profiles: dict[str, Profile]

    def model(self, model_id: str) -> Model:
        """Return the model of that id; raises MODEL_UNKNOWN with the nearest ids."""
        for model in self.models:
            if model.id == model_id:
                return model
        raise ModelError("MODEL_UNKNOWN", _unknown("model", model_id, [m.id for m in self.models]))

    def profile(self, name: str) -> tuple[Model, ...]:
        """Return a profile's models; raises MODEL_UNKNOWN with the nearest names."""
        if name not in self.profiles:
            raise ModelError("MODEL_UNKNOWN", _unknown("profile", name, list(self.profiles)))
        return tuple(self.model(model_id) for model_id in self.profiles[name].models)

    def profiles_of(self, model_id: str) -> list[str]:
        """Return the names of the profiles that hold this model."""
        return [name for name, profile in self.profiles.items() if model_id in profile.models]


def _unknown(kind: str, given: str, known: list[str]) -> str:
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`edge-assistant models list` shows all"
    return f"no {kind} is called {given[:80]!r}; {hint}"


def parse_catalog(text: str) -> Catalog:
    """Decode and check a catalogue; raises CATALOG_BROKEN."""
    try:
        catalog = msgspec.toml.decode(text, type=Catalog)
        _check(catalog)
    except (msgspec.DecodeError, ValueError) as error:
        raise ModelError("CATALOG_BROKEN", f"the model catalogue can't be used: {error}") from error
    return catalog


def _check(catalog: Catalog) -> None:
    ids = [model.id for model in catalog.models]
    if len(set(ids)) != len(ids):
        raise ValueError("two models have the same id")
    for model in catalog.models:
        _check_model(model)
    for name, profile in catalog.profiles.items():
        if missing := set(profile.models) - set(ids):
            raise ValueError(f"profile {name} names unknown models {sorted(missing)}")


def _check_model(model: Model) -> None:
    if not _ID.fullmatch(model.id):
        raise ValueError(f"model id {model.id!r} is not of the form {_ID.pattern}")
    if not model.files:
        raise ValueError(f"{model.id} has no files")
    for file in model.files:
        _check_file(f"{model.id}/{file.name}", file)


def _check_file(name: str, file: ModelFile) -> None:
    if not _FILE_NAME.fullmatch(file.name) or not _SHA256.fullmatch(file.sha256) or file.size < 0:
        raise ValueError(f"{name!r} is a file with a bad name, hash or size")
    kinds = {type(parse_source(source)) for source in file.sources}
    if len(kinds) != 1 or (HubSource in kinds and len(file.sources) > 1):
        raise ValueError(f"{name} needs one address, or members of packages")
    if PackageSource in kinds and not (file.sha256 and file.size):
        raise ValueError(f"{name} comes from a package and needs a hash and a size")


@cache
def load_catalog() -> Catalog:
    """Read the catalogue that came with this program; raises CATALOG_BROKEN."""
    path = _PACKAGED if _PACKAGED.exists() else _CHECKOUT
    try:
        return parse_catalog(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError("CATALOG_BROKEN", "the model catalogue is missing; install again") from error


def expected_size(model: Model, file: ModelFile, pins: Pins | None) -> int:
    """Return a file's size in bytes from the catalogue or this device's pin; 0 when unknown."""
    pin = pins.get(model.id, file.name) if pins and not file.size else None
    return pin.size if pin else file.size


def model_state(model: Model, models: Path) -> State:
    """Tell from names, sizes and the first bytes whether a model is here; hashes are not read."""
    pins = Pins.read(models)
    paths = [(file, model.folder(models) / file.name) for file in model.files]
    if not all(path.is_file() for _, path in paths):
        return "missing"
    sound = all(_looks_sound(path, expected_size(model, file, pins)) for file, path in paths)
    return "installed" if sound else "damaged"


def _looks_sound(path: Path, size: int) -> bool:
    if size and path.stat().st_size != size:
        return False
    if path.suffix != ".gguf":
        return True
    with path.open("rb") as file:
        return file.read(len(_GGUF_MAGIC)) == _GGUF_MAGIC


def is_path(id_or_path: str) -> bool:
    """Tell whether a model is named by the path of a file rather than by an id of the catalogue."""
    return "/" in id_or_path or id_or_path.endswith(".gguf")


def find_model(id_or_path: str, models: Path) -> Path:
    """Return a model's first file: of a catalogue id below `models`, or of a path to a GGUF.

    The check is quick (presence, size, first bytes). Raises MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT.
    """
    if is_path(id_or_path):
        return _find_file(Path(id_or_path).expanduser())
    model = load_catalog().model(id_or_path)
    state = model_state(model, models)
    if state == "missing":
        raise ModelError(
            "MODEL_MISSING",
            f"{model.id} is not on this device; run `edge-assistant models pull {model.id}`",
        )
    if state == "damaged":
        raise ModelError(
            "MODEL_CORRUPT",
            f"{model.id} is damaged; run `edge-assistant models pull {model.id}` to replace it",
        )
    return model.folder(models) / model.files[0].name


def _find_file(path: Path) -> Path:
    try:
        sound = _looks_sound(path, 0)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ModelError("MODEL_MISSING", f"the model file {path} can't be opened: {reason}") from error
    if not sound:
        raise ModelError("MODEL_CORRUPT", f"{path} is not a GGUF file; name another in llm.model")
    return path
