"""The benches by name. A new one is a module with `MEASUREMENTS` and a line here."""

from __future__ import annotations

import importlib

from edge_assistant.bench.measurement import Measurement

BENCHES = {
    "llm": ("edge_assistant.bench.llm", "speed of the model, and how several people share it"),
    "retrieval": ("edge_assistant.bench.retrieval", "searching, remembering, forgetting"),
    "voice": ("edge_assistant.bench.voice", "hearing and speaking, with virtual microphone and speaker"),
    "chat": ("edge_assistant.bench.chat", "start, memory and delivery of the daemon"),
    "home": ("edge_assistant.bench.home", "what is asked of the house: done once, in time, whatever breaks"),
    "cloud": ("edge_assistant.bench.cloud", "a larger model elsewhere: cost of the way, faults, privacy"),
    "fleet": ("edge_assistant.bench.fleet", "devices that enrol: who comes in, power cuts, harmful changes"),
    "appliance": (
        "edge_assistant.bench.appliance",
        "how soon the device serves, how soon it lets go, what it costs at rest",
    ),
    "storage": ("edge_assistant.bench.storage", "power cuts and failing cards, simulated below SQLite"),
}
"""Module and one line of help. Modules are imported when their bench is run."""


def find_bench(name: str) -> tuple[Measurement, ...]:
    """Return the measurements of a bench; `name` is a key of `BENCHES`."""
    module = importlib.import_module(BENCHES[name][0])
    measurements: tuple[Measurement, ...] = module.MEASUREMENTS
    return measurements
