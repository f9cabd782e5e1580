"""Words that are the program's own, so that they tell nothing of anybody when they are shown elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from edge_assistant.errors import EdgeError

PACKAGE = Path(__file__).parent.parent

HIDDEN = "‹…›"
"""What stands in the place of a word that is not the program's own."""

STATES = frozenset(
    {
        "llm", "speech", "embed", "files", "intents",  # workers
        "starting", "loading", "ready", "restarting", "stopping", "stopped", "failed",  # their phases
        "idle", "listening", "thinking", "speaking", "muted", "error",  # the voice's
        "complete", "interrupted", "truncated",  # how turns end
        "timer", "alarm", "reminder",
    }
)  # fmt: skip

_CODE = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{4,})"')
_WORD = re.compile(r"[A-Za-z]+(?:[-_.=][A-Za-z]+)*")
"""With what it is joined to: `voice.enabled` is ours, `voice.lan` would be somebody's."""

_NUMBER = re.compile(r"[-~]?\d{1,8}([.,]\d{1,6}){0,2}%?|\d{4}-\d\d-\d\d|\d\d:\d\d|°C")
"""Also a version, a date and a time of day, but no address and no telephone number."""


@cache
def codes() -> frozenset[str]:
    """Return every code of errors and notices that stands in the source; takes some ten milliseconds."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in PACKAGE.rglob("*.py"))
    return frozenset(code for text in texts for code in _CODE.findall(text))


def names() -> frozenset[str]:
    """Return codes, kinds of exceptions, models of the catalogue, personas that are built in, and states."""
    from edge_assistant.catalog.catalog import load_catalog
    from edge_assistant.config import BUILT_IN_PERSONAS

    models = {model.id for model in load_catalog().models}
    kinds = {kind.__name__ for kind in _kinds(BaseException)}
    return codes() | STATES | models | kinds | frozenset(BUILT_IN_PERSONAS)


def words_of(modules: Iterable[ModuleType]) -> frozenset[str]:
    """Return every word, in small letters, of the source of modules."""
    texts = (Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules)
    return frozenset(word.lower() for text in texts for word in _WORD.findall(text))


def scrubbed(text: str, words: frozenset[str]) -> str:
    """Return a text of which every piece is a number or made of such words; others are hidden."""
    pieces = (piece if _is_own(piece, words) else HIDDEN for piece in text.split())
    return re.sub(f"{HIDDEN}( {HIDDEN})+", HIDDEN, " ".join(pieces))


def _is_own(piece: str, words: frozenset[str]) -> bool:
    bare = piece.strip("`'\"(),;:.!?+=")
    return not bare or bool(_NUMBER.fullmatch(bare)) or bare.lower() in words


def _kinds(base: type[BaseException]) -> Iterator[type[BaseException]]:
    for kind in base.__subclasses__():
        if kind.__module__.split(".")[0] != "__main__":
            yield kind
            yield from _kinds(kind)


def name_of(error: BaseException) -> str:
    """Return what an error is, without its words."""
    return error.code if isinstance(error, EdgeError) else type(error).__name__
