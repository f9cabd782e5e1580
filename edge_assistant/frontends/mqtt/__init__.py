"""The assistant on the home's MQTT broker, and as a device of Home Assistant."""
