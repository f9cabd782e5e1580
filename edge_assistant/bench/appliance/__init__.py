"""`bench appliance`: how soon the device serves, how soon it lets go, and what it costs at rest."""

from edge_assistant.bench.appliance import household, life

MEASUREMENTS = (*life.MEASUREMENTS, *household.MEASUREMENTS)
"""What `bench appliance` measures, in order."""
