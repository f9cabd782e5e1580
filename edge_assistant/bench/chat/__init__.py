"""`bench chat`: what the daemon costs, how soon it is there, how fast it delivers, how its page looks."""

from edge_assistant.bench.chat import clients, delivery, look, memory, overload, pairing, refusal, start

MEASUREMENTS = (
    *start.MEASUREMENTS,
    *memory.MEASUREMENTS,
    *clients.MEASUREMENTS,
    *delivery.MEASUREMENTS,
    *overload.MEASUREMENTS,
    *pairing.MEASUREMENTS,
    *refusal.MEASUREMENTS,
    *look.MEASUREMENTS,
)
