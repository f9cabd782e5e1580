"""`bench home`: whether what is asked of the house is done, once, in time, and only what was asked."""

from edge_assistant.bench.home import broker, commands, timers

MEASUREMENTS = (*commands.MEASUREMENTS, *broker.MEASUREMENTS, *timers.MEASUREMENTS)
