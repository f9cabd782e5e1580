"""What the assistant can do besides talking: timers, lists, sums, messages on the broker, pins."""
