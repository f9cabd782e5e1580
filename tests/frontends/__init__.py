"""Tests of `edge_assistant.frontends`."""
