"""What must arrive does, once, whatever happens to the broker and to us."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.mqtt.connection import Connection, Outgoing
from edge_assistant.mqtt.delivery import Delivery
from edge_assistant.mqtt.neighbours import Neighbours
from edge_assistant.mqtt.seen import SeenCommands
from edge_assistant.store.database import Database
from edge_assistant.store.erase import Person
from edge_assistant.store.outbox import LARGEST_BYTES, Outbox, outbox_hook
from tests.mqtt.test_connection import running, until


@pytest.fixture
async def database(tmp_path: Path):
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


class Kitchen:
    """Another device: does each command once and says so, when it is allowed to."""

    def __init__(self, broker):
        self.connection = Connection(broker, "kitchen")
        self.connection.subscribe("edge-assistant/kitchen/announce", self._hear)
        self.heard, self.done, self.answers, self.error = 0, [], True, None

    async def _hear(self, message):
        self.heard += 1
        command = json.loads(message.payload)
        if not self.answers:
            return
        if command["id"] not in self.done and self.error is None:
            self.done.append(command["id"])
        answer = (
            {"id": command["id"], "error": self.error} if self.error else {"id": command["id"], "done": True}
        )
        await self.connection.publish(
            Outgoing(
                topic=message.response_topic, payload=json.dumps(answer), correlation=message.correlation
            )
        )


class Here:
    def __init__(self, broker, database):
        self.connection = Connection(broker, "pi")
        self.outbox = Outbox(database)
        self.delivery = Delivery(self.connection, self.outbox, "edge-assistant/pi/ack", again_seconds=0.1)

    async def post(self, text="Dinner.", **more):
        more = {"principal": "owner", "lasts_seconds": 60, **more}
        return await self.delivery.post("edge-assistant/kitchen/announce", {"text": text}, **more)


@pytest.fixture
async def here(mosquitto, database):
    here = Here(mosquitto.broker, database)
    task = asyncio.create_task(here.delivery.run())
    async with running(here.connection):
        yield here
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def gone(outbox):
    async with asyncio.timeout(60):
        while await outbox.waiting():
            await asyncio.sleep(0.01)


async def test_a_letter_stays_until_its_receiver_says_that_it_is_done(here, mosquitto):
    kitchen = Kitchen(mosquitto.broker)
    letter = await here.post()
    async with running(kitchen.connection):
        kitchen.answers = False
        await until(lambda: kitchen.heard >= 3)  # again and again, as nobody says that it is done
        assert [waiting.id for waiting in await here.outbox.waiting()] == [letter.id]
        kitchen.answers = True
        await gone(here.outbox)
    assert (kitchen.done, here.delivery.delivered) == ([letter.id], 1)


async def test_what_was_posted_without_a_broker_is_delivered_when_it_is_back(here, mosquitto):
    kitchen = Kitchen(mosquitto.broker)
    async with running(kitchen.connection):
        await until(lambda: here.connection.online and kitchen.connection.online)
        mosquitto.kill()
        await until(lambda: not here.connection.online)
        letters = [await here.post(f"Number {n}.") for n in range(150)]
        mosquitto.start()
        await gone(here.outbox)
    assert sorted(kitchen.done) == sorted(letter.id for letter in letters)


async def test_a_letter_survives_the_end_of_the_daemon(mosquitto, database):
    letter = await Here(mosquitto.broker, database).post()  # and then it is gone
    here, kitchen = Here(mosquitto.broker, database), Kitchen(mosquitto.broker)
    task = asyncio.create_task(here.delivery.run())
    async with running(here.connection, kitchen.connection):
        await gone(here.outbox)
    task.cancel()
    assert kitchen.done == [letter.id]


@pytest.mark.parametrize(("retry_after", "stays"), [(None, False), (5.0, True)])
async def test_a_refusal_for_good_ends_a_letter_and_one_for_now_does_not(here, mosquitto, retry_after, stays):
    kitchen = Kitchen(mosquitto.broker)
    kitchen.error = {"code": "X", "message": "no", "retry_after": retry_after}
    await here.post()
    async with running(kitchen.connection):
        await until(lambda: kitchen.heard >= (3 if stays else 1))
        if not stays:
            await gone(here.outbox)
        assert bool(await here.outbox.waiting()) == stays


async def test_a_letter_that_nobody_needs_any_more_is_gone(database):
    now = [1000.0]
    outbox = Outbox(database, clock=lambda: now[0])
    await outbox.add("t", b"{}", principal="owner", lasts_seconds=10)
    now[0] += 11
    assert await outbox.waiting() == []


async def test_an_answer_that_makes_no_sense_is_ignored(here, mosquitto):
    stranger = Connection(mosquitto.broker, "stranger")
    await here.post()
    async with running(stranger):
        await until(lambda: stranger.online and here.connection.online)
        for payload in (b"", b"\xff", b"[" * 10_000, b'{"done": 1}', b'{"id": "other", "done": true}'):
            await stranger.publish(Outgoing(topic="edge-assistant/pi/ack", payload=payload))
        await until(lambda: here.connection.online)
    assert len(await here.outbox.waiting()) == 1


async def test_letters_have_limits_and_go_with_their_sender(database):
    outbox = Outbox(database)
    with pytest.raises(EdgeError, match="LETTER_TOO_LARGE"):
        await outbox.add("t", b"x" * (LARGEST_BYTES + 1), principal="ann", lasts_seconds=10)
    await outbox.add("t", b"{}", principal="ann", lasts_seconds=10)
    await outbox.add("t", b"{}", principal="bob", lasts_seconds=10)
    await database.write(lambda db: outbox_hook().rows(db, Person("ann")))
    assert [letter.principal for letter in await outbox.waiting()] == ["bob"]


async def test_a_command_is_new_once_and_again_after_a_crash_in_its_middle(database):
    seen = SeenCommands(database)
    assert [await seen.begin("one"), await seen.begin("one")] == ["new", "running"]
    assert await SeenCommands(database).begin("one") == "new"  # of a daemon that was killed meanwhile
    await seen.end("one", done=True)
    assert await seen.begin("one") == "done"
    assert await SeenCommands(database).begin("one") == "done"
    assert await seen.begin("two") == "new"
    await seen.end("two", done=False)
    assert await seen.begin("two") == "new"


async def test_other_devices_are_known_while_they_are_online(mosquitto):
    here, other = Connection(mosquitto.broker, "pi"), Connection(mosquitto.broker, "kitchen")
    neighbours = Neighbours(here, "pi")
    async with running(here, other):
        await until(lambda: here.online and other.online)
        for topic in (
            "edge-assistant/kitchen/availability",
            "edge-assistant/pi/availability",
            "edge-assistant/X/availability",
        ):
            await other.publish(Outgoing(topic=topic, payload="online", retain=True))
        await until(lambda: neighbours.online)
        assert neighbours.online == ["kitchen"]
        await other.publish(Outgoing(topic="edge-assistant/kitchen/availability", payload="offline"))
        await until(lambda: not neighbours.online)
