"""The encrypted database and its keys."""
