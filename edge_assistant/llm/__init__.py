"""The language model: scheduling, prefix reuse and snapshots around llama.cpp."""
