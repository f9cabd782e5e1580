"""The chat page, its WebSocket and its HTTP interface."""
