"""`bench cloud`: what the way to a larger model costs, what faults do to it, and what leaves."""

from edge_assistant.bench.cloud import absence, canaries, crowd, latency, storm

MEASUREMENTS = (
    *latency.MEASUREMENTS,
    *storm.MEASUREMENTS,
    *crowd.MEASUREMENTS,
    *absence.MEASUREMENTS,
    *canaries.MEASUREMENTS,
)
