"""The one door through which anything is done: judged, limited, asked about, written down, bounded.

call -> arguments -> effect -> policy -> (confirmation) -> ledger -> run -> ledger -> result
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from edge_assistant.errors import BusyError, EdgeError, ForbiddenError, UsageError
from edge_assistant.people.allowance import Allowance
from edge_assistant.people.person import Principal
from edge_assistant.tools.confirmation import Confirmation, Confirmations
from edge_assistant.tools.policy import judge
from edge_assistant.tools.protocol import Call, Effect, Ledger, Occasion, Outcome, Quote, Tool

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 10.0
"""A tool that takes longer is given up."""

LONGEST_RESULT = 4_000
"""Characters of a result; the rest is cut off."""

LONGEST_ARGUMENTS = 8_000
"""Characters of a call's arguments as JSON."""

PER_MINUTE = 30
"""Actions of one person that reach outside, in the long run."""

BURST = 20
UNDO_SECONDS = 600.0
"""How long something can be taken back."""

WRONG_PINS = 5
PIN_PAUSE_SECONDS = 300.0
"""After so many wrong PINs nobody can try for so long."""

Status = Literal["done", "asked", "declined"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call. Refusals and failures are raised."""

    status: Status
    text: str
    untrusted: bool = False
    quotes: tuple[Quote, ...] = ()
    asked: Confirmation | None = None
    """The question, when there is one."""


class Actions:
    """Every tool of this device, and the rules under which they are used."""

    def __init__(
        self,
        tools: Iterable[Tool],
        ledger: Ledger,
        *,
        pin: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        """`pin` is the household's secret; without one what needs it is refused."""
        self.tools = {tool.name: tool for tool in tools}
        self.confirmations = Confirmations(clock=clock)
        self._ledger = ledger
        self._pin = pin
        self._clock = clock
        self._longest_seconds = longest_seconds
        self._allowance = Allowance(per_minute=PER_MINUTE, burst=BURST)
        self._undo: dict[tuple[str, str], tuple[Call, float]] = {}
        """By principal and session: what takes the last action back, and until when."""
        self._wrong_pins = 0
        self._pin_pause_until = 0.0
        self._stuck: set[asyncio.Task[Any]] = set()
        """Runs that did not end when they were told to."""

    def add(self, tool: Tool) -> None:
        """Take one more tool, while everything starts."""
        self.tools[tool.name] = tool

    async def do(self, call: Call, occasion: Occasion) -> Result:
        """Do it, or ask first.

        Raises `EdgeError`: TOOL_UNKNOWN, TOOL_ARGUMENTS_BAD, ACTION_FORBIDDEN, ACTIONS_RATE_LIMITED,
        PIN_NOT_SET, TOOL_TIMEOUT, TOOL_FAILED, and whatever the tool itself says.
        """
        tool, arguments = self._checked(call)
        effect = tool.effect(arguments, occasion)
        verdict = judge(effect, occasion)
        if verdict == "pin" and not self._pin:
            raise ForbiddenError("PIN_NOT_SET", "that needs a PIN and none is set: set the secret `home_pin`")
        self._limit(effect, occasion.principal)
        if verdict == "do":
            return await self._run(tool, arguments, call, effect, occasion)
        asked = self.confirmations.ask(call, effect, occasion, pin=verdict == "pin")
        await self._record("action.asked", occasion, call, effect, action=asked.id)
        return Result(status="asked", text=_question(asked), asked=asked)

    def summary(self, call: Call, occasion: Occasion) -> str:
        """Return in words what a call would do; raises as `do`."""
        tool, arguments = self._checked(call)
        return tool.effect(arguments, occasion).summary

    async def answer(self, action: str, principal: Principal, *, approve: bool, pin: str = "") -> Result:
        """Take a person's answer to a question, and do what was asked when it is a yes.

        Raises CONFIRMATION_GONE, CONFIRMATION_NOT_YOURS, PIN_WRONG, PIN_LOCKED, and as `do`.
        """
        asked = self.confirmations.look(action, principal)
        if approve and asked.pin:
            self._check_pin(pin)
        self.confirmations.take(action, principal)
        occasion = msgspec.structs.replace(asked.occasion, principal=principal)
        if not approve:
            await self._record("action.declined", occasion, asked.call, asked.effect, action=action)
            return Result(status="declined", text=_DECLINED[asked.occasion.language.startswith("de")])
        tool, arguments = self._checked(asked.call)
        effect = tool.effect(arguments, occasion)
        if (effect.reach, effect.risk) != (asked.effect.reach, asked.effect.risk):
            # What a name means changed since the question.
            raise EdgeError("CONFIRMATION_GONE", "that means something else now: say again what you want")
        return await self._run(tool, arguments, asked.call, effect, occasion, action=action)

    async def undo(self, occasion: Occasion) -> Result:
        """Take back the last action of this conversation; raises NOTHING_TO_UNDO, and as `do`."""
        call, until = self._undo.pop(_place(occasion), (None, 0.0))
        if call is None or until < self._clock():
            raise EdgeError("NOTHING_TO_UNDO", "there is nothing that I could take back")
        return await self.do(call, occasion)

    def _checked(self, call: Call) -> tuple[Tool, msgspec.Struct]:
        tool = self.tools.get(call.tool)
        if tool is None:
            raise UsageError("TOOL_UNKNOWN", f"there is no tool called {call.tool[:60]!r}")
        try:
            if len(msgspec.json.encode(call.arguments)) > LONGEST_ARGUMENTS:
                raise UsageError("TOOL_ARGUMENTS_BAD", f"{tool.name} was given too much at once")
            return tool, msgspec.convert(call.arguments, tool.arguments, strict=False)
        except (msgspec.ValidationError, UnicodeError, RecursionError) as error:
            raise UsageError("TOOL_ARGUMENTS_BAD", f"{tool.name}: {error}") from None

    def _limit(self, effect: Effect, principal: Principal) -> None:
        if effect.reach == "act" and (wait := self._allowance.take(principal.id, self._clock())):
            message = f"too many actions in a short time: try again in {wait:.0f} s"
            raise BusyError("ACTIONS_RATE_LIMITED", message, retry_after=max(1.0, round(wait, 1)))

    def _check_pin(self, pin: str) -> None:
        now = self._clock()
        if now < self._pin_pause_until:
            wait = round(self._pin_pause_until - now, 1)
            raise BusyError("PIN_LOCKED", f"too many wrong PINs: wait {wait:.0f} s", retry_after=wait)
        if self._pin and hmac.compare_digest(pin.strip().encode(), self._pin.strip().encode()):
            self._wrong_pins = 0
            return
        self._wrong_pins += 1
        if self._wrong_pins >= WRONG_PINS:
            self._wrong_pins, self._pin_pause_until = 0, now + PIN_PAUSE_SECONDS
        raise ForbiddenError("PIN_WRONG", "that PIN is not right")

    async def _run(
        self, tool: Tool, arguments: msgspec.Struct, call: Call, effect: Effect, occasion: Occasion,
        *, action: str = "",
    ) -> Result:  # fmt: skip
        """Do it between two entries of the ledger: a crash in between leaves the first without the second."""
        if effect.reach == "look":
            return _result(await self._bounded(tool, arguments, occasion))
        await self._record("action.began", occasion, call, effect, action=action)
        code = "INTERRUPTED"
        try:
            outcome = await self._bounded(tool, arguments, occasion)
            code = ""
        except EdgeError as error:
            code = error.code
            raise
        finally:
            await self._record("action.ended", occasion, call, effect, action=action, error=code)
        self._remember_undo(occasion, outcome)
        return _result(outcome)

    async def _bounded(self, tool: Tool, arguments: msgspec.Struct, occasion: Occasion) -> Outcome:
        """Run a tool that may hang, fail or return anything."""
        task = asyncio.create_task(tool.run(arguments, occasion), name=f"tool-{tool.name}")
        self._stuck.add(task)
        task.add_done_callback(self._stuck.discard)
        try:
            done, _ = await asyncio.wait([task], timeout=self._longest_seconds)
        finally:
            task.cancel()  # changes nothing when it is over; who ignores it is not waited for
        if not done:
            raise EdgeError("TOOL_TIMEOUT", f"{tool.name} takes too long: it was given up, try again later")
        error = task.exception()
        if isinstance(error, EdgeError):
            raise error
        if error is not None:
            logger.error("the tool %s failed: %s", tool.name, type(error).__name__, exc_info=error)
        outcome = None if error else task.result()
        if not isinstance(outcome, Outcome) or not isinstance(outcome.text, str):
            raise EdgeError("TOOL_FAILED", f"{tool.name} failed: the log names the place")
        return outcome

    def _remember_undo(self, occasion: Occasion, outcome: Outcome) -> None:
        self._undo.pop(_place(occasion), None)
        if outcome.undo is not None:
            if len(self._undo) >= BURST * PER_MINUTE:
                del self._undo[next(iter(self._undo))]
            self._undo[_place(occasion)] = (outcome.undo, self._clock() + UNDO_SECONDS)

    async def _record(
        self, event: str, occasion: Occasion, call: Call, effect: Effect, *, action: str = "", error: str = ""
    ) -> None:
        """Write down who did what, not what was said: arguments may hold people's words."""
        details = {
            "tool": call.tool, "reach": effect.reach, "risk": effect.risk, "source": occasion.source,
            "tainted": occasion.tainted, "action": action, "error": error,
        }  # fmt: skip
        kept = {key: value for key, value in details.items() if value not in {"", False}}
        await self._ledger.record(event, occasion.principal.id, kept)


def _place(occasion: Occasion) -> tuple[str, str]:
    return occasion.principal.id, occasion.session


def _result(outcome: Outcome) -> Result:
    text = outcome.text.encode(errors="replace").decode()  # lone surrogates fit on no wire
    if len(text) > LONGEST_RESULT:
        text = text[: LONGEST_RESULT - 1] + "…"
    return Result(status="done", text=text, untrusted=outcome.untrusted, quotes=outcome.quotes)


_DECLINED = ("All right, I won't.", "Gut, ich lasse es.")
"""In English, in German."""


def _question(asked: Confirmation) -> str:
    what = asked.effect.summary
    if asked.occasion.language.startswith("de"):
        return f"Soll ich das tun: {what}?" + (" Dafür brauche ich die PIN." if asked.pin else "")
    return f"To {what} I need the PIN. What is it?" if asked.pin else f"Shall I {what}?"
