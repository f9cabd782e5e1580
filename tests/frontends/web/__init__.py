"""Tests of `edge_assistant.frontends.web`, on real sockets."""
