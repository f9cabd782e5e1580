"""Ears and mouth of the assistant: the frontend between the speech worker and the turns.

    wake word, button --> listening --> transcript --> Request --> events --> say-stream --> speaker

What it is doing follows from what is open (an utterance, an exchange), so that no state can stick.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from edge_assistant.assistant.request import Principal, Request
from edge_assistant.config.schema import VoiceSettings
from edge_assistant.errors import EdgeError, SpeechError
from edge_assistant.frontends.voice.announcements import Announcements
from edge_assistant.frontends.voice.exchange import Assistant, Exchange
from edge_assistant.frontends.voice.health import Health, report
from edge_assistant.frontends.voice.phase import (
    PhaseListener,
    VoicePhase,
    VoiceReport,
    VoiceStatus,
    VoiceTimings,
)
from edge_assistant.frontends.voice.saying import SayingEvent
from edge_assistant.frontends.voice.setup import overhear
from edge_assistant.people.person import HOUSEHOLD_ID
from edge_assistant.speech.bargein import BargeIn, Move
from edge_assistant.speech.phrase import asks_something, is_stop
from edge_assistant.speech.protocol import Speech
from edge_assistant.speech.speculation import Speculation
from edge_assistant.speech.wire import (
    Command,
    DeviceChanged,
    EndListening,
    EngineChanged,
    Event,
    Failed,
    Listen,
    ListeningBegan,
    ListeningEnded,
    Mute,
    PlayEarcon,
    Ready,
    SayingBegan,
    SayingEnded,
    SayingPaused,
    SayingProgressed,
    SayingResumed,
    SetThreshold,
    SetVolume,
    SpeechResumed,
    StopHeard,
    TranscriptFinal,
    TranscriptPartial,
    WakeHeard,
    WakeMissed,
)

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.3
"""From the last sample heard to the open microphone: a room's echo dies away (0.3 to 0.5 s)."""

LONGEST_LISTENING_SECONDS = 25.0
"""Hard cap and transcription; a worker that says nothing for so long is not waited for."""


