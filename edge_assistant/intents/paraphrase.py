"""Maps a sentence that fits no template to one that means the same, by vectors.

Only what names a thing or a room of this house is looked at, and only a near neighbour counts. What it
leads to is judged like everything else: risky effects are asked about.
"""

from __future__ import annotations

import logging
import operator
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from edge_assistant.errors import EdgeError
from edge_assistant.home.registry import Registry
from edge_assistant.intents.wire import Match
from edge_assistant.memory.embedding import Embedder, unpack_vector

logger = logging.getLogger(__name__)

THRESHOLD = 0.82
"""Cosine from which a sentence counts as meaning the same. Of the 300 frozen commands this rung alone gets
45 right and 10 wrong at 0.78, 38 and 4 at 0.82, 30 and 4 at 0.85; none of the 100 questions from 0.60 on."""

MOST_WORDS = 12
"""Longer sentences tell something; they order nothing."""


_ALIKE = re.compile(
    r"don['’]?t need|do not need|should(n['’]?t| not) be on|no more|nicht mehr|kein\w*(?= \w+ mehr\b)",
    re.IGNORECASE,
)
"""Negations that our own examples have."""

_OTHERWISE = {
    "en": re.compile(
        r"^(is|are|was|were|am|do|does|did|has|have|should|shall|may|must|why|who|whose|what|which|how|where)\b"
        r"|n['’]t\b|\b(not|never|no|neither|without|except|but|if|when|whenever|unless|until|till|before|after"
        r"|while|tomorrow|tonight|later|soon|forget|remember|remind|and|or|then|half\w*|percent)\b|\d|%",
        re.IGNORECASE,
    ),
    "de": re.compile(
        r"^(ist|sind|war|waren|hat|hast|habe|haben|soll|sollen|sollte|darf|muss|warum|wieso|weshalb|wer|was"
        r"|welche\w*|wie|wo|wann)\b|\b(nicht|nie|niemals|kein\w*|ohne|außer|aber|wenn|falls|sobald|solange|bis"
        r"|bevor|nachdem|während|morgen|später|nachher|bald|heute|vergiss|erinnere|und|oder|dann|halb\w*"
        r"|prozent)\b|\d|%",
        re.IGNORECASE,
    ),
}
"""Words that make of a command another one, its opposite or none. Vectors don't see them: “don't turn it on”
is as near to “turn it off” as sentences get. What has one of them is not guessed at."""


class Example(NamedTuple):
    """A sentence with `{}` for what is named, of one kind of thing, and what it means."""

    language: str
    text: str
    domain: str
    intent: str
    by_area: bool = False


_NOUNS = {
    "en": {
        "light": "light",
        "switch": "device",
        "cover": "blinds",
        "fan": "fan",
        "vacuum": "vacuum cleaner",
        "media_player": "music",
        "lock": "door",
        "climate": "heating",
        "scene": "scene",
    },
    "de": {
        "light": "Licht",
        "switch": "Gerät",
        "cover": "Rollo",
        "fan": "Lüfter",
        "vacuum": "Staubsauger",
        "media_player": "Musik",
        "lock": "Tür",
        "climate": "Heizung",
        "scene": "Szene",
    },
}
_ROOM = {"en": "room", "de": "Zimmer"}

_ON: dict[str, tuple[str, ...]] = {
    "en": ("turn on the {}", "get the {} going", "I want the {} running", "let the {} run"),
    "de": ("schalte {} ein", "bring {} zum Laufen", "ich will dass {} läuft"),
}
_OFF: dict[str, tuple[str, ...]] = {
    "en": ("turn off the {}", "I don't need the {} anymore", "the {} should not be on", "get rid of the {}"),
    "de": ("schalte {} aus", "ich brauche {} nicht mehr", "{} soll nicht mehr laufen"),
}
_UP: dict[str, tuple[str, ...]] = {
    "en": ("open the {}", "let the sun in through the {}"),
    "de": ("öffne {}", "lass Sonne durch {} herein"),
}
_DOWN: dict[str, tuple[str, ...]] = {
    "en": ("close the {}", "block the sun with the {}"),
    "de": ("schließe {}", "halte die Sonne mit {} ab"),
}
_LIGHT: dict[str, tuple[str, ...]] = {
    "en": ("it is dark in the {}", "I need light in the {}", "make the {} bright"),
    "de": ("im {} ist es dunkel", "ich brauche Licht im {}", "mach das {} hell"),
}
_DARK: dict[str, tuple[str, ...]] = {
    "en": ("turn off the lights in the {}", "make the {} dark", "no more light in the {}"),
    "de": ("mach das Licht im {} aus", "mach das {} dunkel", "kein Licht mehr im {}"),
}
_AIR: dict[str, tuple[str, ...]] = {
    "en": ("get some air moving in the {}", "it is stuffy in the {}", "I need a breeze in the {}"),
    "de": ("bring Luft ins {}", "im {} ist es stickig", "ich brauche Wind im {}"),
}
_NOTHING: dict[str, tuple[str, ...]] = {
    "en": (
        "tell me about the {}",
        "how does the {} work",
        "I like the {}",
        "who made the {}",
        "what does the {} cost",
        "the {} is broken",
        "should I buy a {}",
        "write a poem about the {}",
        "my {} is blue",
        "describe the {}",
    ),
    "de": (
        "erzähl mir vom {}",
        "wie funktioniert {}",
        "ich mag {}",
        "wer hat {} gemacht",
        "was kostet {}",
        "{} ist kaputt",
        "soll ich {} kaufen",
        "schreib ein Gedicht über {}",
        "mein {} ist blau",
        "beschreibe {}",
    ),
}
"""What names a thing and orders nothing: the nearest neighbour of talk."""


