"""The `llm` worker: owns the model and answers frames until the daemon goes or asks it to stop."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import msgspec
import psutil

from edge_assistant.errors import ModelError
from edge_assistant.llm.departures import Departures
from edge_assistant.llm.engine import LlamaEngine
from edge_assistant.llm.pacing import SlicePlanner
from edge_assistant.llm.probe import LlamaProbe
from edge_assistant.llm.residency import PREFIX_SEQUENCES, Residency
from edge_assistant.llm.scheduler import Scheduler
from edge_assistant.llm.snapshots import SnapshotStore
from edge_assistant.llm.tuning import Tuner, sweep
from edge_assistant.llm.wire import (
    Cancel,
    Command,
    Failed,
    Forget,
    Forgotten,
    Generate,
    LlamaSettings,
    Prepare,
    Ready,
    Reply,
    Tune,
    Tuned,
    TuningFailed,
    TuningWishes,
)
from edge_assistant.workers.child import Channel, ChannelClosed

logger = logging.getLogger(__name__)

RESIDENT_CONVERSATIONS = 16
"""Sequences for conversations; a sequence costs little, its KV cells are what counts."""

_LARGEST_SLICE = 256
"""Prompt tokens in one step at most: larger slices read no faster (docs/benchmarks.md)."""

_FINGERPRINT_BYTES = 1 << 20


def main(channel: Channel, settings: bytes) -> None:
    """Load the model that `settings` (msgpack of `LlamaSettings`) names and serve `channel`.

    A model that can't be loaded is reported by `Failed` without an id; the worker then stays up
    idle, because starting it again would change nothing.
    """
    wanted = msgspec.msgpack.decode(settings, type=LlamaSettings)
    started = time.monotonic()
    try:
        engine = load_engine(wanted)
        departures = Departures(channel.send)
        scheduler = build_scheduler(wanted, engine, departures.add)
    except ModelError as error:
        channel.send(Failed("", error.code, error.message))
        _idle(channel)
        return
    channel.send(
        Ready(
            model=engine.description(),
            context=_context(wanted, engine),
            parallel=wanted.parallel,
            threads=choose_threads(wanted.threads),
            load_ms=round((time.monotonic() - started) * 1000, 1),
        )
    )
    _serve(channel, scheduler, departures, Tuners(engine))
    engine.close()


def load_engine(settings: LlamaSettings) -> LlamaEngine:
    """Load model and context; raises `ModelError`."""
    return LlamaEngine(
        Path(settings.model_path),
        cells=settings.cells or 2 * settings.context,
        sequences=PREFIX_SEQUENCES + RESIDENT_CONVERSATIONS,
        threads=choose_threads(settings.threads),
        prefill_threads=settings.prefill_threads,
        gpu_layers=settings.gpu_layers,
        kv_type=settings.kv_type,
    )


def build_scheduler(settings: LlamaSettings, engine: LlamaEngine, emit: Callable[[Reply], None]) -> Scheduler:
    """Put scheduler, residency and snapshots together around a loaded engine."""
    snapshots = None
    if settings.snapshot_dir:
        snapshots = SnapshotStore(
            Path(settings.snapshot_dir),
            limit_bytes=settings.snapshot_limit_mb << 20,
            fingerprint=_fingerprint(Path(settings.model_path), engine, settings.kv_type),
        )
    return Scheduler(
        engine,
        Residency(engine, sequences=PREFIX_SEQUENCES + RESIDENT_CONVERSATIONS, snapshots=snapshots),
        emit,
        context=_context(settings, engine),
        parallel=settings.parallel,
        planner=SlicePlanner(largest=settings.batch or _LARGEST_SLICE, fixed=settings.slice_tokens),
    )


def choose_threads(wanted: int) -> int:
    """Return `wanted`, or one thread for each physical core this process may use."""
    allowed = len(os.sched_getaffinity(0))
    return wanted or min(psutil.cpu_count(logical=False) or allowed, allowed)


def _context(settings: LlamaSettings, engine: LlamaEngine) -> int:
    return min(settings.context, engine.trained_context, engine.cells)


def _fingerprint(path: Path, engine: LlamaEngine, kv_type: str) -> bytes:
    """Name everything a KV state depends on; another model's state must never be loaded."""
    digest = hashlib.sha256(f"{engine.description()} {llama_cpp.__version__} {kv_type}".encode())
    digest.update(str(path.stat().st_size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_FINGERPRINT_BYTES))
    return digest.digest()


class Tuners:
    """At most one sweep, which goes on while nobody asks anything."""

    def __init__(self, engine: LlamaEngine) -> None:
        self._engine = engine
        self._tuner: Tuner | None = None

    @property
    def active(self) -> bool:
        """Whether a sweep is under way."""
        return self._tuner is not None

    def begin(self, wishes: TuningWishes) -> None:
        """Begin anew."""
        self.close()
        allowed = len(os.sched_getaffinity(0))
        usual = choose_threads(wishes.threads)
        candidates = [usual, allowed, max(1, usual - 1), max(1, allowed // 2)]
        self._tuner = Tuner(
            sweep(lambda kv_type: LlamaProbe(self._engine.model, kv_type), wishes, candidates)
        )

    def step(self) -> Tuned | TuningFailed | None:
        """Do one step; return the end when it was the last."""
        assert self._tuner is not None
        try:
            end: Tuned | TuningFailed | None = self._tuner.step()
        except ModelError as error:
            end = TuningFailed(error.code, error.message)
        if end is not None:
            self._tuner = None
        return end

    def close(self) -> None:
        """Give up."""
        if self._tuner is not None:
            self._tuner.close()
            self._tuner = None


def _serve(channel: Channel, scheduler: Scheduler, departures: Departures, tuners: Tuners) -> None:
    """Serve to the end. What a step made leaves together: the daemon then wakes up once, not per answer."""
    commands = msgspec.msgpack.Decoder(Command)
    try:
        while True:
            for payload in channel.receive(0 if scheduler.active or tuners.active else None):
                command = commands.decode(payload)
                if isinstance(command, Tune):
                    tuners.begin(command.wishes)
                else:
                    _dispatch(scheduler, command, departures)
            if scheduler.active:
                channel.begin_step()
                scheduler.step()
                channel.end_step()
            elif tuners.active:
                channel.begin_step()
                if (end := tuners.step()) is not None:
                    departures.add(end)
                channel.end_step()
            departures.leave(soon_more=scheduler.only_writes)
    except ChannelClosed:
        tuners.close()
        scheduler.close()


def _dispatch(
    scheduler: Scheduler, command: Generate | Prepare | Cancel | Forget, departures: Departures
) -> None:
    match command:
        case Generate(generation):
            scheduler.generate(generation)
        case Prepare(generation):
            scheduler.prepare(generation)
        case Cancel(identity):
            scheduler.cancel(identity)
        case Forget(conversation):
            scheduler.forget(conversation)
            departures.add(Forgotten(conversation))


def _idle(channel: Channel) -> None:
    try:
        while True:
            channel.receive(None)
    except ChannelClosed:
        return
