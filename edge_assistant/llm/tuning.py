"""Which number of threads, which slice of a prompt and which KV type are fastest on this device.

A sweep is a generator: it yields between short steps, so that the worker looks for questions after each.
What it decides is arithmetic on measured seconds; what measures is a `Probe`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from edge_assistant.llm.wire import KvType, Tuned, Tuning, TuningWishes

READ_TOKENS = 64
"""Prompt tokens of one trial: enough to fill the processor, short enough to be interrupted soon."""

WRITTEN_TOKENS = 12
"""Tokens written in one trial; their median is taken, as neighbours disturb single ones."""

TURN_READS, TURN_WRITES = 200, 60
"""Tokens of a usual turn, by which reading and writing are weighed."""

WORTH = 0.95
"""Share of the default's cost below which something else is taken: less is noise."""

LONGEST_STEP_SECONDS = 1.0
"""Slices that would take longer are not tried; the scheduler never makes them (pacing.ALONE_SECONDS)."""

SLICES = (128, 256, 512)

Clock = Callable[[], float]


class Probe(Protocol):
    """A context to be measured; times in seconds."""

    def use_threads(self, writing: int, reading: int) -> None:
        """Set the threads of the calls that follow."""
        ...

    def read(self, tokens: int) -> float:
        """Read a prompt from nothing in one step and return how long that took."""
        ...

    def write(self) -> float:
        """Write one more token and return how long that took."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


Sweep = Generator[None, None, Tuning]


def sweep(
    make_probe: Callable[[KvType], Probe],
    wishes: TuningWishes,
    candidates: Sequence[int],
    clock: Clock = time.monotonic,
) -> Sweep:
    """Try what is not wished for, the defaults first, for `wishes.seconds` at most; return the best.

    `candidates` are numbers of threads, that of the default first.
    """
    began = clock()

    def late() -> bool:
        return clock() - began > wishes.seconds

    kv_type: KvType = wishes.kv_type or "f16"
    probe = make_probe(kv_type)
    try:
        counts = [wishes.threads] if wishes.threads else list(dict.fromkeys(candidates))
        reading, read_seconds = yield from _best(counts, lambda count: _reading(probe, count), late)
        writing, write_seconds = yield from _best(counts, lambda count: _writing(probe, count), late)
        probe.use_threads(writing, reading)
        batch = wishes.batch or (yield from _best_slice(probe, read_seconds, late))
    finally:
        probe.close()
    if not wishes.kv_type and not late():
        other = make_probe("q8_0")
        try:
            read_q8 = yield from _reading(other, reading)
            write_q8 = yield from _writing(other, writing)
        finally:
            other.close()
        if _turn(read_q8, write_q8) < WORTH * _turn(read_seconds, write_seconds):
            kv_type, read_seconds, write_seconds = "q8_0", read_q8, write_q8
    return Tuning(
        threads=writing, prefill_threads=reading, batch=batch, kv_type=kv_type,
        writes_per_second=round(1 / write_seconds, 1), reads_per_second=round(1 / read_seconds, 1),
        seconds=round(clock() - began, 1), complete=not late(),
    )  # fmt: skip


def _best(
    counts: Sequence[int], measure: Callable[[int], Generator[None, None, float]], late: Callable[[], bool]
) -> Generator[None, None, tuple[int, float]]:
    """Return the count that is clearly faster than the first, else the first, and its seconds a token."""
    best, seconds = counts[0], (yield from measure(counts[0]))
    default = seconds
    for count in counts[1:]:
        if late():
            break
        tried = yield from measure(count)
        if tried < min(seconds, WORTH * default):
            best, seconds = count, tried
    return best, seconds


def _reading(probe: Probe, threads: int) -> Generator[None, None, float]:
    """Return seconds a prompt token; the first time warms up."""
    probe.use_threads(threads, threads)
    taken = []
    for _ in range(3):
        taken.append(probe.read(READ_TOKENS))
        yield
    return min(taken) / READ_TOKENS


def _writing(probe: Probe, threads: int) -> Generator[None, None, float]:
    probe.use_threads(threads, threads)
    probe.read(READ_TOKENS)
    yield
    taken = []
    for _ in range(WRITTEN_TOKENS):
        taken.append(probe.write())
        yield
    return statistics.median(taken)


def _best_slice(probe: Probe, seconds_a_token: float, late: Callable[[], bool]) -> Generator[None, None, int]:
    """Return the largest slice worth its pause: a larger one must read clearly faster."""
    best, fastest = READ_TOKENS, seconds_a_token
    for size in SLICES:
        if late() or size * fastest > LONGEST_STEP_SECONDS:
            break
        taken = []
        for _ in range(2):
            taken.append(probe.read(size))
            yield
        if min(taken) / size < WORTH * fastest:
            best, fastest = size, min(taken) / size
    return max(best, SLICES[0])


def _turn(read_seconds: float, write_seconds: float) -> float:
    return TURN_READS * read_seconds + TURN_WRITES * write_seconds


class Tuner:
    """A sweep in the worker, one step at a time."""

    def __init__(self, running: Sweep) -> None:
        self._running = running

    def step(self) -> Tuned | None:
        """Do one step; return the result when it was the last."""
        try:
            next(self._running)
        except StopIteration as end:
            return Tuned(end.value)
        return None

    def close(self) -> None:
        """Give up and free everything."""
        self._running.close()