class Voice:
    """From `start` to `stop` it answers what is spoken to the device."""

    def __init__(
        self, settings: VoiceSettings, assistant: Assistant, speech: Speech, *, language: str = "en"
    ) -> None:
        self._settings = settings
        self._assistant = assistant
        self._speech = speech
        self._language = language
        self._principal = Principal(settings.user, "member" if settings.user == HOUSEHOLD_ID else "guest")
        self._listeners: list[PhaseListener] = []
        self._unsubscribe: Callable[[], None] | None = None
        self._utterance: str | None = None
        """The one that is open; None while nobody is listened to."""
        self._speculation = Speculation(language)
        self._exchange: Exchange | None = None
        """The newest question; None before the first and once its answer was heard or cut off."""
        self._falling_silent: dict[str, Exchange] = {}
        """Exchanges that were cut off, until the worker tells how much of them was heard."""
        self._background: set[asyncio.Task[None]] = set()
        self._barge_in: BargeIn | None = None
        """Set while an answer is spoken."""
        self._muted = False
        self._health = Health()
        self._near_misses = 0
        self._timings: VoiceTimings | None = None
        self._session = ""
        self._session_used = 0.0
        self._asked = 0
        self._guard: asyncio.TimerHandle | None = None
        """Gives up an utterance that a worker never ends."""
        self._follow_up: asyncio.TimerHandle | None = None
        """Opens the microphone after an answer that asks something."""
        self.problems: list[str] = []
        """What else does not work, such as light and buttons; for the report."""
        self._overheard: set[str] = set()
        """Utterances that somebody wants to see, not to have answered."""
        self._told: VoiceStatus | None = None
        self.announcements = Announcements(self._send, language, self._changed)
        """What is said of its own accord."""
        self._on_wake: list[Callable[[], None]] = []
        self._on_stop: list[Callable[[], None]] = []
        self._on_answer: list[Callable[[str, VoiceTimings], None]] = []

    @property
    def status(self) -> VoiceStatus:
        """What it is doing now."""
        return VoiceStatus(
            phase=self._phase,
            detail=self._health.fault,
            muted=self._muted,
            near_misses=self._near_misses,
            timings=self._timings,
        )

    @property
    def language(self) -> str:
        """The language that is spoken."""
        return self._language

    @property
    def speech(self) -> Speech:
        """What understands and speaks."""
        return self._speech

    @property
    def report(self) -> VoiceReport:
        """How ears and mouth are, with all that does not work."""
        return report(self.status, self._speech.status, self.problems)

    @property
    def _phase(self) -> VoicePhase:
        exchange = self._exchange
        if self._health.fault:
            return "error"
        if self._utterance is not None:
            return "listening"
        if (exchange is not None and exchange.saying.audible) or self.announcements.audible:
            return "speaking"
        if exchange is not None and not exchange.over:
            return "thinking"
        return "muted" if self._muted else "idle"

    def subscribe(self, listener: PhaseListener) -> Callable[[], None]:
        """Tell each change to `listener`, beginning with the present; call what is returned to end that."""
        self._listeners.append(listener)
        listener(self.status)
        return lambda: self._listeners.remove(listener)

    async def start(self) -> None:
        """Begin to listen to what the worker tells."""
        self._unsubscribe = self._speech.subscribe(self._hear)
        self._changed()

    async def stop(self) -> None:
        """End; running turns go on in the assistant."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._no_guard()
        self._no_follow_up()
        if self._exchange is not None:
            self._exchange.saying.stop()
            await self._exchange.close()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    # --- what people and other rooms ask for ---

    def when_woken(self, listener: Callable[[], None]) -> None:
        """Call `listener` each time the wake word was heard."""
        self._on_wake.append(listener)

    def when_stopped(self, listener: Callable[[], None]) -> None:
        """Call `listener` each time somebody wants silence."""
        self._on_stop.append(listener)

    def when_answered(self, listener: Callable[[str, VoiceTimings], None]) -> None:
        """Call `listener` with a turn's id and its timings each time an answer begins to sound."""
        self._on_answer.append(listener)

    def configure(self, settings: VoiceSettings) -> None:
        """Take another volume, threshold, and whether not to disturb."""
        old, self._settings = self._settings, settings
        if settings.volume != old.volume:
            self._send(SetVolume(volume=settings.volume))
        if settings.wake_threshold != old.wake_threshold:
            self._send(SetThreshold(threshold=settings.wake_threshold))

    async def announce(self, text: str, *, sign: bool = True) -> str:
        """Say something of its own accord, and return how that ended, as `SayingEnded.outcome`.

        Raises `SpeechError` VOICE_QUIET when nobody wants to be disturbed, and as `Announcements.say`.
        """
        if self._settings.quiet:
            raise SpeechError("VOICE_QUIET", "voice.quiet is on: nothing is announced now")
        return await self.announcements.say(text, sign="heard" if sign else None)

    def mute(self, muted: bool) -> None:
        """Close the microphone or open it again; what is being said goes on."""
        self._muted = muted
        self._send(Mute(muted=muted))
        self._changed()

    def hush(self) -> None:
        """Fall silent, drop the answer and what is being listened to."""
        if self._utterance is not None:
            self._send(EndListening(utterance=self._utterance, discard=True))
        self._silence()
        self._changed()

    def press(self) -> None:
        """Listen while a button is held, whatever is being said."""
        if not self._muted and self._utterance is None:
            self._listen(hold=True)

    def release(self) -> None:
        """Take what was said while the button was held."""
        if self._utterance is not None:
            self._send(EndListening(utterance=self._utterance))

    async def say(self, text: str) -> None:
        """Say something that is no answer, and return when it was heard; raises `SpeechError`."""
        outcome = await self.announcements.say(text)
        if outcome == "nothing":
            raise SpeechError("NOTHING_TO_SAY", "this text has no word that can be spoken")
        if outcome == "failed":
            raise SpeechError("SAYING_FAILED", "it could not be said; the voice's status tells why")

    async def overhear(self, *, once: bool) -> AsyncGenerator[Event, None]:
        """Yield levels and what is heard; with `once` one utterance, which is not answered."""
        self._asked += 1
        utterance = f"overheard-{self._asked}" if once else ""
        self._overheard.add(utterance)
        try:
            async with contextlib.aclosing(overhear(self._speech, utterance)) as events:
                async for event in events:
                    yield event
        finally:
            self._overheard.discard(utterance)

    # --- what the worker tells ---

    def _hear(self, event: Event) -> None:
        if getattr(event, "utterance", None) not in self._overheard:
            self._take(event)
            self._changed()

    def _take(self, event: Event) -> None:
        match event:
            case ListeningBegan():
                self._opened(event)
            case SpeechResumed():
                self._speculation.void()
            case TranscriptPartial(text=text, settled=settled):
                self._understood_so_far(text, settled=settled)
            case TranscriptFinal():
                self._understood(event)
            case ListeningEnded():
                self._closed(event)
            case StopHeard() | WakeHeard():
                self._heard_word(event)
            case SayingBegan() | SayingProgressed() | SayingPaused() | SayingResumed() | SayingEnded():
                self._said(event)
            case WakeMissed():
                self._near_misses += 1
            case Ready() | EngineChanged() | DeviceChanged() | Failed():
                self._health.take(event)
            case _:
                return

    def _heard_word(self, event: StopHeard | WakeHeard) -> None:
        if isinstance(event, StopHeard):
            self._silence()
            return
        for listener in self._on_wake:
            listener()

    def _opened(self, event: ListeningBegan) -> None:
        self._utterance = event.utterance
        self._speculation = Speculation(self._language)
        self._no_follow_up()
        self._no_guard()
        self._guard = _loop().call_later(LONGEST_LISTENING_SECONDS, self._give_up, event.utterance)
        if self._barge_in is None:
            return
        self._move(self._barge_in.pause(woken=event.cause != "interruption"))

    def _understood_so_far(self, text: str, *, settled: bool) -> None:
        if self._barge_in is not None:
            self._move(self._barge_in.words(text, final=False))
        if settled and self._speculation.worth(text):
            work = self._assistant.prepare(self._current_session(), self._principal, text)
            self._in_background(work, "voice-prepare")

    def _understood(self, final: TranscriptFinal) -> None:
        if final.wake_confirmed is False:
            self._near_misses += 1
            return
        addressed = final.wake_confirmed is True
        if final.own_words or not final.text.strip():
            return
        if self._barge_in is not None:
            move = self._barge_in.words(final.text, final=True, addressed=addressed)
            self._move(move)
            if move is not Move.CANCEL:
                return
        if is_stop(final.text, self._language):
            self._silence()
            return
        self.announcements.stop()
        self._cut()
        self._ask(final)

    def _closed(self, event: ListeningEnded) -> None:
        if event.utterance != self._utterance:
            return
        self._utterance = None
        self._no_guard()
        if self._exchange is not None:  # nothing came of it: the answer goes on
            self._exchange.saying.resume()
            if self._barge_in is not None:
                self._barge_in = self._new_barge_in(self._exchange.saying.said)
        if event.outcome == "failed":
            logger.warning("listening failed: %s", event.code)

    def _said(self, event: SayingEvent) -> None:
        if self.announcements.take(event):
            return
        exchange = self._exchange
        if exchange is None or event.saying != exchange.saying.id:
            self._heard_before_cut(event)
            return
        exchange.saying.take(event)
        if isinstance(event, SayingBegan):
            self._barge_in = self._new_barge_in(exchange.saying.said)
            self._timings = exchange.timings
            if self._timings is not None:
                for listener in self._on_answer:
                    listener(exchange.saying.id, self._timings)
        elif isinstance(event, SayingEnded):
            self._barge_in = None
            self._spoken(exchange, event)
        elif self._barge_in is not None:
            self._barge_in.said = exchange.saying.said

    def _heard_before_cut(self, event: SayingEvent) -> None:
        exchange = self._falling_silent.get(event.saying)
        if exchange is None:
            return
        exchange.saying.take(event)
        if isinstance(event, SayingEnded):
            del self._falling_silent[event.saying]
            exchange.saying_ended(event)
            self._in_background(exchange.wait(), "voice-end")

    def _spoken(self, exchange: Exchange, event: SayingEnded) -> None:
        exchange.saying_ended(event)
        self._exchange = None
        self._in_background(exchange.wait(), "voice-end")
        asks = asks_something(exchange.saying.text) and not exchange.failed
        if event.outcome == "drained" and asks and self._settings.follow_up and self._utterance is None:
            self._follow_up = _loop().call_later(SETTLE_SECONDS, self._open_follow_up)

    # --- what follows ---

    def _ask(self, final: TranscriptFinal) -> None:
        request = Request(
            id=uuid.uuid4().hex,
            text=final.text,
            session=self._current_session(),
            principal=self._principal,
            source="voice",
        )
        self._exchange = Exchange(
            request, final, self._assistant, send=self._send, language=self._language,
            on_change=self._written,
        )  # fmt: skip

    def _written(self) -> None:
        """Take that an answer is written; one of which nothing can be said is over."""
        exchange = self._exchange
        if exchange is not None and exchange.over and exchange.saying.ended is None:
            self._send(PlayEarcon(earcon="error" if exchange.failed else "nothing"))
            self._exchange = None
        self._changed()

    def _silence(self) -> None:
        """Fall silent, whatever is being said or rings."""
        self._cut()
        self.announcements.stop()
        for listener in self._on_stop:
            listener()

    def _cut(self) -> None:
        """Drop the answer; what was heard of it is kept."""
        exchange, self._exchange, self._barge_in = self._exchange, None, None
        self._no_follow_up()
        if exchange is None:
            return
        exchange.cut()
        if exchange.saying.open:
            self._falling_silent[exchange.saying.id] = exchange
        else:
            self._in_background(exchange.wait(), "voice-end")

    def _move(self, move: Move | None) -> None:
        if self._exchange is None:
            return
        if move is Move.PAUSE:
            self._exchange.saying.pause()
        elif move is Move.RESUME:
            self._exchange.saying.resume()
        elif move is Move.CANCEL:
            self._cut()

    def _new_barge_in(self, said: str) -> BargeIn:
        cancelled = self._speech.status.echo_cancelled
        machine = BargeIn(echo_cancelled=cancelled, language=self._language)
        machine.said = said
        return machine

    def _open_follow_up(self) -> None:
        self._follow_up = None
        if self._utterance is None and not self._muted:
            self._listen(no_speech_seconds=self._settings.follow_up_seconds)

    def _listen(self, *, hold: bool = False, no_speech_seconds: float | None = None) -> None:
        self._asked += 1
        command = Listen(utterance=f"asked-{self._asked}", hold=hold, no_speech_seconds=no_speech_seconds)
        self._send(command)

    def _give_up(self, utterance: str) -> None:
        """Stop waiting for a worker that hangs; the supervisor looks after it."""
        self._send(EndListening(utterance=utterance, discard=True))
        self._closed(ListeningEnded(utterance=utterance, outcome="failed", code="SPEECH_TIMEOUT"))
        self._changed()

    def _current_session(self) -> str:
        """Return the conversation that goes on, or a new one after a long silence."""
        if not self._session or _now() - self._session_used > self._settings.session_minutes * 60:
            self._session = uuid.uuid4().hex
        self._session_used = _now()
        return self._session

    def _send(self, command: Command) -> None:
        try:
            self._speech.send(command)
        except EdgeError as error:
            logger.info("the voice can't be told: %s", error.code)
            self._health.fail(error.message)

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _changed(self) -> None:
        status = self.status
        if status != self._told:
            self._told = status
            for listener in list(self._listeners):
                listener(status)

    def _no_guard(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _no_follow_up(self) -> None:
        if self._follow_up is not None:
            self._follow_up.cancel()
            self._follow_up = None


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _now() -> float:
    return _loop().time()
