"""Whether what the microphone heard is only what the device itself has just said.

Without an echo canceller the microphone hears the loudspeaker, and a recogniser writes down the
device's own words. Comparing transcripts needs no hardware and works with any recogniser.
"""

from __future__ import annotations

from rapidfuzz import fuzz

from edge_assistant.speech.phrase import plain

ALIKE = 70.0
"""Partial ratio from which words are the device's own (NanoLLM's threshold for its echo)."""

SHORT_WORDS = 2
"""So few words fit into nearly any sentence letter by letter: these must stand in it as whole words."""


def is_echo(heard: str, said: str) -> bool:
    """Return whether `heard` is part of `said`, which was played while or shortly before it was heard."""
    words, own = plain(heard), plain(said)
    if not words or not own:
        return False
    if len(words.split()) <= SHORT_WORDS:
        return f" {words} " in f" {own} "
    if len(words) > len(own):  # a person went on after the device's words, or spoke over them
        return fuzz.ratio(words, own) >= ALIKE
    return fuzz.partial_ratio(words, own) >= ALIKE
