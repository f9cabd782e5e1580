"""A device in trouble: an old version, a full disk, no memory, moved secrets, nothing to hear or switch with.

The tests stand in the order of one device's life, which began with the first version of the program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.ops.journal import FAILED_ID
from tests.appliance.machine import Machine

SAMPLES = Path(__file__).parents[1] / "samples"
STATE = "/var/lib/edge-assistant"
UNIT = "edge-assistant.service"
CONFIGURATION = "[web]\nlan = false\n"
LATER = pytest.mark.timeout(400)

FIRST_VERSION = f"""
mkdir -p /srv/python /opt/edge-assistant/.venv/bin
printf '#!/bin/sh\nexec sleep infinity\n' > /opt/edge-assistant/.venv/bin/edge-assistant
chmod 755 /opt/edge-assistant/.venv/bin/edge-assistant
sed 's/^Type=.*/Type=exec/; /^WatchdogSec/d' /srv/samples/first-version.service > /etc/systemd/system/{UNIT}
systemctl daemon-reload
systemctl enable --now {UNIT}
tar xzf /srv/samples/first-version.tar.gz -C {STATE} --no-same-owner
chown -R --reference={STATE}/. {STATE}/.
"""
"""Its unit, with a user that systemd made up, and what it kept; the program itself only stands there."""

SMALL_DISK = """
mkdir -p /srv/python
mount --bind /opt/python /srv/python
mount -t tmpfs -o size=100m tmpfs /opt
mkdir /opt/python
mount --bind /srv/python /opt/python
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("trouble") / "disk"
    folder.mkdir()
    machine = Machine(folder, bundle)
    machine.configure(CONFIGURATION)
    for sample in SAMPLES.glob("first-version.*"):
        machine.put(sample, f"/srv/samples/{sample.name}")
    machine.run(SMALL_DISK)
    machine.run(FIRST_VERSION)
    yield machine
    machine.off()


def test_a_disk_without_room_stops_an_install_before_anything_is_changed(machine: Machine) -> None:
    before = machine.pid
    done = machine.install(check=False)
    assert done.returncode == 1
    assert re.search(
        r"^error: /opt has \d+ MB free and 1200 MB are needed: make room", done.stderr, re.MULTILINE
    )
    assert machine.pid == before
    assert machine.run("ls -A /opt").stdout.split() == ["edge-assistant", "python"]


def test_a_disk_that_fills_up_during_an_install_leaves_the_old_version_running(machine: Machine) -> None:
    before = machine.pid
    machine.run("mount -o remount,size=2g,nr_inodes=2000 /opt")  # room for bytes, but soon none for files
    done = machine.install(check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stdout + done.stderr
    assert machine.pid == before
    assert machine.run("ls -A /opt").stdout.split() == ["edge-assistant", "python"]
    machine.run("mount -o remount,size=2g,nr_inodes=1000000 /opt")


@LATER
def test_the_first_version_gives_way_and_nothing_it_knew_is_lost(machine: Machine) -> None:
    machine.install()
    assert machine.ready
    assert "The heron on the pond is called Balthasar." in machine.conversations()[0]
    assert machine.run(f"stat -c '%F %U %a' {STATE}").stdout == "directory edge-assistant 700\n"
    assert machine.run("ls -A /var/lib/private").stdout == ""
    assert "migrations applied" in machine.journal()


@LATER
def test_a_worker_killed_for_memory_is_replaced_and_the_conversation_goes_on(machine: Machine) -> None:
    machine.wait_until(machine.answers)
    daemon, workers = machine.pid, machine.workers()
    # What is left is enough for the daemon, not for a worker that loads the model.
    machine.run(f"kill -KILL {' '.join(map(str, workers))}")
    used = int(machine.show("MemoryCurrent"))
    machine.run(f"systemctl set-property --runtime {UNIT} MemoryMax={used + (24 << 20)}")
    machine.wait_until(lambda: machine.killed_for_memory(UNIT) > 0, 90)
    machine.wait_until(lambda: "as the kernel does when memory runs out" in machine.journal())
    assert machine.pid == daemon
    machine.run(f"systemctl set-property --runtime {UNIT} MemoryMax=infinity")
    machine.wait_until(machine.answers, 90)
    assert machine.pid == daemon
    assert machine.show("NRestarts") == "0"
    assert len(machine.conversations()) == 2


def test_a_device_key_sealed_for_this_machine_opens_the_store(machine: Machine) -> None:
    machine.run(
        "mkdir -p /etc/credstore.encrypted; systemd-creds setup;"
        f" systemd-creds encrypt --with-key=host --name=device_key {STATE}/device.key"
        " /etc/credstore.encrypted/edge-assistant.device_key"
    )
    drop_in = "/srv/bundle/systemd/drop-ins/encrypted-credentials.conf"
    machine.run(f"cp {drop_in} /etc/systemd/system/{UNIT}.d/; rm {STATE}/device.key; systemctl daemon-reload")
    machine.run(f"systemctl restart {UNIT}")
    machine.wait_until(machine.answers, 90)
    assert machine.run(f"ls {STATE}").stdout.find("device.key") == -1
    assert "ok       key: the running assistant has it" in machine.assistant("doctor", check=False).stdout
    assert machine.assistant("backup").returncode == 0


def test_nothing_to_hear_or_switch_with_is_said_and_the_rest_works(machine: Machine) -> None:
    assert machine.run("ls /dev/snd /dev/gpiochip0", check=False).returncode != 0
    pins = "[tools.pins.pump]\nnumber = 17\noutput = true\n"
    machine.configure(f"{CONFIGURATION}[voice]\nenabled = true\nled_pin = 18\n{pins}")
    machine.run(f"systemctl restart {UNIT}")
    machine.wait_until(machine.answers, 90)
    assert "can't hear or speak without the library" in machine.show("StatusText")
    found = machine.assistant("doctor", check=False).stdout
    assert re.search(r"^(failed|warning) +(voice|sound): ", found, re.MULTILINE), found
    machine.configure(CONFIGURATION)


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        ("printf '[assistant]\\nname = ' > /etc/edge-assistant/config.toml", "CONFIG_UNREADABLE"),
        (
            f"head -c 32 /dev/urandom > {STATE}/device.key; chown edge-assistant: {STATE}/device.key",
            "KEY_WRONG",
        ),
    ],
    ids=["half-written configuration", "state of another device"],
)
def test_what_stops_the_start_is_an_error_of_the_journal_and_no_end(
    machine: Machine, harm: str, code: str
) -> None:
    """Once it is mended the device comes back by itself."""
    sealed = f"/etc/systemd/system/{UNIT}.d/encrypted-credentials.conf"
    machine.run(
        f"mkdir -p /srv/kept; cp -a {STATE}/keys.json /srv/kept; [ ! -e {sealed} ] || mv {sealed} /srv/kept"
    )
    machine.run(f"systemctl daemon-reload; {harm}; systemctl restart {UNIT}", check=False)
    machine.wait_until(lambda: f"error: {code}: " in machine.journal(f"MESSAGE_ID={FAILED_ID} PRIORITY=3"))
    machine.wait_until(lambda: int(machine.show("NRestarts")) > 1)
    machine.run(f"mv /srv/kept/encrypted-credentials.conf {sealed}; rm -f {STATE}/device.key")
    machine.configure(CONFIGURATION)
    machine.run("systemctl daemon-reload")
    machine.wait_until(lambda: machine.ready)
    assert len(machine.conversations()) == 2
