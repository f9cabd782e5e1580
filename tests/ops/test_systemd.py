"""The daemon tells systemd, over a real datagram socket, what systemd asked to know."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.ops.systemd import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(60)
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
        channel.settimeout(60)
        Notifier({"NOTIFY_SOCKET": "@" + name}).status("working")
        assert channel.recv(1000) == b"STATUS=working"


async def test_the_watchdog_is_fed_only_when_it_is_set(systemd: socket.socket) -> None:
    async with asyncio.timeout(60):
        await notifier(systemd).feed_watchdog(lambda: True)
        await notifier(systemd, WATCHDOG_USEC="nonsense").feed_watchdog(lambda: True)
        await notifier(systemd, WATCHDOG_USEC="100000", WATCHDOG_PID="1").feed_watchdog(lambda: True)
    feeding = asyncio.create_task(
        notifier(systemd, WATCHDOG_USEC="100000", WATCHDOG_PID=str(os.getpid())).feed_watchdog(lambda: True),
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


async def test_the_watchdog_starves_while_a_worker_has_no_supervisor(systemd: socket.socket) -> None:
    health = iter([False, False, True])
    feeding = asyncio.create_task(
        notifier(systemd, WATCHDOG_USEC="20000").feed_watchdog(lambda: next(health, False)), name="watchdog"
    )
    assert await asyncio.to_thread(systemd.recv, 1000) == b"WATCHDOG=1"
    assert next(health, None) is None, "it was fed at the third look only"
    feeding.cancel()
    await asyncio.wait([feeding])


async def test_a_start_asks_for_more_time_until_it_is_done(systemd: socket.socket) -> None:
    starting = notifier(systemd)
    extending = asyncio.create_task(starting.extend_start(), name="start-up")
    said = await asyncio.to_thread(systemd.recv, 1000)
    assert said == b"EXTEND_TIMEOUT_USEC=30000000\nSTATUS=starting"
    extending.cancel()
    await asyncio.wait([extending])
    starting.ready("serving")
    async with asyncio.timeout(60):
        await starting.extend_start()


def test_a_reload_tells_when_it_began(systemd: socket.socket) -> None:
    notifier(systemd).reloading()
    assert systemd.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_a_socket_of_systemd_is_taken_only_by_the_process_it_is_meant_for() -> None:
    code = """
import os, socket, sys
from edge_assistant.ops.systemd import activated_socket
server = socket.create_server(("127.0.0.1", 0))
os.dup2(server.fileno(), 3)
mine = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
assert activated_socket({**mine, "LISTEN_PID": "1"}) is None
taken = activated_socket(mine)
assert taken.getsockname() == server.getsockname()
taken.close()
assert activated_socket(mine) is not None, "the first one stays open for a start anew"
os.close(3)
assert activated_socket(mine) is None
assert activated_socket({**mine, "LISTEN_FDS": "nonsense"}) is None
"""
    subprocess.run((sys.executable, "-c", code), check=True)
