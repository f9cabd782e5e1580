"""`bench llm`: how fast the model answers, and how several people share it."""

from edge_assistant.bench.measurement import Measurement

MEASUREMENTS: tuple[Measurement, ...] = ()
