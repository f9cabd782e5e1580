"""One question that was spoken and its answer: a turn of the assistant beside a saying of the worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from edge_assistant.assistant.events import TextDelta, TurnFailed, TurnFinished
from edge_assistant.assistant.request import Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.voice.phase import VoiceTimings
from edge_assistant.frontends.voice.saying import Saying
from edge_assistant.speech.wire import Command, SayingEnded, TranscriptFinal

logger = logging.getLogger(__name__)

APOLOGIES = {
    "de": "Das hat leider nicht geklappt.",
    "en": "Sorry, that did not work.",
    "es": "Lo siento, no ha funcionado.",
    "fr": "Désolé, cela n'a pas marché.",
}
"""Said when there is no answer; the cause is on the page and in the log."""


class Assistant(Protocol):
    """What answers; `assistant.assistant.Assistant` is the real one."""

    async def start(self, request: Request) -> Turn:
        """Begin a turn; raises `EdgeError`."""
        ...

    async def prepare(self, session: str, principal: Principal, partial_text: str) -> None:
        """Read ahead what will probably be asked; never fails."""
        ...


class Exchange:
    """Runs beside the frontend until the answer is written; what is left then is to be heard."""

    def __init__(
        self,
        request: Request,
        final: TranscriptFinal,
        assistant: Assistant,
        *,
        send: Callable[[Command], None],
        language: str,
        on_change: Callable[[], None],
    ) -> None:
        self.saying = Saying(request.id, send, language)
        self.failed = False
        self._request = request
        self._final = final
        self._assistant = assistant
        self._language = language.split("-", maxsplit=1)[0]
        self._on_change = on_change
        self._turn: Turn | None = None
        self._cut = False
        """Somebody took the floor: what was not heard is not kept."""
        self._text_at = asyncio.get_running_loop().time()
        self._first_text_at: float | None = None
        self._task = asyncio.create_task(self._run(), name=f"voice-{request.id}")
        self._keeping: asyncio.Task[None] | None = None
        """Stores what was heard; None while nobody spoke over the answer."""

    @property
    def writing(self) -> bool:
        """Whether more of the answer may come."""
        return not self._task.done()

    @property
    def over(self) -> bool:
        """Whether nothing more happens: all is written, and heard or never will be."""
        return not self.writing and not self.saying.open

    @property
    def timings(self) -> VoiceTimings | None:
        """How long each stage took; None before the first sound."""
        began, first, final = self.saying.began_at, self._first_text_at, self._final
        if began is None or first is None:
            return None
        return VoiceTimings(
            endpoint_ms=final.endpoint_ms,
            transcript_ms=final.transcript_ms,
            first_text_ms=_ms(first - self._text_at),
            first_audio_ms=_ms(began - first),
            sound_ms=_ms(began - final.speech_ended_at),
        )

    def cut(self) -> None:
        """Fall silent and end the turn; of the answer is kept what was heard."""
        if self._cut:
            return
        self._cut = True
        self.saying.stop()
        if self.saying.open:
            return  # `SayingEnded` tells how much that was
        self._keep_heard()

    def saying_ended(self, ended: SayingEnded) -> None:
        """Take that the voice is silent."""
        if self._cut or ended.outcome == "stopped":
            self._cut = True
            self.saying.stop()
            self._keep_heard()

    async def wait(self) -> None:
        """Return when the answer is written, and what was heard of it is stored."""
        await asyncio.gather(self._task, return_exceptions=True)
        if self._keeping is not None:
            await self._keeping

    async def close(self) -> None:
        """End what runs and wait for it; the turn itself belongs to the assistant."""
        self._task.cancel()
        await self.wait()

    def _keep_heard(self) -> None:
        if self._turn is not None and self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(self._turn), name=f"voice-keep-{self._request.id}")

    async def _keep(self, turn: Turn) -> None:
        try:
            await turn.cancel(heard_characters=self.saying.heard_characters)
        except EdgeError as error:
            logger.warning("what was heard of turn %s is not stored: %s", turn.id, error.code)

    async def _run(self) -> None:
        try:
            await self._follow()
        except EdgeError as error:
            logger.info("voice turn %s: %s", self._request.id, error.code)
            self._apologise()
        finally:
            self.saying.finish()
            asyncio.get_running_loop().call_soon(self._on_change)

    async def _follow(self) -> None:
        self._turn = turn = await self._assistant.start(self._request)
        if self._cut:
            await turn.cancel(heard_characters=0)
        async for event in turn.events():
            match event:
                case TextDelta(text=text):
                    self._first_text_at = self._first_text_at or asyncio.get_running_loop().time()
                    self.saying.feed(text)
                case TurnFinished(text=text) if not self.saying.text:
                    self.saying.feed(text)  # a turn that was answered before
                case TurnFailed():
                    self._apologise()

    def _apologise(self) -> None:
        self.failed = True
        if not self._cut:
            self.saying.feed(f"\n{APOLOGIES.get(self._language, APOLOGIES['en'])}")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
