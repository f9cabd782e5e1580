"""The first rung: sentences that are acted on within milliseconds, without a model."""
