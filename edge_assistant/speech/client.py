"""The daemon's side of the `speech` worker: `Speech`, whatever becomes of the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from edge_assistant.errors import SpeechError, WorkerError
from edge_assistant.speech.protocol import Listener, Sound, SpeechPhase, SpeechStatus
from edge_assistant.speech.wire import (
    CancelJob,
    Command,
    DeviceChanged,
    EngineChanged,
    EngineState,
    Event,
    Failed,
    JobFailed,
    JobSound,
    JobTranscript,
    Listen,
    ListeningBegan,
    ListeningEnded,
    Mute,
    Ready,
    SayBegin,
    SayingEnded,
    SetThreshold,
    SetVolume,
    SpeechSettings,
    Synthesize,
    TranscribeAppend,
    TranscribeBegin,
    TranscribeEnd,
    WakeMissed,
)
from edge_assistant.workers.supervisor import Worker, WorkerPhase, WorkerSpec, WorkerState

logger = logging.getLogger(__name__)

SPEECH_TARGET = "edge_assistant.speech.worker:main"

MEMORY_LIMIT_MB = 900
"""Twice what it may take with the starter models: a leak ends it, a larger Whisper does not."""

_STOP_SECONDS = 6.0
_QUEUED_EVENTS = 1_000
"""Events of one job that may wait for its reader; more end the job."""

_DIED = "SPEECH_WORKER_DIED"
_PHASES: dict[WorkerPhase, SpeechPhase] = {
    "starting": "loading",
    "ready": "loading",
    "restarting": "restarting",
    "failed": "failed",
    "stopped": "stopped",
}

Kind = TypeVar("Kind")

_SILENT_SECONDS = 15.0
"""PyAudio keeps the whole process waiting while it asks whether a device takes a rate: seconds, beside a busy
sound server. A worker that was ended for it would only have to ask again."""


class SpeechClient:
    """Ears and mouth in a supervised process. Use it in the event loop that started it."""

    def __init__(
        self,
        settings: SpeechSettings,
        *,
        memory_limit_mb: int = MEMORY_LIMIT_MB,
        worker_spec: WorkerSpec | None = None,
    ) -> None:
        """Prepare; `worker_spec` replaces how the worker is run."""
        spec = worker_spec or WorkerSpec(
            name="speech",
            target=SPEECH_TARGET,
            settings=settings,
            memory_limit_mb=memory_limit_mb,
            heartbeat_timeout_seconds=_SILENT_SECONDS,
        )
        self._worker: Worker[Event] = Worker(spec, Event, self._receive, self._change)
        self._phase: WorkerPhase = "stopped"
        self._detail = ""
        self._ready: Ready | None = None
        """What the present worker said when it was set up; None before."""
        self._engines: dict[tuple[str, str], EngineState] = {}
        self._devices: dict[str, DeviceChanged] = {}
        self._near_misses = 0
        self._listeners: list[Listener] = []
        self._utterances: set[str] = set()
        self._sayings: set[str] = set()
        """What is open in the worker: its death ends these."""
        self._jobs: dict[str, asyncio.Queue[Event]] = {}
        self._muted = False
        self._volume: float | None = None
        """What a new worker must be told again; None is as configured."""
        self._threshold: float | None = None
        """The same."""

    @property
    def status(self) -> SpeechStatus:
        """What it is doing now."""
        return SpeechStatus(
            phase="ready" if self._ready else _PHASES[self._phase],
            detail=self._detail,
            engines=tuple(self._engines.values()),
            input=self._devices.get("input"),
            output=self._devices.get("output"),
            echo_cancelled=self._ready is not None and self._ready.echo_cancelled,
            near_misses=self._near_misses,
            rss_bytes=self._worker.state.rss_bytes,
        )

    @property
    def worker_state(self) -> WorkerState:
        """The process behind it: pid, restarts, memory."""
        return self._worker.state

    async def start(self) -> None:
        """Begin to set up the worker; returns at once."""
        await self._worker.start()

    async def stop(self, grace_seconds: float = _STOP_SECONDS) -> None:
        """Stop the worker; what is open fails. Idempotent."""
        await self._worker.stop(grace_seconds)

    async def rest(self, reason: str) -> None:
        """Stop the worker until `start`, and tell everybody the reason."""
        await self.stop()
        self._publish(Failed(code="SPEECH_RESTING", message=reason))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand every event to `listener` from now on; call what is returned to end that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    def send(self, command: Command) -> None:
        """Send a command; raises `SpeechError` SPEECH_UNAVAILABLE."""
        match command:
            case Mute(muted=muted):
                self._muted = muted
            case SetVolume(volume=volume):
                self._volume = volume
            case SetThreshold(threshold=threshold):
                self._threshold = threshold
            case _:
                pass
        try:
            self._worker.send(command)
        except WorkerError as error:
            if error.code == "WORKER_GONE" and isinstance(command, Mute | SetVolume | SetThreshold):
                return  # the next worker is told
            message = "ears and mouth are not there at the moment"
            raise SpeechError("SPEECH_UNAVAILABLE", message, retry_after=error.retry_after) from error
        match command:
            case Listen(utterance=utterance):
                self._utterances.add(utterance)
            case SayBegin(saying=saying):
                self._sayings.add(saying)
            case _:
                pass

    async def transcribe(self, sound: AsyncIterator[bytes], sample_rate_hz: int) -> AsyncIterator[str]:
        """Yield what the sound says, each time whole; the last one is final. Raises `SpeechError`."""
        with self._job() as (job, events):
            self.send(TranscribeBegin(job=job, sample_rate_hz=sample_rate_hz))
            feeding = asyncio.get_running_loop().create_task(self._feed(job, sound), name=f"feed {job}")
            try:
                while True:
                    event = await _next(events, feeding)
                    if isinstance(event, JobTranscript):
                        yield event.text
                        if event.final:
                            return
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])

    async def synthesize(self, text: str, voice: str = "", speed: float = 1.0) -> AsyncIterator[Sound]:
        """Yield the sound of a text piece by piece; raises `SpeechError`."""
        with self._job() as (job, events):
            self.send(Synthesize(job=job, text=text, voice=voice, speed=speed))
            while True:
                event = await _next(events)
                if isinstance(event, JobSound):
                    if event.pcm:
                        yield Sound(event.pcm, event.sample_rate_hz)
                    if event.last:
                        return

    # --- jobs

    @contextlib.contextmanager
    def _job(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a private pair
        job = uuid.uuid4().hex
        events: asyncio.Queue[Event] = asyncio.Queue(_QUEUED_EVENTS)
        self._jobs[job] = events
        try:
            yield job, events
        finally:
            del self._jobs[job]
            with contextlib.suppress(SpeechError):
                self.send(CancelJob(job=job))

    async def _feed(self, job: str, sound: AsyncIterator[bytes]) -> None:
        async for pcm in sound:
            self.send(TranscribeAppend(job=job, pcm=pcm))
        self.send(TranscribeEnd(job=job))

    # --- from the worker

    def _receive(self, event: Event) -> None:
        match event:
            case Ready():
                self._ready, self._detail = event, ""
                self._engines = {(each.role, each.name): each for each in event.engines}
                self._restore()
            case EngineChanged(engine=engine):
                self._engines[engine.role, engine.name] = engine
            case DeviceChanged(direction=direction):
                self._devices[direction] = event
            case WakeMissed():
                self._near_misses += 1
            case ListeningBegan(utterance=utterance):
                self._utterances.add(utterance)
            case ListeningEnded(utterance=utterance):
                self._utterances.discard(utterance)
            case SayingEnded(saying=saying):
                self._sayings.discard(saying)
            case JobTranscript(job=job) | JobSound(job=job) | JobFailed(job=job):
                self._to_job(job, event)
                return
            case _:
                pass
        self._publish(event)

    def _to_job(self, job: str, event: Event) -> None:
        queue = self._jobs.get(job)
        if queue is None:
            return
        if queue.full():
            queue.get_nowait()
            event = JobFailed(job=job, code="SPEECH_BUSY", message="nobody took what was made")
        queue.put_nowait(event)

    def _restore(self) -> None:
        """Tell a new worker what its forerunner was told."""
        if self._muted:
            self.send(Mute(muted=True))
        if self._volume is not None:
            self.send(SetVolume(volume=self._volume))
        if self._threshold is not None:
            self.send(SetThreshold(threshold=self._threshold))

    def _change(self, state: WorkerState) -> None:
        self._phase, self._detail = state.phase, state.detail
        if state.phase in {"restarting", "failed", "stopped"}:
            self._ready = None
            self._devices.clear()
            self._end_everything()
        if state.phase in {"restarting", "failed"}:
            self._publish(Failed(code=_DIED, message=f"ears and mouth are being restarted: {state.detail}"))

    def _end_everything(self) -> None:
        message = "the process that hears and speaks ended"
        for utterance in sorted(self._utterances):
            self._publish(ListeningEnded(utterance=utterance, outcome="failed", code=_DIED, message=message))
        for saying in sorted(self._sayings):
            self._publish(
                SayingEnded(
                    saying=saying,
                    outcome="failed",
                    characters=0,
                    seconds=0.0,
                    at=0.0,
                    code=_DIED,
                    message=message,
                )
            )
        self._utterances.clear()
        self._sayings.clear()
        for job in self._jobs:
            self._to_job(job, JobFailed(job=job, code=_DIED, message=message))

    def _publish(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # one listener's fault is not another's
                logger.exception("an event of the speech worker could not be handled")


async def _next(events: asyncio.Queue[Event], feeding: asyncio.Task[None] | None = None) -> Event:
    """Return the next event of a job; raises what it failed with, or what feeding it failed with."""
    waiting = asyncio.get_running_loop().create_task(events.get(), name="next event of a job")
    try:
        while not waiting.done():
            under_way = [waiting] if feeding is None or feeding.done() else [waiting, feeding]
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            if feeding is not None and feeding.done() and not feeding.cancelled():
                feeding.result()
        event = waiting.result()
    finally:
        waiting.cancel()
    if isinstance(event, JobFailed):
        raise SpeechError(event.code, event.message)
    return event
