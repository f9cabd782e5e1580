"""What the daemon knows of speech, and what every engine offers the worker.

`Speech` is the daemon's view: the client (client.py) speaks to the worker, tests script a fake. The
engine protocols are the worker's: streaming first, chosen by name in engines.py, loaded when first used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Literal, Protocol

import msgspec

from edge_assistant.speech.wire import Command, DeviceChanged, EngineState, Event

SpeechPhase = Literal["loading", "ready", "restarting", "failed", "stopped"]

SAMPLE_RATE_HZ = 16_000
"""Rate of everything that engines hear."""

FRAME_SAMPLES = 512
"""Samples of one frame, 32 ms: what Silero's detector takes at 16 kHz."""


class SpeechStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How ears and mouth are doing, for the status page and `doctor`."""

    phase: SpeechPhase
    detail: str = ""
    """Why it is not ready, in words; empty when it is."""
    engines: tuple[EngineState, ...] = ()
    input: DeviceChanged | None = None
    """None until the worker told."""
    output: DeviceChanged | None = None
    echo_cancelled: bool = False
    near_misses: int = 0
    """Times that something nearly was the wake word, since the worker started."""
    rss_bytes: int = 0


Listener = Callable[[Event], None]
"""Gets each event in the event loop, in order; must not block."""


class Speech(Protocol):
    """Ears and mouth as the daemon sees them."""

    @property
    def status(self) -> SpeechStatus:
        """What it is doing now."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand every event to `listener` from now on; call what is returned to end that."""
        ...

    def send(self, command: Command) -> None:
        """Send a command. Raises `SpeechError` SPEECH_UNAVAILABLE when no worker is there.

        When the worker dies, each open utterance and saying ends with `ListeningEnded` or `SayingEnded`
        of outcome `failed` and code SPEECH_WORKER_DIED, as if the worker had said so.
        """
        ...

    def transcribe(self, sound: AsyncIterator[bytes], sample_rate_hz: int) -> AsyncIterator[str]:
        """Yield what the sound (mono s16le) says, each time whole; the last one is final.

        Raises `SpeechError`. Closing the iterator cancels the job.
        """
        ...

    def synthesize(self, text: str, voice: str = "", speed: float = 1.0) -> AsyncIterator[Sound]:
        """Yield the sound of a text piece by piece; raises `SpeechError`."""
        ...


class Sound(msgspec.Struct, frozen=True):
    """Mono s16le sound."""

    pcm: bytes
    sample_rate_hz: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.pcm) / 2 / self.sample_rate_hz


# --- engines, in the worker; `pcm` is mono s16le at SAMPLE_RATE_HZ unless said otherwise ---


class Detection(msgspec.Struct, frozen=True):
    """A wake word, or nearly one."""

    word: str
    score: float
    """0 to 1, as the model says."""
    accepted: bool
    """False for a near miss."""


class Woken(msgspec.Struct, frozen=True):
    """The wake word with which an utterance begins if its detector heard rightly."""

    word: str
    in_noise: bool = False
    """The detector was sure, in noise that hides more from a recogniser than from it."""


class WakeDetector(Protocol):
    """Hears wake words in an unbroken stream: never gate what it is fed."""

    @property
    def suspected(self) -> str:
        """The word that the newest sound alone speaks for; `feed` waits until more agrees. Else empty."""
        ...

    def feed(self, pcm: bytes) -> Iterable[Detection]:
        """Take the next sound, of any length; return what was heard in it."""
        ...

    def tune(self, threshold: float) -> None:
        """Hear wake words from this certainty on; 0 takes what their makers advise."""
        ...

    def reset(self) -> None:
        """Forget what was fed."""
        ...


class VoiceDetector(Protocol):
    """Tells speech from other sound."""

    def probability(self, frame: bytes) -> float:
        """Return how probably a frame of `FRAME_SAMPLES` holds speech, 0 to 1."""
        ...

    def reset(self) -> None:
        """Forget what came before."""
        ...


class Hearing(Protocol):
    """The transcription of one utterance."""

    @property
    def unfinished(self) -> bool:
        """Whether the newest text sounds as if the speaker would go on, whatever it looks like."""
        ...

    def feed(self, pcm: bytes) -> str | None:
        """Take more sound; a streaming engine returns its new partial text, others None."""
        ...

    def text(self) -> str:
        """Return what everything fed so far says, and stay open: more sound may come.

        May take long (a whole-utterance model); raises `SpeechError`.
        """
        ...


class Transcriber(Protocol):
    """Turns speech into text."""

    name: str
    streaming: bool
    """True when partials come while somebody speaks, and `text` is quick."""

    def open(self, woken: Woken | None = None) -> Hearing:
        """Begin an utterance, perhaps with a wake word.

        An engine that can tell how likely that is writes the word as it is spelled, or something else.
        """
        ...


class Synthesizer(Protocol):
    """Turns text into speech."""

    name: str

    def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """Yield the sound of `text`, the first piece as early as possible; raises `SpeechError`."""
        ...


class NoiseSuppressor(Protocol):
    """Takes steady noise out of a stream."""

    def clean(self, pcm: bytes) -> bytes:
        """Return as much cleaned sound as is ready; a few milliseconds lag behind."""
        ...
