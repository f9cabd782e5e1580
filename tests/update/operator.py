"""An operator with a repository, and what an attacker without its keys can do to it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from edge_assistant.update.keys import Keys
from edge_assistant.update.pace import Limits
from edge_assistant.update.release import this_platform
from edge_assistant.update.repository import DAYS, Repository
from edge_assistant.update.shelf import Shelf
from edge_assistant.update.source import open_source
from edge_assistant.update.trust import Offer, Trust

QUICK = Limits(silence_seconds=0.5, window_seconds=0.3, tries=2, pause_seconds=0.0)


def bundle(folder: Path, version: str, ballast: int = 1000) -> Path:
    """A bundle of which nothing is run."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    (folder / "install.sh").write_text("exit 0\n")
    wheel = folder / "wheels" / f"edge_assistant-{version}-py3-none-any.whl"
    wheel.write_bytes((version.encode() * ballast)[:ballast])
    return folder


class Operator:
    """Below `folder`: `repository` is served, `keys` is not, `device` is a device's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served = folder / "repository"
        self.metadata = self.served / "metadata"
        self.keys = Keys(folder / "keys", "a passphrase")
        self.repository = Repository(self.served, self.keys)
        self.root = folder / "update-root.json"
        shutil.copy(self.repository.create(), self.root)

    def release(self, version: str, ballast: int = 1000) -> None:
        self.repository.add(bundle(self.folder / "bundle", version, ballast), this_platform())

    def sign(self, *, days: float = DAYS["timestamp"]) -> None:
        Repository(self.served, self.keys, days={"timestamp": days}).sign()

    def trust(self, where: str, limits: Limits = QUICK) -> Trust:
        device = self.folder / "device"
        shelf = Shelf(device / "files", lambda _: None)
        return Trust(self.root, device / "metadata", shelf, open_source(where, limits))

    def offer(self, where: str, **more: float) -> Offer:
        return self.trust(where).offer(this_platform(), **more)

    def keep(self, name: str) -> Path:
        """Return a copy of what is served now."""
        return Path(shutil.copytree(self.served, self.folder / name))

    def newest(self, role: str) -> Path:
        """The newest metadata of a role."""
        if role == "timestamp":
            return self.metadata / "timestamp.json"
        return max(self.metadata.glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0]))

    def version(self, role: str) -> int:
        version: int = json.loads(self.newest(role).read_bytes())["signed"]["version"]
        return version

    def tamper(self, role: str, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
        """Change what a role signed, and leave the signature."""
        path = self.newest(role)
        metadata = json.loads(path.read_bytes())
        change(metadata["signed"])
        path.write_text(json.dumps(metadata))

    def target(self, part: str) -> Path:
        """The file of a target."""
        (path,) = (path for path in (self.served / "targets").rglob(f"*{part}*") if path.is_file())
        return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
