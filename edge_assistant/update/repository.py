"""The operator's side: a folder of signed releases that any web server can serve and any stick can carry."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.errors import UsageError
from edge_assistant.store.files import sync_file, sync_folder
from edge_assistant.update.keys import ROLES, Keys
from edge_assistant.update.release import File, Release, UpdateError, manifest_target, parse_release
from edge_assistant.update.shelf import prefixed
from edge_assistant.update.source import METADATA, TARGETS
from edge_assistant.update.trust import MADE

DAYS: Mapping[str, float] = {"root": 3 * 365, "targets": 365, "snapshot": 30, "timestamp": 7}
"""How long what a role signs is believed: the shorter, the sooner a device sees that news is kept from it."""

_WHEEL = re.compile(r"edge_assistant-([^-]+)-.*\.whl\Z")


class Repository:
    """Signs and writes; each change is visible at once, with the new `timestamp.json`."""

    def __init__(self, folder: Path, keys: Keys, *, days: Mapping[str, float] = DAYS) -> None:
        self._folder = folder
        self._metadata = folder / METADATA
        self._keys = keys
        self._days = {**DAYS, **days}

    def create(self) -> Path:
        """Make keys and the first state; returns the root that devices must have.

        Raises UPDATE_REPOSITORY_EXISTS.
        """
        from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

        if self._metadata.exists():
            raise UsageError("UPDATE_REPOSITORY_EXISTS", f"{self._folder} has releases already")
        self._metadata.mkdir(parents=True)
        (self._folder / TARGETS).mkdir()
        root = Root(consistent_snapshot=True)
        for role in ROLES:
            root.add_key(self._keys.make(role).public_key, role)
        self._publish(Metadata(root), "root")
        self._publish(Metadata(Targets()), "targets")
        self._publish(Metadata(Snapshot()), "snapshot")
        self._publish(Metadata(Timestamp()), "timestamp")
        self.sign()
        return self._metadata / "1.root.json"

    def add(self, bundle: Path, platform: str) -> Release:
        """Make a bundle the release that devices of this kind shall have; raises UPDATE_BUNDLE_BAD."""
        targets = self._newest("targets")
        files = [_described(bundle, path) for path in _files(bundle)]
        content = msgspec.json.encode(
            Release(version=_version(files), platform=platform, files=tuple(file for _, file in files))
        )
        release = parse_release(content)
        for path, file in files:
            self._add_target(targets.signed, file.target, path.read_bytes())
        self._add_target(targets.signed, manifest_target(platform), content)
        self._publish(targets, "targets")
        self.sign()
        return release

    def sign(self) -> None:
        """Say anew that this is the newest state; to be done before the timestamp expires."""
        snapshot = self._newest("snapshot")
        snapshot.signed.meta["targets.json"] = self._described_metadata("targets")
        self._publish(snapshot, "snapshot")
        timestamp = self._newest("timestamp")
        timestamp.signed.snapshot_meta = self._described_metadata("snapshot")
        self._publish(timestamp, "timestamp")

    def rotate(self, role: str) -> None:
        """Give a role a new key, which the root key signs; the old one is worth nothing from then on."""
        root = self._newest("root")
        old_root = self._keys.open("root")
        for key_id in list(root.signed.roles[role].keyids):
            root.signed.revoke_key(key_id, role)
        root.signed.add_key(self._keys.make(role).public_key, role)
        self._publish(root, "root", extra=[old_root] if role == "root" else [])
        if role == "targets":
            self._publish(self._newest("targets"), "targets")
        if role != "root":
            self.sign()

    def _add_target(self, targets: Any, name: str, content: bytes) -> None:
        from tuf.api.metadata import TargetFile

        target = TargetFile.from_data(name, content, ["sha256"])
        targets.targets[name] = target
        path = self._folder / TARGETS / prefixed(name, target.hashes["sha256"])
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size != len(content):
            _write(path, content)

    def _described_metadata(self, role: str) -> Any:
        from tuf.api.metadata import MetaFile

        signed = self._newest(role).signed
        content = (self._metadata / f"{signed.version}.{role}.json").read_bytes()
        return MetaFile.from_data(signed.version, content, ["sha256"])

    def _newest(self, role: str) -> Any:
        from tuf.api.metadata import Metadata

        versions = [int(path.name.split(".")[0]) for path in self._metadata.glob(f"*.{role}.json")]
        name = "timestamp.json" if role == "timestamp" else f"{max(versions, default=0)}.{role}.json"
        try:
            return Metadata.from_file(str(self._metadata / name))
        except Exception as error:
            raise UpdateError(
                "UPDATE_REPOSITORY_BAD", f"{self._metadata / name} can't be read: {error}"
            ) from error

    def _publish(self, metadata: Any, role: str, extra: list[Any] | None = None) -> None:
        """Sign the next version of a role's metadata and write it."""
        signed, now = metadata.signed, datetime.now(UTC).replace(microsecond=0)
        if metadata.signatures:
            signed.version += 1
        signed.expires = now + timedelta(days=self._days[role])
        signed.unrecognized_fields[MADE] = int(time.time())
        metadata.signatures.clear()
        for signer in (self._keys.open(role), *(extra or [])):
            metadata.sign(signer, append=True)
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        _write(self._metadata / name, metadata.to_bytes())


def _files(bundle: Path) -> Iterator[Path]:
    found = sorted(path for path in bundle.rglob("*") if path.is_file()) if bundle.is_dir() else []
    if not (bundle / "install.sh").is_file() or not (bundle / "wheels").is_dir():
        raise UpdateError("UPDATE_BUNDLE_BAD", f"{bundle} is no bundle: make one with `make bundle`")
    yield from found


def _described(bundle: Path, path: Path) -> tuple[Path, File]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return path, File(str(path.relative_to(bundle)), sha256, path.stat().st_size)


def _version(files: list[tuple[Path, File]]) -> str:
    for path, _ in files:
        if found := _WHEEL.match(path.name):
            return found[1]
    raise UpdateError("UPDATE_BUNDLE_BAD", "the bundle has no wheel of edge-assistant")


def _write(path: Path, content: bytes) -> None:
    """Write a file that others may read, in one step."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    sync_file(part)
    part.replace(path)
    sync_folder(path.parent)
