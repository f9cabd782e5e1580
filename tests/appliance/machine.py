"""A machine with a real systemd: namespaces of its own over a copy-on-write view of this one."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_BOOT = """
set -eu
ip link set lo up
mount -t tmpfs -o size=4g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
# The hardware watchdog of this machine is not for one that is switched off at the end of a test.
for watchdog in dev/watchdog*; do [ ! -e "$watchdog" ] || mount --bind /dev/null "$watchdog"; done
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p opt/python srv/bundle
mount --bind "$2" opt/python
mount --bind "$3" srv/bundle
# A Python built with a shared library finds it beside itself.
echo /opt/python/lib > etc/ld.so.conf.d/00-python.conf
# Of this machine only what a fresh card has: no other service, nothing of ours.
find etc/systemd/system -name '*.wants' -prune -exec rm -rf {} +
rm -rf opt/edge-assistant var/lib/edge-assistant etc/edge-assistant
ln -sf /dev/null etc/systemd/system/systemd-udevd.service
ln -sf /usr/lib/systemd/system/multi-user.target etc/systemd/system/default.target
# A change of root, as in a chroot the kernel refuses user namespaces (PrivateUsers=).
mkdir .before
pivot_root . .before
umount -l /.before
ldconfig
# As a container's manager leaves it: what systemd mounts for a service must reach it.
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
"""


AS_SERVICE = (
    "setpriv --reuid edge-assistant --regid edge-assistant --init-groups"
    " env STATE_DIRECTORY=/var/lib/edge-assistant HOME=/var/lib/edge-assistant"
)
"""Runs a command inside as the service's user."""


class Machine:
    """Boots, runs commands inside, and is gone when it is switched off."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self._log = (folder.parent / "boot.log").open("wb")
        python = Path(sys.base_prefix)
        namespaces = (
            "--pid",
            "--fork",
            "--kill-child",
            "--mount",
            "--mount-proc",
            "--cgroup",
            "--uts",
            "--ipc",
            "--net",
        )
        self._process = subprocess.Popen(
            ("unshare", *namespaces, "sh", "-c", _BOOT, "sh", str(folder), str(python), str(bundle)),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._init = 0
        self.wait_until(self._booted, 60)

    def _booted(self) -> bool:
        assert self._process.poll() is None, "the machine did not boot: see boot.log"
        children = psutil.Process(self._process.pid).children()
        if not children:
            return False
        self._init = children[0].pid
        state = self.run("systemctl is-system-running", check=False).stdout.strip()
        return state in {"running", "degraded"}

    def run(
        self, command: str, *, given: str = "", check: bool = True, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside, as root; it reads what is `given`."""
        done = subprocess.run(
            (
                "nsenter",
                "-t",
                str(self._init),
                "-m",
                "-p",
                "-C",
                "-u",
                "-i",
                "-n",
                "-r",
                "-w",
                "sh",
                "-c",
                command,
            ),
            env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"},
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def show(self, key: str, unit: str = "edge-assistant.service") -> str:
        """Return one property of a unit."""
        return self.run(f"systemctl show --value -p {key} {unit}").stdout.strip()

    @property
    def pid(self) -> int:
        """The daemon's process, as the machine counts; 0 when none runs."""
        return int(self.show("MainPID"))

    def workers(self) -> dict[int, str]:
        """Return the daemon's children and what they run."""
        lines = self.run(f"ps --ppid {self.pid} -o pid=,args=", check=False).stdout.splitlines()
        pairs = (line.split(None, 1) for line in lines if "workers.child" in line)
        return {int(pid): command for pid, command in pairs}

    @property
    def ready(self) -> bool:
        """Whether the daemon runs and said that it is ready."""
        return self.show("ActiveState") == "active" and self.pid > 0

    def install(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Install from the bundle, which is all there is: the machine has no network."""
        words = " ".join(("--python /opt/python/bin/python3", *options))
        return self.run(f"/srv/bundle/install.sh {words}", check=check, seconds=300)

    def configure(self, text: str) -> None:
        """Write the configuration."""
        self.run(
            f"mkdir -p /etc/edge-assistant; printf %s {shlex.quote(text)} > /etc/edge-assistant/config.toml"
        )

    def conversations(self) -> list[str]:
        """The list that `chat` shows: a line for each conversation."""
        shown = self.run(f"echo /sessions | {AS_SERVICE} edge-assistant chat").stdout
        return re.findall(r"^ +\d+  20.*$", shown, re.MULTILINE)

    def answers(self) -> bool:
        """Whether it answers a question, in a conversation that goes on."""
        done = self.assistant("ask", "Say hello.", "--session", "life", check=False)
        return done.returncode == 0 and bool(done.stdout.strip())

    def assistant(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `edge-assistant` as the service's user."""
        return self.run(f"{AS_SERVICE} edge-assistant {shlex.join(words)}", check=check)

    def put(self, file: Path, place: str) -> None:
        """Copy a file of this machine to a place inside."""
        content = base64.b64encode(file.read_bytes()).decode("ascii")
        self.run(f"mkdir -p {Path(place).parent}; base64 -d > {place}", given=content)

    def killed_for_memory(self, unit: str) -> int:
        """How many processes of a unit the kernel has killed because they used too much memory."""
        group = self.show("ControlGroup", unit)
        counters = "memory.events", "memory.oom_control"
        files = " ".join(
            f"/sys/fs/cgroup{kind}{group}/{name}" for kind in ("", "/memory") for name in counters
        )
        found = re.findall(r"^oom_kill (\d+)$", self.run(f"cat {files}", check=False).stdout, re.MULTILINE)
        return sum(map(int, found))

    def journal(self, match: str = "-u edge-assistant") -> str:
        """Return the journal."""
        self.run("journalctl --sync", check=False)
        return self.run(f"journalctl --no-pager -o cat {match}", check=False).stdout

    @staticmethod
    def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something holds, and fail when it never does."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it never came to hold"
            time.sleep(0.1)

    def off(self) -> None:
        """Pull the plug: the namespaces end with their first process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init or self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        self._log.close()
