"""A real Mosquitto of the test's own; the benches start the same."""

from __future__ import annotations

from edge_assistant.bench.mosquitto import Mosquitto, free_port

__all__ = ["Mosquitto", "free_port"]
