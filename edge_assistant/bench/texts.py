"""What is asked in measurements: texts of a known length that no two conversations share by chance."""

from __future__ import annotations

import random

STORY = "Write a long story about a lighthouse keeper, her dog and the sea, with many details."

QUESTIONS = ("Which birds live by the sea?", "What do people eat in winter?")
"""Short, and about as long as each other."""

_WORDS = [
    "the",
    "keeper",
    "of",
    "the",
    "light",
    "wrote",
    "down",
    "the",
    "wind",
    "and",
    "the",
    "weather",
    "each",
    "night",
    "while",
    "her",
    "old",
    "dog",
    "slept",
    "beside",
    "the",
    "warm",
    "stove",
    "and",
    "small",
    "boats",
    "came",
    "home",
    "over",
    "grey",
    "water",
    "with",
    "fish",
    "for",
    "the",
    "market",
    "in",
    "town",
]


def prose(words: int, seed: int = 1) -> str:
    """Return so many words in an order that `seed` decides; about 1.2 tokens each."""
    chooser = random.Random(seed)  # noqa: S311 - repeatable on purpose
    return " ".join(chooser.choice(_WORDS) for _ in range(words))
