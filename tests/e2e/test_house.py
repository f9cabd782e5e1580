"""Two hosts in one house: the device and a phone, each in a network namespace, joined by a cable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.config import Paths
from tests.daemon import Daemon

DEVICE, PHONE = "192.168.77.1", "192.168.77.2"
VISITOR = Path(__file__).with_name("visitor.py")


def ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """The names of two namespaces; whoever may make none can't try this."""
    if os.geteuid() != 0:
        pytest.skip("only root may make hosts on this machine: run it as root, as CI does")
    names = f"edge-device-{os.getpid()}", f"edge-phone-{os.getpid()}"
    cable = f"edgeA{os.getpid()}", f"edgeB{os.getpid()}"
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for name, end, address in zip(names, cable, (DEVICE, PHONE), strict=True):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            for link in ("lo", end):
                ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "route", "add", "default", "via", PHONE if address == DEVICE else DEVICE)
        yield names
    finally:
        for name in names:
            subprocess.run(("ip", "netns", "delete", name), check=False, capture_output=True)


@pytest.fixture
def device(hosts: tuple[str, str], state: Paths) -> Iterator[Daemon]:
    """A daemon as it is out of the box, but for the model."""
    environ = {**os.environ, "EDGE_ASSISTANT__WEB__LAN": "on", "EDGE_ASSISTANT__LLM__MODEL": "none"}
    daemon = Daemon(state, environ, ("ip", "netns", "exec", hosts[0]))
    daemon.start()
    yield daemon
    daemon.clean_up()


def test_a_phone_finds_the_device_trusts_it_and_comes_in(device: Daemon, hosts: tuple[str, str]) -> None:
    shown = device.order(type="pair")
    assert shown["address"] == f"https://{DEVICE}:8443"
    done = subprocess.run(
        ("ip", "netns", "exec", hosts[1], sys.executable, str(VISITOR), shown["code"]),
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["address"] == DEVICE
    assert seen["announced"] == shown["fingerprint"]
    assert seen["fingerprint"] == shown["fingerprint"].replace(":", "")
    assert (seen["signed_in"], seen["user"]["role"]) == (200, "owner")
    assert seen["statuses"] == {
        seen["name"]: 200,
        "evil.example": 403,
        "192.168.99.99": 403,
        "by its certificate's name": 200,
    }
    assert device.order(type="devices")["items"][0]["name"] == "Visitor"
    assert device.order(type="status")["house_problem"] == ""


def test_the_plain_page_is_not_there_for_the_house(device: Daemon, hosts: tuple[str, str]) -> None:
    port = device.url.rpartition(":")[2]
    code = f"import socket; socket.create_connection(('{DEVICE}', {port}), 5)"
    done = subprocess.run(
        ("ip", "netns", "exec", hosts[1], sys.executable, "-c", code),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "ConnectionRefusedError" in done.stderr
