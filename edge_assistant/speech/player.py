"""What comes out of the speaker, sample by sample, and when it is heard. Knows no device.

The device's callback pulls; everything else tells the player what to do. What it concludes is put,
with the time at which it is heard, into the queue that it was given.
"""

from __future__ import annotations

import queue
import threading
from typing import Literal

import msgspec
import numpy as np

from edge_assistant.errors import EdgeError
from edge_assistant.speech.resample import Samples, resample
from edge_assistant.speech.track import Piece, Track

_FADE_SECONDS = 0.012
"""Sound never stops or starts within less: a hard edge is a click."""

_PROGRESS_SECONDS = 0.25

MarkKind = Literal["began", "progressed", "paused", "resumed", "drained", "stopped", "failed"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens to a saying, at the moment `at` at which it is heard."""

    kind: MarkKind
    saying: str
    at: float
    characters: int = 0
    seconds: float = 0.0
    error: EdgeError | None = None


class Player:
    """Sayings one after the other, signs on top of them. Thread-safe; `pull` never waits long."""

    def __init__(self, rate_hz: int, marks: queue.SimpleQueue[Mark | None]) -> None:
        self.rate_hz = rate_hz
        self._marks = marks
        self._lock = threading.Lock()
        self._tracks: list[Track] = []
        """Sayings that have not ended, in the order in which they are played."""
        self._signs: list[Samples] = []
        self._volume = 1.0
        self._gain = 0.0
        """Of the last sample: the next one starts from it."""
        self._progress_at = 0.0
        self._heard_until = 0.0
        """When the newest sample that was handed out will have been heard."""

    # --- what is to be heard

    def begin(self, saying: str, *, interruptible: bool = True, urgent: bool = False) -> None:
        """Line up a saying; an urgent one comes first and holds up what is being said."""
        track = Track(saying, self.rate_hz, interruptible=interruptible)
        with self._lock:
            if urgent:
                if self._tracks:
                    self._tracks[0].back_to_word()
                self._tracks.insert(0, track)
            else:
                self._tracks.append(track)

    def append(self, saying: str, piece: Piece) -> bool:
        """Add sound to a saying; False when nobody wants it any more."""
        with self._lock:
            track = self._find(saying)
            if track is not None:
                track.append(piece)
        return track is not None

    def complete(self, saying: str, now: float) -> None:
        """Take that no more sound comes."""
        with self._lock:
            track = self._find(saying)
            if track is not None:
                track.complete = True
                if track.finished:  # everything was played before we knew that it was everything
                    self._end(track, "drained", max(now, self._heard_until))

    def pause(self, saying: str, now: float) -> None:
        """Fall silent and keep the rest."""
        with self._lock:
            track = self._find(saying)
            if track is not None and not track.paused:
                track.paused = True
                self._mark("paused", track, max(now, self._heard_until))

    def hold(self, now: float) -> str:
        """Pause what is being said, for a moment; return its name, or nothing when nothing is said."""
        with self._lock:
            track = self._current()
            if track is None or track.paused or not track.interruptible:
                return ""
            track.paused = True
            self._mark("paused", track, max(now, self._heard_until))
            return track.saying

    def resume(self, saying: str, now: float) -> None:
        """Go on from the beginning of the interrupted word."""
        with self._lock:
            track = self._find(saying)
            if track is not None and track.paused:
                track.back_to_word()
                track.paused = False
                self._mark("resumed", track, now)

    def stop(self, saying: str, now: float, error: EdgeError | None = None) -> None:
        """Drop a saying, or all of them when `saying` is empty."""
        with self._lock:
            for track in [track for track in self._tracks if saying in {"", track.saying}]:
                self._end(track, "failed" if error else "stopped", max(now, self._heard_until), error)

    def sign(self, samples: Samples) -> None:
        """Play a sign over whatever is played."""
        with self._lock:
            self._signs.append(samples)

    def change_rate(self, rate_hz: int) -> None:
        """Play on a speaker of another rate from now on."""
        with self._lock:
            for track in self._tracks:
                track.change_rate(rate_hz)
            self._signs = [resample(sign, self.rate_hz, rate_hz) for sign in self._signs]
            self.rate_hz = rate_hz

    def set_volume(self, volume: float) -> None:
        """Set the loudness, 0 to 1."""
        self._volume = volume

    # --- what is known of it

    @property
    def idle(self) -> bool:
        """Nothing would be heard now: no sign, and no saying with sound that is not paused."""
        with self._lock:
            return not self._signs and self._gain == 0 and not self._audible(self._current())

    @property
    def empty(self) -> bool:
        """There is no saying, not even a paused one."""
        return not self._tracks

    @property
    def interruptible(self) -> bool:
        """Something is being said that a voice may interrupt."""
        with self._lock:
            track = self._current()
            return track is not None and track.interruptible and track.began and not track.paused

    def waiting_seconds(self, saying: str) -> float:
        """Return how much sound of a saying is not yet played; 0 when it is not there."""
        with self._lock:
            track = self._find(saying)
            return track.waiting_seconds if track else 0.0

    def knows(self, saying: str) -> bool:
        """Tell whether a saying has not ended."""
        with self._lock:
            return self._find(saying) is not None

    # --- the device's side

    def pull(self, count: int, heard_at: float) -> bytes:
        """Return the next `count` samples, of which the first is heard at `heard_at`."""
        with self._lock:
            self._heard_until = heard_at + count / self.rate_hz
            mixed = self._next(count, heard_at).astype(np.int32)
            self._signs = [rest for sign in self._signs if len(rest := self._add(mixed, sign))]
        out: Samples = np.clip(mixed * self._volume, -32768, 32767).astype(np.int16)
        return out.tobytes()

    def _next(self, count: int, heard_at: float) -> Samples:
        """Return the sayings' next samples, faded where they stop or start."""
        out = np.zeros(count, np.int16)
        fade = round(_FADE_SECONDS * self.rate_hz)
        track = self._current()
        if track is None:
            self._gain = 0.0
            return out
        if track.paused:
            if self._gain:
                tail = track.take(fade)
                out[: len(tail)] = tail * np.linspace(1, 0, len(tail))
                self._gain = 0.0
            return out
        filled = 0
        while filled < count and track is not None and not track.paused:
            taken = track.take(count - filled)
            if len(taken):
                self._begin(track, heard_at + filled / self.rate_hz)
                if not self._gain:
                    edge = min(fade, len(taken))
                    taken = np.concatenate([taken[:edge] * np.linspace(0, 1, edge), taken[edge:]])
                    self._gain = 1.0
                out[filled : filled + len(taken)] = taken
                filled += len(taken)
            if not track.finished:
                break
            self._end(track, "drained", heard_at + filled / self.rate_hz)
            track = self._current()
        if filled < count:
            self._gain = 0.0
        elif track is not None and heard_at >= self._progress_at:
            self._progress_at = heard_at + _PROGRESS_SECONDS
            self._mark("progressed", track, heard_at)
        return out

    def _begin(self, track: Track, at: float) -> None:
        if not track.began:
            track.began = True
            self._progress_at = at + _PROGRESS_SECONDS
            self._mark("began", track, at)

    def _end(self, track: Track, kind: MarkKind, at: float, error: EdgeError | None = None) -> None:
        self._tracks.remove(track)
        self._mark(kind, track, at, error)

    def _mark(self, kind: MarkKind, track: Track, at: float, error: EdgeError | None = None) -> None:
        self._marks.put(
            Mark(
                kind=kind,
                saying=track.saying,
                at=at,
                characters=track.characters,
                seconds=round(track.seconds, 3),
                error=error,
            )
        )

    def _current(self) -> Track | None:
        return self._tracks[0] if self._tracks else None

    def _find(self, saying: str) -> Track | None:
        return next((track for track in self._tracks if track.saying == saying), None)

    @staticmethod
    def _audible(track: Track | None) -> bool:
        return track is not None and not track.paused and track.waiting_seconds > 0

    @staticmethod
    def _add(mixed: np.ndarray[tuple[int], np.dtype[np.int32]], sign: Samples) -> Samples:
        """Add the beginning of a sign; return what does not fit."""
        length = min(len(mixed), len(sign))
        mixed[:length] += sign[:length]
        return sign[length:]
