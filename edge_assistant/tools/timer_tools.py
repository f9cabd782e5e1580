"""Timers, alarms and reminders as tools."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.people.person import HOUSEHOLD_ID
from edge_assistant.tools.protocol import Call, Effect, Occasion, Outcome
from edge_assistant.tools.timer import Kind, Timer
from edge_assistant.tools.timer_words import duration, local_time, say
from edge_assistant.tools.timers import LONGEST_LABEL, Timers

Label = Annotated[str, msgspec.Meta(max_length=LONGEST_LABEL)]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01]?\d|2[0-3]):[0-5]\d\Z", description="such as 07:30")]
Date = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(\d{4}-\d\d-\d\d|tomorrow)?\Z",
        description="such as 2026-11-27, or tomorrow; empty for the next",
    ),
]


class StartTimer(msgspec.Struct, frozen=True):
    """A duration."""

    minutes: Annotated[float, msgspec.Meta(ge=0, le=527_040)] = 0
    seconds: Annotated[float, msgspec.Meta(ge=0, le=31_622_400)] = 0
    label: Label = ""


class SetAlarm(msgspec.Struct, frozen=True):
    """A time on the wall."""

    time: ClockTime
    date: Date = ""
    days: Annotated[
        str, msgspec.Meta(pattern=r"^[1-7]{0,7}\Z", description="1 is Monday; 12345 on weekdays")
    ] = ""
    label: Label = ""


class Remind(msgspec.Struct, frozen=True):
    """What to be reminded of, and after how long or when."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_LABEL)]
    minutes: Annotated[float, msgspec.Meta(ge=0, le=527_040)] = 0
    time: Annotated[str, msgspec.Meta(pattern=r"^(([01]?\d|2[0-3]):[0-5]\d)?\Z")] = ""
    date: Date = ""


class Which(msgspec.Struct, frozen=True):
    """Which of them; without a name the only one."""

    name: Label = ""
    kind: Literal["timer", "alarm", "reminder", ""] = ""
    seconds: Annotated[float, msgspec.Meta(ge=0, description="how long it was set for; 0 for any")] = 0


class ChangeTimer(Which, frozen=True):
    """Which of them, and what becomes of it."""

    step: Literal["lengthen", "pause", "resume"] = "lengthen"
    minutes: Annotated[
        float, msgspec.Meta(ge=-527_040, le=527_040, description="by how much longer, or shorter")
    ] = 0


class Restore(msgspec.Struct, frozen=True):
    """One that was cancelled, as it was."""

    timers: tuple[Timer, ...]


class SetTimerTool:
    """Starts a timer."""

    name = "set_timer"
    description = "Start a timer that rings after some minutes or seconds."
    arguments = StartTimer

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def effect(self, arguments: StartTimer, occasion: Occasion) -> Effect:
        """Say that it is kept here and can be cancelled."""
        del occasion
        return Effect(reach="note", summary=f"start a timer {arguments.label}".strip())

    async def run(self, arguments: StartTimer, occasion: Occasion) -> Outcome:
        """Start it."""
        seconds = arguments.minutes * 60 + arguments.seconds
        timer = await self._timers.start(occasion.principal, seconds, arguments.label)
        return _set(timer, say("set", occasion.language, duration(seconds, occasion.language)))


class SetAlarmTool:
    """Sets an alarm."""

    name = "set_alarm"
    description = "Set an alarm at a time of day."
    arguments = SetAlarm

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def effect(self, arguments: SetAlarm, occasion: Occasion) -> Effect:
        """Say that it is kept here and can be cancelled."""
        del occasion
        return Effect(reach="note", summary=f"set an alarm at {arguments.time}")

    async def run(self, arguments: SetAlarm, occasion: Occasion) -> Outcome:
        """Set it."""
        at = when(arguments.time, arguments.date, self._timers.today)
        timer = await self._timers.at(occasion.principal, at, arguments.label, days=arguments.days)
        return _set(timer, say("alarm_set", occasion.language, local_time(timer, occasion.language)))


class RemindTool:
    """Sets a reminder."""

    name = "remind"
    description = "Remind a person of something after some minutes or at a time of day."
    arguments = Remind

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def effect(self, arguments: Remind, occasion: Occasion) -> Effect:
        """Say that it is kept here and can be cancelled."""
        del occasion
        return Effect(reach="note", summary=f"remind you: {arguments.text}")

    async def run(self, arguments: Remind, occasion: Occasion) -> Outcome:
        """Set it; raises TIMER_BAD when no time is given."""
        if arguments.time:
            at = when(arguments.time, arguments.date, self._timers.today)
            timer = await self._timers.at(occasion.principal, at, arguments.text, kind="reminder")
            return _set(timer, say("remind_on", occasion.language, local_time(timer, occasion.language)))
        seconds = arguments.minutes * 60
        timer = await self._timers.start(occasion.principal, seconds, arguments.text, kind="reminder")
        return _set(timer, say("remind_in", occasion.language, duration(seconds, occasion.language)))


