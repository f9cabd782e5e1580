"""Questions over MQTT and their answers, and answers to our own questions."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import ConfirmationAsked, TextDelta, TurnFailed, TurnFinished
from edge_assistant.assistant.request import Confirms, Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.frontends.mqtt.command import Ask, Confirm, decode, name_of
from edge_assistant.frontends.mqtt.device import Voice
from edge_assistant.frontends.mqtt.happenings import Happenings
from edge_assistant.frontends.mqtt.replies import Replies
from edge_assistant.frontends.mqtt.topics import Topics, may_answer_to
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing

SESSION_SECONDS = 600.0
"""After so long a silence a question without a session begins a new conversation."""

MAX_ANSWERING = 16
"""Questions that are answered or wait at once; more are refused."""

CUT_OFF = "that was stopped or cut off in its middle: see how things are, then send it under a new id"
"""Whether a device was told something before a crash nobody can know: so it is not told twice unasked."""

LONGEST_SPOKEN = 2_000
"""Characters of an answer that are said aloud."""


class Answers:
    """Starts turns and tells how they go."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        assistant: Assistant,
        voice: Voice | None,
        *,
        principal: Principal,
        happenings: Happenings,
        begin: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self.last = ""
        """The newest answer."""
        self._connection = connection
        self._topics = topics
        self._assistant = assistant
        self._voice = voice
        self._principal = principal
        self._happenings = happenings
        self._begin = begin
        self._replies = Replies(connection, topics)
        self._session, self._asked_at = "", 0.0
        self._answering = 0

    async def ask(self, message: Incoming) -> None:
        """Begin to answer a question; raises `EdgeError`."""
        ask = decode(Ask, message)
        request = Request(
            id=name_of(ask, message) or f"mqtt-{uuid.uuid4().hex}",
            text=ask.text,
            session=ask.session or self._latest_session(),
            principal=self._principal,
            source="mqtt",
            private=ask.private,
        )
        names = {"id": ask.id or request.id, "session": request.session}
        self._follow(self._assistant.start(request), names, message, speak=ask.speak)

    async def confirm(self, message: Incoming) -> None:
        """Take the answer to a question of ours by its id; raises `EdgeError`."""
        answer = decode(Confirm, message)
        confirms = Confirms(action=answer.action, approve=answer.approve, pin=answer.pin)
        turn = self._assistant.confirm(confirms, self._principal, "mqtt")
        self._follow(turn, {"id": answer.id or answer.action}, message, speak=False)

    def _follow(
        self, start: Coroutine[Any, Any, Turn], names: dict[str, str], message: Incoming, *, speak: bool
    ) -> None:
        error: EdgeError | None = None
        if message.response_topic and not may_answer_to(message.response_topic):
            error = UsageError("MQTT_TOPIC_BAD", "answers go to topics below edge-assistant/ only")
        elif self._answering >= MAX_ANSWERING:
            text = "too many questions over MQTT at once; ask again later"
            error = EdgeError("BUSY", text, retry_after=5.0)
        if error is not None:
            start.close()
            raise error
        self._answering += 1
        self._begin(self._answer(start, names, message, speak=speak), "mqtt-answer")

    def _latest_session(self) -> str:
        now = time.monotonic()
        if not self._session or now - self._asked_at > SESSION_SECONDS:
            self._session = f"mqtt-{uuid.uuid4().hex}"
        self._asked_at = now
        return self._session

    async def _answer(
        self, start: Awaitable[Turn], names: dict[str, str], message: Incoming, *, speak: bool
    ) -> None:
        try:
            turn = await start
            names["session"] = turn.session
            await self._tell(turn, names, message, speak=speak)
        except EdgeError as error:
            await self._replies.refuse(message, error, **names)
        finally:
            self._answering -= 1

    async def _tell(self, turn: Turn, names: dict[str, str], message: Incoming, *, speak: bool) -> None:
        asked: ConfirmationAsked | None = None
        async for event in turn.events():
            match event:
                case TextDelta():
                    await self._stream(names, event)
                case ConfirmationAsked():
                    asked = event
                    self._happenings.tell(
                        "confirmation_asked", action=event.action, summary=event.summary, pin=event.pin
                    )
                case TurnFinished(status="interrupted", text=""):
                    await self._replies.refuse(message, EdgeError("TURN_CUT_OFF", CUT_OFF), **names)
                case TurnFinished():
                    self.last = event.text
                    await self._replies.send(message, {**names, **_told(event, asked)})
                    await self._speak(event.text if speak else "")
                case TurnFailed():
                    await self._replies.refuse(message, EdgeError(event.code, event.message), **names)

    async def _speak(self, text: str) -> None:
        if text and self._voice is not None:
            with contextlib.suppress(EdgeError):
                await self._voice.announce(text[:LONGEST_SPOKEN], sign=False)

    async def _stream(self, names: dict[str, str], event: TextDelta) -> None:
        piece = msgspec.json.encode({**names, "seq": event.seq, "text": event.text})
        with contextlib.suppress(OfflineError):
            await self._connection.publish(
                Outgoing(topic=self._topics["answer/stream"], payload=piece, qos=0)
            )


def _told(event: TurnFinished, asked: ConfirmationAsked | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "text": event.text,
        "status": event.status,
        "route": event.route,
        "timings": event.timings,
    }
    if asked is not None:
        answer["confirm"] = {
            "action": asked.action, "summary": asked.summary, "pin": asked.pin, "seconds": asked.seconds,
        }  # fmt: skip
    return answer
