"""What a running daemon tells of itself for a debug bundle."""

from __future__ import annotations

import msgspec

from edge_assistant import __version__
from edge_assistant.ops.own_words import names
from edge_assistant.ops.recent import recent_records
from edge_assistant.ops.shareable import state_lines


class Debug(msgspec.Struct, frozen=True, tag="debug", tag_field="type", kw_only=True):
    """Nothing of it is anybody's."""

    state: list[str]
    figures: str
    """As `/metrics` says them."""
    log: list[str]


def debug_of(state: msgspec.Struct, figures: bytes) -> Debug:
    """Return what may be told of a state; reads the program's source, so keep it out of the event loop."""
    own = names() | {__version__}
    return Debug(state=list(state_lines(state, own)), figures=figures.decode(), log=recent_records())
