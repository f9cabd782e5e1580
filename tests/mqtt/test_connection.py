"""The connection on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import time

import aiomqtt
import pytest

from edge_assistant.bench.mosquitto import free_port
from edge_assistant.mqtt import backlog
from edge_assistant.mqtt.broker import Broker
from edge_assistant.mqtt.connection import MAX_PAYLOAD_BYTES, Connection, Incoming, OfflineError, Outgoing
from edge_assistant.workers.backoff import RestartPolicy


async def until(holds, seconds=60.0):
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(*connections):
    tasks = [asyncio.create_task(each.run()) for each in connections]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Inbox:
    def __init__(self):
        self.messages: list[Incoming] = []

    async def __call__(self, message):
        self.messages.append(message)

    @property
    def texts(self):
        return [message.payload.decode() for message in self.messages]


async def test_messages_come_with_their_v5_properties(mosquitto):
    inbox = Inbox()
    one, two = Connection(mosquitto.broker, "one"), Connection(mosquitto.broker, "two")
    one.subscribe("a/+/c", inbox)
    async with running(one, two):
        await until(lambda: one.online and two.online)
        await two.publish(Outgoing(topic="a/b/c", payload="hi", response_topic="r", correlation=b"\x00\x01"))
        await two.publish(Outgoing(topic="a/b", payload="not for it"))
        await until(lambda: inbox.messages)
    message = inbox.messages[0]
    assert (message.topic, message.payload, message.retain) == ("a/b/c", b"hi", False)
    assert (message.response_topic, message.correlation) == ("r", b"\x00\x01")


async def test_it_comes_back_subscribed_after_the_broker_was_killed(mosquitto):
    inbox, greetings = Inbox(), []

    async def greet():
        greetings.append(1)

    one, two = Connection(mosquitto.broker, "one"), Connection(mosquitto.broker, "two")
    one.subscribe("t", inbox)
    one.when_online(greet)
    async with running(one, two):
        await until(lambda: one.online and two.online)
        mosquitto.kill()
        await until(lambda: not one.online and not two.online)
        await until(lambda: "can't reach" in one.detail)
        with pytest.raises(OfflineError):
            await two.publish(Outgoing(topic="t", payload="lost"))
        mosquitto.start()
        await until(lambda: one.online and two.online)
        await two.publish(Outgoing(topic="t", payload="found"))
        await until(lambda: inbox.messages)
    assert inbox.texts == ["found"]
    assert (one.connects, len(greetings), one.detail) == (2, 2, "")


async def test_the_broker_tells_of_a_death_but_not_of_an_orderly_end(mosquitto):
    inbox = Inbox()
    watcher = Connection(mosquitto.broker, "watcher")
    watcher.subscribe("gone", inbox)
    async with running(watcher):
        await until(lambda: watcher.online)
        will = Outgoing(topic="gone", payload="offline", retain=True)
        mortal = Connection(mosquitto.broker, "mortal", will=will)
        async with running(mortal):
            await until(lambda: mortal.online)
            # A second client of the same name throws the first out, as a broken line would.
            usurper = Connection(mosquitto.broker, "mortal")
            async with running(usurper):
                await until(lambda: inbox.messages)
    assert inbox.texts[0] == "offline"


async def test_one_message_too_large_or_not_handled_costs_no_other(mosquitto):
    inbox = Inbox()

    async def fragile(message):
        if message.payload == b"bad":
            raise RuntimeError("broken")
        await inbox(message)

    one, two = Connection(mosquitto.broker, "one"), Connection(mosquitto.broker, "two")
    one.subscribe("t", fragile)
    async with running(one, two):
        await until(lambda: one.online and two.online)
        for payload in ("bad", "x" * (MAX_PAYLOAD_BYTES + 1), "good"):
            await two.publish(Outgoing(topic="t", payload=payload))
        await until(lambda: inbox.messages)
    assert inbox.texts == ["good"]


async def test_ten_thousand_retained_messages_at_connect_all_arrive_and_are_told_apart(mosquitto):
    writer = Connection(mosquitto.broker, "writer")
    async with running(writer):
        await until(lambda: writer.online)
        for number in range(10_000):
            last = int(number == 9_999)  # acknowledged when the broker has them all
            await writer.publish(Outgoing(topic=f"many/{number}", payload="x" * 200, qos=last, retain=True))
    inbox, reader = Inbox(), Connection(mosquitto.broker, "reader")
    reader.subscribe("many/#", inbox)
    async with running(reader):
        await until(lambda: len(inbox.messages) == 10_000, 60)
    assert all(message.retain for message in inbox.messages)


async def test_a_wrong_password_is_said_and_tried_again_forever(tmp_path):
    from tests.mosquitto import Mosquitto

    closed = Mosquitto(tmp_path, "allow_anonymous false").start()
    try:
        connection = Connection(closed.broker, "stranger")
        async with running(connection):
            await until(lambda: "can't reach" in connection.detail)
            assert not connection.online
            assert "uthori" in connection.detail
    finally:
        closed.kill()


async def test_it_ends_when_asked_to_also_when_taking_leave_fails(mosquitto, monkeypatch):
    leave = aiomqtt.Client.__aexit__

    async def fail(self, *reason):
        await leave(self, *reason)
        raise aiomqtt.MqttError("gone")

    monkeypatch.setattr(aiomqtt.Client, "__aexit__", fail)
    connection = Connection(mosquitto.broker, "pi")
    task = asyncio.create_task(connection.run())
    await until(lambda: connection.online)
    task.cancel()
    await asyncio.wait([task], timeout=60)
    assert task.cancelled()


async def test_whoever_sends_ends_when_asked_to_also_just_as_the_broker_answers(mosquitto):
    """A cancellation may come in any moment of a message's way there and back: 200 different ones."""
    connection = Connection(mosquitto.broker, "pi")

    async def send():
        while True:
            await connection.publish(Outgoing(topic="t", payload="x"))

    async with running(connection):
        await until(lambda: connection.online)
        for number in range(200):
            task = asyncio.create_task(send())
            await asyncio.sleep(0.001 + number / 100_000)
            task.cancel()
            await asyncio.wait([task], timeout=60)
            assert task.cancelled()


