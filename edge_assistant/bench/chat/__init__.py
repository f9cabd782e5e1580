"""`bench chat`: what the daemon costs, how soon it is there, how fast it delivers."""

from edge_assistant.bench.chat import start

MEASUREMENTS = (*start.MEASUREMENTS,)