def examples() -> list[Example]:
    """Return all of them, the names in place."""
    found = []
    switched = ("light", "switch", "fan", "media_player")
    for language in ("en", "de"):
        nouns, room = _NOUNS[language], _ROOM[language]
        for domain, noun in nouns.items():
            groups: list[tuple[dict[str, tuple[str, ...]], str]] = [(_NOTHING, "")]
            groups += [(_ON, "HassTurnOn"), (_OFF, "HassTurnOff")] if domain in switched else []
            groups += [(_UP, "HassTurnOn"), (_DOWN, "HassTurnOff")] if domain == "cover" else []
            found += [
                Example(language, text.format(noun), domain, intent)
                for texts, intent in groups
                for text in texts[language]
            ]
        for texts, domain, intent in (
            (_LIGHT, "light", "HassTurnOn"),
            (_DARK, "light", "HassTurnOff"),
            (_AIR, "fan", "HassTurnOn"),
            (_NOTHING, "", ""),
        ):
            found += [
                Example(language, text.format(room), domain, intent, by_area=True) for text in texts[language]
            ]
    return found


class Paraphrases:
    """Finds what a sentence means when it is near enough to something known."""

    def __init__(self, embedder: Embedder, registry: Registry, threshold: float = THRESHOLD) -> None:
        self._embedder = embedder
        self._registry = registry
        self._threshold = threshold
        self._known: list[tuple[Example, list[float]]] = []

    async def prepare(self) -> None:
        """Embed the examples; once, in the background."""
        wanted = examples()
        embedded = await self._embedder.embed([each.text for each in wanted], background=True)
        self._known = list(zip(wanted, map(unpack_vector, embedded.vectors), strict=True))

    async def match(self, text: str, languages: Sequence[str]) -> Match | None:
        """Return the command that a sentence comes near to; None when it doesn't, or can't be told."""
        if not self._known or len(text.split()) > MOST_WORDS:
            return None
        for language in languages:
            if (masked := self._masked(text, language)) is not None:
                plain, named = masked
                if _OTHERWISE[language].search(_ALIKE.sub("", plain).strip()):
                    return None
                return await self._nearest(plain, language, named)
        return None

    def _masked(self, text: str, language: str) -> tuple[str, dict[str, Any]] | None:
        """Return a sentence with the kind of thing in place of its name; None when nothing is named."""
        names = (
            (name, each.domain)
            for each in self._registry.entities
            if not each.diagnostic
            for name in each.names
        )
        said = text.casefold()  # so that a pattern is made of few names only
        near = {(name, domain) for name, domain in names if name.casefold() in said}
        for name, domain in sorted(near, key=lambda pair: -len(pair[0])):
            noun = _NOUNS.get(language, {}).get(domain)
            if noun and (place := _place(name, text)):
                plain = f"{text[: place.start()]}{noun}{text[place.end() :]}"
                return plain, {"name": name, "domain": domain}
        for area in self._registry.areas():
            if place := _place(area, text):
                return f"{text[: place.start()]}{_ROOM.get(language, '')}{text[place.end() :]}", {
                    "area": area
                }
        return None

    async def _nearest(self, text: str, language: str, named: dict[str, Any]) -> Match | None:
        try:
            vector = unpack_vector(await self._embedder.embed_query(text))
        except EdgeError as error:
            logger.info("no paraphrase is looked for: %s", error.code)
            return None
        by_area, domain = "area" in named, named.get("domain", "")
        fitting = [
            (sum(map(operator.mul, vector, known)), example)
            for example, known in self._known
            if example.language == language
            and example.by_area == by_area
            and (by_area or example.domain == domain)
        ]
        score, best = max(fitting, key=lambda pair: pair[0], default=(0.0, None))
        if best is None or not best.intent or score < self._threshold:
            return None
        slots = {"area": named["area"], "domain": best.domain} if by_area else {"name": named["name"]}
        return Match(intent=best.intent, language=language, slots=slots, domain=best.domain)


def _place(name: str, text: str) -> re.Match[str] | None:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
