"""The page for the house: https on all addresses, with a certificate of this device's own.

It is an optional part: what keeps it from working is told, and the page on this machine goes on.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_assistant.config.schema import WebSettings
from edge_assistant.errors import StoreError
from edge_assistant.frontends.web.addresses import Names, own_names
from edge_assistant.frontends.web.certificates import Certificates
from edge_assistant.frontends.web.entrance import Entrance
from edge_assistant.store.database import Database

if TYPE_CHECKING:
    from edge_assistant.frontends.web.announcement import Announcement

logger = logging.getLogger(__name__)

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - names of all addresses, not one to listen on

LOOK_SECONDS = 60.0
"""How often addresses and the certificate's age are looked at."""


def reachable(host: str, names: Names) -> str:
    """Return where others find a server that listens on `host`: there, or at an address, or by name."""
    if host not in EVERYWHERE:
        return host
    heard = [each for each in names.addresses if host == "::" or ":" not in each]
    outside = [each for each in heard if not ipaddress.ip_address(each).is_loopback]
    return outside[0] if outside else f"{names.hosts[0]}.local"


class Lan:
    """Listens to the house between `start` and `stop`. `clock` gives UNIX seconds."""

    def __init__(
        self,
        settings: WebSettings,
        database: Database,
        title: str,
        *,
        clock: Callable[[], float] = time.time,
        names: Callable[[], Names] | None = None,
    ) -> None:
        self._settings = settings
        self._title = title
        self._find_names = names or (lambda: own_names(settings.allowed_hosts))
        self.names = self._find_names()
        self.certificates = Certificates(database, lambda: self.names, clock=clock)
        self.problem = ""
        """Why the house can't reach the page; empty when it can."""
        self._port = 0
        self._listener: asyncio.Server | None = None
        self._announcement: Announcement | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the house reaches the page now; empty when it doesn't."""
        return self._url(reachable(self._settings.tls_host.strip("[]"), self.names)) if self._listener else ""

    async def start(self, entrance: Entrance) -> None:
        """Listen; a failure is kept in `problem`."""
        try:
            await self.certificates.refresh()
        except StoreError as error:
            self._prevented(f"no certificate: {error}")
            return
        host, port = self._settings.tls_host.strip("[]"), self._settings.tls_port
        try:
            self._listener = await entrance.listen(host, port, self.certificates.context)
        except OSError as error:
            self._prevented(
                f"can't listen on {host} port {port}: {error.strerror or error}; set web.tls_port"
            )
            return
        self._port = self._listener.sockets[-1].getsockname()[1]
        logger.info("web chat for the house at %s", self.url)
        self._keeper = asyncio.create_task(self._keep(), name="web-lan")

    def _prevented(self, problem: str) -> None:
        self.problem = problem
        logger.warning("the house can't reach the page: %s", problem)

    async def stop_listening(self) -> None:
        """Take no new connections, and leave the house's list of names."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._announcement is not None:
            await self._announcement.stop()
        if self._listener is not None:
            self._listener.close()
        self._listener = self._keeper = self._announcement = None

    async def _keep(self) -> None:
        """Announce, then follow new addresses and renew the certificate until cancelled."""
        await self._announce()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look may succeed
                logger.error("can't renew the certificate: %s", type(error).__name__)  # noqa: TRY400

    async def look(self) -> None:
        """Follow what changed since the last look."""
        before, self.names = self.names, self._find_names()
        await self.certificates.refresh()
        if before != self.names and self._announcement is not None:
            await self._announcement.update(self.names)

    async def _announce(self) -> None:
        if not self._settings.announce:
            return
        from edge_assistant.frontends.web.announcement import Announcement

        self._announcement = Announcement(self._title, self._port, self.certificates.fingerprint)
        await self._announcement.start(self.names)

    def _url(self, host: str) -> str:
        return f"https://[{host}]:{self._port}" if ":" in host else f"https://{host}:{self._port}"
