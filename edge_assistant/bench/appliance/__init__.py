"""`bench appliance`: how soon the device serves after it was switched on, and how soon it lets go."""

from edge_assistant.bench.appliance import life

MEASUREMENTS = life.MEASUREMENTS
"""What `bench appliance` measures, in order."""
