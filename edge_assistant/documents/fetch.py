"""Web pages: fetched when a person adds their address, never from inside the house.

The address a name stands for is checked where it is resolved, and the connection goes to that very
address, so a name that means something else a moment later leads nowhere. Redirects are followed by
hand, each checked as the first.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from edge_assistant.documents.address import is_outside
from edge_assistant.errors import DocumentError

logger = logging.getLogger(__name__)

MOST_BYTES = 20 << 20
SECONDS = 30.0
MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_HEADERS = {"User-Agent": "EdgeAssistant/0.1", "Accept": "text/html,application/pdf,text/*;q=0.9,*/*;q=0.5"}


class _PrivateAddressError(OSError):
    """A name that stands for an address inside the house."""


class _PublicResolver(AbstractResolver):
    """Resolves names to public addresses only."""

    def __init__(self, allowed: Callable[[str], bool], inner: AbstractResolver) -> None:
        self._allowed = allowed
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(self._allowed(each["host"]) for each in found):
            raise _PrivateAddressError(host)
        return found

    async def close(self) -> None:
        await self._inner.close()


class WebFetcher:
    """Fetches pages. `allowed` says which addresses may be reached; `resolver` is replaced in tests."""

    def __init__(
        self, allowed: Callable[[str], bool] = is_outside, resolver: AbstractResolver | None = None
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver

    async def fetch(self, url: str) -> bytes:
        """Return what is at `url`, or where it leads on to.

        Raises `DocumentError` DOCUMENT_WEB_PRIVATE, DOCUMENT_WEB_FAILED, DOCUMENT_TOO_LARGE.
        """
        resolver = _PublicResolver(self._allowed, self._resolver or ThreadedResolver())
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=1, force_close=True)
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                asyncio.timeout(SECONDS),
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=timeout,
                    headers=_HEADERS,
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as session,
            ):
                return await self._follow(session, url)
        except TimeoutError:
            raise _failed(f"it took more than {SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error.__cause__, _PrivateAddressError) or "_PrivateAddressError" in repr(error):
                raise _private() from None
            raise _failed(type(error).__name__) from None

    async def _follow(self, session: aiohttp.ClientSession, url: str) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            async with session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    url = urljoin(url, response.headers["Location"])
                    continue
                if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                    raise _failed(f"its server says {response.status}")
                return await _body(response)
        raise _failed("it leads on and on")

    def _check(self, url: str) -> None:
        """Refuse addresses written as numbers, which no resolver sees, and other schemes."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise _failed("it leads to something that is no web page")
        if _is_number(parts.hostname) and not self._allowed(parts.hostname):
            raise _private()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, unpacked; what is too large when unpacked is not read to its end."""
    data = bytearray()
    async for piece in response.content.iter_chunked(64 * 1024):
        data += piece
        if len(data) > MOST_BYTES:
            raise DocumentError("DOCUMENT_TOO_LARGE", f"a web page may have {MOST_BYTES >> 20} MB")
    return bytes(data)


def _is_number(host: str) -> bool:
    """Whether it is an address in any writing that a system may take for one, such as 127.1 or 0x7f000001."""
    if ":" in host:
        return True
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _private() -> DocumentError:
    message = "this address, or one it leads on to, is inside the house: pages are fetched from outside only"
    return DocumentError("DOCUMENT_WEB_PRIVATE", message)


def _failed(why: str) -> DocumentError:
    return DocumentError("DOCUMENT_WEB_FAILED", f"the page can't be fetched: {why}")
