"""Which questions can be answered by words that stand somewhere, as they stand. Pure."""

from __future__ import annotations

import re

_ASKS = re.compile(
    r"\?\s*$|^\W*(?:who|whom|whose|what|which|when|where|why|how|is|are|was|were|do|does|did|can|could|must"
    r"|should|may|will|tell me|show me|find|look up|wer|wen|wem|was|welche[rsnm]?|wann|wo|wohin|warum|wie"
    r"|wieso|wozu|womit|ist|sind|kann|darf|muss|gibt|sag mir|zeig mir|such)\b",
    re.IGNORECASE,
)
_MAKES = re.compile(
    r"\b(?:write|compose|summari[sz]e|translate|rewrite|compare|explain|imagine|poem|story|joke"
    r"|schreib|dichte|fasse|übersetze?|vergleiche?|erklär)\w*\b",
    re.IGNORECASE,
)


def asks(text: str) -> bool:
    """Return whether a message asks for something, in the forms that English and German have for it."""
    return bool(_ASKS.search(text))


def may_be_quoted(text: str) -> bool:
    """Return whether a quotation can be the whole answer: it asks, and nothing is to be made."""
    return asks(text) and not _MAKES.search(text)
