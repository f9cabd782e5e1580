"""Public prompt prefixes, computed once and shared by every conversation that begins with them.

A prefix holds markup and the system message only, nothing about a person. Sharing copies no memory:
several sequences point at the same KV cells.
"""

from __future__ import annotations

import msgspec

from edge_assistant.llm.engine import LlamaEngine

_LEAST_TOKENS = 8
"""Shorter prefixes are computed faster than they are looked after."""


class _Entry(msgspec.Struct):
    sequence: int
    tokens: list[int]
    used: int = 0
    """Value of a counter at the last use; the smallest leaves first."""


class PrefixTable:
    """Keeps the KV of a few public prefixes in sequences of their own (`sequences`)."""

    def __init__(self, engine: LlamaEngine, sequences: range) -> None:
        self._engine = engine
        self._entries = [_Entry(sequence, []) for sequence in sequences]
        self._clock = 0

    @property
    def cells(self) -> int:
        """KV cells that prefixes hold."""
        return sum(len(entry.tokens) for entry in self._entries)

    def find(self, tokens: list[int], public: int) -> int:
        """Return how many leading tokens are kept: `public` or 0."""
        return public if self._entry(tokens, public) else 0

    def share(self, tokens: list[int], public: int, sequence: int) -> int:
        """Give an empty `sequence` the kept prefix; return its length, 0 when none is kept."""
        entry = self._entry(tokens, public)
        if entry is None:
            return 0
        self._engine.copy_sequence(entry.sequence, sequence)
        self._touch(entry)
        return public

    def learn(self, tokens: list[int], public: int, sequence: int) -> bool:
        """Keep the prefix that `sequence` holds exactly and nothing more; False when it is too short."""
        if public < _LEAST_TOKENS or self._entry(tokens, public):
            return False
        entry = min(self._entries, key=lambda e: e.used)
        self._drop(entry)
        self._engine.copy_sequence(sequence, entry.sequence)
        entry.tokens = tokens[:public]
        self._touch(entry)
        return True

    def clear(self) -> None:
        """Forget all prefixes; conversations that share their cells keep them."""
        for entry in self._entries:
            self._drop(entry)

    def _entry(self, tokens: list[int], public: int) -> _Entry | None:
        wanted = tokens[:public]
        return next((e for e in self._entries if e.tokens and e.tokens == wanted), None)

    def _drop(self, entry: _Entry) -> None:
        self._engine.clear(entry.sequence)
        entry.tokens = []

    def _touch(self, entry: _Entry) -> None:
        self._clock += 1
        entry.used = self._clock
