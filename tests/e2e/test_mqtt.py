"""The daemon on a real broker, with the real model."""

from __future__ import annotations

import json

from edge_assistant.mqtt.connection import Connection, Outgoing
from tests.mqtt.test_connection import Inbox, running, until


async def test_a_question_on_the_broker_is_answered_and_the_end_of_the_device_is_told(
    mosquitto, make_daemon, starter_model
):
    daemon = make_daemon(
        EDGE_ASSISTANT__MQTT__ENABLED="true",
        EDGE_ASSISTANT__MQTT__URL=mosquitto.url,
        EDGE_ASSISTANT__MQTT__DEVICE="shelf",
    )
    inbox, phone = Inbox(), Connection(mosquitto.broker, "phone")
    phone.subscribe("#", inbox)

    def last(name):
        return next((m for m in reversed(inbox.messages) if m.topic == f"edge-assistant/shelf/{name}"), None)

    async with running(phone):
        await until(lambda: last("availability"))
        await phone.publish(Outgoing(topic="edge-assistant/shelf/ask", payload="Say hello."))
        await until(lambda: last("answer"), 60)
        assert json.loads(last("answer").payload)["text"]
        daemon.kill()
        await until(lambda: last("availability").payload == b"offline")
