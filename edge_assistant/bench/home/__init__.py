"""`bench home`: whether what is asked of the house is done, once and in time."""

from edge_assistant.bench.home import broker, timers

MEASUREMENTS = (*broker.MEASUREMENTS, *timers.MEASUREMENTS)
