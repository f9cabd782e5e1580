"""`bench fleet`: who comes in and who does not, power cuts on the way, and changes that do harm."""

from edge_assistant.bench.fleet import crowd, cuts, update_cuts

MEASUREMENTS = (*crowd.MEASUREMENTS, *cuts.MEASUREMENTS, *update_cuts.MEASUREMENTS)
