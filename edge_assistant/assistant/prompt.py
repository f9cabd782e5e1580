"""What the model reads: `[system][history][user]`, stable first.

Nothing before the newest turn ever changes between two turns of a conversation, so its KV is never
computed twice. Three rules keep it so: no clock and no retrieval before the newest message; a turn
without a word of answer never appears; an answer stands with the ids it was generated with.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_assistant.llm.protocol import Message
from edge_assistant.memory.conversation import StoredTurn


def build_messages(system: str, history: Iterable[StoredTurn], text: str, model: str) -> tuple[Message, ...]:
    """Return the prompt for `text` after `history`.

    An interrupted or failed answer stands as far as it got. Token ids stand only when `model` made
    them: another model's mean something else.
    """
    messages = [Message("system", system)]
    for turn in history:
        if turn.answer_text:
            ids = turn.token_ids if turn.model == model else ()
            messages += [Message("user", turn.user_text), Message("assistant", turn.answer_text, ids)]
    return (*messages, Message("user", text))
