"""Understands sentences with hassil and the templates of home-assistant-intents. Pure; in the worker only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hassil import Intents, recognize_best
from hassil.intents import TextSlotList
from home_assistant_intents import get_intents

from edge_assistant.intents import clock
from edge_assistant.intents.sentences import OWN_TEMPLATES, PARTS, PRONOUNS, SKIPPED, WIDENED
from edge_assistant.intents.wire import LONGEST_TEXT, Match, Vocabulary

MOST_PARTS = 4
"""Commands of one sentence."""

_IGNORED = frozenset((
    "HassBroadcast", "HassGetWeather", "HassNevermind", "HassRespond", "HassMediaSearchAndPlay",
    "HassVacuumCleanArea",
))  # fmt: skip
"""Templates that nothing here answers, or whose free text would swallow ordinary questions."""


class Parser:
    """Sentences of some languages, and what can be named in this house."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        self._data = {language: _templates(language) for language in languages}
        self._intents = {language: Intents.from_dict(data) for language, data in self._data.items()}
        self._own: dict[str, Intents] = {}
        self._lists: dict[str, Any] = {}
        self._names: list[str] = []
        self._name = re.compile(r"(?!)")
        self.learn(Vocabulary())

    def learn(self, vocabulary: Vocabulary) -> None:
        """Take the names of this house."""
        names = [(each.name, each.name, {"domain": each.domain}) for each in vocabulary.names]
        self._lists = {
            "name": TextSlotList.from_tuples(names, name="name"),
            "area": TextSlotList.from_tuples([(area, area) for area in vocabulary.areas], name="area"),
            "floor": TextSlotList.from_tuples([], name="floor"),
        }
        self._names = sorted({each.name for each in vocabulary.names}, key=len, reverse=True)
        any_name = "|".join(map(re.escape, self._names)) or "(?!)"
        self._name = re.compile(rf"(?<!\w)(?:{any_name})(?!\w)", re.IGNORECASE)
        self._pair = re.compile(
            rf"({any_name})((?:, | and | und )(?:the |my |die |der |das |den )?({any_name}))(?!\w)",
            re.IGNORECASE,
        )
        self._lists["product"] = TextSlotList.from_tuples(_products(vocabulary), name="product")
        own = {f"Own{each.number}": {"data": [{"sentences": list(each.say)}]} for each in vocabulary.own}
        self._own = {"": Intents.from_dict({"language": "en", "intents": own})} if own else {}

    def warm(self, language: str) -> None:
        """Have the templates of a language read: hassil does so when it first looks for one that fits."""
        self._best("x", self._intents[language], language, "")

    def parse(
        self, text: str, languages: tuple[str, ...], room: str = "", last: str = ""
    ) -> tuple[Match, ...]:
        """Return the commands of a sentence; none when it isn't wholly understood."""
        text = " ".join(text.split()).rstrip(".!?")
        if not text or len(text) > LONGEST_TEXT:
            return ()
        for intents in self._own.values():
            if (found := self._best(text, intents, "", room)) is not None:
                return (found,)
        for language in languages:
            if language in self._intents and (matches := self._parse(text, language, room, last)):
                return matches
        return ()

    def _parse(self, text: str, language: str, room: str, last: str) -> tuple[Match, ...]:
        plain = _without(text, SKIPPED[language])
        for said in dict.fromkeys((text, plain)):
            if (match := self._one(said, language, room, last)) is not None:
                return (match,)
        if pair := self._pair.search(plain):
            one = plain[: pair.start(2)] + plain[pair.end(2) :]
            other = plain[: pair.start(1)] + pair[3] + plain[pair.end(2) :]
            if (first := self._parse(one, language, room, last)) and (
                second := self._parse(other, language, room, last)
            ):
                return (*first, *second)
        return self._several(plain, language, room, last)

    def _several(self, text: str, language: str, room: str, last: str) -> tuple[Match, ...]:
        parts = [part for part in re.split(PARTS[language], text) if part]
        if not 1 < len(parts) <= MOST_PARTS:
            return ()
        found: list[Match] = []
        for part in parts:
            named = next((match.slots["name"] for match in reversed(found) if "name" in match.slots), last)
            match = self._one(_without(part, SKIPPED[language]), language, room, str(named))
            if match is None:
                return ()
            found.append(match)
        return tuple(found)

    def _one(self, text: str, language: str, room: str, last: str) -> Match | None:
        for said in self._wordings(text, language, last):
            if (match := self._best(said, self._intents[language], language, room)) is not None:
                return match
        return None

    def _wordings(self, text: str, language: str, last: str) -> Iterator[str]:
        """Yield a sentence, and with what `it` means in its place."""
        yield text
        if last and not self._name.search(text) and (pronoun := PRONOUNS[language].search(text)):
            yield f"{text[: pronoun.start()]}{last}{text[pronoun.end() :]}"

    def _best(self, text: str, intents: Intents, language: str, room: str) -> Match | None:
        context = {"area": room} if room else None
        result = recognize_best(
            text, intents, slot_lists=self._lists, intent_context=context, best_slot_name="name"
        )
        if result is None or result.intent.name in _IGNORED:
            return None
        found = {name: entity.value for name, entity in result.entities.items() if entity.value is not None}
        return Match(
            intent=result.intent.name,
            language=language,
            slots={name: _plain(value) for name, value in found.items()},
            domain=str(result.context.get("domain", "")),
            response=result.response or "",
        )  # fmt: skip


_MAKER = re.compile(r"(.+?)[ -]?(?:machine|maker|maschine|automat)", re.IGNORECASE)


def _products(vocabulary: Vocabulary) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what the machines of a house make, as what is said and which machine: coffee, coffee machine."""
    made = (
        (found[1], each)
        for each in vocabulary.names
        if each.domain in {"switch", "button"} and (found := _MAKER.fullmatch(each.name))
    )
    return [(product, each.name, {"domain": each.domain}) for product, each in made]


def _templates(language: str) -> dict[str, Any]:
    """Return the templates of a language, those that are ignored left out and ours added."""
    data = get_intents(language)
    if data is None:
        raise ValueError(language)
    kept = {name: intent for name, intent in data["intents"].items() if name not in _IGNORED}
    for name, sentences in (OWN_TEMPLATES[language] | clock.TEMPLATES[language]).items():
        kept.setdefault(name, {"data": []})["data"] += sentences
    for name, more in WIDENED[language].items():
        data["expansion_rules"][name] = f"({data['expansion_rules'][name]}|{more})"
    lists = {**data["lists"], **clock.lists(language), "alias": {"wildcard": True}}
    return {**data, "intents": kept, "lists": lists}


def _without(text: str, skipped: re.Pattern[str]) -> str:
    """Return a sentence without words that say nothing."""
    return " ".join(skipped.sub(" ", text).split()).strip(" ,")


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str, bool)) else str(value)
