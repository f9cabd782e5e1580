"""Sound and text from elsewhere: transcribed and synthesised beside microphone and speaker."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

import numpy as np

from edge_assistant.errors import EdgeError, SpeechError
from edge_assistant.speech.heap import give_back
from edge_assistant.speech.protocol import SAMPLE_RATE_HZ, Hearing, Synthesizer, Transcriber
from edge_assistant.speech.resample import Resampler
from edge_assistant.speech.wire import (
    CancelJob,
    Event,
    JobFailed,
    JobSound,
    JobTranscript,
    Synthesize,
    TranscribeAppend,
    TranscribeBegin,
    TranscribeEnd,
)

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 60.0
"""Sound of one job at most; more is refused."""

_MOST_JOBS = 32
_RATES_HZ = range(8_000, 96_001)

Order = TranscribeBegin | TranscribeAppend | TranscribeEnd | Synthesize | CancelJob


class Jobs:
    """One thread that does jobs as their orders come in."""

    def __init__(
        self, transcriber: Transcriber, synthesizer: Synthesizer, tell: Callable[[Event], None]
    ) -> None:
        self._transcriber = transcriber
        self._synthesizer = synthesizer
        self._tell = tell
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._open: dict[str, _Job] = {}
        self._cancelled: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present order."""
        self._orders.put(None)
        self._thread.join(2)

    def take(self, order: Order) -> None:
        """Take an order, from any thread."""
        if isinstance(order, CancelJob):
            self._cancelled.add(order.job)
        self._orders.put(order)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._do(order)
            except EdgeError as error:
                self._fail(order.job, error.code, error.message)
            except Exception:  # an engine's own fault must not stop all later jobs
                logger.exception("a speech job broke")
                self._fail(order.job, "SPEECH_FAILED", "the speech engine broke; the journal tells why")

    def _do(self, order: Order) -> None:
        match order:
            case CancelJob(job=job):
                self._open.pop(job, None)
                self._cancelled.discard(job)
            case _ if order.job in self._cancelled:
                return
            case TranscribeBegin(job=job, sample_rate_hz=rate):
                self._begin(job, rate)
            case TranscribeAppend(job=job, pcm=pcm) if job in self._open:
                if (partial := self._open[job].feed(pcm)) is not None:
                    self._tell(JobTranscript(job=job, text=partial, final=False))
            case TranscribeEnd(job=job) if job in self._open:
                text = self._open.pop(job).text()
                self._tell(JobTranscript(job=job, text=text, final=True))
                give_back()
            case Synthesize():
                self._synthesize(order)
                give_back()
            case _:  # more of a job that failed or was never begun
                return

    def _begin(self, job: str, rate_hz: int) -> None:
        if rate_hz not in _RATES_HZ:
            raise SpeechError("AUDIO_UNUSABLE", f"sound at {rate_hz} samples a second can't be used")
        if len(self._open) >= _MOST_JOBS:
            raise SpeechError("SPEECH_BUSY", "too much is being transcribed; try again", retry_after=5.0)
        self._open[job] = _Job(self._transcriber.open(), rate_hz)

    def _synthesize(self, order: Synthesize) -> None:
        rate = SAMPLE_RATE_HZ
        for sound in self._synthesizer.speak(order.text, voice=order.voice, speed=order.speed):
            rate = sound.sample_rate_hz
            if order.job in self._cancelled:
                return
            self._tell(JobSound(job=order.job, pcm=sound.pcm, sample_rate_hz=rate, last=False))
        self._tell(JobSound(job=order.job, pcm=b"", sample_rate_hz=rate, last=True))

    def _fail(self, job: str, code: str, message: str) -> None:
        self._open.pop(job, None)
        self._tell(JobFailed(job=job, code=code, message=message))


class _Job:
    """One transcription."""

    def __init__(self, hearing: Hearing, rate_hz: int) -> None:
        self._hearing = hearing
        self._resampler = Resampler(rate_hz, SAMPLE_RATE_HZ)
        self._rest = b""
        self._left = round(LONGEST_SECONDS * rate_hz)
        """Samples that it may still get."""

    def feed(self, pcm: bytes) -> str | None:
        data = self._rest + pcm
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        self._left -= whole // 2
        if self._left < 0:
            raise SpeechError("AUDIO_TOO_LONG", f"at most {LONGEST_SECONDS:g} s can be transcribed at once")
        samples = np.frombuffer(data[:whole], np.int16)
        return self._hearing.feed(self._resampler.feed(samples).tobytes())

    def text(self) -> str:
        self._hearing.feed(self._resampler.feed(np.zeros(0, np.int16), last=True).tobytes())
        return self._hearing.text()
