"""How each room forgets a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.documents.erasing import answer_hook, document_hook
from edge_assistant.home.erasing import home_hook
from edge_assistant.memory.erasing import conversation_hook, fact_hook, index_hook
from edge_assistant.people.erasing import people_hook
from edge_assistant.people.people import People
from edge_assistant.store.erase import EraseHook
from edge_assistant.store.outbox import outbox_hook
from edge_assistant.tools.erasing import list_hook, timer_hook

if TYPE_CHECKING:
    from edge_assistant.assistant.learning import Learner
    from edge_assistant.documents.library import Library
    from edge_assistant.home.house import House
    from edge_assistant.tools.abilities import Abilities


def erase_hooks(
    assistant: Assistant,
    learner: Learner | None,
    abilities: Abilities | None,
    people: People,
    library: Library | None,
    *,
    house: House | None,
) -> list[EraseHook]:
    """Return how each room forgets. Whoever keeps something about people stands here."""
    return [
        conversation_hook(assistant.forgetting),
        fact_hook(learner.forgetting if learner else None),
        timer_hook(abilities.timers if abilities else None),
        list_hook(),
        outbox_hook(),
        answer_hook(),
        document_hook(library),
        home_hook(house),
        people_hook(people.devices),
        index_hook(),
    ]
