"""Connections to MQTT brokers: at most two, the home's and the operator's."""
