"""`models list / pull / verify / remove`: the catalogue and what of it is on this device."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TextIO

import msgspec
from tqdm import tqdm

from edge_assistant.catalog.catalog import Catalog, Model, is_path, load_catalog, model_state
from edge_assistant.catalog.pins import Pins
from edge_assistant.catalog.pull import Progress, Puller, remove_model, verify_model
from edge_assistant.config import load_config, load_paths
from edge_assistant.errors import ModelError, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the four actions."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("list", help="what can be pulled and what is here")
    listing.add_argument("--json", action="store_true", help="one JSON array")
    pull = actions.add_parser("pull", help="bring models here; without ids what the configuration needs")
    pull.add_argument("ids", nargs="*", metavar="ID")
    pull.add_argument("--json", action="store_true", help="tell progress as one JSON object a line")
    pull.add_argument("--profile", help="all models of a profile: starter, voice, pi4, pi5, jetson")
    verify = actions.add_parser("verify", help="read every byte of installed models and compare hashes")
    verify.add_argument("ids", nargs="*", metavar="ID")
    remove = actions.add_parser("remove", help="delete a model from this device")
    remove.add_argument("ids", nargs="+", metavar="ID")
    remove.add_argument("--yes", action="store_true", help="don't ask")


def run(args: argparse.Namespace) -> int:
    """Do one action."""
    catalog, models = load_catalog(), load_paths().models
    match args.action:
        case "list":
            return _list(catalog, models, as_json=args.json)
        case "pull":
            return _pull(catalog, models, args)
        case "verify":
            return _verify(_chosen(catalog, args.ids), models, named=bool(args.ids))
        case _:
            return _remove(args.ids, models, yes=args.yes)


class ModelLine(msgspec.Struct):
    """One model as `models list --json` prints it; `size` in bytes, 0 when unknown before a pull."""

    id: str
    role: str
    description: str
    state: str
    size: int
    ram_mb: int
    licence: str
    provenance: str
    profiles: list[str]
    verified: bool
    path: str | None


def _line(catalog: Catalog, model: Model, models: Path) -> ModelLine:
    state = model_state(model, models)
    path = str(model.folder(models) / model.files[0].name) if state == "installed" else None
    return ModelLine(
        id=model.id,
        role=model.role,
        description=model.description,
        state=state,
        size=model.size(Pins.read(models)),
        ram_mb=model.ram_mb,
        licence=model.licence,
        provenance=model.provenance,
        profiles=catalog.profiles_of(model.id),
        verified=model.verified,
        path=path,
    )


def _list(catalog: Catalog, models: Path, *, as_json: bool) -> int:
    lines = [_line(catalog, model, models) for model in catalog.models]
    if as_json:
        print(msgspec.json.encode(lines).decode())
        return 0
    width = max(len(line.id) for line in lines)
    for line in lines:
        size = f"{line.size // 10**6:>5} MB" if line.size else "       ?"
        profiles = f" [{', '.join(line.profiles)}]" if line.profiles else ""
        print(f"{line.state:<9}  {line.id:<{width}}  {size}  {line.description}{profiles}")
    print(f"in {models}")
    return 0


def _pull(catalog: Catalog, models: Path, args: argparse.Namespace) -> int:
    if args.ids and args.profile:
        raise UsageError("USAGE", "name models or a profile, not both")
    wanted = _wanted(catalog, args)
    if all(model_state(model, models) == "installed" for model in wanted):
        if not args.json:
            print(f"{', '.join(model.id for model in wanted) or 'nothing to pull'}: all here")
        return 0
    Puller(models, JsonProgress() if args.json else _progress()).pull(wanted)
    return 0


def _wanted(catalog: Catalog, args: argparse.Namespace) -> list[Model]:
    if args.ids:
        return [catalog.model(model_id) for model_id in dict.fromkeys(args.ids)]
    if args.profile:
        return list(catalog.profile(args.profile))
    config = load_config(args.config)
    llm, embedder = config.llm, catalog.model(config.memory.embedder)
    if llm.engine != "llama" or is_path(llm.model):
        return [embedder]  # the model is a server's, or a file of the owner's own
    return [catalog.model(llm.model), embedder]


def _chosen(catalog: Catalog, ids: list[str]) -> list[Model]:
    return [catalog.model(model_id) for model_id in ids] if ids else list(catalog.models)


_VERDICTS = {
    "sound": "every byte is as it should be",
    "damaged": "damaged; pull it again after `models remove`",
    "missing": "not on this device",
    "unpinned": "no hash is known; pull it to compare with the hub",
}


def _verify(chosen: list[Model], models: Path, *, named: bool) -> int:
    bad = 0
    for model in chosen:
        verdict = verify_model(model, models)
        if verdict == "missing" and not named:
            continue
        print(f"{model.id}: {_VERDICTS[verdict]}")
        bad += verdict != "sound"
    return 1 if bad else 0


def _remove(ids: list[str], models: Path, *, yes: bool) -> int:
    for model_id in ids:
        if "/" in model_id or model_id.startswith("."):
            raise ModelError("MODEL_UNKNOWN", f"{model_id!r} is no model id")
        if not (models / model_id).is_dir():  # a model that has left the catalogue can be removed too
            load_catalog().model(model_id)
        if not yes and not _agreed(f"Remove {model_id} from {models}? [y/N] "):
            return 1
        removed = remove_model(model_id, models, print)
        print(f"{model_id}: {'removed' if removed else 'was not here'}")
    return 0


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("USAGE", "not on a terminal: add --yes to remove without asking")
    return input(question).strip().lower() in {"y", "yes"}


def _progress() -> Progress:
    return BarProgress() if sys.stderr.isatty() else LineProgress()


class BarProgress:
    """A bar for each file, for a person at a terminal."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def begin(self, name: str, total: int) -> None:
        """Show an empty bar."""
        self._bar = tqdm(total=total, unit="B", unit_scale=True, desc=name[:40], dynamic_ncols=True)

    def advance(self, count: int) -> None:
        """Move the bar, never beyond its end."""
        if self._bar is not None:
            self._bar.update(min(count, self._bar.total - self._bar.n))

    def end(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def note(self, text: str) -> None:
        """Print one line."""
        print(text)


class LineProgress:
    """A line for each tenth of a file, for logs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Print to `stream`, else to stdout."""
        self._stream = stream
        self._name, self._total, self._done, self._told = "", 0, 0, 0

    def begin(self, name: str, total: int) -> None:
        """Say what is fetched."""
        self._name, self._total, self._done, self._told = name, total, 0, 0
        self.note(f"fetching {name} ({total / 10**6:.1f} MB)")

    def advance(self, count: int) -> None:
        """Say how far it is at each further tenth."""
        self._done += count
        tenths = min(10, self._done * 10 // max(1, self._total))
        if tenths > self._told:
            self._told = tenths
            self.note(f"{self._name}: {tenths * 10} %")

    def end(self) -> None:
        """Nothing is left open."""

    def note(self, text: str) -> None:
        """Print one line."""
        print(text, file=self._stream, flush=True)


class JsonProgress:
    """A line of JSON for each hundredth of a file, for programs: `{"file", "done", "total"}` in bytes."""

    def __init__(self) -> None:
        self._name, self._total, self._done, self._told = "", 0, 0, 0

    def begin(self, name: str, total: int) -> None:
        """Say what is fetched."""
        self._name, self._total, self._done = name, total, 0
        self._tell()

    def advance(self, count: int) -> None:
        """Say how far it is when that is worth a line."""
        self._done += count
        if abs(self._done - self._told) * 100 >= self._total:
            self._tell()

    def end(self) -> None:
        """Nothing is left open."""

    def note(self, text: str) -> None:
        """Say it."""
        self._print({"note": text})

    def _tell(self) -> None:
        self._told = self._done
        self._print({"file": self._name, "done": self._done, "total": self._total})

    @staticmethod
    def _print(news: dict[str, str | int]) -> None:
        print(msgspec.json.encode(news).decode(), flush=True)
