"""Ears and mouth: a worker process that owns microphone, speaker and every speech engine."""
