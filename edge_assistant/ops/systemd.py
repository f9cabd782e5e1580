"""Tell systemd how the daemon is doing, over its notification socket (sd_notify(3)), and take its sockets."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

_MICROSECONDS = 1_000_000

START_STEP_SECONDS = 30
"""How much longer a start may take each time it says that it goes on."""

STATUS_SECONDS = 2.0
"""How often the line of status is looked at."""

FIRST_SOCKET = 3
"""Descriptor of the first socket that systemd hands over (sd_listen_fds(3))."""


class Notifier:
    """Sends states to systemd; does nothing when systemd didn't start this process."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ names a socket in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_seconds = _watchdog_seconds(environ) if address else 0.0
        self._started = False

    def ready(self, status: str) -> None:
        """Start-up, or a reload, is done: the sockets listen."""
        self._started = True
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` must follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reading the configuration again")

    def stopping(self) -> None:
        """Shutdown began."""
        self._send("STOPPING=1", "STATUS=stopping")

    async def extend_start(self) -> None:
        """Ask for more time while the start goes on: opening a large database may take minutes."""
        while self._address and not self._started:
            extension = START_STEP_SECONDS * _MICROSECONDS
            self._send(f"EXTEND_TIMEOUT_USEC={extension}", "STATUS=starting")
            await asyncio.sleep(START_STEP_SECONDS / 3)

    async def tell_status(self, status: Callable[[], str]) -> None:
        """Keep the line of status true until cancelled."""
        told = ""
        while self._address:
            if (line := status()) != told:
                told = line
                self.status(line)
            await asyncio.sleep(STATUS_SECONDS)

    async def feed_watchdog(self, healthy: Callable[[], bool]) -> None:
        """Say that the event loop runs, twice in each watchdog period, until cancelled.

        Only while `healthy`: systemd starts the daemon anew when it isn't for a whole period. Returns
        at once when no watchdog is set.
        """
        while self._watchdog_seconds:
            if healthy():
                self._send("WATCHDOG=1")
            else:
                logger.error("the watchdog is not fed: a worker has no supervisor")
            await asyncio.sleep(self._watchdog_seconds / 2)

    def _send(self, *states: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
                channel.sendto("\n".join(states).encode(), self._address)
        except OSError as error:
            logger.warning("systemd can't be told: %s", error)


def activated_socket(environ: Mapping[str, str] = os.environ) -> socket.socket | None:
    """Return the listening TCP socket that systemd opened for the page, or None (sd_listen_fds(3)).

    It is a duplicate: the one that was handed over stays open for this process started anew (execve).
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environ.get("LISTEN_FDS", "")
    for number in range(FIRST_SOCKET, FIRST_SOCKET + (int(count) if count.isdecimal() else 0)):
        try:
            candidate = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        listens = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if listens and candidate.family in {socket.AF_INET, socket.AF_INET6}:
            return candidate
        candidate.close()
    logger.warning("systemd handed over no socket that listens on TCP")
    return None


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / _MICROSECONDS if text.isdecimal() else 0.0