async def test_a_message_sent_just_as_the_broker_goes_is_no_error_of_the_loop(mosquitto):
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["message"]))
    connection = Connection(mosquitto.broker, "pi")
    async with running(connection):
        await until(lambda: connection.online)
        sending = asyncio.create_task(connection.publish(Outgoing(topic="t", payload="x")))
        mosquitto.kill()
        time.sleep(0.2)  # the loop learns of both at once: the message to send, and that nobody is there
        await until(lambda: not connection.online)
        sending.cancel()
        await asyncio.wait([sending])
        mosquitto.start()
        await until(lambda: connection.online)
    assert errors == []


async def test_while_somebody_waits_it_is_tried_again_soon_and_else_less_and_less_often():
    pauses, policy = [], RestartPolicy(first_seconds=1.0, longest_seconds=30.0, healthy_seconds=5.0)
    waits = True

    async def sleep(seconds):
        pauses.append(seconds)
        if waits:
            connection.hurry()
        await asyncio.sleep(0)

    nobody = Broker(host="127.0.0.1", port=free_port())
    connection = Connection(nobody, "one", reconnect=policy, clock=lambda: 0.0, sleep=sleep)
    async with running(connection):
        await until(lambda: len(pauses) >= 8)
        waits = False
        assert max(pauses) <= 1.0
        await until(lambda: max(pauses) > 10.0)


async def test_a_flood_is_bounded_by_its_bytes_and_what_is_said_after_it_is_heard(mosquitto, monkeypatch):
    monkeypatch.setattr(backlog, "MOST_BYTES", 1_000_000)
    gate, heard, came, put = asyncio.Event(), [], [], backlog.Backlog.put_nowait

    def come(queue, message):
        came.append(message.topic)
        put(queue, message)

    monkeypatch.setattr(backlog.Backlog, "put_nowait", come)

    async def slow(message):
        await gate.wait()
        heard.append(message.payload[:4])

    listener, flooder = Connection(mosquitto.broker, "listener"), Connection(mosquitto.broker, "flooder")
    listener.subscribe("t", slow)
    async with running(listener, flooder):
        await until(lambda: listener.online and flooder.online)
        for _ in range(100):
            await flooder.publish(Outgoing(topic="t", payload=b"x" * 100_000))
        await until(lambda: len(came) == 100)  # all of it has come, and most of it is gone
        gate.set()
        await until(listener._client._queue.empty)
        await flooder.publish(Outgoing(topic="t", payload="last"))
        await until(lambda: heard[-1:] == [b"last"])
    assert 10 <= len(heard) <= 13
