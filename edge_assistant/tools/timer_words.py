"""What rings, in words."""

from __future__ import annotations

from edge_assistant.tools.timer import Kind, Ringing

_KINDS: dict[str, dict[Kind, str]] = {
    "en": {"timer": "Your timer is done", "alarm": "It is time", "reminder": "A reminder"},
    "de": {"timer": "Der Timer ist abgelaufen", "alarm": "Es ist Zeit", "reminder": "Eine Erinnerung"},
}
_MISSED = {"en": "While I was away, {ago} ago: ", "de": "Während ich weg war, vor {ago}: "}
_UNITS = {
    "en": (("day", "days"), ("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
    "de": (("Tag", "Tagen"), ("Stunde", "Stunden"), ("Minute", "Minuten"), ("Sekunde", "Sekunden")),
}
_SECONDS = (86_400, 3_600, 60, 1)


def announcement(ringing: Ringing, language: str) -> str:
    """Return the sentence that tells what rings, or that it was missed and when."""
    known = language.split("-", maxsplit=1)[0]
    known = known if known in _KINDS else "en"
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
