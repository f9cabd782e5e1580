"""The house told what to do over MQTT alone: a lock that is confirmed, and `kill -9` in every phase."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_assistant.bench.home.house import THINGS
from tests.daemon import Daemon
from tests.e2e.devices import Devices
from tests.mosquitto import Mosquitto

HALTING = Path(__file__).with_name("halting_daemon.py")
KNOWN = [thing for thing in THINGS if thing.id in {"switch.coffee", "lock.front"}]


@pytest.fixture
def devices(mosquitto: Mosquitto) -> Iterator[Devices]:
    devices = Devices(mosquitto, KNOWN)
    yield devices
    devices.close()


@pytest.fixture
def house(make_daemon: Callable[..., Daemon], mosquitto: Mosquitto, devices: Devices, tmp_path: Path) -> Any:
    """Start a daemon that knows the coffee machine and stands still in a phase."""

    def start(phase: str) -> Daemon:
        daemon = make_daemon(
            (sys.executable, str(HALTING)),
            HALT=phase,
            HALTED=str(tmp_path / "halted"),
            EDGE_ASSISTANT__LLM__MODEL="none",
            EDGE_ASSISTANT__MQTT__ENABLED="true",
            EDGE_ASSISTANT__MQTT__URL=mosquitto.url,
            EDGE_ASSISTANT__MQTT__DEVICE="shelf",
            EDGE_ASSISTANT__HOME__ENABLED="true",
            PYTHONPATH=str(Path(__file__).parents[2]),
        )
        daemon.wait_until(lambda: devices.online)
        devices.announce()
        daemon.wait_until(lambda: understands(daemon))
        return daemon

    return start


def understands(daemon: Daemon) -> bool:
    return "coffee machine is off" in str(daemon.ask("Is the coffee machine off?"))


def restart(daemon: Daemon) -> None:
    """Kill it where it stands, and start one that doesn't stand still."""
    daemon.kill()
    daemon.command = (sys.executable, "-m", "edge_assistant", "run")
    daemon.start()


def answer(
    daemon: Daemon, devices: Devices, name: str, text: str = "turn on the coffee machine"
) -> dict[str, Any]:
    """Send a command under its id again until it is answered, as whoever wants it done does."""

    def answered() -> bool:
        devices.command("shelf/ask", id=name, text=text)
        time.sleep(0.5)
        return any(each["id"] == name for each in devices.answers)

    daemon.wait_until(answered)
    return next(each for each in devices.answers if each["id"] == name)


def test_a_lock_is_opened_by_a_yes_that_names_the_action_and_by_a_spoken_one(
    house: Any, devices: Devices
) -> None:
    daemon = house("never")
    asked = answer(daemon, devices, "one", "unlock the front door")
    assert asked["confirm"]["summary"] == "unlock front door"
    devices.command("shelf/confirm", action="f" * 32, approve=True)
    daemon.wait_until(lambda: "CONFIRMATION_GONE" in str(devices.answers))
    assert devices.heard == []
    for _ in range(2):  # a yes that comes twice counts once
        devices.command("shelf/confirm", action=asked["confirm"]["action"], approve=True)
    daemon.wait_until(lambda: devices.heard == [("lock.front", "UNLOCK")])
    assert "confirm" not in answer(daemon, devices, "two", "lock the front door"), "locking is free"
    assert answer(daemon, devices, "three", "open the front door")["confirm"]
    assert answer(daemon, devices, "four", "no")["text"] == "All right, I won't."
    assert answer(daemon, devices, "five", "unlock the front door")["confirm"]
    assert answer(daemon, devices, "six", "yes")["text"] == "Unlocked front door."
    assert [payload for _, payload in devices.heard] == ["UNLOCK", "LOCK", "UNLOCK"]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_command_that_was_cut_off_is_said_to_be_and_done_by_nobody_twice(
    house: Any, devices: Devices, tmp_path: Path, phase: str
) -> None:
    daemon = house(phase)
    devices.command("shelf/ask", id="one", text="turn on the coffee machine")
    daemon.wait_until((tmp_path / "halted").exists)
    told = [("switch.coffee", "ON")]
    if phase == "after":
        daemon.wait_until(lambda: devices.heard == told)
    restart(daemon)
    assert answer(daemon, devices, "one")["error"]["code"] == "TURN_CUT_OFF"
    assert devices.heard == (told if phase == "after" else []), "nobody did it behind the speaker's back"
    if phase == "before":  # who sees that nothing happened says it again
        daemon.wait_until(lambda: understands(daemon))
        assert answer(daemon, devices, "two")["text"] == "Turned on coffee machine."
        assert devices.heard == told


def test_a_command_that_was_answered_is_answered_the_same_and_not_done_again(
    house: Any, devices: Devices
) -> None:
    daemon = house("never")
    first = answer(daemon, devices, "one")
    assert first["text"] == "Turned on coffee machine."
    restart(daemon)
    devices.answers.clear()
    assert answer(daemon, devices, "one")["text"] == first["text"]
    assert devices.heard == [("switch.coffee", "ON")]
