"""Microphone and speaker through PortAudio: found by name or number, opened, and opened again.

One thread owns PortAudio, because opening, closing and listing devices may block and must not overlap.
Sound itself flows through callbacks in PortAudio's own threads.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from edge_assistant.errors import SpeechError
from edge_assistant.speech.player import Player
from edge_assistant.speech.protocol import FRAME_SAMPLES, SAMPLE_RATE_HZ
from edge_assistant.speech.wire import DeviceChanged, DeviceCondition, Direction

logger = logging.getLogger(__name__)

OFF = "off"

PERIOD_SECONDS = 0.04
"""Sound is played in such steps; two of them lie ahead in the device. Shorter ones ran dry on a busy
machine in front of PulseAudio, longer ones make "stop" slow."""

HEARD_SECONDS = FRAME_SAMPLES / SAMPLE_RATE_HZ
"""Sound is heard in such steps: one frame of the detectors, so that none waits for the rest of another."""

_CHECK_SECONDS = 0.25
_SILENT_SECONDS = 2.0
"""A microphone that delivers nothing for so long is lost, whatever its driver says."""

_IDLE_OUTPUT_SECONDS = 1.0
"""The speaker is closed after so much silence: an open stream costs power, and what is said next waits
behind the silence in it (about 100 ms later than in a stream that is opened for it, which takes 10)."""

_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
_COMMON_RATES_HZ = (48_000, 44_100, 32_000, 22_050, 16_000)
_ECHO_CANCEL_MARKS = ("echo-cancel", "echo_cancel", "echocancel", "aec")


class Device(msgspec.Struct, frozen=True):
    """One device as PortAudio lists it."""

    index: int
    name: str
    inputs: int
    outputs: int
    default_rate_hz: int


class Devices:
    """Keeps the wanted devices open; what happens to them is told to `tell`."""

    def __init__(
        self,
        wanted: Mapping[Direction, str],
        player_of: Callable[[int], Player],
        hear: Callable[[bytes, int, float], None],
        tell: Callable[[DeviceChanged], None],
    ) -> None:
        """Open the microphone from `start` on and the speaker when there is something to play.

        `player_of` gives the player for the speaker's rate; `hear` takes sound (mono s16le), its rate and
        when it ended, and must be quick.
        """
        self._input = _Input(wanted["input"], tell, hear)
        self._streams: tuple[_Stream, ...] = (self._input, _Output(wanted["output"], tell, player_of))
        self._commands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)
        self._busy_since = 0.0
        """`time.monotonic` when the present call into PortAudio began; 0 between calls."""

    @property
    def stuck_seconds(self) -> float:
        """How long a call into PortAudio has not come back; 0 when none is under way."""
        since = self._busy_since
        return time.monotonic() - since if since else 0.0

    def start(self) -> None:
        """Begin to keep the devices."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything, unless PortAudio hangs."""
        self._commands.put(None)
        self._thread.join(3)

    def mute(self, muted: bool) -> None:
        """Close the microphone, or open it again."""
        self._commands.put(lambda: self._input.mute(muted))

    def wake_speaker(self) -> None:
        """See to it that the speaker is open: there is something to play."""
        self._commands.put(lambda: None)

    def _run(self) -> None:
        library: Any = None
        try:
            while True:
                command = self._next_command()
                if command is None:
                    return
                self._busy_since = time.monotonic()
                command()
                library = self._look_after(library)
                self._busy_since = 0.0
        finally:
            for stream in self._streams:
                stream.close()
            if library is not None:
                library.terminate()

    def _next_command(self) -> Callable[[], None] | None:
        try:
            return self._commands.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            return lambda: None

    def _look_after(self, library: Any) -> Any:
        """Close what is lost or not needed, open what is due."""
        now = time.monotonic()
        for stream in self._streams:
            stream.check(now)
        due = [stream for stream in self._streams if stream.due(now)]
        if not due:
            return library
        if library is None or not any(stream.is_open for stream in self._streams):
            # Only a fresh PortAudio sees devices that came meanwhile.
            if library is not None:
                library.terminate()
            try:
                library = open_library()
            except SpeechError as error:
                for stream in due:
                    stream.lose(error.message, now)
                return None
        for stream in due:
            stream.open(library, now)
        return library


