"""The thread that transcribes: utterances are fed to it, and settled when somebody pauses."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

import msgspec

from edge_assistant.errors import EdgeError, SpeechError
from edge_assistant.speech.heap import give_back
from edge_assistant.speech.protocol import Hearing, Transcriber, Woken

logger = logging.getLogger(__name__)


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the scribe has written of an utterance."""

    utterance: str
    revision: int
    text: str
    settled: bool
    """It covers everything until the pause of this revision."""
    unfinished: bool = False
    """The engine heard the speaker go on, whatever the text looks like."""
    took_ms: float = 0.0
    error: EdgeError | None = None


class _Feed(msgspec.Struct, frozen=True):
    utterance: str
    pcm: bytes


class _Settle(msgspec.Struct, frozen=True):
    utterance: str
    revision: int


class _Close(msgspec.Struct, frozen=True):
    utterance: str


class Scribe:
    """One engine, one thread. Work that has become void before it began is not done."""

    def __init__(self, transcriber: Transcriber, write: Callable[[Note], None]) -> None:
        """Hand each note to `write`, in this thread."""
        self._transcriber = transcriber
        self._write = write
        self._orders: queue.SimpleQueue[_Feed | _Settle | _Close | None] = queue.SimpleQueue()
        self._void: dict[str, int] = {}
        """Utterances that are open, with the revision that still counts."""
        self._woken: dict[str, Woken | None] = {}
        """The wake words with which open utterances should begin."""
        self._hearings: dict[str, Hearing] = {}
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present work; what is queued is dropped."""
        self._void.clear()
        self._orders.put(None)
        self._thread.join(2)

    def open(self, utterance: str, woken: Woken | None = None) -> None:
        """Begin an utterance, perhaps with a wake word."""
        self._void[utterance] = 0
        self._woken[utterance] = woken

    def feed(self, utterance: str, pcm: bytes) -> None:
        """Give more sound of an utterance."""
        self._orders.put(_Feed(utterance, pcm))

    def settle(self, utterance: str, revision: int) -> None:
        """Ask for the text of everything fed so far."""
        self._void[utterance] = revision
        self._orders.put(_Settle(utterance, revision))

    def outdate(self, utterance: str, revision: int) -> None:
        """Say that only `revision` and later ones count."""
        self._void[utterance] = revision

    def close(self, utterance: str) -> None:
        """Forget an utterance."""
        self._void.pop(utterance, None)
        self._orders.put(_Close(utterance))

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            if isinstance(order, _Close):
                self._hearings.pop(order.utterance, None)
                self._woken.pop(order.utterance, None)
                give_back()
            elif order.utterance in self._void:
                self._do(order)

    def _do(self, order: _Feed | _Settle) -> None:
        revision = self._void.get(order.utterance, 0)
        started = time.monotonic()
        try:
            hearing = self._hearings.get(order.utterance)
            if hearing is None:
                hearing = self._transcriber.open(self._woken.get(order.utterance))
                self._hearings[order.utterance] = hearing
            if isinstance(order, _Feed):
                text, settled = hearing.feed(order.pcm), False
            elif order.revision < revision:
                return
            else:
                revision = order.revision
                text, settled = hearing.text(), True
            error = None
        except EdgeError as failure:
            text, settled, error = "", isinstance(order, _Settle), failure
        except Exception:  # an engine's own fault must not silence all later utterances
            logger.exception("the transcriber broke")
            error = SpeechError("TRANSCRIPTION_FAILED", "the engine that understands speech broke")
            text, settled = "", isinstance(order, _Settle)
        if text is None or (error and not settled):
            return
        took = round((time.monotonic() - started) * 1000, 1)
        self._write(
            Note(
                utterance=order.utterance,
                revision=revision,
                text=text,
                settled=settled,
                unfinished=settled and error is None and self._hearings[order.utterance].unfinished,
                took_ms=took,
                error=error,
            )
        )
