"""`bench storage`: power cuts and failing cards, simulated below SQLite."""

from edge_assistant.bench.storage import cuts, faults

MEASUREMENTS = (*cuts.MEASUREMENTS, *faults.MEASUREMENTS)
