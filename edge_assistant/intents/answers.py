"""What is said about the house, in the language it was asked in. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from edge_assistant.home.entity import Entity, State
from edge_assistant.intents.plan import Ask
from edge_assistant.tools import timer_words

_STATES_DE = {
    "on": "an",
    "off": "aus",
    "open": "offen",
    "closed": "geschlossen",
    "opening": "geht auf",
    "closing": "geht zu",
    "locked": "abgeschlossen",
    "unlocked": "nicht abgeschlossen",
    "unknown": "unbekannt",
    "playing": "spielt",
    "paused": "angehalten",
    "heat": "heizt",
    "cool": "kühlt",
    "docked": "in der Station",
    "cleaning": "saugt",
    "returning": "fährt zurück",
    "idle": "wartet",
}
_OPEN_CLASSES = frozenset(("door", "garage_door", "window", "opening", "gate"))
_SHOWN = 4


def state_word(entity: Entity, state: State, language: str) -> str:
    """Return how an entity is, in a word or a figure with its unit."""
    german = language == "de"
    if not state.available:
        return "nicht erreichbar" if german else "not available"
    value = spoken_state(entity, state)
    if value == "unknown":
        return "unbekannt" if german else "unknown"
    if entity.unit:
        number = value.replace(".", ",") if german else value
        return f"{number} {entity.unit}"
    return _STATES_DE.get(value, value) if german else value


def spoken_state(entity: Entity, state: State) -> str:
    """Return a state as people ask for it: a window that is `on` is open."""
    if entity.domain == "binary_sensor" and entity.device_class in _OPEN_CLASSES:
        return {"on": "open", "off": "closed"}.get(state.value, state.value)
    if entity.domain == "vacuum" and state.value == "cleaning":
        return "on"
    return state.value


def answer(ask: Ask, states: Sequence[State], language: str) -> str:
    """Return the answer to a question about entities."""
    german = language == "de"
    pairs = list(zip(ask.entities, states, strict=True))
    if ask.what:
        return _measured(ask, *pairs[0], german=german)
    if not ask.state or ask.kind == "one":
        return " ".join(_sentence(entity, state, language) for entity, state in pairs[:_SHOWN])
    true = [entity for entity, state in pairs if spoken_state(entity, state) == ask.state]
    if ask.kind == "one_yesno":
        yes, no = ("Ja", "Nein") if german else ("Yes", "No")
        if states[0].value == "unknown" or not states[0].available:
            return _sentence(*pairs[0], language)
        return f"{yes if true else no}. {_sentence(*pairs[0], language)}"
    if ask.kind == "all":
        rest = [entity for entity, _ in pairs if entity not in true]
        return ("Ja." if german else "Yes.") if not rest else _not_all(rest, german=german)
    return _which(true, ask, language)


def _sentence(entity: Entity, state: State, language: str) -> str:
    verb = "ist" if language == "de" else "is"
    return f"{entity.name} {verb} {state_word(entity, state, language)}."


def _measured(ask: Ask, entity: Entity, state: State, *, german: bool) -> str:
    value = state.attributes.get("current_temperature") if entity.domain == "climate" else state.value
    if value in {None, "unknown"} or not state.available:
        return f"Das sagt {entity.name} gerade nicht." if german else f"{entity.name} doesn't tell now."
    text = f"{value:g}" if isinstance(value, (int, float)) else str(value)
    unit = entity.unit or ("°C" if ask.what == "temperature" else "%")
    where = entity.area or entity.name
    return f"{where}: {text.replace('.', ',') if german else text} {unit}."


def _not_all(rest: list[Entity], *, german: bool) -> str:
    names = ", ".join(each.name for each in rest[:_SHOWN])
    return f"Nein: {names} nicht." if german else f"No: not {names}."


def _which(true: list[Entity], ask: Ask, language: str) -> str:
    german = language == "de"
    names = ", ".join(each.name for each in true[:_SHOWN])
    more = len(true) - _SHOWN
    if not true and ask.kind == "any":
        return "Nein, nichts." if german else "No, none."
    if not true:
        return "Keins." if german else "None."
    if more > 0:
        names += f" und {more} weitere" if german else f" and {more} more"
    if ask.kind == "any":
        return f"Ja: {names}." if german else f"Yes: {names}."
    if ask.kind == "how_many":
        return f"{len(true)}: {names}."
    return f"{names}."


def which(entities: Sequence[Entity], language: str) -> str:
    """Return the question which of several of one name is meant."""
    where = [each.area or each.id for each in entities[:_SHOWN]]
    joined = (" oder " if language == "de" else " or ").join(where)
    return f"Welches: {joined}?" if language == "de" else f"Which one: {joined}?"


def spoken_time(now: dt.datetime, language: str) -> str:
    """Return the time of day."""
    return f"Es ist {now:%H:%M} Uhr." if language == "de" else f"It is {now:%H:%M}."


def spoken_date(now: dt.datetime, language: str) -> str:
    """Return the date."""
    day = timer_words.date(now, language)
    return f"Heute ist {day} {now.year}." if language == "de" else f"Today is {day} {now.year}."
