"""Timers, lists and every action of one device, together."""

from __future__ import annotations

from dataclasses import dataclass

from edge_assistant.tools.actions import Actions
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.timers import Timers


@dataclass(frozen=True)
class Abilities:
    """Made once and given to those who need them."""

    timers: Timers
    lists: Lists
    actions: Actions
