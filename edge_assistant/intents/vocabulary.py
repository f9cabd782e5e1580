"""What can be named in this house, for the templates."""

from __future__ import annotations

import re

from edge_assistant.config.schema import OwnSentence
from edge_assistant.home.entity import folded
from edge_assistant.home.registry import Registry
from edge_assistant.intents.wire import Own, Spoken, Vocabulary

LONGEST_NAME = 60


def vocabulary(registry: Registry, sentences: tuple[OwnSentence, ...] = ()) -> Vocabulary:
    """Return the names of entities that are no settings of devices, the rooms, the owner's sentences."""
    names = {
        Spoken(spoken, entity.domain): None
        for entity in registry.entities
        if not entity.diagnostic
        for name in entity.names
        if (spoken := _sayable(name))
    }
    own = tuple(Own(number, sentence.say) for number, sentence in enumerate(sentences))
    return Vocabulary(tuple(names), tuple(area for area in registry.areas() if _sayable(area)), own)


def _sayable(name: str) -> str:
    """Return a name without signs that nobody says; empty when nothing is left."""
    plain = " ".join(re.sub(r"[\[\]{}()<>|:\"]", " ", name).split())
    return plain if folded(plain) and len(plain) <= LONGEST_NAME else ""
