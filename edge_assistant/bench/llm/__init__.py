"""`bench llm`: how fast the model answers, and how several people share it."""

from edge_assistant.bench.llm import decode

MEASUREMENTS = (*decode.MEASUREMENTS,)
