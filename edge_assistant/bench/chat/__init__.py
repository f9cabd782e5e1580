"""`bench chat`: what the daemon costs, how soon it is there, how fast it delivers."""

from edge_assistant.bench.chat import pairing, refusal, start

MEASUREMENTS = (*start.MEASUREMENTS, *pairing.MEASUREMENTS, *refusal.MEASUREMENTS)
