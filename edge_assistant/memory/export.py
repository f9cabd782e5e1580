"""Memories as a file that people read, or programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any


def as_markdown(facts: Sequence[dict[str, Any]]) -> str:
    """Return memories as a list with what each is from; `facts` are `Fact` structs as plain dictionaries."""
    held = [fact for fact in facts if fact["replaced_by"] is None]
    old = [fact for fact in facts if fact["replaced_by"] is not None]
    lines = ["# What the assistant remembers", "", *(map(_line, held)), ""]
    if old:
        lines += ["## What no longer holds", "", *(map(_line, old)), ""]
    return "\n".join(lines)


def _line(fact: dict[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(fact["said_at"]))
    shared = ", known to the household" if fact["shared"] else ""
    text = " ".join(fact["text"].split())
    return f"- {text} _({fact['origin']} {when}, {fact['source'] or 'unknown'}{shared})_"
