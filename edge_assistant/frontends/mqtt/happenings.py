"""`…/event`: what happened, for those who listen at that moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from edge_assistant.frontends.mqtt.topics import Topics
from edge_assistant.mqtt.connection import Connection, OfflineError, Outgoing
from edge_assistant.tools.timer import Ringing, Timer
from edge_assistant.tools.timer_words import announcement

KINDS = (
    "wake_word", "intent_matched", "confirmation_asked",
    "timer_finished", "alarm_finished", "reminder_finished",
    "timer_missed", "alarm_missed", "reminder_missed", "timer_stopped",
)  # fmt: skip
"""Every `event_type` that is told."""

MOST = 200
"""Events on their way at once; nobody keeps up with more."""


class Happenings:
    """Tells events, also those of timers. `begin` runs a task; `language` is that of the house."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        begin: Callable[[Coroutine[Any, Any, None], str], None],
        language: Callable[[], str],
    ) -> None:
        self._connection = connection
        self._topic = topics["event"]
        self._begin = begin
        self._language = language
        self._under_way = 0

    def ring(self, ringing: Ringing) -> None:
        """Tell that a timer is due, or was missed."""
        timer = ringing.timer
        kind = f"{timer.kind}_missed" if ringing.missed else f"{timer.kind}_finished"
        self.tell(kind, timer=timer.id, label=timer.label, text=announcement(ringing, self._language()))

    def still(self, timer: Timer) -> None:
        """Tell that somebody took note."""
        self.tell("timer_stopped", timer=timer.id, label=timer.label)

    def tell(self, event_type: str, **details: Any) -> None:
        """Publish something that happened, when there is a broker; returns at once."""
        if self._connection.online and self._under_way < MOST:
            self._under_way += 1
            self._begin(self._publish({"event_type": event_type, **details}), "mqtt-event")

    async def _publish(self, event: dict[str, Any]) -> None:
        try:
            with contextlib.suppress(OfflineError):
                await self._connection.publish(
                    Outgoing(topic=self._topic, payload=msgspec.json.encode(event), expiry_seconds=60)
                )
        finally:
            self._under_way -= 1
