"""The media through which people reach the assistant."""
