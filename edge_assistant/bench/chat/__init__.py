"""`bench chat`: what the daemon costs, how soon it is there, how fast it delivers, how its page looks."""

from edge_assistant.bench.chat import delivery, look, overload, pairing, refusal, start

MEASUREMENTS = (
    *start.MEASUREMENTS,
    *delivery.MEASUREMENTS,
    *overload.MEASUREMENTS,
    *pairing.MEASUREMENTS,
    *refusal.MEASUREMENTS,
    *look.MEASUREMENTS,
)
