"""A real PulseAudio with a virtual microphone and a virtual speaker, in a runtime folder of its own.

Speaking into the microphone is playing into the sink `mic_feed`; what the device says is recorded from
the monitor of the sink `speaker`. Programs find it through the environment in `environ`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_assistant.bench.child import tied

RECORD_RATE_HZ = 16_000

_ALSA = """
<{system}/alsa.conf>
pcm.!default {{ type pulse }}
ctl.!default {{ type pulse }}
pcm.kitchen {{ type pulse device mic hint {{ show on description "kitchen" }} }}
"""

_PULSE = """
load-module module-native-protocol-unix
load-module module-null-sink sink_name=mic_feed rate={rate}
load-module module-null-sink sink_name=speaker rate={rate}
load-module module-remap-source master=mic_feed.monitor source_name={source}
set-default-source {source}
set-default-sink speaker
"""


class SoundServer:
    """One PulseAudio daemon; start, stop and restart it as a test wants."""

    def __init__(self, folder: Path, *, source: str = "mic", rate: int = 48_000) -> None:
        """Prepare below `folder`, whose path must be short: sockets allow 107 characters."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._keepers: list[subprocess.Popen[bytes]] = []
        """Readers that keep the virtual sinks in small steps; left alone they work in steps of 2 s."""
        (folder / "pulse").mkdir(parents=True, exist_ok=True)
        (folder / "alsa.conf").write_text(_ALSA.format(system="/usr/share/alsa"))
        (folder / "pulse.pa").write_text(_PULSE.format(source=source, rate=rate))
        self.environ = {
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_SERVER": f"unix:{folder / 'pulse' / 'native'}",
            "PULSE_COOKIE": str(folder / "cookie"),
            "ALSA_CONFIG_PATH": str(folder / "alsa.conf"),
        }

    @property
    def whole_environ(self) -> dict[str, str]:
        """This process's environment, pointed at this server."""
        return {**os.environ, **self.environ}

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                tied("pulseaudio", "-n", "-F", str(self._folder / "pulse.pa"), "--daemonize=no",
                     "--use-pid-file=no", "--exit-idle-time=-1", "--disallow-exit=no", "--realtime=no",
                     "--high-priority=no"),
                env=self.whole_environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(200):
            if self._pactl("info").returncode == 0:
                self._keepers = [self._keep(sink) for sink in ("mic_feed", "speaker")]
                time.sleep(2.2)  # until the step of 2 s that has begun is over
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the daemon."""
        for keeper in self._keepers:
            keeper.kill()
            keeper.wait(10)
        self._keepers = []
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None
        (self._folder / "pulse" / "native").unlink(missing_ok=True)

    def load(self, *module: str) -> str:
        """Load a module; return its number."""
        return self._pactl("load-module", *module, check=True).stdout.strip()

    def unload(self, number: str) -> None:
        """Unload a module: unplugging, for what hangs on it."""
        self._pactl("unload-module", number, check=True)

    def modules(self, name: str) -> list[str]:
        """Return the numbers of the loaded modules of that name whose arguments hold `name`."""
        lines = self._pactl("list", "short", "modules", check=True).stdout.splitlines()
        return [line.split()[0] for line in lines if name in line]

    def play(self, sound: NDArray[np.int16] | Path, rate: int = 16_000) -> subprocess.Popen[bytes]:
        """Begin to speak a sound into the microphone; the process ends when all of it was played."""
        path = sound if isinstance(sound, Path) else self._as_wave(sound, rate)
        return subprocess.Popen(["paplay", "--device=mic_feed", str(path)], env=self.whole_environ)

    def speak(self, sound: NDArray[np.int16] | Path, rate: int = 16_000) -> None:
        """Speak a sound into the microphone, to its end."""
        assert self.play(sound, rate).wait(120) == 0

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Point this process, and those that it starts, at this server."""
        before = {name: os.environ.get(name) for name in self.environ}
        os.environ.update(self.environ)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    @contextmanager
    def recording(self, sink: str = "speaker") -> Iterator[Recording]:
        """Record what the device says, or with `mic_feed` what is said to it."""
        process = subprocess.Popen(
            ["parec", f"--device={sink}.monitor", f"--rate={RECORD_RATE_HZ}", "--channels=1",
             "--format=s16le", "--raw", "--latency-msec=20"],
            env=self.whole_environ, stdout=subprocess.PIPE,
        )  # fmt: skip
        recording = Recording(process)
        try:
            yield recording
        finally:
            recording.stop()

    def _keep(self, sink: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["parec", f"--device={sink}.monitor", "--rate=8000", "--channels=1", "--format=u8", "--raw",
             "--latency-msec=20"],
            env=self.whole_environ, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def _as_wave(self, sound: NDArray[np.int16], rate: int) -> Path:
        handle, name = tempfile.mkstemp(suffix=".wav", dir=self._folder)
        os.close(handle)
        write_wave(Path(name), sound, rate)
        return Path(name)

    def _pactl(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pactl", *arguments],
            env=self.whole_environ,
            check=check,
            capture_output=True,
            text=True,
            timeout=20,
        )


class Recording:
    """What the virtual speaker played, from the moment recording began."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        import threading

        self._process = process
        self._data = bytearray()
        self.began = 0.0
        """`time.monotonic` of the first sample, as near as its arrival tells."""
        self._thread = threading.Thread(target=self._read, name="recording", daemon=True)
        self._thread.start()

    @property
    def samples(self) -> NDArray[np.int16]:
        """Everything so far, at `RECORD_RATE_HZ`."""
        return self.since(0)

    def since(self, first: int) -> NDArray[np.int16]:
        """Return the samples from one on; a long recording is watched without copying all of it."""
        data = bytes(self._data[2 * first : len(self._data) // 2 * 2])
        return np.frombuffer(data, np.int16)

    def stop(self) -> None:
        """End recording."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := os.read(self._process.stdout.fileno(), 1 << 16):
            if not self._data:
                self.began = time.monotonic() - len(piece) / 2 / RECORD_RATE_HZ
            self._data += piece


@contextmanager
def sound_server(**options: object) -> Iterator[SoundServer]:
    """Run a server for a while; nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="pa") as folder:
        server = SoundServer(Path(folder), **options)  # type: ignore[arg-type]
        server.start()
        try:
            yield server
        finally:
            server.stop()


def write_wave(path: Path, sound: NDArray[np.int16], rate: int) -> None:
    """Write mono s16le."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.astype("<i2").tobytes())


def read_wave(path: Path) -> tuple[NDArray[np.int16], int]:
    """Read mono s16le; return samples and rate."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()
