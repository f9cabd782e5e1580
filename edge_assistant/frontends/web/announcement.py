"""The device's name in the house: mDNS and DNS-SD (RFC 6762, 6763) by python-zeroconf."""

from __future__ import annotations

import logging
import socket

from zeroconf import Error, IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from edge_assistant import __version__
from edge_assistant.frontends.web.addresses import Names

logger = logging.getLogger(__name__)

SERVICE = "_edge-assistant._tcp.local."


class Announcement:
    """Answers those in the house who look for this device. A house without multicast is no failure."""

    def __init__(self, title: str, port: int, fingerprint: str) -> None:
        self._title = title
        self._port = port
        self._fingerprint = fingerprint
        self._zeroconf: AsyncZeroconf | None = None
        self._info: AsyncServiceInfo | None = None

    async def start(self, names: Names) -> None:
        """Announce; what prevents it is logged."""
        try:
            self._zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
            self._info = self._service(names)
            await self._zeroconf.async_register_service(self._info, allow_name_change=True)
        except (OSError, Error) as error:
            logger.warning("can't announce this device in the house: %s", error or type(error).__name__)
            await self.stop()
        else:
            logger.info("announced as %s", self._info.server)

    async def update(self, names: Names) -> None:
        """Announce new addresses: the old sockets are bound to the old ones."""
        await self.stop()
        await self.start(names)

    async def stop(self) -> None:
        """Say goodbye and close."""
        zeroconf, self._zeroconf, self._info = self._zeroconf, None, None
        if zeroconf is None:
            return
        try:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()
        except OSError as error:
            logger.info("no goodbye to the house: %s", error)

    def _service(self, names: Names) -> AsyncServiceInfo:
        addresses = [socket.inet_aton(each) for each in names.addresses if ":" not in each]
        return AsyncServiceInfo(
            SERVICE,
            f"{self._title} on {names.hosts[0]}.{SERVICE}"[-255:],
            port=self._port,
            addresses=[each for each in addresses if each[0] != 127] or addresses,  # noqa: PLR2004
            server=f"{names.hosts[0]}.local.",
            properties={"path": "/", "version": __version__, "ca": self._fingerprint},
        )
