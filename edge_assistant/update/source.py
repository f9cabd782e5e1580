"""Where releases lie: a folder behind a plain web server, or the same folder on a stick."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from edge_assistant import __version__
from edge_assistant.update.pace import Limits, Pace
from edge_assistant.update.release import UpdateError

BLOCK_BYTES = 1 << 16
METADATA, TARGETS = "metadata", "targets"
"""The two folders of a repository."""


class NotThereError(Exception):
    """The source has no such file."""


class Source(Protocol):
    """Reads files of a repository."""

    limits: Limits

    def read(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of a file from `start` on, as far as the source can begin there.

        A source that can't begins with an empty block and then at the first byte. Raises `NotThereError`,
        UPDATE_UNREACHABLE, UPDATE_SLOW, UPDATE_SOURCE_GONE.
        """
        ...


def open_source(where: str, limits: Limits | None = None) -> Source:
    """Return the source at an address or in a folder; raises UPDATE_SOURCE_GONE, UPDATE_NO_SOURCE."""
    if where.startswith(("http://", "https://")):
        return HttpSource(where, limits or Limits())
    if not where:
        raise UpdateError("UPDATE_NO_SOURCE", "say where updates lie: update.url, or --from FOLDER")
    return FolderSource(Path(where), limits or Limits())


class FolderSource:
    """A folder, such as a stick."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self.limits = limits
        if not (folder / METADATA).is_dir():
            raise UpdateError(
                "UPDATE_SOURCE_GONE", f"{folder} has no folder {METADATA}: no releases lie there"
            )

    def read(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes."""
        try:
            with (self._folder / path).open("rb") as file:
                file.seek(start)
                while block := file.read(BLOCK_BYTES):
                    yield block
        except OSError as error:
            # A stick that was pulled out has no folder either; a file that isn't there is an answer.
            if isinstance(error, FileNotFoundError) and (self._folder / METADATA).is_dir():
                raise NotThereError(path) from error
            raise UpdateError(
                "UPDATE_SOURCE_GONE",
                f"{self._folder} can't be read any more ({error.strerror}): put it back and try again",
            ) from error


class HttpSource:
    """A web server that serves files; TUF, not TLS, says whether they are the right ones."""

    def __init__(self, url: str, limits: Limits) -> None:
        import urllib3

        self._url = url.rstrip("/")
        self.limits = limits
        timeout = urllib3.Timeout(connect=limits.silence_seconds, read=limits.silence_seconds)
        self._pool = urllib3.PoolManager(
            retries=False, timeout=timeout, headers={"User-Agent": f"edge-assistant/{__version__}"}
        )

    def read(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes."""
        import urllib3

        try:
            yield from self._blocks(path, start)
        except urllib3.exceptions.TimeoutError as error:
            if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
                raise self._unreachable("it does not answer") from error
            silence = self.limits.silence_seconds
            raise UpdateError(
                "UPDATE_SLOW", f"the source sent nothing for {silence:.0f} s: given up"
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(str(error)) from error

    def _blocks(self, path: str, start: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        response = self._pool.request(
            "GET", f"{self._url}/{path}", headers={**self._pool.headers, **headers}, preload_content=False,
            redirect=False,
        )  # fmt: skip
        try:
            if response.status in {403, 404}:
                raise NotThereError(path)
            if response.status not in {200, 206}:
                raise self._unreachable(f"it answered {response.status} for {path}")
            said = response.headers.get("Content-Range", "")
            if start and not (response.status == 206 and said.startswith(f"bytes {start}-")):  # noqa: PLR2004
                yield b""
            pace = Pace(self.limits, time.monotonic())
            while block := response.read1(BLOCK_BYTES):
                pace.arrived(len(block), time.monotonic())
                yield block
        finally:
            response.close()

    def _unreachable(self, why: str) -> UpdateError:
        return UpdateError("UPDATE_UNREACHABLE", f"{self._url} can't be read: {why[:160]}; try again later")
