"""Questions that wait for the link: asked in order, once, through restarts; nothing private among them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import msgspec
import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.ladder import Extensions
from edge_assistant.assistant.request import Principal
from edge_assistant.assistant.routing import Elsewhere, Policy, when_online
from edge_assistant.cloud import deferred as module
from edge_assistant.cloud.budget import MonthlyBudget
from edge_assistant.cloud.deferred import LANE, ArrivedRung, Deferred, DeferringRung
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError, ModelError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store import outbox as outbox_module
from edge_assistant.store.database import Database
from edge_assistant.store.erase import Person, Sessions
from edge_assistant.store.outbox import Outbox, outbox_hook
from edge_assistant.workers.backoff import RestartPolicy
from tests.assistant.conftest import ask
from tests.fakes import ScriptedModel
from tests.mqtt.test_connection import until

LATER = "Ask when you are online: why is the sky blue?"
OFF = msgspec.structs.replace(ScriptedModel().status, phase="failed")


@pytest.fixture
async def database(tmp_path):
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


class Device:
    """An assistant with a cloud that comes and goes."""

    def __init__(self, database, budget=100_000, consent="asked"):
        self.cloud, self.model = ScriptedModel("Because of ", "the air."), ScriptedModel()
        self.ready, self.cloud.status = self.cloud.status, OFF
        self.conversations = Conversations(database)
        self.outbox = Outbox(database, lane=LANE)
        elsewhere = Elsewhere(
            self.cloud, Policy(consent=consent), MonthlyBudget(database, budget), self.conversations
        )
        self.deferred = Deferred(elsewhere, self.outbox, Config())
        extensions = Extensions(
            intents=(ArrivedRung(self.deferred),), extractive=(DeferringRung(self.deferred),),
            elsewhere=elsewhere,
        )  # fmt: skip
        self.assistant = Assistant(Config(), self.conversations, self.model, extensions)

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.deferred.run(self.assistant))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.assistant.close()

    async def go_online(self):
        self.cloud.status = self.ready
        await self.deferred.go_on()

    async def say(self, turn, text, **more):
        return await (await self.assistant.start(ask(turn, text, **more))).wait()

    async def texts(self, session="s"):
        return [(turn.user_text, turn.answer_text) for turn in await self.conversations.history(session)]


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (LATER, "why is the sky blue?"),
        ("When you're back online, find out who won", "who won"),
        ("Frag, sobald du wieder online bist: wer gewonnen hat", "wer gewonnen hat"),
        ("Wenn wir online sind, frag wie alt der Mond ist", "wie alt der Mond ist"),
        ("When is the shop online?", ""),
        ("Are you online", ""),
    ],
)
def test_it_is_said_in_words(text, rest):
    assert when_online(text) == rest


async def test_a_question_waits_and_is_answered_where_it_was_asked(database):
    device = Device(database)
    async with device.running():
        said = await device.say("t", LATER)
        assert said.text.startswith("I am not online now.")
        assert (device.cloud.generations, device.model.generations) == ([], [])
        await device.go_online()
        await until(lambda: device.cloud.generations)
        await _empty(device.outbox)
    assert (await device.texts())[-1] == ("why is the sky blue?", "Because of the air.")
    sent = device.cloud.generations[0].messages
    assert [message.role for message in sent] == ["system", "user"]
    assert (await device.conversations.history("s"))[-1].route["rung"] == "cloud"


async def test_whoever_asks_in_german_is_told_in_german_that_it_waits(database):
    said = await Device(database).say("t", "Frag, sobald du wieder online bist: wer gewonnen hat")
    assert said.text.startswith("Ich bin gerade nicht online.")


async def test_with_a_link_it_is_asked_at_once(database):
    device = Device(database)
    async with device.running():
        await device.go_online()
        said = await device.say("t", LATER)
    assert (said.text, said.route.rung) == ("Because of the air.", "cloud")


async def test_questions_survive_a_restart_and_keep_their_order(database):
    first = Device(database)
    async with first.running():
        for number in range(5):
            await first.say(f"t{number}", f"Ask when you are online: number {number}?")
    second = Device(database)
    async with second.running():
        await second.go_online()
        await _empty(second.outbox)
    asked = [generation.messages[-1].content for generation in second.cloud.generations]
    assert asked == [f"number {number}?" for number in range(5)]
    assert len(await second.texts()) == 10


async def test_one_that_was_answered_before_a_crash_is_not_asked_again(database):
    device = Device(database)
    async with device.running():
        await device.say("t", LATER)
        letter = (await device.outbox.waiting())[0]
        await device.say(letter.id, "why is the sky blue?")  # stored, and then the power went
        await device.go_online()
        await _empty(device.outbox)
    assert device.cloud.generations == []


async def test_a_cloud_that_fails_is_asked_again_and_no_letter_is_lost(database, monkeypatch):
    monkeypatch.setattr(module, "AGAIN", RestartPolicy(first_seconds=0.01, longest_seconds=0.02))
    device = Device(database)
    device.cloud.steps = [ModelError("CLOUD_NO_WORKER", "nobody")]
    async with device.running():
        await device.say("t", LATER)
        await device.go_online()
        await until(lambda: len(device.cloud.generations) >= 2)
        assert len(await device.outbox.waiting()) == 1
        device.cloud.steps = ["Now."]
        await _empty(device.outbox)
    assert (await device.texts())[-1][1] == "Now."


async def test_what_may_not_leave_is_not_kept_for_later_either(database):
    device = Device(database)
    refused = (
        {"text": "Ask when you are online: what helps me? I am allergic to nuts."},
        {"text": LATER, "principal": Principal("g", "guest"), "session": "g"},
    )
    for number, request in enumerate(refused):
        said = await device.say(f"t{number}", **request)
        assert said.route.rung == "local"
    never = Device(database, consent="never")
    await never.say("n", LATER, session="n")
    assert await device.outbox.waiting() == []


async def test_a_shutdown_while_the_answer_waits_for_its_conversation_loses_and_doubles_nothing(database):
    first, gate = Device(database), asyncio.Event()
    await first.say("t", LATER)
    first.model.steps = [gate]
    await first.assistant.start(ask("long", "Tell me a story."))  # the answer has to wait for it
    async with first.running():
        await first.go_online()
        await until(lambda: first.assistant.active == 2)
    assert len(await first.outbox.waiting()) == 1
    second = Device(database)
    await second.conversations.recover()
    async with second.running():
        await second.go_online()
        await _empty(second.outbox)
    answers = [answer for text, answer in await second.texts() if text == "why is the sky blue?" and answer]
    assert answers == ["Because of the air."]
    assert second.model.generations == []


async def test_an_answer_that_finds_no_room_is_put_down_later_and_not_asked_for_again(database, monkeypatch):
    monkeypatch.setattr(module, "AGAIN", RestartPolicy(first_seconds=0.01, longest_seconds=0.02))
    device = Device(database)
    await device.say("t", LATER)
    start, finish = device.assistant.start, device.conversations.finish_turn
    faults = {"start": [EdgeError("STORE_FULL", "full")], "finish": [EdgeError("STORE_FULL", "full")]}

    async def begin(request):
        if faults["start"]:
            raise faults["start"].pop()
        return await start(request)

    async def end(*args, **more):
        if faults["finish"]:
            raise faults["finish"].pop()
        return await finish(*args, **more)

    monkeypatch.setattr(device.assistant, "start", begin)
    monkeypatch.setattr(device.conversations, "finish_turn", end)
    async with device.running():
        await device.go_online()
        await _empty(device.outbox)
        assert faults == {"start": [], "finish": []}
        assert (await device.texts())[-1] == ("why is the sky blue?", "Because of the air.")
        assert len(device.cloud.generations) == 1
        device.cloud.steps = ["Another."]
        await device.say("u", "Ask when you are online: who won?")
        assert (await device.texts())[-1][1] == "Another."


async def test_an_answer_whose_question_was_forgotten_is_never_given_to_another(database, monkeypatch):
    monkeypatch.setattr(module, "AGAIN", RestartPolicy(first_seconds=0.01, longest_seconds=0.02))
    device = Device(database)
    await device.say("a", LATER, session="one")
    await device.say("b", "Ask when you are online: who won?", session="two")
    start, refused = device.assistant.start, []

    async def begin(request):
        if request.session == "one":
            refused.append(request)
            raise EdgeError("STORE_FULL", "full")
        return await start(request)

    monkeypatch.setattr(device.assistant, "start", begin)
    async with device.running():
        await device.go_online()
        await until(lambda: refused)
        device.cloud.steps = ["Nobody."]
        await database.write(lambda db: outbox_hook().rows(db, Sessions(("one",))))
        await _empty(device.outbox)
    assert (await device.texts("two"))[-1] == ("who won?", "Nobody.")


async def test_a_question_that_the_cloud_always_fails_at_holds_up_the_others_for_a_while_only(
    database, monkeypatch
):
    monkeypatch.setattr(module, "AGAIN", RestartPolicy(first_seconds=0.001, longest_seconds=0.002))
    monkeypatch.setattr(module, "MOST_FAILURES", 3)
    device = Device(database)
    await device.say("a", LATER, session="one")
    await device.say("b", "Ask when you are online: who won?", session="two")
    answer = device.cloud.generate

    def generate(generation):
        bad = "sky" in generation.messages[-1].content
        device.cloud.steps = [ModelError("CLOUD_FAILED", "no")] if bad else ["Nobody."]
        return answer(generation)

    monkeypatch.setattr(device.cloud, "generate", generate)
    async with device.running():
        await device.go_online()
        await _empty(device.outbox)
    assert (await device.texts("one"))[-1][1] == "The cloud could not answer this (CLOUD_FAILED)."
    assert (await device.texts("two"))[-1][1] == "Nobody."
    assert len(device.cloud.generations) == 4


async def test_a_used_up_budget_keeps_the_question_waiting(database):
    device = Device(database, budget=0)
    async with device.running():
        await device.say("t", LATER)
        await device.go_online()
        await asyncio.sleep(0.1)
        assert device.cloud.generations == []
        assert len(await device.outbox.waiting()) == 1


async def test_in_a_full_outbox_the_oldest_that_can_wait_gives_way_and_it_is_said(database, monkeypatch):
    monkeypatch.setattr(outbox_module, "MOST", 3)
    home, device = Outbox(database), Device(database)
    await home.add("t", b"{}", principal="owner", lasts_seconds=60)
    for number in range(2):
        await device.say(f"t{number}", f"Ask when you are online: number {number}?")
    said = await device.say("t2", "Ask when you are online: number 2?")
    assert "had to give way" in said.text
    kept = [msgspec.json.decode(letter.payload)["text"] for letter in await device.outbox.waiting()]
    assert kept == ["number 1?", "number 2?"]
    for _ in range(2):
        await home.add("t", b"{}", principal="owner", lasts_seconds=60)
    with pytest.raises(EdgeError, match="OUTBOX_FULL"):
        await home.add("t", b"{}", principal="owner", lasts_seconds=60)
    assert len(await home.waiting()) == 3


async def test_lanes_keep_apart_and_questions_go_with_person_and_conversation(database):
    device, home = Device(database), Outbox(database)
    await device.say("a", LATER, session="one")
    await device.say("b", LATER, session="two")
    assert await home.waiting() == []
    await database.write(lambda db: outbox_hook().rows(db, Sessions(("one",))))
    assert len(await device.outbox.waiting()) == 1
    await database.write(lambda db: outbox_hook().rows(db, Person("owner")))
    assert await device.outbox.waiting() == []


async def _empty(outbox):
    async with asyncio.timeout(60):
        while await outbox.waiting():
            await asyncio.sleep(0.01)
