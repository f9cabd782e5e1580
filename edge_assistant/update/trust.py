"""Which release is to be trusted: The Update Framework, with the names that refusals have here.

What was trusted last lies in a folder of root's, so that no older state is believed again. A clock behind the
newest signed date is not believed either: a device that wakes in 1970 must not take what expired years ago.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_assistant.store.files import sync_file, sync_folder
from edge_assistant.update.release import (
    MOST_MANIFEST_BYTES,
    Release,
    UpdateError,
    digest_of,
    manifest_target,
    parse_release,
)
from edge_assistant.update.shelf import Shelf, disk_errors
from edge_assistant.update.source import METADATA, NotThereError, Source

if TYPE_CHECKING:
    from tuf.ngclient import Updater

MADE = "x-edge-assistant-made"
"""Field of all signed metadata: when it was made, UNIX seconds."""

_STAGES = ("root", "timestamp", "snapshot", "targets")


class Offer(msgspec.Struct, frozen=True):
    """The release that this device shall have, as its operator signed it."""

    release: Release
    digest: str
    manifest: bytes
    clock_behind_seconds: float
    """How far the clock of this device is behind what is known to be past; 0 when it is not."""


class Trust:
    """The operator's keys as this device knows them."""

    def __init__(self, root: Path, state: Path, shelf: Shelf, source: Source) -> None:
        """`root` is the file that the operator gave; raises UPDATE_NOT_TRUSTED."""
        try:
            self._root = root.read_bytes()
        except OSError as error:
            raise UpdateError(
                "UPDATE_NOT_TRUSTED",
                f"{root} can't be read ({error.strerror}): put the operator's root.json there",
            ) from error
        self._state = state
        self._shelf = shelf
        self._source = source

    def offer(self, platform: str, *, now: float | None = None) -> Offer:
        """Ask the source what this device shall have.

        Raises UPDATE_SIGNATURE_WRONG, UPDATE_ROOT_WRONG, UPDATE_ROLLBACK, UPDATE_EXPIRED, UPDATE_MIXED,
        UPDATE_ENDLESS, UPDATE_METADATA_BAD, UPDATE_WRONG_TARGET, UPDATE_NO_RELEASE, and as its parts.
        """
        now = time.time() if now is None else now
        with disk_errors(self._state):
            self._state.mkdir(parents=True, exist_ok=True)
            target, behind = self._refresh(manifest_target(platform), now)
            self._sync()
        if target is None:
            raise UpdateError("UPDATE_NO_RELEASE", f"no release for {platform} is there")
        sha256, size = target.hashes.get("sha256", ""), target.length
        if size > MOST_MANIFEST_BYTES:
            raise UpdateError("UPDATE_RELEASE_BAD", "the list of the release is too large to be one")
        if not self._shelf.holds(sha256, size):
            self._shelf.bring(self._source, target.path, sha256, size, lambda _: None)
        content = self._shelf.path(sha256).read_bytes()
        release = parse_release(content)
        if release.platform != platform:
            raise UpdateError("UPDATE_RELEASE_BAD", f"this release is for {release.platform}, not {platform}")
        return Offer(release, digest_of(content), content, behind)

    def _refresh(self, name: str, now: float) -> tuple[Any, float]:
        from tuf.ngclient import Updater, UpdaterConfig

        fetcher = _fetcher(self._source)
        with _named(fetcher):
            updater = Updater(
                str(self._state), f"{METADATA}/", fetcher=fetcher, bootstrap=self._root,
                config=UpdaterConfig(max_root_rotations=64, max_delegations=1),
            )  # fmt: skip
            known = max(_made(updater._trusted_set.root), self._last_made())  # noqa: SLF001 - tuf has no public clock
            _set_clock(updater, max(now, known))
            updater.refresh()
            return updater.get_targetinfo(name), max(0.0, known - now)

    def _last_made(self) -> float:
        """Return when the newest metadata that was ever trusted here was made."""
        from tuf.api.exceptions import RepositoryError
        from tuf.api.metadata import Metadata

        try:
            return _made(Metadata.from_bytes((self._state / "timestamp.json").read_bytes()).signed)
        except (OSError, RepositoryError):
            return 0.0

    def _sync(self) -> None:
        """Make what is trusted now durable before anything is done with it; tuf does not."""
        for path in self._state.rglob("*.json"):
            sync_file(path)
            sync_folder(path.parent)


def _made(signed: Any) -> float:
    value = signed.unrecognized_fields.get(MADE, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _set_clock(updater: Updater, seconds: float) -> None:
    updater._trusted_set.reference_time = datetime.fromtimestamp(seconds, UTC)  # noqa: SLF001


def _fetcher(source: Source) -> Any:
    """Return what tuf fetches metadata with; it remembers the role that it was asked for last."""
    from tuf.api.exceptions import DownloadHTTPError, DownloadLengthMismatchError
    from tuf.ngclient.fetcher import FetcherInterface

    class Fetcher(FetcherInterface):  # type: ignore[misc]
        stage = "root"

        @contextmanager
        def download_file(self, url: str, max_length: int) -> Iterator[io.BytesIO]:
            self.stage = next((stage for stage in _STAGES if f"{stage}.json" in url), "targets")
            content = bytearray()
            try:
                for block in source.read(url):
                    content += block
                    if len(content) > max_length:
                        raise DownloadLengthMismatchError(url)
            except NotThereError:
                raise DownloadHTTPError(url, 404) from None
            yield io.BytesIO(bytes(content))

        def _fetch(self, url: str) -> Iterator[bytes]:
            return source.read(url)

    return Fetcher()


@contextmanager
def _named(fetcher: Any) -> Iterator[None]:
    """Give what tuf refuses the names that it has here."""
    from tuf.api import exceptions

    try:
        yield
    except exceptions.DownloadLengthMismatchError as error:
        raise UpdateError(
            "UPDATE_ENDLESS", f"the source sends more of {fetcher.stage} than there can be: given up"
        ) from error
    except exceptions.DownloadHTTPError as error:
        if fetcher.stage == "timestamp":
            raise UpdateError("UPDATE_UNREACHABLE", "no releases lie there: no timestamp.json") from error
        raise UpdateError(
            "UPDATE_MIXED", f"the source has no {fetcher.stage}, which belongs to the rest"
        ) from error
    except exceptions.RepositoryError as error:
        code, words = _refusal(error, fetcher.stage)
        raise UpdateError(code, f"{words} ({fetcher.stage}: {str(error)[:160]})") from error


def _refusal(error: Exception, stage: str) -> tuple[str, str]:
    from tuf.api import exceptions

    if isinstance(error, exceptions.ExpiredMetadataError):
        return "UPDATE_EXPIRED", "what the source has is out of date: it, or this device's clock, is wrong"
    if isinstance(error, exceptions.UnsignedMetadataError):
        return _UNSIGNED.get(stage, ("UPDATE_SIGNATURE_WRONG", "not signed by the operator"))
    older = isinstance(error, exceptions.BadVersionNumberError)
    if older and stage != "targets":
        return "UPDATE_ROLLBACK", "older than what this device trusted before"
    if older or isinstance(error, exceptions.LengthOrHashMismatchError):
        return "UPDATE_MIXED", "parts of different states were put together"
    return "UPDATE_METADATA_BAD", "what the source has can't be read"


_UNSIGNED = {"root": ("UPDATE_ROOT_WRONG", "new keys that the trusted ones did not sign")}