class ListTimersTool:
    """Tells what is set."""

    name = "list_timers"
    description = "Tell which timers, alarms and reminders are set."
    arguments = Which

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def effect(self, arguments: Which, occasion: Occasion) -> Effect:
        """Say that it changes nothing."""
        del arguments, occasion
        return Effect(summary="list timers")

    async def run(self, arguments: Which, occasion: Occasion) -> Outcome:
        """Return them, the next due first."""
        found, language = _found(self._timers, arguments, occasion), occasion.language
        if not found:
            return Outcome(text=say("nothing", language))
        return Outcome(text="\n".join(self._line(timer, language) for timer in found))

    def _line(self, timer: Timer, language: str) -> str:
        name = say(timer.kind, language) + (f" “{timer.label}”" if timer.label else "")
        if timer.rang_at is not None:
            return f"{name}: {say('rings', language)}"
        if timer.local:
            return f"{name}: {local_time(timer, language)}"
        key = "left" if timer.paused_left is None else "paused"
        return f"{name}: {say(key, language, duration(self._timers.left(timer), language))}"


class CancelTimerTool:
    """Cancels timers, also those that ring."""

    name = "cancel_timer"
    description = "Cancel a timer, alarm or reminder by its label; `all` cancels every one."
    arguments = Which

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def effect(self, arguments: Which, occasion: Occasion) -> Effect:
        """Say that it can be put back."""
        del occasion
        return Effect(reach="note", summary=f"cancel {arguments.name or arguments.kind or 'the timer'}")

    async def run(self, arguments: Which, occasion: Occasion) -> Outcome:
        """Cancel the one that is meant; raises TIMER_NOT_FOUND, TIMER_AMBIGUOUS."""
        language = occasion.language
        every = arguments.name.strip().casefold() == "all"
        wanted = msgspec.structs.replace(arguments, name="") if every else arguments
        found = _found(self._timers, wanted, occasion)
        if not every or not found:
            found = [_the_one(found, language)]
        await self._timers.cancel(found)
        text = say("cancelled", language) if len(found) == 1 else say("cancelled_many", language, len(found))
        return Outcome(text=text, undo=Call("restore_timers", {"timers": msgspec.to_builtins(tuple(found))}))


class ChangeTimerTool:
    """Lets a timer last longer or shorter, stand still or go on."""

    name = "change_timer"
    description = "Add minutes to a timer, take some off, pause it or let it go on."
    arguments = ChangeTimer

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def effect(self, arguments: ChangeTimer, occasion: Occasion) -> Effect:
        """Say that it can be taken back."""
        del occasion
        return Effect(reach="note", summary=f"change {arguments.name or 'the timer'}")

    async def run(self, arguments: ChangeTimer, occasion: Occasion) -> Outcome:
        """Change the one that is meant; raises TIMER_NOT_FOUND, TIMER_AMBIGUOUS, TIMER_BAD."""
        language = occasion.language
        timer = _the_one(_found(self._timers, arguments, occasion), language)
        match arguments.step:
            case "lengthen":
                timer = await self._timers.lengthen(timer, arguments.minutes * 60)
                back: dict[str, Any] = {"step": "lengthen", "minutes": -arguments.minutes}
            case "pause":
                timer, back = await self._timers.pause(timer), {"step": "resume"}
            case "resume":
                timer, back = await self._timers.resume(timer), {"step": "pause"}
        left = duration(self._timers.left(timer), language)
        undo = Call("change_timer", {"name": timer.id, **back})
        return Outcome(text=say(arguments.step, language, left), undo=undo)


class RestoreTimersTool:
    """Puts cancelled timers back; no model is offered it."""

    name = "restore_timers"
    description = "Put cancelled timers back."
    arguments = Restore

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def effect(self, arguments: Restore, occasion: Occasion) -> Effect:
        """Say that it is kept here."""
        del arguments, occasion
        return Effect(reach="note", summary="put the timers back")

    async def run(self, arguments: Restore, occasion: Occasion) -> Outcome:
        """Put back those that the person may see."""
        for timer in arguments.timers:
            if timer.principal in {occasion.principal.id, HOUSEHOLD_ID}:
                await self._timers.restore(timer)
        return Outcome(text=say("restored", occasion.language))


def when(time: str, date: str, today: dt.date | None = None) -> dt.datetime | dt.time:
    """Return a time on the wall, of a date when there is one; raises TIMER_BAD."""
    hour, minute = time.split(":")
    at = dt.time(int(hour), int(minute))
    if not date:
        return at
    if date == "tomorrow":
        return dt.datetime.combine((today or dt.date.today()) + dt.timedelta(days=1), at)  # noqa: DTZ011 - the wall's
    try:
        return dt.datetime.combine(dt.date.fromisoformat(date), at)
    except ValueError:
        raise UsageError("TIMER_BAD", f"there is no {date}") from None


def _set(timer: Timer, text: str) -> Outcome:
    return Outcome(text=text, undo=Call("cancel_timer", {"name": timer.id}))


def _found(timers: Timers, wanted: Which, occasion: Occasion) -> list[Timer]:
    kind: Kind | None = wanted.kind or None
    found = timers.find(occasion.principal, wanted.name, kind)
    return [timer for timer in found if not wanted.seconds or round(timer.seconds) == round(wanted.seconds)]


def _the_one(found: list[Timer], language: str) -> Timer:
    """Return the only one; raises TIMER_NOT_FOUND, TIMER_AMBIGUOUS."""
    if not found:
        raise UsageError("TIMER_NOT_FOUND", "no such timer is set")
    if len(found) > 1:
        names = ", ".join(timer.label or duration(timer.seconds, language) for timer in found[:5])
        raise EdgeError("TIMER_AMBIGUOUS", say("which", language, names))
    return found[0]
