"""What an operator releases: a bundle as `make bundle` makes it, each of its files signed by its hash."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from pathlib import PurePosixPath

import msgspec

from edge_assistant.errors import EdgeError

MANIFEST = "release.json"
"""The release as it lies in an unpacked bundle."""

MOST_MANIFEST_BYTES = 4_000_000

_PATH = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._+!@-]*/){0,6}[A-Za-z0-9_][A-Za-z0-9._+!@-]*")
_PLATFORM = re.compile(r"[a-z0-9_]{1,20}-cp[0-9]{2,4}\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,39}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class UpdateError(EdgeError):
    """An update was refused, or came to nothing; what ran before goes on running."""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a release."""

    path: str
    """Where it lies in the bundle, such as `wheels/NAME.whl`."""
    sha256: str
    size: int

    @property
    def target(self) -> str:
        """Its name in the repository: the same file in two releases is one target."""
        return f"files/{self.sha256[:16]}/{PurePosixPath(self.path).name}"


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version for one kind of device."""

    version: str
    platform: str
    files: tuple[File, ...]

    def models(self) -> dict[str, list[File]]:
        """Return the files of each model that it brings, by the model's id."""
        found: dict[str, list[File]] = {}
        for file in self.files:
            parts = file.path.split("/")
            if parts[0] == "models" and len(parts) > 2:  # noqa: PLR2004 - models/ID/FILE
                found.setdefault(parts[1], []).append(file)
        return found

    @property
    def installed_bytes(self) -> int:
        """About what the installed program takes: wheels unpack to three times their size, and a venv."""
        return 3 * sum(file.size for file in self.files if file.path.startswith("wheels/")) + 30_000_000


def this_platform() -> str:
    """Return what wheels must be made for to run here, such as `aarch64-cp311`."""
    return f"{platform.machine().lower()}-cp{sys.version_info.major}{sys.version_info.minor}"


def manifest_target(platform_name: str) -> str:
    """Return the target that names the release which devices of this kind shall have."""
    return f"releases/{platform_name}.json"


def parse_release(content: bytes) -> Release:
    """Decode and check a release; raises UPDATE_RELEASE_BAD."""
    try:
        release = msgspec.json.decode(content, type=Release)
    except msgspec.DecodeError as error:
        raise UpdateError("UPDATE_RELEASE_BAD", f"the release can't be read: {error}") from error
    sound = _VERSION.match(release.version) and _PLATFORM.match(release.platform) and release.files
    paths = [file.path for file in release.files]
    if not sound or len(set(paths)) != len(paths) or not all(map(_is_sound, release.files)):
        raise UpdateError("UPDATE_RELEASE_BAD", "the release has names, hashes or sizes that can't be right")
    return release


def _is_sound(file: File) -> bool:
    named = _PATH.fullmatch(file.path) and ".." not in file.path and file.path != MANIFEST
    return bool(named and _SHA256.match(file.sha256) and file.size >= 0)


def digest_of(content: bytes) -> str:
    """Return the name by which a release is known: the SHA-256 of its manifest."""
    return hashlib.sha256(content).hexdigest()
