"""An assistant whose turns say what a test tells them to, when it does."""

from __future__ import annotations

from edge_assistant.assistant.events import (
    Event,
    Route,
    TextDelta,
    Timings,
    TurnFailed,
    TurnFinished,
    TurnStarted,
    Usage,
)
from edge_assistant.assistant.request import Confirms, Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import UsageError
from edge_assistant.memory.conversations import Conversations


class ScriptedAssistant:
    """Starts turns and leaves the rest to the test; with `script` a turn says that and ends at once."""

    def __init__(self, conversations: Conversations, script: tuple[str, ...] | None = None) -> None:
        self._conversations = conversations
        self.script = script
        self.error: Exception | None = None
        self.requests: list[Request] = []
        self.turns: dict[str, Turn] = {}
        self.stopped: list[str] = []

    async def start(self, request: Request) -> Turn:
        if self.error is not None:
            raise self.error
        if request.id in self.turns:
            return self.turns[request.id]
        self.requests.append(request)
        turn = self.turns[request.id] = Turn(request.id, request.session, request.principal)

        async def stop() -> None:
            self.stopped.append(turn.id)
            self.finish(turn.id, status="interrupted")

        turn.stop = stop
        turn.append(TurnStarted(id=turn.id, seq=1, session=turn.session))
        if self.script is not None:
            self.say(turn.id, *self.script)
            self.finish(turn.id)
        return turn

    async def confirm(self, confirms: Confirms, principal: Principal, source: str, turn_id: str = "") -> Turn:
        raise UsageError("NOTHING_TO_CONFIRM", "this device asks for no confirmation")

    async def turn(self, turn_id: str, principal: Principal) -> Turn | None:
        turn = self.turns.get(turn_id)
        return turn if turn is not None and turn.principal.id == principal.id else None

    async def forget_session(self, session: str, principal: Principal) -> None:
        await self._conversations.delete_session(session, principal.id)

    def say(self, turn_id: str, *pieces: str) -> None:
        turn = self.turns[turn_id]
        for piece in pieces:
            turn.append(TextDelta(id=turn_id, seq=turn.seq + 1, text=piece))

    def finish(self, turn_id: str, status: str = "complete") -> None:
        turn = self.turns[turn_id]
        text = "".join(event.text for event in turn._events if isinstance(event, TextDelta))
        turn.append(
            TurnFinished(
                id=turn_id,
                seq=turn.seq + 1,
                text=text,
                status=status,
                route=Route(rung="local", model="scripted", reason="a test"),
                timings=Timings(total_ms=1.0),
                usage=Usage(completion_tokens=turn.seq),
            )
        )

    def fail(self, turn_id: str, code: str, retry_after: float | None = None) -> None:
        turn = self.turns[turn_id]
        event: Event = TurnFailed(
            id=turn_id, seq=turn.seq + 1, code=code, message="it failed", retry_after=retry_after
        )
        turn.append(event)
