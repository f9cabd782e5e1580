"""The daemon tells systemd, over a real datagram socket, what systemd asked to know."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.ops.systemd import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(5)
        yield channel


def notifier(systemd: socket.socket, **environ: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": systemd.getsockname(), **environ})


def test_ready_and_stopping_carry_a_line_of_status(systemd: socket.socket) -> None:
    notifier(systemd).ready("serving")
    notifier(systemd).stopping()
    assert systemd.recv(1000) == b"READY=1\nSTATUS=serving"
    assert systemd.recv(1000) == b"STOPPING=1\nSTATUS=stopping"


def test_a_socket_in_the_abstract_namespace_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        name = f"edge-assistant-test-{os.getpid()}"
        channel.bind("\0" + name)
        channel.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).status("working")
        assert channel.recv(1000) == b"STATUS=working"


async def test_the_watchdog_is_fed_only_when_it_is_set(systemd: socket.socket) -> None:
    async with asyncio.timeout(5):
        await notifier(systemd).feed_watchdog()
        await notifier(systemd, WATCHDOG_USEC="nonsense").feed_watchdog()
        await notifier(systemd, WATCHDOG_USEC="100000", WATCHDOG_PID="1").feed_watchdog()
    feeding = asyncio.create_task(
        notifier(systemd, WATCHDOG_USEC="100000", WATCHDOG_PID=str(os.getpid())).feed_watchdog(),
        name="watchdog",
    )
    fed = [await asyncio.to_thread(systemd.recv, 1000) for _ in range(3)]
    assert fed == [b"WATCHDOG=1"] * 3
    feeding.cancel()
    await asyncio.wait([feeding])


def test_without_systemd_nothing_happens() -> None:
    Notifier({}).ready("serving")


def test_a_systemd_that_is_gone_does_not_end_the_daemon(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("serving")
