"""Downloads from a hub over HTTPS: resumed where they were cut, never larger than announced."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from edge_assistant import __version__
from edge_assistant.catalog.files import disk_error
from edge_assistant.catalog.sources import BLOCK_BYTES, Advance
from edge_assistant.errors import ModelError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CUT = (OSError, http.client.HTTPException)
"""What a broken connection raises; `urllib.error.URLError` is an OSError."""


class Announcement(msgspec.Struct, frozen=True):
    """What a hub says of a file before it is fetched."""

    sha256: str
    """Empty when the hub names none."""
    size: int
    """Bytes; 0 when unknown."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow only allowed schemes, and keep what the hub said before it sent us to its storage."""

    def __init__(self, schemes: frozenset[str]) -> None:
        self._schemes = schemes
        self.seen: list[http.client.HTTPMessage] = []

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:  # noqa: PLR0917
        """Check the new address before anything is sent there."""
        require_scheme(newurl, self._schemes)
        self.seen.append(headers)
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)
        if redirected is not None and req.get_method() == "HEAD":
            redirected.method = "HEAD"
        return redirected


def require_scheme(url: str, schemes: frozenset[str]) -> None:
    """Raise MODEL_DOWNLOAD_FAILED for an address that is not encrypted."""
    if url.partition("://")[0] not in schemes:
        raise ModelError("MODEL_DOWNLOAD_FAILED", f"{url[:120]!r} is not an https address; nothing was sent")


class Hub:
    """Fetches files; `schemes` is wider than `https` in tests only."""

    def __init__(
        self,
        *,
        schemes: frozenset[str] = frozenset({"https"}),
        timeout_seconds: float = 30,
        tries: int = 4,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._schemes = schemes
        self._timeout_seconds = timeout_seconds
        self._tries = tries
        self._pause = pause

    def announced(self, url: str) -> Announcement:
        """Ask for a file's hash and size; raises MODEL_DOWNLOAD_FAILED.

        The hash is the one that Git-LFS hubs give for the stored object (`X-Linked-ETag`, and its size
        in `X-Linked-Size`); an ordinary ETag is no hash of the content and is not believed to be one.
        """
        redirects = _Redirects(self._schemes)
        try:
            with self._open(url, redirects, method="HEAD") as response:
                answers = [*redirects.seen, response.headers]
        except _CUT as error:
            raise _failed(url, error) from error
        tags = [answer.get("X-Linked-ETag", "").strip('"') for answer in answers]
        sizes = [answers[-1].get("Content-Length", ""), *(a.get("X-Linked-Size", "") for a in answers)]
        return Announcement(
            sha256=next((tag for tag in tags if _SHA256.fullmatch(tag)), ""),
            size=next((int(size) for size in reversed(sizes) if size.isdecimal()), 0),
        )

    def fetch(self, url: str, part: Path, size: int, advance: Advance) -> None:
        """Bring `part` to `size` bytes, going on where it ends; raises MODEL_DOWNLOAD_FAILED.

        A cut connection is taken up again a few times; what has arrived stays for the next pull.
        """
        advance(min(size, part.stat().st_size) if part.exists() else 0)
        for attempt in range(self._tries):
            if attempt:
                self._pause(2.0**attempt)
            try:
                if self._continue(url, part, size, advance):
                    return
                cause: Exception = OSError("the connection was cut")
            except urllib.error.HTTPError as error:
                if error.code < 500:  # noqa: PLR2004 - asking again changes nothing
                    raise _failed(url, error) from error
                cause = error
            except _CUT as error:
                cause = error
        raise _failed(url, cause) from cause

    def _continue(self, url: str, part: Path, size: int, advance: Advance) -> bool:
        """Fetch what is missing; True when the part is complete."""
        start = part.stat().st_size if part.exists() else 0
        if start >= size:
            return True
        headers = self._resume_headers(part, start)
        with self._open(url, _Redirects(self._schemes), headers=headers) as response:
            resumed = response.status == http.client.PARTIAL_CONTENT and _starts_at(response, start)
            if not resumed:
                advance(-start)
            _tag_file(part).write_text(_strong_tag(response))
            _receive(response, part, start if resumed else 0, size, advance)
        return part.stat().st_size == size

    def _resume_headers(self, part: Path, start: int) -> dict[str, str]:
        if not start:
            return {}
        tag = _tag_file(part).read_text() if _tag_file(part).exists() else ""
        # Without a tag the range is asked for all the same: the hash of the whole decides in the end.
        return {"Range": f"bytes={start}-"} | ({"If-Range": tag} if tag else {})

    def _open(
        self,
        url: str,
        redirects: _Redirects,
        *,
        headers: dict[str, str] | None = None,
        method: str = "GET",
    ) -> Any:
        require_scheme(url, self._schemes)
        request = urllib.request.Request(url, method=method)  # noqa: S310 - the scheme was checked
        request.add_header("User-Agent", f"edge-assistant/{__version__}")
        request.add_header("Accept-Encoding", "identity")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        return urllib.request.build_opener(redirects).open(request, timeout=self._timeout_seconds)


def _tag_file(part: Path) -> Path:
    return part.with_suffix(part.suffix + ".tag")


def _strong_tag(response: Any) -> str:
    tag: str = response.headers.get("ETag", "")
    return "" if tag.startswith("W/") else tag


def _starts_at(response: Any, start: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _receive(response: Any, part: Path, start: int, size: int, advance: Advance) -> None:
    with part.open("ab" if start else "wb", buffering=0) as file:
        while block := response.read1(BLOCK_BYTES):
            start += len(block)
            if start > size:
                raise ModelError("MODEL_DOWNLOAD_FAILED", "the hub sends more than it announced; pull again")
            _write(file, block, part)
            advance(len(block))


def _write(file: IO[bytes], block: bytes, part: Path) -> None:
    """Write a block; a disk that fails is no connection that was cut."""
    left = memoryview(block)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise disk_error(error, part.parent) from error


def _failed(url: str, error: Exception) -> ModelError:
    host = url.partition("://")[2].partition("/")[0]
    if isinstance(error, urllib.error.HTTPError) and error.code in {401, 403}:
        return ModelError(
            "MODEL_DOWNLOAD_FAILED",
            f"{host} asks for a login for this model (HTTP {error.code}); fetch the file with a browser "
            "and name its path in llm.model",
        )
    reason = getattr(error, "reason", None) or error
    return ModelError(
        "MODEL_DOWNLOAD_FAILED",
        f"{host} could not be read: {str(reason)[:160]}; check the network and pull again, it goes on there",
    )
