"""The one way a turn is answered."""
