"""Whether an action is done, asked about, or refused. Pure: the guarantee does not rest on a model."""

from __future__ import annotations

from typing import Literal

from edge_assistant.errors import ForbiddenError
from edge_assistant.people.person import at_least
from edge_assistant.tools.protocol import Effect, Occasion

Verdict = Literal["do", "confirm", "pin"]


def judge(effect: Effect, occasion: Occasion) -> Verdict:
    """Return what must happen before an action is done; raises `ForbiddenError` ACTION_FORBIDDEN.

    The risk is the effect's, whatever words led to it. After untrusted text nothing that acts is free:
    a document that says "unlock the door" gets no further than a question (arXiv 2506.08837).
    """
    if effect.reach == "act" and not at_least(occasion.principal.role, "member"):
        raise ForbiddenError("ACTION_FORBIDDEN", "guests can't do that: ask somebody who lives here")
    if effect.risk == "pin":
        return "pin"
    if effect.risk == "confirm" or (occasion.tainted and effect.reach == "act"):
        return "confirm"
    return "do"
