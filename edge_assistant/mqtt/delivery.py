"""Brings what lies in the outbox to its receivers, again and again until they say that it is done."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing
from edge_assistant.store.outbox import Letter, Outbox

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0
"""A letter without an answer is sent again after so long; the receiver does nothing twice."""

BATCH = 100


class _Answer(msgspec.Struct):
    """What a receiver says about a letter."""

    id: str = ""
    done: bool = False
    error: dict[str, Any] | None = None


class Delivery:
    """The outbox on one connection; `run` it as a task. Answers come to `answers`, a topic of our own."""

    def __init__(
        self, connection: Connection, outbox: Outbox, answers: str, *, again_seconds: float = AGAIN_SECONDS
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._answers = answers
        self._again_seconds = again_seconds
        self._wanted = asyncio.Event()
        self.delivered = 0
        """Letters that were carried out, for metrics."""
        connection.subscribe(answers, self._answered)
        connection.when_online(self._online)

    async def post(
        self,
        topic: str,
        command: dict[str, Any],
        *,
        principal: str,
        lasts_seconds: float,
        letter_id: str = "",
    ) -> Letter:
        """Keep a command durably and send it as soon as there is a broker; raises `StoreError`."""
        letter = await self._outbox.add(
            topic, msgspec.json.encode(command), principal=principal, lasts_seconds=lasts_seconds,
            letter_id=letter_id,
        )  # fmt: skip
        self._wanted.set()
        return letter

    async def run(self) -> None:
        """Send what waits, until cancelled."""
        while True:
            try:
                waiting = await self._send_all()
            except EdgeError as error:
                waiting = True
                logger.log(
                    logging.DEBUG if isinstance(error, OfflineError) else logging.WARNING, "%s", error.code
                )
            await self._pause(self._again_seconds if waiting else None)

    async def _pause(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    async def _send_all(self) -> bool:
        """Send every letter once; return whether any waits for its answer."""
        after, any_waits = (0.0, ""), False
        while letters := await self._outbox.waiting(BATCH, after):
            any_waits = True
            for letter in letters:
                await self._send(letter)
            after = (letters[-1].created_at, letters[-1].id)
        return any_waits

    async def _send(self, letter: Letter) -> None:
        now = time.time()
        command = {**msgspec.json.decode(letter.payload), "id": letter.id, "sent_at": now}
        await self._connection.publish(
            Outgoing(
                topic=letter.topic, payload=msgspec.json.encode(command), response_topic=self._answers,
                correlation=letter.id.encode(), expiry_seconds=max(1, int(letter.expires_at - now)),
            )
        )  # fmt: skip

    async def _online(self) -> None:
        self._wanted.set()

    async def _answered(self, message: Incoming) -> None:
        """Take a letter out when it is done, or can't ever be."""
        try:
            answer = msgspec.json.decode(message.payload, type=_Answer)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        name = message.correlation.decode("ascii", errors="replace") or answer.id
        retry_after = (answer.error or {}).get("retry_after")
        if not answer.done and (answer.error is None or retry_after is not None):
            return
        if await self._outbox.acknowledge(name):
            self.delivered += answer.done
            if answer.error is not None:
                logger.info("letter %s was refused: %s", name, answer.error.get("code"))
