"""What measurements and tests of updates share: an operator's repository and a device whose power can be cut.

The program is a small one in the assistant's place; repository, updater, installer, guard and files are real.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edge_assistant.update.keepsake import Keepsake
from edge_assistant.update.keys import Keys
from edge_assistant.update.pace import Limits
from edge_assistant.update.place import Place
from edge_assistant.update.release import this_platform
from edge_assistant.update.repository import Repository
from edge_assistant.update.service import Health
from edge_assistant.update.source import open_source
from edge_assistant.update.trial import Patience, Trial
from edge_assistant.update.updater import Updater

ROOT = Path(__file__).parents[3]
WAIT_SECONDS = 60.0

_PROGRAM = """
import json, os, pathlib, sys, time
if sys.argv[1:] == ["--version"]:
    print("edge-assistant {version}")
    raise SystemExit
if "{manner}" == "crashing":
    raise SystemExit(1)
state = pathlib.Path(os.environ["STATE_DIRECTORY"])
said = state / "said.new"
said.write_text(json.dumps({{"pid": os.getpid(), "version": "{version}", "word": "{manner}"}}))
said.replace(state / "said")
time.sleep(3600)
"""


class Said(msgspec.Struct, frozen=True):
    """What the small program says of itself."""

    pid: int
    version: str
    word: str


def make_bundle(folder: Path, version: str, manner: str = "ok", *, ballast: bytes = b"") -> Path:
    """Make a bundle whose program says `manner` of its health, or is `crashing`."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    (folder / "docs").mkdir()
    (folder / "docs" / "updates.md").write_text("what is new\n")
    shutil.copytree(ROOT / "systemd", folder / "systemd")
    shutil.copy(ROOT / "provisioning" / "install.sh", folder)
    (folder / "constraints.txt").write_text("")
    info = f"edge_assistant-{version}.dist-info"
    files = {
        "edge_assistant/__init__.py": b"",
        "edge_assistant/__main__.py": _PROGRAM.format(version=version, manner=manner).encode(),
        "edge_assistant/ballast": ballast,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edge-assistant\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: yard\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]).encode()
    with zipfile.ZipFile(folder / "wheels" / f"edge_assistant-{version}-py3-none-any.whl", "w") as wheel:
        for name, content in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(zipfile.ZipInfo(name), content)
    return folder


class ProcessService:
    """The small program, kept running as systemd does: guarded, and started again for ever."""

    def __init__(self, prefix: Path, state: Path) -> None:
        self._prefix = prefix
        self._state = state
        self._wanted = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Keep it running."""
        if self._thread is None:
            self._wanted.set()
            self._thread = threading.Thread(target=self._keep_running, name="service", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._wanted.clear()
        while self._thread is not None and self._thread.is_alive():
            if self._process is not None:
                self._process.kill()
            self._thread.join(0.05)
        self._thread = None
        (self._state / "said").unlink(missing_ok=True)

    def health(self) -> Health:
        """Read what it said."""
        said = self.said()
        if said is None or self._process is None or said.pid != self._process.pid:
            return Health(running=False)
        return Health(running=self._process.poll() is None, word=said.word)

    def said(self) -> Said | None:
        """Return what the program that was started last said."""
        try:
            return msgspec.json.decode((self._state / "said").read_bytes(), type=Said)
        except (OSError, msgspec.DecodeError):
            return None

    def _keep_running(self) -> None:
        environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(self._state)}
        while self._wanted.is_set():
            guard = {**environment, "EDGE_ASSISTANT_PREFIX": str(self._prefix)}
            subprocess.run((str(self._prefix / "guard"),), env=guard, check=False, stderr=subprocess.DEVNULL)
            program = self._prefix / "current" / ".venv" / "bin" / "python"
            try:
                with subprocess.Popen(
                    (str(program), "-P", "-m", "edge_assistant", "run"), env=environment
                ) as process:
                    self._process = process
            except OSError:
                time.sleep(0.2)
            time.sleep(0.02)


class Silence:
    """Shows no progress."""

    def begin(self, name: str, total: int) -> None:
        """Begin."""

    def advance(self, count: int) -> None:
        """Go on."""

    def end(self) -> None:
        """End."""

    def note(self, text: str) -> None:
        """Say nothing."""


class Yard:
    """One operator and one device, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = Place(folder / "device" / "prefix")
        self.state = folder / "device" / "state"
        self.repository_folder = folder / "repository"
        self.root = folder / "device" / "update-root.json"
        self.repository = Repository(self.repository_folder, Keys(folder / "keys", "a passphrase"))

    def set_up(self) -> Yard:
        """Make a repository and a device that runs version 1.0."""
        self.state.mkdir(parents=True)
        shutil.copy(self.repository.create(), self.root)
        self.place.prefix.mkdir()
        shutil.copy(ROOT / "systemd" / "guard", self.place.prefix / "guard")
        bundle = make_bundle(self.folder / "bundle", "1.0")
        subprocess.run(
            ("sh", str(bundle / "install.sh"), "--beside", "installed-1", "--python", sys.executable),
            env={
                **os.environ, "EDGE_ASSISTANT_PREFIX": str(self.place.prefix),
                "EDGE_ASSISTANT_STATE": str(self.state),
            },
            check=True, capture_output=True,
        )  # fmt: skip
        self.place.switch("installed-1")
        return self

    def release(
        self, version: str, manner: str = "ok", *, ballast: bytes = b"", models: Mapping[str, bytes] = {}
    ) -> None:
        """Let the operator sign a release."""
        bundle = make_bundle(self.folder / "bundle", version, manner, ballast=ballast)
        for name, content in models.items():
            path = bundle / "models" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.repository.add(bundle, this_platform())

    def updater(
        self, service: ProcessService, where: str = "", *, patience: Patience | None = None,
        limits: Limits | None = None, pause: Callable[[float], None] = time.sleep,
    ) -> Updater:  # fmt: skip
        """Return what updates the device from the repository's folder or from an address."""
        keepsake = Keepsake(self.state / "assistant.db")
        quick = patience or Patience(start_seconds=60.0, probation_seconds=0.3, look_seconds=0.03)
        trial = Trial(self.place, service, keepsake, lambda _: None, quick)
        return Updater(
            self.place, self.root, lambda: open_source(where or str(self.repository_folder), limits),
            trial=trial, keepsake=keepsake, models=self.state / "models", progress=Silence(), pause=pause,
        )  # fmt: skip

    def service(self) -> ProcessService:
        """Return the device's service, not started yet."""
        return ProcessService(self.place.prefix, self.state)

    def boot(self) -> str:
        """Let the device start after a power cut and return the version that came up, if any."""
        (self.state / "said").unlink(missing_ok=True)
        service = self.service()
        service.start()
        deadline = time.monotonic() + WAIT_SECONDS
        try:
            while time.monotonic() < deadline:
                if service.health().running and (said := service.said()) is not None:
                    return said.version
                time.sleep(0.02)
            return ""
        finally:
            service.stop()
