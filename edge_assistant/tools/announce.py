"""Announcements on the other devices of the house, which arrive also when the broker dies in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import msgspec

from edge_assistant.errors import UsageError
from edge_assistant.tools.protocol import Effect, Occasion, Outcome

LASTS_SECONDS = 120.0
"""Nobody needs to hear that dinner is ready later than this."""


class Post(Protocol):
    """What delivers."""

    async def post(
        self, topic: str, command: dict[str, Any], *, principal: str, lasts_seconds: float
    ) -> object:
        """Keep a command durably and send it until it is carried out."""
        ...


class Others(Protocol):
    """Who is there."""

    @property
    def online(self) -> Sequence[str]:
        """Names of the other devices."""
        ...


class Announcement(msgspec.Struct, frozen=True):
    """What to say, and on which device; on all of them without a name."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    device: Annotated[str, msgspec.Meta(max_length=40)] = ""


class AnnounceTool:
    """Says something on other devices."""

    name = "announce"
    description = "Say something aloud on another device of the house, or on all of them."
    arguments = Announcement

    def __init__(self, post: Post, others: Others) -> None:
        self._post = post
        self._others = others

    def effect(self, arguments: Announcement, occasion: Occasion) -> Effect:
        """Say that people elsewhere hear it; raises DEVICE_UNKNOWN."""
        del occasion
        where = ", ".join(self._devices(arguments.device))
        return Effect(reach="act", summary=f"announce “{arguments.text}” on {where}")

    async def run(self, arguments: Announcement, occasion: Occasion) -> Outcome:
        """Hand it over to be delivered."""
        devices = self._devices(arguments.device)
        for device in devices:
            await self._post.post(
                f"edge-assistant/{device}/announce", {"text": arguments.text},
                principal=occasion.principal.id, lasts_seconds=LASTS_SECONDS,
            )  # fmt: skip
        return Outcome(text=f"I'll say it on {', '.join(devices)}.")

    def _devices(self, name: str) -> list[str]:
        wanted, online = name.strip().casefold(), list(self._others.online)
        found = [device for device in online if wanted in {"", "all", "everywhere", device}]
        if not found:
            there = f"there are {', '.join(online)}" if online else "there is no other device now"
            raise UsageError("DEVICE_UNKNOWN", there)
        return found
