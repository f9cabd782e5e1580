"""A real systemd installs, starts, watches, heals, reloads, updates and removes the assistant.

The tests stand in the order of a device's life and share one machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from edge_assistant.ops.journal import FAILED_ID, MESSAGE_IDS
from tests.appliance.machine import AS_SERVICE, Machine

ROOT = Path(__file__).parents[2]
CONFIGURATION = "[web]\nlan = false\n[documents]\nenabled = true\n"
LATER = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine") / "disk"
    folder.mkdir()
    machine = Machine(folder, bundle)
    machine.configure(CONFIGURATION)
    yield machine
    machine.off()


@LATER
def test_the_first_boot_installs_the_bundle_without_a_network_and_answers(machine: Machine) -> None:
    """As cloud-init does it: `runcmd` of the user-data is run, with the bundle on the boot partition."""
    machine.run(
        "mkdir -p /boot/firmware/edge-assistant /usr/local/bin;"
        " echo console=tty1 > /boot/firmware/cmdline.txt;"
        " mount --bind /srv/bundle /boot/firmware/edge-assistant;"
        """ printf '#!/bin/sh\nexec /opt/python/bin/python3 "$@"\n' > /usr/local/bin/python3;"""
        " chmod 755 /usr/local/bin/python3"
    )
    user_data = yaml.safe_load((ROOT / "provisioning/cloud-init/user-data").read_text())
    for command in user_data["runcmd"]:
        machine.run(command, seconds=300)
    assert machine.ready
    assert machine.run("cat /boot/firmware/cmdline.txt").stdout == "console=tty1 cgroup_enable=memory psi=1\n"
    assert machine.run("systemctl show -P RuntimeWatchdogUSec").stdout.strip() in {"14s", "0"}
    machine.wait_until(lambda: "ready" in machine.show("StatusText").rpartition("model ")[2])
    assert machine.answers()
    assert machine.run("systemctl is-enabled edge-assistant.service").stdout.strip() == "enabled"


def test_ready_was_said_once_the_sockets_listened(machine: Machine) -> None:
    text = machine.show("StatusText")
    assert text.startswith("serving at http://127.0.0.1:8080; model "), text
    assert machine.show("NRestarts") == "0"


def test_the_page_is_reached_through_the_socket_that_systemd_holds(machine: Machine) -> None:
    address = "http://127.0.0.1:8080/healthz"
    health = f"import urllib.request; print(urllib.request.urlopen('{address}', timeout=60).read())"
    machine.run("systemctl stop edge-assistant.service")
    assert machine.pid == 0
    said = machine.run(f'/opt/edge-assistant/current/.venv/bin/python -c "{health}"').stdout
    assert "status" in said, "the connection waited for the start"
    machine.wait_until(lambda: machine.ready)


def test_a_document_is_read_in_its_closed_process_by_a_user_who_is_not_root(machine: Machine) -> None:
    machine.run("echo 'The boiler is serviced in May by Kestrel Heating.' > /srv/boiler.txt")
    assert "1 passages" in machine.assistant("documents", "add", "/srv/boiler.txt").stdout
    assert "Kestrel Heating" in machine.assistant("documents", "search", "boiler").stdout
    # The service has a /tmp of its own: what lies in everybody's comes over the socket.
    machine.run(
        "echo 'The roof was mended in June by Osprey Tiles.' > /tmp/roof.txt; chmod 644 /tmp/roof.txt"
    )
    assert "1 passages" in machine.assistant("documents", "add", "/tmp/roof.txt").stdout


def test_a_backup_is_where_it_was_wanted_or_refused_where_the_service_has_a_folder_of_its_own(
    machine: Machine,
) -> None:
    lost = machine.assistant("backup", "/tmp/lost.backup", check=False)
    assert "BACKUP_FOLDER_HIDDEN" in lost.stderr
    closed = machine.assistant("backup", "/srv/closed.backup", check=False)
    assert "STORE_UNAVAILABLE" in closed.stderr
    assert "ReadWritePaths=" in closed.stderr
    machine.assistant("backup", "/var/lib/edge-assistant/mine.backup")
    machine.run("mv /var/lib/edge-assistant/mine.backup /srv/mine.backup")


def use(machine: Machine, name: str) -> bool:
    """Have every worker do its work: a document is read, its meaning found, and a question answered."""
    machine.run(f"echo 'The {name} gate is closed at nine.' > /srv/{name}.txt")
    added = machine.assistant("documents", "add", f"/srv/{name}.txt", check=False)
    machine.wait_until(lambda: "yet" not in machine.assistant("documents", "list").stdout)
    return added.returncode == 0 and machine.answers()


@pytest.mark.parametrize("number", ["KILL", "STOP"])
@LATER
def test_a_killed_or_frozen_daemon_is_started_again(machine: Machine, number: str) -> None:
    before = machine.pid
    machine.run(f"kill -{number} {before}")
    machine.wait_until(lambda: machine.pid not in {0, before} and machine.ready)
    assert machine.answers()


@pytest.mark.parametrize("number", ["KILL", "STOP"])
@LATER
def test_a_killed_or_frozen_worker_is_replaced_under_the_same_daemon(machine: Machine, number: str) -> None:
    assert use(machine, f"before-{number}")
    daemon, workers = machine.pid, machine.workers()
    assert len(workers) == 3, "the model's, the embedder's and that of documents"
    machine.run(f"kill -{number} {' '.join(map(str, workers))}")
    machine.wait_until(lambda: not set(machine.workers()) & set(workers))
    machine.wait_until(lambda: use(machine, f"after-{number}"))
    assert machine.pid == daemon
    assert len(machine.conversations()) == 1, "the conversation goes on"


def test_a_reload_carries_out_what_can_be_and_says_what_waits(machine: Machine) -> None:
    pid = machine.pid
    machine.configure(
        CONFIGURATION.replace("[documents]", 'port = 9999\n[assistant]\nname = "Kestrel"\n[documents]')
    )
    machine.run("systemctl reload edge-assistant.service")
    machine.wait_until(lambda: "needs a restart to take effect: web.port" in machine.journal())
    machine.configure("[assistant]\nname = 1")
    machine.run("systemctl reload edge-assistant.service")
    machine.wait_until(lambda: "the old one stays" in machine.journal())
    assert machine.pid == pid
    machine.configure(CONFIGURATION)


def test_events_are_found_in_the_journal_by_their_id(machine: Machine) -> None:
    lines = machine.journal(f"MESSAGE_ID={MESSAGE_IDS['ready: process %d']}").splitlines()
    assert lines
    assert all("ready: process" in line for line in lines)
    restarted = machine.journal(
        f"MESSAGE_ID={MESSAGE_IDS['the %s worker died: %s; restart in %.1f s']} PRIORITY=4"
    )
    assert "worker died" in restarted


def test_secrets_of_the_credential_store_reach_the_daemon_and_no_worker(machine: Machine) -> None:
    machine.run("umask 077; printf %s hush-hush > /etc/credstore/edge-assistant.home_pin")
    machine.run("systemctl restart edge-assistant.service")
    folder = f"/proc/{machine.pid}/root/run/credentials/edge-assistant.service"
    assert machine.run(f"ls {folder}").stdout.split() == ["home_pin"]
    machine.wait_until(machine.workers)
    for pid in machine.workers():
        assert "CREDENTIALS" not in machine.run(f"tr '\\0' '\\n' < /proc/{pid}/environ").stdout


def test_the_groups_of_devices_count_inside_the_hardened_service(machine: Machine) -> None:
    machine.run(
        "mkdir -p /srv/pins; echo gpio > /srv/pins/chip; chgrp gpio /srv/pins/chip; chmod 640 /srv/pins/chip"
    )
    machine.run(
        "sed -e 's|^ExecStart=.*|ExecStart=/bin/cat /srv/pins/chip|; s|^Type=.*|Type=oneshot|'"
        " -e '/^Restart/d; /^Also/d; /^WatchdogSec/d; /^StateDirectory=/d'"
        " /etc/systemd/system/edge-assistant.service > /run/systemd/system/pins.service"
    )
    machine.run("systemctl daemon-reload; systemctl start pins.service")
    assert "gpio" in machine.journal("-u pins.service")


@LATER
def test_an_update_keeps_what_people_said_and_a_drop_in_of_their_own(machine: Machine) -> None:
    machine.run("printf '[Service]\\nNice=3\\n' > /etc/systemd/system/edge-assistant.service.d/mine.conf")
    before = machine.pid
    kept = machine.conversations()
    assert kept
    machine.install()
    assert machine.pid not in {0, before}
    assert machine.show("Nice") == "3"
    assert machine.conversations() == kept


def test_a_stop_with_an_answer_under_way_is_clean(machine: Machine) -> None:
    machine.wait_until(machine.answers)
    machine.run(f"({AS_SERVICE} edge-assistant ask 'Write a long story about the sea.' >/tmp/story 2>&1 &)")
    machine.wait_until(lambda: machine.run("cat /tmp/story").stdout)
    machine.run("systemctl stop edge-assistant.service")
    assert machine.show("Result") == "success"
    told = machine.journal().rpartition("app: stopping")[2]
    assert "app: stopped" in told, "by itself"
    assert "Killing" not in told
    machine.wait_until(lambda: "(stopped)" in machine.run("cat /tmp/story").stdout)


def test_removal_keeps_what_it_knew_and_a_purge_leaves_nothing(machine: Machine) -> None:
    machine.run("/srv/bundle/install.sh --uninstall")
    assert machine.run("test -e /opt/edge-assistant", check=False).returncode == 1
    machine.run("test -e /var/lib/edge-assistant/assistant.db")
    machine.run("/srv/bundle/install.sh --purge")
    left = machine.run(
        "find /etc /opt /usr/local /var/lib /run/systemd/system -name '*edge-assistant*' -print", check=False
    ).stdout
    assert left.strip() == ""
    assert machine.run("id edge-assistant", check=False).returncode != 0
    machine.run("/srv/bundle/install.sh --purge")


@pytest.mark.parametrize("drop_in", ["", *(file.stem for file in (ROOT / "systemd/drop-ins").iterdir())])
def test_the_service_is_hardened_with_every_drop_in_and_may_still_hear_and_switch(
    tmp_path: Path, drop_in: str
) -> None:
    units = tmp_path / "etc/systemd/system"
    (units / "edge-assistant.service.d").mkdir(parents=True)
    for name in ("edge-assistant.service", "edge-assistant.socket"):
        shutil.copy(ROOT / "systemd" / name, units)
    if drop_in:
        shutil.copy(ROOT / f"systemd/drop-ins/{drop_in}.conf", units / "edge-assistant.service.d")
    done = subprocess.run(
        ("systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={tmp_path}",
         "edge-assistant.service"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= 1.5
    text = (units / "edge-assistant.service").read_text()
    assert "DeviceAllow=char-alsa rw" in text
    assert "DeviceAllow=char-gpiochip rw" in text


def test_every_message_id_is_unique_documented_and_of_a_record_that_exists() -> None:
    assert len(set(MESSAGE_IDS.values())) == len(MESSAGE_IDS)
    source = "\n".join(
        path.read_text() for path in (ROOT / "edge_assistant").rglob("*.py") if path.name != "journal.py"
    )
    document = (ROOT / "docs/operations.md").read_text()
    for text, message_id in MESSAGE_IDS.items():
        assert text in source, text
        assert re.fullmatch("[0-9a-f]{32}", message_id)
        assert message_id in document, text
    told = set(re.findall("[0-9a-f]{32}", document))
    assert told == {*MESSAGE_IDS.values(), FAILED_ID}, "each is documented, and each documented one exists"
