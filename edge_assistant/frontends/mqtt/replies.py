"""Answers to those who sent something."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.frontends.mqtt.topics import Topics, may_answer_to
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing


class Replies:
    """Answers where the sender wants it, else on `…/answer`."""

    def __init__(self, connection: Connection, topics: Topics) -> None:
        self._connection = connection
        self._topics = topics

    async def send(self, message: Incoming, answer: dict[str, Any]) -> None:
        """Send an answer; who hears none asks again with the same id and gets it."""
        topic = self._topics["answer"]
        if message.response_topic and may_answer_to(message.response_topic):
            topic = message.response_topic
        with contextlib.suppress(OfflineError):
            await self._connection.publish(
                Outgoing(topic=topic, payload=msgspec.json.encode(answer), correlation=message.correlation)
            )

    async def refuse(self, message: Incoming, error: EdgeError, **names: str) -> None:
        """Say why something was not done."""
        told = {"code": error.code, "message": error.message, "retry_after": error.retry_after}
        await self.send(message, {**names, "error": told})
