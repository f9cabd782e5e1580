"""Messages on the home's broker, to topics that the owner listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol

import msgspec

from edge_assistant.errors import EdgeError, ForbiddenError
from edge_assistant.mqtt.connection import Outgoing
from edge_assistant.tools.protocol import Effect, Occasion, Outcome, Risk

EXPIRY_SECONDS = 10
"""The broker forgets a message that nobody took by then: an action belongs to its moment."""


class Publisher(Protocol):
    """The connection to the broker."""

    async def publish(self, message: Outgoing) -> None:
        """Send a message; raises `OfflineError`."""
        ...


class Message(msgspec.Struct, frozen=True):
    """What to send, and where."""

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    payload: Annotated[str, msgspec.Meta(max_length=4_000)] = ""


class PublishTool:
    """Publishes to listed topics, never to a pattern."""

    name = "mqtt_publish"
    arguments = Message

    def __init__(self, publisher: Publisher, topics: Mapping[str, Risk]) -> None:
        """`topics` are those that are allowed, each with its risk."""
        self._publisher = publisher
        self._topics = topics
        self.description = f"Send a message to one of these MQTT topics: {', '.join(topics)}."

    def effect(self, arguments: Message, occasion: Occasion) -> Effect:
        """Say that it changes something outside; raises TOPIC_NOT_ALLOWED."""
        del occasion
        risk = self._topics.get(arguments.topic)
        if risk is None:
            raise ForbiddenError("TOPIC_NOT_ALLOWED", "tools.topics does not list that topic")
        return Effect(reach="act", risk=risk, summary=f"send {arguments.payload[:60]!r} to {arguments.topic}")

    async def run(self, arguments: Message, occasion: Occasion) -> Outcome:
        """Send it; raises MQTT_OFFLINE."""
        del occasion
        message = Outgoing(
            topic=arguments.topic, payload=_bytes(arguments.payload), expiry_seconds=EXPIRY_SECONDS
        )
        await self._publisher.publish(message)
        return Outcome(text=f"Sent to {arguments.topic}.")


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeError:
        raise EdgeError("TOOL_ARGUMENTS_BAD", "the message is not valid text") from None
