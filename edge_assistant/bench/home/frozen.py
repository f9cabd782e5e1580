"""The frozen sentences, and what has to happen on each."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple


class Command(NamedTuple):
    """What is said in a room, in one or several turns, and what has to happen: one of `expected`."""

    language: str
    room: str
    turns: tuple[str, ...]
    expected: tuple[frozenset[str], ...]


def commands(language: str) -> list[Command]:
    """Return the 150 commands of a language."""
    lines = _lines(f"commands_{language}.tsv")
    found = []
    for line in lines:
        room, text, expected = line.split("\t")
        turns = tuple(part.strip() for part in text.split(">>"))
        ways = tuple(frozenset(_steps(way)) for way in expected.split("|"))
        found.append(Command(language, "" if room == "-" else room, turns, ways))
    return found


def questions(language: str) -> list[str]:
    """Return the 50 ordinary questions of a language."""
    return _lines(f"questions_{language}.txt")


def _steps(way: str) -> list[str]:
    """Return a line for each entity: `do turn_on light.kitchen brightness=30`."""
    steps = []
    for step in way.split(" & "):
        kind, *rest = step.split()
        if kind in {"do", "confirm"}:
            service, entities, *data = rest
            steps += [" ".join((kind, service, entity, *data)) for entity in entities.split(",")]
        elif kind == "ask":
            steps += [f"ask {entity}" for entity in rest[0].split(",")]
        else:
            steps.append(step)
    return steps


def _lines(name: str) -> list[str]:
    text = (files(__package__) / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
