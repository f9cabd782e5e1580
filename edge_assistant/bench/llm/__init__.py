"""`bench llm`: how fast the model answers, and how several people share it."""

from edge_assistant.bench.llm import decode, first_token, scheduling, server

MEASUREMENTS = (
    *decode.MEASUREMENTS,
    *first_token.MEASUREMENTS,
    *scheduling.MEASUREMENTS,
    *server.MEASUREMENTS,
)
