"""What a person means who answers the question whether something may be done. Pure."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[^\W_]+")

_YES_EN = (
    "yes",
    "yes please",
    "yeah",
    "yep",
    "sure",
    "ok",
    "okay",
    "do it",
    "go ahead",
    "please do",
    "confirm",
)
_YES_DE = ("ja", "ja bitte", "jawohl", "klar", "mach das", "mach es", "gerne", "natürlich")
_NO_EN = ("no", "no thanks", "no thank you", "nope", "don t", "do not", "cancel", "stop", "never mind")
_NO_DE = ("nein", "nein danke", "nicht", "lass es", "lass das", "abbrechen", "stopp")
_YES, _NO = frozenset((*_YES_EN, *_YES_DE)), frozenset((*_NO_EN, *_NO_DE))

_NUMBERS = (
    ("zero", "oh", "null"), ("one", "eins"), ("two", "zwei", "zwo"), ("three", "drei"), ("four", "vier"),
    ("five", "fünf"), ("six", "sechs"), ("seven", "sieben"), ("eight", "acht"), ("nine", "neun"),
)  # fmt: skip
_DIGITS = {word: str(digit) for digit, words in enumerate(_NUMBERS) for word in words}

LONGEST_CHARACTERS = 60
"""Whoever says more than that says something else."""


def consent(text: str) -> bool | None:
    """Return whether `text` is nothing but a yes or a no; None when it is anything else.

    Words that are not known are no yes: `yes but first turn on the light` asks for something else.
    """
    said = _said(text)
    return True if said in _YES else False if said in _NO else None


_UNDO = {
    "en": frozenset(("undo", "undo that", "undo it", "take that back", "take it back")),
    "de": frozenset(("rückgängig", "mach das rückgängig", "nimm das zurück")),
}


def wants_undo(text: str) -> str:
    """Return the language of a text that is nothing but the wish to take the last action back; else empty."""
    said = _said(text)
    return next((language for language, wishes in _UNDO.items() if said in wishes), "")


def spoken_pin(text: str) -> str:
    """Return the digits of a text that is nothing else, in figures or words; empty when it is more."""
    words = _said(text).removeprefix("the pin is ").removeprefix("die pin ist ").removeprefix("it s ").split()
    digits = [word if word.isascii() and word.isdigit() else _DIGITS.get(word, "?") for word in words]
    joined = "".join(digits)
    return joined if joined.isdigit() else ""


def _said(text: str) -> str:
    return (
        " ".join(_WORDS.findall(text[: LONGEST_CHARACTERS + 1].casefold()))
        if len(text) <= LONGEST_CHARACTERS
        else ""
    )
