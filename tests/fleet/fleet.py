"""A fleet of the test's own; the bench has the same."""

from __future__ import annotations

from typing import Any

from edge_assistant.bench.fleet.ground import Gadget, Ground, until
from edge_assistant.fleet.registrar.registrar import Registrar, Wish

__all__ = ["Gadget", "Ground", "a_token", "until"]


async def a_token(registrar: Registrar, **wish: Any) -> str:
    """Return a claim token."""
    ((_, token),) = await registrar.claim([Wish(**wish)])
    return token
