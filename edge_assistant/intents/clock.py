"""Alarms and reminders: what is said of the clock, and which tool it means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_assistant.tools.protocol import Call

_HOURS, _HALF_DAY = 24, 12

LISTS: dict[str, dict[str, Any]] = {
    "en": {
        "daypart": [
            ("(am|a.m|a.m.|in the morning)", "am"),
            ("(pm|p.m|p.m.|in the (afternoon|evening)|at night)", "pm"),
        ],
        "weekdays": [
            ("(every day|daily)", "1234567"),
            ("([on |every ]weekdays|every weekday)", "12345"),
            ("([on |at ]weekends|on the weekend)", "67"),
        ],
    },
    "de": {
        "daypart": [("(morgens|früh|in der Früh[e])", "am"), ("(nachmittags|abends|nachts)", "pm")],
        "weekdays": [
            ("(jeden Tag|täglich)", "1234567"),
            ("(werktags|an Werktagen|wochentags|unter der Woche)", "12345"),
            ("(am Wochenende|jedes Wochenende)", "67"),
        ],
    },
}
"""What may be said of the day, and what it means."""

_CLOCK = {
    "en": (
        "({clock_hour:hour}[[ ]:[ ]{clock_minute:minute}][ o'clock][[ ]{daypart}]"
        "|{clock_hour:hour} {clock_minute:minute}[[ ]{daypart}]"
        "|half past {clock_hour:half}[ {daypart}])"
    ),
    "de": (
        "({clock_hour:hour}[[ ]:[ ]{clock_minute:minute}][ Uhr][ {daypart}]"
        "|{clock_hour:hour} Uhr {clock_minute:minute}[ {daypart}]"
        "|halb {clock_hour:before}[ {daypart}])"
    ),
}


def _groups(*sentences: str) -> list[dict[str, Any]]:
    return [{"sentences": list(sentences)}]


TEMPLATES: dict[str, dict[str, list[dict[str, Any]]]] = {
    "en": {
        "EdgeAlarm": _groups(
            f"(set|start|create|make) [me ](an|the|my) alarm (for|at) [{{morrow}} at ]{_CLOCK['en']}"
            "[ {morrow}][ {weekdays}]",
            f"wake (me|us) [up ][{{morrow}} ]at {_CLOCK['en']}[ {{morrow}}][ {{weekdays}}]",
            f"alarm (for|at) {_CLOCK['en']}[ {{morrow}}][ {{weekdays}}]",
        ),
        "EdgeCancelAlarm": _groups(
            "(cancel|delete|remove) [the |my ]alarm", "(cancel|delete) all [the |my ]alarms"
        ),
        "EdgeShowAlarms": _groups(
            "(which|what) alarms (are set|do I have)", "(show|tell)[ me] [the |my ]alarms", "when is my alarm"
        ),
        "EdgeRemind": _groups(
            "remind me in {timer_minutes:minutes} minute[s] (to|about|of) {reminder}",
            "remind me in {timer_hours:hours} hour[s] (to|about|of) {reminder}",
            "remind me (to|about|of) {reminder} in {timer_minutes:minutes} minute[s]",
            "remind me (to|about|of) {reminder} in {timer_hours:hours} hour[s]",
            f"remind me [{{morrow}} ]at {_CLOCK['en']} (to|about|of) {{reminder}}",
            f"remind me (to|about|of) {{reminder}} [{{morrow}} ]at {_CLOCK['en']}[ {{morrow}}]",
        ),
    },
    "de": {
        "EdgeAlarm": _groups(
            f"(stell|stelle|setz|setze) (den|einen|meinen) Wecker [für {{morrow}} ](auf|um) {_CLOCK['de']}"
            "[ {weekdays}]",
            f"(weck|wecke) (mich|uns) [{{morrow}} ]um {_CLOCK['de']}[ {{weekdays}}]",
            f"(weck|wecke) (mich|uns) {{weekdays}} um {_CLOCK['de']}",
            f"Wecker (auf|um) {_CLOCK['de']}[ {{weekdays}}]",
        ),
        "EdgeCancelAlarm": _groups("(lösch|lösche) [den |meinen ]Wecker", "(lösch|lösche) alle Wecker"),
        "EdgeShowAlarms": _groups(
            "welche Wecker (sind gestellt|habe ich)",
            "(zeig|zeige)[ mir] [die |meine ]Wecker",
            "wann klingelt [der |mein ]Wecker",
        ),
        "EdgeRemind": _groups(
            "(erinner|erinnere) mich in {timer_minutes:minutes} Minute[n] (an|daran[,]) {reminder}",
            "(erinner|erinnere) mich in {timer_hours:hours} Stunde[n] (an|daran[,]) {reminder}",
            "(erinner|erinnere) mich an {reminder} in {timer_minutes:minutes} Minute[n]",
            f"(erinner|erinnere) mich [{{morrow}} ]um {_CLOCK['de']} (an|daran[,]) {{reminder}}",
            f"(erinner|erinnere) mich [{{morrow}} ]an {{reminder}} um {_CLOCK['de']}",
        ),
    },
}
"""By language and intent: sentences in hassil's form."""


def lists(language: str) -> dict[str, Any]:
    """Return the lists of these sentences."""
    said = {
        name: {"values": [{"in": text, "out": meant} for text, meant in values]}
        for name, values in LISTS[language].items()
    }
    return {
        **said,
        "morrow": {"values": [{"in": "tomorrow" if language == "en" else "morgen", "out": "tomorrow"}]},
        "clock_hour": {"range": {"from": 0, "to": _HOURS}},
        "clock_minute": {"range": {"from": 0, "to": 59}},
        "reminder": {"wildcard": True},
    }


def meant(intent: str, slots: Mapping[str, Any]) -> Call | None:
    """Return the call that a sentence means; None when it is none of these, or names no time there is."""
    if intent == "EdgeCancelAlarm":
        return Call("cancel_timer", {"kind": "alarm"})
    if intent == "EdgeShowAlarms":
        return Call("list_timers", {"kind": "alarm"})
    time, date = _time(slots), str(slots.get("morrow", ""))
    if intent == "EdgeAlarm" and time:
        return Call("set_alarm", {"time": time, "date": date, "days": str(slots.get("weekdays", ""))})
    if intent == "EdgeRemind":
        text = str(slots.get("reminder", ""))[:100]
        minutes = int(slots.get("minutes", 0)) + 60 * int(slots.get("hours", 0))
        if text and minutes:
            return Call("remind", {"text": text, "minutes": minutes})
        return Call("remind", {"text": text, "time": time, "date": date}) if text and time else None
    return None


def _time(slots: Mapping[str, Any]) -> str:
    """Return `HH:MM`; empty when the sentence names none."""
    hour, minute = slots.get("hour"), int(slots.get("minute", 0))
    if "half" in slots:  # half past six
        hour, minute = slots["half"], 30
    if "before" in slots:  # halb sieben
        hour, minute = int(slots["before"]) - 1, 30
    if hour is None:
        return ""
    hour, part = int(hour) % _HOURS, slots.get("daypart")
    if part == "pm" and hour < _HALF_DAY:
        hour += _HALF_DAY
    if part == "am" and hour == _HALF_DAY:
        hour = 0
    return f"{hour:02}:{minute:02}"
