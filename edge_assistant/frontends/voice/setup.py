"""Mouth and ears without an assistant, for setting a device up: `say`, `listen`."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator

from edge_assistant.errors import SpeechError
from edge_assistant.frontends.voice.saying import Saying
from edge_assistant.speech.protocol import Speech
from edge_assistant.speech.wire import (
    EndListening,
    Event,
    Level,
    Listen,
    ListeningBegan,
    ListeningEnded,
    MeterLevel,
    SayingEnded,
    SpeechBegan,
    TranscriptFinal,
    TranscriptPartial,
    WakeHeard,
    WakeMissed,
)

_SHOWN = (
    Level,
    ListeningBegan,
    ListeningEnded,
    SpeechBegan,
    TranscriptFinal,
    TranscriptPartial,
    WakeHeard,
    WakeMissed,
)
_WAITING = 200
"""Events that may wait for whoever watches; more are dropped."""


async def say(speech: Speech, text: str, language: str = "en") -> None:
    """Say a text and return when its last sample was heard; raises `SpeechError`."""
    ended: asyncio.Future[SayingEnded] = asyncio.get_running_loop().create_future()
    saying = Saying(uuid.uuid4().hex, speech.send, language)

    def take(event: Event) -> None:
        if isinstance(event, SayingEnded) and event.saying == saying.id and not ended.done():
            ended.set_result(event)

    unsubscribe = speech.subscribe(take)
    try:
        saying.feed(text)
        if not saying.finish():
            raise SpeechError("NOTHING_TO_SAY", "this text has no word that can be spoken")
        end = await ended
    except asyncio.CancelledError:
        saying.stop()
        raise
    finally:
        unsubscribe()
    if end.outcome == "failed":
        raise SpeechError(end.code, end.message)


async def overhear(speech: Speech, utterance: str = "") -> AsyncGenerator[Event, None]:
    """Yield how loud it is and what is heard, until closed.

    With `utterance` the microphone is opened for one utterance of that name, and its end is the last event.
    """
    events: asyncio.Queue[Event] = asyncio.Queue(_WAITING)

    def take(event: Event) -> None:
        if isinstance(event, _SHOWN) and not events.full():
            events.put_nowait(event)

    unsubscribe = speech.subscribe(take)
    try:
        speech.send(MeterLevel(on=True))
        if utterance:
            speech.send(Listen(utterance=utterance))
        while True:
            event = await events.get()
            yield event
            if utterance and isinstance(event, ListeningEnded) and event.utterance == utterance:
                return
    finally:
        unsubscribe()
        with contextlib.suppress(SpeechError):
            speech.send(MeterLevel(on=False))
            if utterance:
                speech.send(EndListening(utterance=utterance, discard=True))
