"""Questions over a real broker with TLS and rights: answered once, whole, or with an honest failure."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from edge_assistant.bench.upstream import answer_to, question
from edge_assistant.cloud import wire
from edge_assistant.cloud.rpc import STRANGERS_AT_ONCE
from edge_assistant.errors import EdgeError
from edge_assistant.mqtt.connection import Connection, Outgoing
from tests.cloud.conftest import a_device, a_worker, connected, generation, text_of
from tests.mqtt.test_connection import Inbox, until

STANDING = {"clock": lambda: 0.0}
"""Of a device that loses no patience, and asks nothing twice, on a machine that is held up."""


@pytest.fixture
def at_kitchen(guarded):
    return guarded.with_password("kitchen")


@pytest.fixture
def at_worker(guarded):
    return guarded.with_password("cloud-worker")


async def test_a_question_is_answered_over_tls_in_chunks(at_kitchen, at_worker, upstream):
    asked = question(50, "hello")
    async with a_worker(at_worker, upstream) as worker, a_device(at_kitchen, **STANDING) as device:
        stream = device.generate(generation(asked))
        assert await text_of(stream) == answer_to(asked)
        await until(lambda: worker.counters.finished == 1)
    assert stream.completion.reason == "stop"
    assert worker.counters.chunks == 50


async def test_many_questions_of_two_devices_keep_apart(guarded, at_worker, upstream):
    async with (
        a_worker(at_worker, upstream),
        a_device(guarded.with_password("kitchen"), "kitchen") as kitchen,
        a_device(guarded.with_certificate("bedroom"), "bedroom") as bedroom,
    ):
        asked = [(model, question(100, f"q{n}", 1)) for n in range(6) for model in (kitchen, bedroom)]
        answers = await asyncio.gather(*(text_of(model.generate(generation(text))) for model, text in asked))
    assert answers == [answer_to(text) for _, text in asked]


async def test_a_worker_that_dies_in_mid_answer_is_replaced_without_a_gap(
    guarded, at_kitchen, at_worker, upstream
):
    asked = question(200, "long", 10)
    command = (
        *(sys.executable, "-m", "edge_assistant", "cloud-worker", "--username", "cloud-worker"),
        *("--broker", f"mqtts://localhost:{guarded.port}", "--ca-file", at_worker.ca_file),
        *("--model", "counting", "--upstream", upstream, "--lease", "1"),
    )  # fmt: skip
    environ = {**os.environ, "EDGE_ASSISTANT_SECRET_CLOUD_WORKER_PASSWORD": at_worker.password}
    dying = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        async with a_device(at_kitchen, deadline_seconds=60) as device:
            stream = device.generate(generation(asked))
            said = ""
            async for piece in stream:
                said += piece.text
                if len(said) > 200 and dying.returncode is None:
                    dying.kill()
                    dying.wait()
                    living = a_worker(at_worker, upstream, name="w-2")
                    worker = await living.__aenter__()
            assert said == answer_to(asked)
            assert worker.counters.taken == 1
            assert worker.counters.chunks < 200  # it went on, and did not begin anew
            await living.__aexit__(None, None, None)
    finally:
        dying.kill()
        dying.wait()


async def test_a_broker_that_dies_in_mid_answer_costs_no_word(tmp_path, upstream):
    from tests.mosquitto import Mosquitto

    asked = question(150, "long", 10)
    mosquitto = Mosquitto(tmp_path).start()
    try:
        async with (
            a_worker(mosquitto.broker, upstream, lease_seconds=20.0) as worker,
            a_device(mosquitto.broker) as device,
        ):
            said = ""
            async for piece in device.generate(generation(asked)):
                said += piece.text
                if len(said) > 200 and not mosquitto_died(mosquitto):
                    mosquitto.kill()
                    await asyncio.sleep(0.2)
                    mosquitto.start()
                    mosquitto.died = True
            assert said == answer_to(asked)
            assert worker.counters.taken == 1  # the same answer went on
    finally:
        mosquitto.kill()


async def test_whoever_waits_for_an_answer_does_not_wait_for_a_long_pause_of_the_connection(
    tmp_path, upstream, monkeypatch
):
    from tests.mosquitto import Mosquitto

    mosquitto, hurried = Mosquitto(tmp_path).start(), []

    def hurry(connection):
        hurried.append(connection)

    monkeypatch.setattr(Connection, "hurry", hurry)
    try:
        async with a_worker(mosquitto.broker, upstream), a_device(mosquitto.broker) as device:
            stream = device.generate(generation(question(1_000, "long", 10)))
            await anext(stream)
            assert hurried == []
            mosquitto.kill()
            await until(lambda: device._connection in hurried)
            await stream.cancel()
    finally:
        mosquitto.kill()


def mosquitto_died(mosquitto):
    return getattr(mosquitto, "died", False)


async def test_a_cancelled_answer_ends_here_and_at_the_worker(at_kitchen, at_worker, upstream):
    async with a_worker(at_worker, upstream) as worker, a_device(at_kitchen, **STANDING) as device:
        stream = device.generate(generation(question(10_000, "long", 5)))
        async for _ in stream:
            await stream.cancel()
        assert stream.completion.reason == "cancelled"
        await until(lambda: worker.working == 0)
        assert worker.counters.cancelled == 1


async def test_consent_that_is_taken_back_ends_what_is_under_way_and_lets_nothing_more_leave(
    at_kitchen, at_worker, upstream
):
    async with a_worker(at_worker, upstream) as worker, a_device(at_kitchen, **STANDING) as device:
        stream = aiter(device.generate(generation(question(10_000, "long", 5))))
        assert (await anext(stream)).text
        device.allow(allowed=False)
        with pytest.raises(EdgeError, match="CLOUD_NO_CONSENT"):
            await text_of(stream)
        await until(lambda: worker.working == 0)
        with pytest.raises(EdgeError, match="CLOUD_NO_CONSENT"):
            await text_of(device.generate(generation("hello")))
        device.allow(allowed=True)
        assert await text_of(device.generate(generation("hello"))) == "hello"
        assert worker.counters.taken == 2


async def test_a_cloud_that_talks_of_what_nobody_asked_fills_neither_log_nor_line(
    at_kitchen, at_worker, upstream, caplog
):
    told = Inbox()
    mad = Connection(at_worker, "edge-assistant-cloud-mad")
    mad.subscribe(wire.control_topic("+", "mad"), told)
    async with a_worker(at_worker, upstream), a_device(at_kitchen, **STANDING) as device, connected(mad):
        for number in range(2 * STRANGERS_AT_ONCE):
            await mad.publish(_reply(wire.encode(wire.Alive(worker="mad", attempt=1)), f"{number:032x}"))
            await mad.publish(_reply(b"nonsense", "0" * 32))
        assert await text_of(device.generate(generation("hello"))) == "hello"  # after all of that
        await until(lambda: len(told.messages) >= STRANGERS_AT_ONCE)
        await asyncio.sleep(0.1)
    assert len(told.messages) == STRANGERS_AT_ONCE
    assert sum("can't be read" in record.message for record in caplog.records) == 1


def _reply(payload, name):
    return Outgoing(topic=wire.reply_topic("kitchen"), payload=payload, correlation=name.encode())


async def test_more_chunks_than_the_window_flow_and_none_is_lost(at_kitchen, at_worker, upstream):
    asked = question(5_000, "many")
    async with a_worker(at_worker, upstream), a_device(at_kitchen) as device:
        assert await text_of(device.generate(generation(asked))) == answer_to(asked)


async def test_without_a_worker_it_fails_soon_and_without_a_broker_at_once(at_kitchen, guarded):
    async with a_device(at_kitchen, patience_seconds=0.5) as device:
        with pytest.raises(EdgeError, match="CLOUD_NO_WORKER"):
            await text_of(device.generate(generation("hello")))
    connection = Connection(at_kitchen, "never-run")
    from edge_assistant.cloud.rpc import CloudModel

    with pytest.raises(EdgeError, match="CLOUD_OFFLINE"):
        await text_of(CloudModel(connection, "kitchen").generate(generation("hello")))


async def test_the_deadline_ends_an_answer_that_takes_too_long(at_kitchen, at_worker, upstream):
    async with a_worker(at_worker, upstream) as worker, a_device(at_kitchen, deadline_seconds=1) as device:
        with pytest.raises(EdgeError, match="CLOUD_LATE"):
            await text_of(device.generate(generation(question(1_000, "slow", 50))))
        await until(lambda: worker.working == 0)


async def test_a_question_beyond_all_bounds_is_refused(at_kitchen):
    async with a_device(at_kitchen) as device:
        with pytest.raises(EdgeError, match="CLOUD_TOO_LONG"):
            await text_of(device.generate(generation("x" * 300_000)))


async def test_the_same_question_twice_is_worked_on_once(at_kitchen, at_worker, upstream):
    inbox = Inbox()
    connection = Connection(at_kitchen, "edge-assistant-cloud-kitchen")
    connection.subscribe(wire.reply_topic("kitchen"), inbox)
    async with a_worker(at_worker, upstream) as worker, connected(connection):
        ask = wire.Ask(id="0" * 32, attempt=1, messages=(wire.Line("user", question(3, "once")),), seconds=20)
        for _ in range(3):
            await connection.publish(_asking(ask))
        await until(lambda: any(b"finished" in message.payload for message in inbox.messages))
        await until(lambda: worker.counters.duplicates == 2)
        assert worker.counters.taken == 1


def _asking(ask, device="kitchen", **more):
    fields = {
        "topic": wire.request_topic(device), "payload": wire.encode(ask), "correlation": ask.id.encode(),
        "response_topic": wire.reply_topic(device), "expiry_seconds": 20, **more,
    }  # fmt: skip
    return Outgoing(**fields)


async def test_replies_for_another_device_can_neither_be_read_nor_asked_for(guarded, at_worker, upstream):
    heard, own = Inbox(), Inbox()
    spy = Connection(guarded.with_password("bedroom"), "spy")
    spy.subscribe("edge-assistant/cloud/#", heard)
    kitchen = Connection(guarded.with_password("kitchen"), "edge-assistant-cloud-kitchen")
    kitchen.subscribe(wire.reply_topic("kitchen"), own)
    ask = wire.Ask(id="1" * 32, attempt=1, messages=(wire.Line("user", question(3, "mine")),), seconds=20)
    async with a_worker(at_worker, upstream) as worker, connected(spy), connected(kitchen):
        # In the kitchen's name, by the kitchen to be sent to the bedroom, and as it should be.
        await spy.publish(_asking(ask))
        await kitchen.publish(_asking(ask, response_topic=wire.reply_topic("bedroom")))
        await until(lambda: worker.counters.unreadable == 1)
        await kitchen.publish(_asking(ask))
        await until(lambda: any(b"finished" in message.payload for message in own.messages))
        assert worker.counters.taken == 1
        # A device that speaks as a worker isn't heard either.
        before = len(own.messages)
        forged = wire.Chunk(worker="w-1", attempt=1, index=3, text="forged")
        await spy.publish(
            Outgoing(topic=wire.reply_topic("kitchen"), payload=wire.encode(forged), correlation=b"1" * 32)
        )
        await kitchen.publish(_asking(ask))
        await until(lambda: worker.counters.duplicates == 1)
    assert all(b"forged" not in message.payload for message in own.messages[before:])
    assert heard.messages == []


async def test_a_device_that_joins_the_workers_reads_no_question_and_only_delays_one(
    guarded, at_kitchen, at_worker, upstream
):
    heard = Inbox()
    spy = Connection(guarded.with_password("bedroom"), "spy")
    spy.subscribe(wire.SHARED, heard)
    asked = [question(3, f"q{number}") for number in range(4)]
    async with a_worker(at_worker, upstream), connected(spy), a_device(at_kitchen) as device:
        for text in asked:
            assert await text_of(device.generate(generation(text))) == answer_to(text)
    assert heard.messages == []


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"[" * 10_000, b'{"type":"chunk"}', b'{"type":"chunk","index":-1}', b"null"]
)
async def test_nonsense_changes_nothing_on_either_side(at_kitchen, at_worker, upstream, payload):
    asked = question(30, "calm", 5)
    async with a_worker(at_worker, upstream) as worker, a_device(at_kitchen) as device:
        connection = worker._connection
        for topic in (wire.reply_topic("kitchen"),):
            await connection.publish(Outgoing(topic=topic, payload=payload))
        await device._connection.publish(Outgoing(topic=wire.request_topic("kitchen"), payload=payload))
        await device._connection.publish(
            Outgoing(topic=wire.control_topic("kitchen", "w-1"), payload=payload)
        )
        assert await text_of(device.generate(generation(asked))) == answer_to(asked)
        assert worker.counters.unreadable == 2


async def test_a_wrong_certificate_is_never_talked_to(guarded, tmp_path_factory):
    import msgspec

    from tests.mqtt.test_provisioning import Guarded

    other = Guarded(tmp_path_factory.mktemp("other"))
    try:
        right = guarded.with_password("kitchen")
        wrong = msgspec.structs.replace(right, port=other.port)
        connection = Connection(wrong, "kitchen")
        task = asyncio.create_task(connection.run())
        await until(lambda: "certificate" in connection.detail.lower())
        assert not connection.online
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        other.process.kill()


async def test_a_device_that_asks_for_everything_again_and_again_gets_a_window_once(
    at_kitchen, at_worker, upstream
):
    inbox = Inbox()
    connection = Connection(at_kitchen, "edge-assistant-cloud-kitchen")
    connection.subscribe(wire.reply_topic("kitchen"), inbox)
    name = "2" * 32

    async def tell(message):
        await connection.publish(
            Outgoing(topic=wire.control_topic("kitchen", "w-1"), payload=wire.encode(message))
        )

    def chunks():
        return sum(b'"chunk"' in message.payload for message in inbox.messages)

    async with a_worker(at_worker, upstream), connected(connection):
        line = wire.Line("user", question(2 * wire.WINDOW, "again"))
        await connection.publish(_asking(wire.Ask(id=name, attempt=1, messages=(line,), seconds=20)))
        await until(lambda: chunks() == wire.WINDOW)
        await tell(wire.Acknowledged(id=name, attempt=1, next=wire.WINDOW))
        await until(lambda: chunks() == 2 * wire.WINDOW)
        for _ in range(20):
            await tell(wire.Resume(id=name, attempt=1, next=0))
        await tell(wire.Resume(id=name, attempt=1, next=2 * wire.WINDOW))  # heard after all of those
        await until(lambda: b'"finished"' in inbox.messages[-1].payload)
        await asyncio.sleep(0.2)
        assert chunks() == 2 * wire.WINDOW