class _Stream:
    """What microphone and speaker have in common: one device, wanted or not, open or not."""

    direction: Direction

    def __init__(self, wanted: str, tell: Callable[[DeviceChanged], None]) -> None:
        self._wanted = wanted
        self._tell = tell
        self._stream: Any = None
        """PortAudio's stream; None while closed."""
        self._name = ""
        self._rate_hz = 0
        self._condition: DeviceCondition = "closed"
        self._tries = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        return self._stream is not None

    def due(self, now: float) -> bool:
        """Whether it is to be opened now."""
        return not self.is_open and now >= self._next_try and self._needed(now)

    def check(self, now: float) -> None:
        """Notice that an open device is lost or no longer needed."""
        if not self.is_open:
            return
        if reason := self._loss(now):
            self.close()
            self.lose(reason, now)
        elif not self._needed(now):
            self.close()
            self._change("closed")

    def open(self, library: Any, now: float) -> None:
        """Try to open it."""
        if self._condition not in {"lost", "opening"}:
            self._change("opening")
        try:
            with _silenced_stderr():
                device = choose(list_devices(library), self.direction, self._wanted)
                self._open(library, device)
        except (OSError, ValueError, SpeechError) as error:
            self.lose(_reason(error), now)
            return
        self._tries = 0
        self._change("open")

    def close(self) -> None:
        """Close it, whatever state it is in."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()

    def _needed(self, now: float) -> bool:
        raise NotImplementedError

    def _loss(self, now: float) -> str:
        """Return why an open stream is of no use any more, or nothing."""
        raise NotImplementedError

    def _open(self, library: Any, device: Device) -> None:
        raise NotImplementedError

    def lose(self, reason: str, now: float) -> None:
        """Take that it can't be used now; it is tried again with growing waits."""
        self._next_try = now + _RETRY_SECONDS[min(self._tries, len(_RETRY_SECONDS) - 1)]
        self._tries += 1
        self._change("lost", reason)

    def _change(self, condition: DeviceCondition, reason: str = "") -> None:
        if (condition, reason) != (self._condition, ""):
            self._condition = condition
            self._tell(
                DeviceChanged(
                    direction=self.direction,
                    condition=condition,
                    name=self._name,
                    sample_rate_hz=self._rate_hz if condition == "open" else 0,
                    reason=reason,
                )
            )


class _Input(_Stream):
    """The microphone: open all the time, but when muted."""

    direction = "input"

    def __init__(
        self, wanted: str, tell: Callable[[DeviceChanged], None], hear: Callable[[bytes, int, float], None]
    ) -> None:
        super().__init__(wanted, tell)
        self._hear = hear
        self._muted = False
        self._heard_at = 0.0

    def mute(self, muted: bool) -> None:
        self._muted = muted
        self._tries, self._next_try = 0, 0.0
        if muted:
            self.close()
            self._change("muted")
        elif self._condition == "muted":
            self._change("closed")

    def _needed(self, now: float) -> bool:
        del now
        return self._wanted != OFF and not self._muted

    def _loss(self, now: float) -> str:
        if not self._stream.is_active():
            return "the microphone or the sound server went away"
        if now - self._heard_at > _SILENT_SECONDS:
            return "the microphone delivers nothing"
        return ""

    def _open(self, library: Any, device: Device) -> None:
        import pyaudio

        self._name, self._heard_at = device.name, time.monotonic()
        rate = self._rate_hz = pick_rate(library, device, "input", SAMPLE_RATE_HZ)

        def take(data: bytes, _count: int, times: Mapping[str, float], _flags: int) -> tuple[None, int]:
            now = self._heard_at = time.monotonic()
            age = times["current_time"] - times["input_buffer_adc_time"]
            length = len(data) / 2 / rate
            # Drivers that tell no time say 0, and some tell nonsense.
            self._hear(data, rate, now - age + length if length <= age < 1 else now)
            return None, pyaudio.paContinue

        self._stream = library.open(
            rate=rate,
            channels=1,
            format=pyaudio.paInt16,
            input=True,
            input_device_index=device.index,
            frames_per_buffer=round(HEARD_SECONDS * rate),
            stream_callback=take,
        )


