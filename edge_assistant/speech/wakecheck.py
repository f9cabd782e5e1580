"""The second look at a wake word: whether the first transcript agrees that it was said.

A wake detector is small and takes "okay bamboo" for "okay nabu". The recogniser has heard the same
sound and writes down words, though not ours: "Okay, now, Boo". So both are compared by how they
sound, letter by letter of a rough English spelling of sounds, where related sounds cost half. An engine
that knows how likely words are (Whisper) has its own look when this one fails, see engines/whisper.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

ALLOWED = 1.0
"""Cost up to which it was the wake word. Piper's "okay nabu" costs 0 to 1, "okay bamboo" 1.5 and more."""

_NEVER = 99.0
_MOST_WORDS = 3
"""A recogniser cuts one unknown word into so many at most."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_OKAY = frozenset({"ok", "okay", "kay"})
_SPELLINGS = (
    "ph>f ck>k qu>kw gh> wh>w th>t ch>S sh>S oo>u ou>u ew>u ow>a aw>a au>a ue>u oe>u ee>i ea>i ai>e ay>e "
    "kn>n c>k y>i z>s"
)
_SOUNDS = tuple(re.findall(r"(\w+)>(\w*)", _SPELLINGS))
_MUTE_E = re.compile(r"(?<=.[^aeiou])e$")
_TWICE = re.compile(r"(.)\1")
_RELATED = frozenset(a + b for group in ("bmvpw", "nl", "aeo", "uo") for a in group for b in group)
_LIGHT = frozenset("aeiohvmw")
"""Sounds that a recogniser adds lightly."""


_MISHEARD = {
    "okay nabu": re.compile(
        r"\s*(?:ok(?:ay)?[,.]?\s+now[,.]?\s+(?:i'll(?:\s+(?:be|do|move))?|we(?:'ll|'ve|'re)?|move)|ok[ae]?nabu)\b",
        re.IGNORECASE,
    ),
}
"""What small recognisers write instead, because they make a sentence: Whisper tiny every eighth time when a
command follows in the same breath ("Okay, now we'll play some music"). The detector has heard the word."""


class Wake(msgspec.Struct, frozen=True):
    """What a transcript that should begin with the wake word says."""

    confirmed: bool
    rest: str
    """What was said after it; all of the text when it was not confirmed."""


class WakeCheck:
    """Checks transcripts against one wake phrase, such as "okay nabu"."""

    def __init__(self, phrase: str, *, strict: bool = False) -> None:
        """Check for `phrase`; `strict` takes nothing that is a sentence of its own for it."""
        words = [word.lower() for word in _WORD.findall(phrase.replace("_", " "))]
        self.phrase = " ".join(words)
        """The wake phrase in plain words."""
        self._misheard = None if strict else _MISHEARD.get(self.phrase)
        self._greeting = words[0] if len(words) > 1 else ""
        """A first word that everybody knows ("okay", "hey"): it must be there as itself."""
        self._name = "".join(map(_sound, words[1:] or words))
        self._words = max(len(words) - 1, 1)

    def __call__(self, transcript: str) -> Wake:
        """Look for the wake phrase at the beginning of `transcript`."""
        words = list(_WORD.finditer(transcript))
        costs, end = min(self._candidates(words), default=(_NEVER, 0))
        if costs > ALLOWED:
            misheard = self._misheard and self._misheard.match(transcript)
            if not misheard:
                return Wake(confirmed=False, rest=transcript)
            end = misheard.end()
        return Wake(confirmed=True, rest=transcript[end:].lstrip(" ,.!?;:-–—…"))

    def _candidates(self, words: list[re.Match[str]]) -> Iterator[tuple[float, int]]:
        """Yield cost and end of each stretch of words that may be the phrase; one word may precede it."""
        for first in range(min(2, len(words))):
            begin = first + 1 if self._greeting else first
            if self._greeting and not _same(words[first][0].lower(), self._greeting):
                continue
            for end in range(begin + 1, min(begin + self._words + _MOST_WORDS, len(words) + 1)):
                heard = "".join(_sound(word[0].lower()) for word in words[begin:end])
                yield cost(heard, self._name), words[end - 1].end()


def cost(heard: str, meant: str) -> float:
    """Return what it costs to turn one spelling of sounds into another (Levenshtein with halves)."""
    row = [_sum_missing(meant[:length]) for length in range(len(meant) + 1)]
    for sound in heard:
        previous, row = row, [row[0] + _added(sound)]
        for index, wanted in enumerate(meant):
            changed = previous[index] + _changed(sound, wanted)
            row.append(min(changed, previous[index + 1] + _added(sound), row[index] + _missing(wanted)))
    return row[-1]


def _sound(word: str) -> str:
    for spelling, sound in _SOUNDS:
        word = word.replace(spelling, sound)
    return _TWICE.sub(r"\1", _MUTE_E.sub("", word))


def _same(word: str, greeting: str) -> bool:
    return word == greeting or (word in _OKAY and greeting in _OKAY) or _sound(word) == _sound(greeting)


def _changed(heard: str, meant: str) -> float:
    if heard == meant:
        return 0.0
    return 0.5 if heard + meant in _RELATED else 1.0


def _added(sound: str) -> float:
    return 0.5 if sound in _LIGHT else 1.0


def _missing(sound: str) -> float:
    return 0.5 if sound == "a" else 1.0


def _sum_missing(sounds: str) -> float:
    return sum(map(_missing, sounds))
