"""A fleet of the test's own; the bench has the same."""

from __future__ import annotations

from edge_assistant.bench.fleet.ground import Gadget, Ground, a_token, until

__all__ = ["Gadget", "Ground", "a_token", "until"]