class _Output(_Stream):
    """The speaker: open while there is something to play."""

    direction = "output"

    def __init__(
        self, wanted: str, tell: Callable[[DeviceChanged], None], player_of: Callable[[int], Player]
    ) -> None:
        super().__init__(wanted, tell)
        self._player_of = player_of
        self._player = player_of(0)
        self._needed_until = 0.0

    def _needed(self, now: float) -> bool:
        if self._wanted == OFF:
            return False
        if not self._player.idle:
            self._needed_until = now + _IDLE_OUTPUT_SECONDS
        return now < self._needed_until

    def _loss(self, now: float) -> str:
        del now
        return "" if self._stream.is_active() else "the speaker or the sound server went away"

    def _open(self, library: Any, device: Device) -> None:
        import pyaudio

        self._name = device.name
        rate = self._rate_hz = pick_rate(library, device, "output", self._player.rate_hz)
        player = self._player = self._player_of(rate)

        def give(_data: None, count: int, times: Mapping[str, float], _flags: int) -> tuple[bytes, int]:
            delay = times["output_buffer_dac_time"] - times["current_time"]
            now = time.monotonic()
            return player.pull(count, now + delay if 0 <= delay < 1 else now), pyaudio.paContinue

        self._stream = library.open(
            rate=rate,
            channels=1,
            format=pyaudio.paInt16,
            output=True,
            output_device_index=device.index,
            frames_per_buffer=round(PERIOD_SECONDS * rate),
            stream_callback=give,
        )


def list_devices(library: Any) -> list[Device]:
    """Return what PortAudio knows."""
    found = []
    for index in range(library.get_device_count()):
        info = library.get_device_info_by_index(index)
        found.append(
            Device(
                index=index,
                name=str(info["name"]),
                inputs=int(info["maxInputChannels"]),
                outputs=int(info["maxOutputChannels"]),
                default_rate_hz=int(info["defaultSampleRate"]),
            )
        )
    return found


def choose(devices: list[Device], direction: Direction, wanted: str) -> Device:
    """Return the device of that number or with that name, else the system's default.

    A name may be a part, in any case; a whole name wins over a part. Raises `SpeechError` DEVICE_MISSING.
    """
    usable = [each for each in devices if (each.inputs if direction == "input" else each.outputs)]
    if wanted.isdecimal():
        matches = [each for each in usable if each.index == int(wanted)]
    elif wanted:
        name = wanted.casefold()
        matches = [each for each in usable if each.name.casefold() == name]
        matches = matches or [each for each in usable if name in each.name.casefold()]
    else:
        # "default" follows the sound server; the first device is what PortAudio takes without one.
        matches = [each for each in usable if each.name == "default"] or usable
    if not matches:
        what = "microphone" if direction == "input" else "speaker"
        message = f"no {what} is called {wanted!r}" if wanted else f"there is no {what}"
        raise SpeechError("DEVICE_MISSING", f"{message}; `edge-assistant listen --devices` lists them")
    return matches[0]


def pick_rate(library: Any, device: Device, direction: Direction, preferred_hz: int) -> int:
    """Return the rate to open a device at: ours when it can, else its own, else a common one."""
    import pyaudio

    for rate in dict.fromkeys((preferred_hz, device.default_rate_hz, *_COMMON_RATES_HZ)):
        with contextlib.suppress(ValueError):
            if library.is_format_supported(
                rate,
                **{
                    f"{direction}_device": device.index,
                    f"{direction}_channels": 1,
                    f"{direction}_format": pyaudio.paInt16,
                },
            ):
                return rate
    message = f"{device.name} takes no mono 16-bit sound at any common rate, or nothing is plugged in"
    raise SpeechError("DEVICE_UNUSABLE", message)


def open_library() -> Any:
    """Open PortAudio without its libraries' chatter; raises `SpeechError` ENGINE_MISSING."""
    try:
        import pyaudio
    except (ImportError, OSError) as error:
        message = "PyAudio can't be loaded: install `[voice]` and portaudio19-dev"
        raise SpeechError("ENGINE_MISSING", message) from error
    with _silenced_stderr():
        return pyaudio.PyAudio()


def echo_is_cancelled(input_name: str) -> bool:
    """Tell whether the microphone's sound comes without our own, by the names of device and source."""
    names = [input_name, *_server_names()]
    return any(mark in name.casefold() for name in names for mark in _ECHO_CANCEL_MARKS)


def _server_names() -> list[str]:
    """Return the sound server's default source, when there is a server and its tool."""
    if shutil.which("pactl") is None:
        return []
    try:
        done = subprocess.run(
            ["pactl", "get-default-source"], capture_output=True, text=True, timeout=2, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [done.stdout.strip()]


def _reason(error: Exception) -> str:
    if isinstance(error, SpeechError):
        return error.message
    return str(error.args[-1]) if error.args else type(error).__name__


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: ALSA and JACK print dozens of lines about devices that aren't there."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
