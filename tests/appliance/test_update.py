"""A real systemd, the real program and a real web server: an update, two that do harm, and the way back.

The tests stand in the order of one device's life, whose versions differ in little but their number.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_assistant import __version__
from edge_assistant.update.keys import Keys
from edge_assistant.update.release import this_platform
from edge_assistant.update.repository import Repository
from tests.appliance.machine import Machine

ROOT = Path(__file__).parents[2]
LATER = pytest.mark.timeout(600)
CONFIGURATION = """
[web]
lan = false
[update]
url = "http://127.0.0.1:8000"
start_seconds = 120
probation_seconds = 3
"""
CRASH = ('"""Show where the chat is."""', "raise SystemExit(1)")
"""An edit after which the daemon dies as soon as it is ready, when it has opened its store."""
MIGRATION = (
    "    create_home,\n)",
    '    create_home,\n    lambda connection: connection.execute("CREATE TABLE later(x)") and None,\n)',
)
"""An edit after which the store gets a form that older versions don't know."""


class Operator:
    """Makes versions of the program and signs them."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.served = folder / "releases"
        self._folder = folder
        self._bundle = bundle
        self._repository = Repository(self.served, Keys(folder.parent / "keys", "a passphrase"))
        self.root = self._repository.create()

    def release(self, version: str, **edits: tuple[str, str]) -> None:
        """Sign a release of this program under another number, with some edits of its files."""
        source = self._folder.parent / "source"
        shutil.rmtree(source, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "edge_assistant", source / "edge_assistant", ignore=ignored)
        for name in ("models", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
        number = (f'"{__version__}"', f'"{version}"')
        for name, (before, after) in {"__init__": number, **edits}.items():
            path = source / "edge_assistant" / f"{name}.py"
            assert before in path.read_text()
            path.write_text(path.read_text().replace(before, after))
        bundle = self._folder.parent / "next"
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.copytree(self._bundle, bundle, copy_function=os.link)
        for wheel in (bundle / "wheels").glob("edge_assistant-*"):
            wheel.unlink()
        subprocess.run(
            (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(bundle / "wheels")),
            cwd=source, check=True, capture_output=True,
        )  # fmt: skip
        self._repository.add(bundle, this_platform())


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Operator:
    folder = tmp_path_factory.mktemp("operator") / "shown"
    folder.mkdir()
    shutil.copytree(bundle, folder / "bundle", copy_function=os.link)
    return Operator(folder, bundle)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, operator: Operator) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("updated") / "disk"
    folder.mkdir()
    machine = Machine(folder, operator.served.parent)
    machine.configure(CONFIGURATION)
    machine.put(operator.root, "/etc/edge-assistant/update-root.json")
    machine.run("(cd /srv/bundle/releases; /opt/python/bin/python3 -m http.server 8000 >/dev/null 2>&1 &)")
    machine.run("/srv/bundle/bundle/install.sh --python /opt/python/bin/python3", seconds=300)
    yield machine
    machine.off()


def update(machine: Machine, *words: str, check: bool = True) -> Any:
    """Run `update` as root and return what it prints, or the line of its error."""
    command = f"edge-assistant update {' '.join(words)} --json"
    done = machine.run(command, check=check, seconds=300)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.splitlines()[-1]


@LATER
def test_a_release_is_taken_and_what_people_said_is_still_there(machine: Machine, operator: Operator) -> None:
    machine.wait_until(machine.answers, 90)
    kept = machine.conversations()
    operator.release("0.1.1")
    assert update(machine, "check")["offered"] == "0.1.1"
    outcome = update(machine, "apply")
    assert (outcome["version"], outcome["result"]) == ("0.1.1", "applied")
    assert machine.ready
    assert machine.assistant("--version").stdout.split()[-1] == "0.1.1"
    assert machine.conversations() == kept
    assert update(machine, "status")["before"] == __version__
    assert machine.answers()


@LATER
def test_a_version_that_dies_gives_its_place_back_with_the_store_as_it_was(
    machine: Machine, operator: Operator
) -> None:
    kept = machine.conversations()
    operator.release("0.1.2", **{"store/migrations": MIGRATION, "cli/run": CRASH})
    said = update(machine, "apply", check=False)
    assert said.startswith("error: UPDATE_RESTARTED: version 0.1.2 was taken back"), said
    machine.wait_until(lambda: machine.ready)
    assert machine.conversations() == kept, "also the old version can read them"
    assert machine.run("ls /var/lib/edge-assistant/assistant.db.newer").returncode == 0
    assert "was started again twice in its probation" in machine.journal()
    assert update(machine, "check")["failed_before"] == "UPDATE_RESTARTED"


@LATER
def test_a_power_cut_in_the_probation_is_gone_on_from_after_the_start(
    machine: Machine, operator: Operator
) -> None:
    operator.release("0.1.3")
    machine.configure(CONFIGURATION.replace("probation_seconds = 3", "probation_seconds = 600"))
    machine.run("edge-assistant update apply >/dev/null 2>&1 &")
    status = "/opt/edge-assistant/update/probation"
    machine.wait_until(lambda: " 1 " in machine.run(f"cat {status}", check=False).stdout, 200)
    machine.run("pkill -KILL -f '[u]pdate apply'")
    machine.run(f"kill -KILL {machine.pid}")
    machine.configure(CONFIGURATION)
    machine.wait_until(lambda: machine.ready)
    assert update(machine, "status")["probation"] is True
    machine.run("systemctl start edge-assistant-update.service", seconds=200)
    status = update(machine, "status")
    assert (status["version"], status["probation"]) == ("0.1.3", False)
    assert status["last"]["result"] == "applied"


@LATER
def test_an_owner_goes_back(machine: Machine) -> None:
    assert update(machine, "rollback")["version"] == "0.1.1"
    assert machine.ready
    assert update(machine, "apply", check=False).startswith("error: UPDATE_FAILED_BEFORE: ")


def test_only_root_updates(machine: Machine) -> None:
    done = machine.assistant("update", "check", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: UPDATE_FORBIDDEN: ")


def test_the_timer_waits_for_the_night(machine: Machine) -> None:
    assert machine.run("systemctl is-active edge-assistant-update.timer").stdout.strip() == "active"
    # What a power cut left is ended soon after the next boot, not when the night's delay is over.
    assert machine.run("systemctl is-enabled edge-assistant-update-boot.timer").stdout.strip() == "enabled"
    assert machine.show("RandomizedDelayUSec", "edge-assistant-update-boot.timer") == "0"
    assert machine.show("Unit", "edge-assistant-update-boot.timer") == "edge-assistant-update.service"
    machine.run("systemctl start edge-assistant-update.service")
    assert machine.show("Result", "edge-assistant-update.service") == "success"
