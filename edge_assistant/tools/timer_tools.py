"""Timers, alarms and reminders as tools."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.people.person import HOUSEHOLD_ID
from edge_assistant.tools.protocol import Call, Effect, Occasion, Outcome
from edge_assistant.tools.timer import Kind, Timer
from edge_assistant.tools.timers import LONGEST_LABEL, Timers

Label = Annotated[str, msgspec.Meta(max_length=LONGEST_LABEL)]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01]?\d|2[0-3]):[0-5]\d\Z", description="such as 07:30")]
Date = Annotated[
    str, msgspec.Meta(pattern=r"^(\d{4}-\d\d-\d\d)?\Z", description="such as 2026-11-27; empty is the next")
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
        return _set(timer, f"Timer set for {spoken_duration(seconds)}.")


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
        at = when(arguments.time, arguments.date)
        timer = await self._timers.at(occasion.principal, at, arguments.label, days=arguments.days)
        return _set(timer, f"Alarm set for {spoken_time(timer)}.")


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
            at = when(arguments.time, arguments.date)
            timer = await self._timers.at(occasion.principal, at, arguments.text, kind="reminder")
            return _set(timer, f"I'll remind you on {spoken_time(timer)}.")
        seconds = arguments.minutes * 60
        timer = await self._timers.start(occasion.principal, seconds, arguments.text, kind="reminder")
        return _set(timer, f"I'll remind you in {spoken_duration(seconds)}.")


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
        kind: Kind | None = arguments.kind or None
        found = self._timers.find(occasion.principal, arguments.name, kind)
        if not found:
            return Outcome(text="Nothing is set.")
        return Outcome(text="\n".join(self._line(timer) for timer in found))

    def _line(self, timer: Timer) -> str:
        label = f" “{timer.label}”" if timer.label else ""
        if timer.rang_at is not None:
            return f"{timer.kind}{label}: rings now"
        if timer.local:
            return f"{timer.kind}{label}: {spoken_time(timer)}"
        state = " (paused)" if timer.paused_left is not None else ""
        return f"{timer.kind}{label}: {spoken_duration(self._timers.left(timer))} left{state}"


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
        every = arguments.name.strip().casefold() == "all"
        kind: Kind | None = arguments.kind or None
        found = self._timers.find(occasion.principal, "" if every else arguments.name, kind)
        if not found:
            raise UsageError("TIMER_NOT_FOUND", "no such timer is set")
        if len(found) > 1 and not every:
            names = ", ".join(timer.label or spoken_duration(timer.seconds) for timer in found[:5])
            raise EdgeError("TIMER_AMBIGUOUS", f"which one: {names}?")
        await self._timers.cancel(found)
        text = "Cancelled." if len(found) == 1 else f"Cancelled {len(found)}."
        return Outcome(text=text, undo=Call("restore_timers", {"timers": msgspec.to_builtins(tuple(found))}))


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
        return Outcome(text="It is set again.")


def when(time: str, date: str) -> dt.datetime | dt.time:
    """Return a time on the wall, of a date when there is one; raises TIMER_BAD."""
    hour, minute = time.split(":")
    at = dt.time(int(hour), int(minute))
    if not date:
        return at
    try:
        return dt.datetime.combine(dt.date.fromisoformat(date), at)
    except ValueError:
        raise UsageError("TIMER_BAD", f"there is no {date}") from None


def spoken_duration(seconds: float) -> str:
    """Return a duration as people say it: `1 hour 5 minutes`."""
    whole = max(0, round(seconds))
    parts = [(whole // 3600, "hour"), (whole % 3600 // 60, "minute"), (whole % 60, "second")]
    said = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n]
    return " ".join(said) or "0 seconds"


def spoken_time(timer: Timer) -> str:
    """Return the next time of one that is about a time on the wall: `Friday 07:30`, with its days."""
    local = dt.datetime.fromisoformat(timer.local)
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    every = ", ".join(names[int(day) - 1] for day in sorted(timer.days))
    return f"{local:%A %d %B %H:%M}" + (f", every {every}" if every else "")


def _set(timer: Timer, text: str) -> Outcome:
    return Outcome(text=text, undo=Call("cancel_timer", {"name": timer.id}))
