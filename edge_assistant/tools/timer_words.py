"""What rings and what is set, in words of English and German."""

from __future__ import annotations

import datetime as dt

from edge_assistant.tools.timer import Kind, Ringing, Timer

_KINDS: dict[str, dict[Kind, str]] = {
    "en": {"timer": "Your timer is done", "alarm": "It is time", "reminder": "A reminder"},
    "de": {"timer": "Der Timer ist abgelaufen", "alarm": "Es ist Zeit", "reminder": "Eine Erinnerung"},
}
_MISSED = {"en": "While I was away, {ago} ago: ", "de": "Während ich weg war, vor {ago}: "}
_UNITS = {
    "en": (("day", "days"), ("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
    "de": (("Tag", "Tagen"), ("Stunde", "Stunden"), ("Minute", "Minuten"), ("Sekunde", "Sekunden")),
}
DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
}
MONTHS = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ),
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
        "November", "Dezember",
    ),
}  # fmt: skip
_EVERY = {"en": "every", "de": "jeden"}
_LENGTHS = {
    "en": (("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
    "de": (("Stunde", "Stunden"), ("Minute", "Minuten"), ("Sekunde", "Sekunden")),
}
_SAID = {
    "en": {
        "timer": "timer", "alarm": "alarm", "reminder": "reminder",
        "set": "Timer set for {}.", "alarm_set": "Alarm set for {}.",
        "remind_in": "I'll remind you in {}.", "remind_on": "I'll remind you on {}.",
        "nothing": "Nothing is set.", "rings": "rings now", "left": "{} left", "paused": "{} left (paused)",
        "cancelled": "Cancelled.", "cancelled_many": "Cancelled {}.", "restored": "It is set again.",
        "lengthen": "Now {} are left.", "pause": "Paused, {} left.", "resume": "Going on, {} left.",
        "which": "which one: {}?",
    },
    "de": {
        "timer": "Timer", "alarm": "Wecker", "reminder": "Erinnerung",
        "set": "Timer auf {} gestellt.", "alarm_set": "Wecker gestellt: {}.",
        "remind_in": "Ich erinnere daran in {}.", "remind_on": "Ich erinnere daran am {}.",
        "nothing": "Es ist nichts gestellt.", "rings": "klingelt",
        "left": "noch {}", "paused": "noch {} (angehalten)",
        "cancelled": "Abgebrochen.", "cancelled_many": "{} abgebrochen.",
        "restored": "Es ist wieder gestellt.",
        "lengthen": "Jetzt noch {}.", "pause": "Angehalten, noch {}.", "resume": "Läuft weiter, noch {}.",
        "which": "welchen: {}?",
    },
}  # fmt: skip
_SECONDS = (86_400, 3_600, 60, 1)


def announcement(ringing: Ringing, language: str) -> str:
    """Return the sentence that tells what rings, or that it was missed and when."""
    known = spoken(language)
    text = _KINDS[known][ringing.timer.kind]
    if ringing.timer.label:
        text = f"{text}: {ringing.timer.label}"
    if ringing.missed:
        text = _MISSED[known].format(ago=_rough(ringing.late_seconds, known)) + text
    return f"{text}."


def _rough(seconds: float, language: str) -> str:
    """Return a duration in its largest unit."""
    for size, (one, many) in zip(_SECONDS, _UNITS[language], strict=True):
        count = int(seconds // size)
        if count:
            return f"{count} {one if count == 1 else many}"
    return f"1 {_UNITS[language][-1][0]}"


def spoken(language: str) -> str:
    """Return the language of these words that comes nearest: `de` for `de-AT`, else English."""
    known = language.split("-", maxsplit=1)[0]
    return known if known in _SAID else "en"


def say(key: str, language: str, *values: object) -> str:
    """Return one of the sentences about what is set."""
    return _SAID[spoken(language)][key].format(*values)


def duration(seconds: float, language: str = "en") -> str:
    """Return a duration as people say it: `1 hour 5 minutes`."""
    whole, names = max(0, round(seconds)), _LENGTHS[spoken(language)]
    counts = (whole // 3600, whole % 3600 // 60, whole % 60)
    said = [f"{n} {one if n == 1 else many}" for n, (one, many) in zip(counts, names, strict=True) if n]
    return " ".join(said) or f"0 {names[-1][1]}"


def date(at: dt.date, language: str) -> str:
    """Return a day: `Friday 27 November`, `Freitag, 27. November`."""
    known = spoken(language)
    day, month = DAYS[known][at.weekday()], MONTHS[known][at.month - 1]
    return f"{day}, {at.day}. {month}" if known == "de" else f"{day} {at.day} {month}"


def local_time(timer: Timer, language: str = "en") -> str:
    """Return the next time of one that is about a time on the wall, with its days."""
    known, local = spoken(language), dt.datetime.fromisoformat(timer.local)
    short = 2 if known == "de" else 3
    every = ", ".join(DAYS[known][int(day) - 1][:short] for day in sorted(timer.days))
    return f"{date(local, known)} {local:%H:%M}" + (f", {_EVERY[known]} {every}" if every else "")
