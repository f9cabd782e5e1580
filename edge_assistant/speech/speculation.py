"""What is worth preparing before a person has finished speaking, and when that work is void."""

from __future__ import annotations

from rapidfuzz import fuzz

from edge_assistant.speech.phrase import is_stop, plain

ATTEMPTS = 3
"""Preparations for one utterance (LiveKit's limit): whoever pauses more often thinks aloud."""

ALIKE = 95.0
"""Texts so alike need no second preparation (RealtimeVoiceChat keeps a generation at 0.95)."""


class Speculation:
    """One utterance. Work belongs to a revision of it and is void once speech goes on."""

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._attempts = 0
        self._prepared = ""
        """What the last preparation was for; empty when it is void."""

    def worth(self, text: str) -> bool:
        """Return whether to prepare for this settled transcript now, and count it as done."""
        if self._attempts >= ATTEMPTS or not plain(text) or is_stop(text, self._language):
            return False
        if self._prepared and fuzz.ratio(plain(text), plain(self._prepared)) >= ALIKE:
            return False
        self._attempts += 1
        self._prepared = text
        return True

    def void(self) -> None:
        """Take that speech went on."""
        self._prepared = ""
