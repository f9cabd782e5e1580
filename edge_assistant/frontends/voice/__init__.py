"""The voice: turns what the speech worker hears into requests, and answers into speech."""
