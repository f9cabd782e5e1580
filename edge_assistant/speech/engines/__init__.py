"""Speech engines, each in a file of its own, imported when it is first needed; only the worker does."""
