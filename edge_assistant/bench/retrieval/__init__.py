"""`bench retrieval`: what is found, how fast, what is remembered of people, and what is forgotten."""

from edge_assistant.bench.retrieval import forget, ingest, memories, searching

MEASUREMENTS = (
    *searching.MEASUREMENTS,
    *memories.MEASUREMENTS,
    *forget.MEASUREMENTS,
    *ingest.MEASUREMENTS,
)
