"""Short phrases that steer a conversation: recognised without a model."""

from __future__ import annotations

import re

_STOP = {
    "en": "stop, stop it, stop talking, please stop, stop please, be quiet, quiet, shut up, silence, enough, "
    "that's enough, cancel, cancel that, never mind, nevermind, forget it, no stop, okay stop, hush",
    "de": "stopp, stop, halt, hör auf, sei still, ruhe, genug, abbrechen, vergiss es, schon gut, egal",
    "fr": "stop, arrête, arrête-toi, tais-toi, silence, ça suffit, laisse tomber, annule",
    "es": "para, basta, cállate, silencio, alto, déjalo, olvídalo, cancela",
    "it": "basta, fermati, stop, zitto, silenzio, lascia perdere, annulla",
    "nl": "stop, hou op, stil, genoeg, laat maar, annuleer",
}

_BACKCHANNEL = {
    "en": "uh-huh, uh huh, mhm, mm-hmm, mm hmm, hmm, hm, yeah, yes, yep, ok, okay, right, sure, i see, "
    "got it, cool, great, nice, wow, aha, oh, really",
    "de": "mhm, hm, ja, okay, ok, genau, aha, ach so, gut, super, klar",
    "fr": "mhm, oui, d'accord, ok, ah bon, bien",
    "es": "mhm, sí, vale, claro, ok, bien",
}

_MARKS = re.compile(r"[^\w' -]+")
_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """Return `text` in small letters without punctuation, words parted by one space."""
    return _SPACES.sub(" ", _MARKS.sub(" ", text.replace("’", "'"))).strip(" -'").lower()


def is_stop(text: str, language: str = "en") -> bool:
    """Return whether the whole utterance asks for silence, or takes back what was asked."""
    return _is_one_of(text, _STOP, language)


def is_backchannel(text: str, language: str = "en") -> bool:
    """Return whether the listener only shows that they listen ("mhm", "right"), once or twice."""
    words = plain(text)
    first, _, rest = words.partition(" ")
    return all(_is_one_of(part, _BACKCHANNEL, language) for part in (first, rest)) or _is_one_of(
        words, _BACKCHANNEL, language
    )


def asks_something(answer: str) -> bool:
    """Return whether an answer ends with a question, whatever marks or emoji follow it."""
    last = next((each for each in reversed(answer) if each.isalnum() or each in "?？.!"), "")
    return last in {"?", "？"}


def _is_one_of(text: str, table: dict[str, str], language: str) -> bool:
    phrases = table.get(language.split("-", maxsplit=1)[0], "").split(", ")
    return plain(text) in phrases
