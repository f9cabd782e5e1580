"""The first rung with its real process: what is said is done, asked about, or left to the next rung."""

from __future__ import annotations

import asyncio
import secrets

import msgspec
import pytest
import pytest_asyncio

from edge_assistant.assistant.commanding import IntentRung
from edge_assistant.assistant.events import ConfirmationAsked
from edge_assistant.assistant.ladder import Question
from edge_assistant.assistant.request import OWNER, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.bench.home.house import PREFIX, THINGS, announcement, crowd
from edge_assistant.config.schema import Home, OwnAction, OwnSentence
from edge_assistant.home.control import Control
from edge_assistant.home.discovery import parse
from edge_assistant.home.entity import State
from edge_assistant.home.registry import Registry
from edge_assistant.home.template import Templates
from edge_assistant.intents import client
from edge_assistant.intents.client import IntentWorker
from edge_assistant.intents.paraphrase import Paraphrases
from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings
from edge_assistant.memory.embedding import EMBEDDER
from edge_assistant.store.database import Database
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.home_tools import ControlTool, LookTool, NameTool, RestoreTool, UnnameTool
from edge_assistant.tools.kit import everyday_tools
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.timers import Timers
from tests.tools.conftest import Clocks


class Broker:
    def __init__(self):
        self.sent = []

    async def publish(self, message):
        self.sent.append((message.topic.removeprefix("house/"), message.payload))


class Names:
    def __init__(self, registry):
        self._registry = registry

    async def call(self, entity, alias, principal):
        self._registry.name(entity.id, (alias,))

    async def forget_name(self, entity, alias):
        self._registry.name(entity.id, ())


class Ledger:
    async def record(self, event, principal, details):
        pass


SENTENCES = (
    OwnSentence(
        say=("party time", "let's [really ]dance"),
        actions=(
            OwnAction(entity="light.floor_lamp", data={"color": "pink"}),
            OwnAction(entity="switch.fountain"),
        ),
        answer="Have fun!",
    ),
    OwnSentence(say=("let the guests in",), actions=(OwnAction(entity="lock.front", service="unlock"),)),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker():
    found = IntentWorker()
    await found.start()
    async with asyncio.timeout(60):
        await found.ready.wait()
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder(models_folder):
    found = FastembedEmbedder(embedder_settings(EMBEDDER, models_folder))
    yield found
    await found.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def database(tmp_path):
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


class Flat:
    """A rung in a house without a broker."""

    def __init__(self, worker, language="en", room="", embedder=None):
        self.registry = Registry()
        for thing in THINGS:
            topic, payload = announcement(thing, language)
            self.registry.replace(topic, parse(PREFIX, topic, payload))
        self.broker = Broker()
        kit = (self.registry, Control(self.registry, self.broker, Templates()), {})
        names = Names(self.registry)
        tools = [ControlTool(*kit), RestoreTool(*kit), LookTool(*kit)]
        tools += [NameTool(*kit, names), UnnameTool(*kit, names)]
        self.actions = Actions(tools, Ledger())
        settings = Home(room=room, sentences=SENTENCES)
        self.paraphrases = Paraphrases(embedder, self.registry) if embedder else None
        self.rung = IntentRung(
            worker, self.registry, self.actions, settings, language=lambda: language,
            paraphrases=self.paraphrases,
        )  # fmt: skip
        self.asked = []

    async def say(self, text, session="s"):
        request = Request(id=secrets.token_hex(8), text=text, session=session, principal=OWNER, source="web")
        turn = Turn(request.id, session, OWNER)
        answer = await self.rung.attempt(Question(request=request, turn=turn))
        self.asked = [event for event in turn._events if isinstance(event, ConfirmationAsked)]
        return answer.text if answer else None


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine parses as well, only later."""
    monkeypatch.setattr(client, "LONGEST_SECONDS", 20.0)


async def test_a_lamp_is_switched_and_switched_off_again(worker):
    flat = Flat(worker)
    assert await flat.say("turn on the coffee machine") == "Turned on coffee machine."
    assert await flat.say("turn it off again") == "Turned off coffee machine."
    assert flat.broker.sent == [("switch.coffee/set", "ON"), ("switch.coffee/set", "OFF")]


async def test_it_means_nothing_in_another_conversation(worker):
    flat = Flat(worker)
    await flat.say("turn on the coffee machine", "one")
    assert await flat.say("turn it off again", "other") is None


@pytest.mark.parametrize(
    ("language", "single", "every", "it"),
    [
        ("en", "turn on the coffee machine", "turn off all lights", "turn it on again"),
        ("de", "Starte den Saugroboter", "Mach alle Lichter aus", "Mach es wieder an"),
    ],
)
async def test_after_a_command_to_many_it_is_not_what_was_named_before(worker, language, single, every, it):
    flat = Flat(worker, language)
    await flat.say(single)
    assert await flat.say(every)
    sent = list(flat.broker.sent)
    assert await flat.say(it) is None
    assert flat.broker.sent == sent


@pytest.mark.parametrize(
    ("language", "text", "none", "one"),
    [
        ("en", "which lights are on?", "None.", "floor lamp."),
        ("en", "are any lights on?", "No, none.", "Yes: floor lamp."),
        ("en", "how many lights are on in the living room?", "None.", "1: floor lamp."),
        ("de", "Welche Lichter sind an?", "Keins.", "Stehlampe."),
    ],
)
async def test_which_and_how_many_are_answered_as_they_were_asked(worker, language, text, none, one):
    flat = Flat(worker, language)
    for entity in flat.registry.entities:
        flat.registry.set_state(entity.id, State(value="off"))
    assert await flat.say(text) == none
    flat.registry.set_state("light.floor_lamp", State(value="on"))
    assert await flat.say(text) == one


async def test_german_is_answered_in_german_also_where_english_is_spoken(worker):
    flat = Flat(worker, "de")
    assert await flat.say("Schalte die Kaffeemaschine ein") == "Kaffeemaschine eingeschaltet."
    english = Flat(worker)
    assert await english.say("schalte fountain ein") == "fountain eingeschaltet."


async def test_the_light_is_that_of_the_room(worker):
    flat = Flat(worker, room="Office")
    await flat.say("turn on the lights")
    assert [topic for topic, _ in flat.broker.sent] == ["light.desk/set"]


async def test_several_commands_are_done_in_order(worker):
    flat = Flat(worker)
    await flat.say("turn on the coffee machine and close the living room blinds")
    assert flat.broker.sent == [("switch.coffee/set", "ON"), ("cover.living_blinds/set", "CLOSE")]


@pytest.mark.parametrize(
    "text", ["unlock the front door", "open the front door", "open the garage door", "let the guests in"]
)
async def test_what_lets_people_in_is_asked_about_first(worker, text):
    flat = Flat(worker)
    await flat.say(text)
    assert flat.broker.sent == []
    [asked] = flat.asked
    await flat.actions.answer(asked.action, OWNER, approve=True)
    assert len(flat.broker.sent) == 1


async def test_locking_is_free_and_never_unlocks(worker):
    flat = Flat(worker)
    await flat.say("lock the front door")
    assert flat.broker.sent == [("lock.front/set", "LOCK")]


async def test_questions_are_answered_from_the_states(worker):
    flat = Flat(worker)
    flat.registry.set_state("lock.front", State(value="locked"))
    flat.registry.set_state("sensor.living_temperature", State(value="21.5"))
    assert await flat.say("is the front door locked?") == "Yes. front door is locked."
    assert await flat.say("how warm is it in the living room") == "Living Room: 21.5 °C."
    assert (await flat.say("what time is it")).startswith("It is ")
    assert flat.broker.sent == []


async def test_an_english_timer_may_say_what_it_is_for_last(worker):
    flat, set_for = Flat(worker), []
    flat.rung.watch = set_for.append
    await flat.say("set a timer for 10 minutes for the pasta")
    assert set_for == ["tool set_timer"]


@pytest.mark.parametrize(
    ("language", "text", "told"),
    [
        ("en", "close all the curtains", {"cover.bedroom_curtain"}),
        ("de", "Schließe alle Vorhänge", {"cover.bedroom_curtain"}),
    ],
)
async def test_all_of_a_kind_are_closed(worker, language, text, told):
    flat = Flat(worker, language)
    assert await flat.say(text)
    assert {topic.removesuffix("/set") for topic, _ in flat.broker.sent} == told


@pytest.mark.parametrize("text", ["open all covers", "close all covers"])
async def test_all_covers_are_asked_about_since_the_garage_is_one(worker, text):
    flat = Flat(worker)
    await flat.say(text)
    assert flat.asked
    assert flat.broker.sent == []


async def test_the_only_vacuum_needs_no_name(worker):
    assert await Flat(worker).say("start the vacuum") == "Started robot vacuum."


async def test_a_thing_can_be_given_a_name(worker):
    flat = Flat(worker)
    await flat.say("turn on the floor lamp")
    assert await flat.say("call it big light") == "floor lamp is now called big light too."
    assert await flat.say("turn off big light") == "Turned off floor lamp."
    assert "else is called" in await flat.say("call the floor lamp chandelier")


async def test_a_name_that_was_given_can_be_taken_back(worker):
    flat = Flat(worker)
    await flat.say("turn on the floor lamp")
    await flat.say("call it big light")
    assert await flat.say("undo that") == "floor lamp is called big light no more."
    flat.broker.sent.clear()
    await flat.say("turn off big light")
    assert flat.broker.sent == []


@pytest.mark.parametrize(("language", "text"), [("en", "make me a coffee"), ("de", "mach mir einen Kaffee")])
async def test_what_a_machine_makes_can_be_asked_for_also_in_a_crowd(worker, language, text):
    flat = Flat(worker, language)
    for thing in crowd(200):
        topic, payload = announcement(thing, language)
        flat.registry.replace(topic, parse(PREFIX, topic, payload))
    await flat.say(text)
    assert flat.broker.sent == [("switch.coffee/set", "ON")]


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("add 5 minutes to the timer", "Now 15 minutes are left."),
        ("take 3 minutes off the timer", "Now 7 minutes are left."),
        ("pause the timer", "Paused, 10 minutes left."),
        ("verlängere den Timer um 5 Minuten", "Jetzt noch 15 Minuten."),
        ("pausiere den Timer", "Angehalten, noch 10 Minuten."),
        ("cancel the 10 minute timer", "Cancelled."),
        ("wake me at 7:30", "Alarm set for Friday 27 November 07:30."),
        ("weck mich morgen um halb acht", "Wecker gestellt: Freitag, 27. November 07:30."),
    ],
)
async def test_a_timer_is_changed_by_what_is_said(worker, database, text, answers):
    flat, timers = Flat(worker), Timers(database, clock=Clocks())
    for tool in everyday_tools(timers, Lists(database)):
        flat.actions.add(tool)
    await flat.say("set a timer for 10 minutes")
    assert await flat.say(text) == answers


async def test_a_command_for_later_is_not_answered_with_a_timer_that_only_rings(worker):
    assert await Flat(worker).say("turn off the floor lamp in 5 minutes") is None


async def test_the_owners_own_sentences_come_first(worker):
    flat = Flat(worker)
    assert (await flat.say("let's dance")).endswith("Have fun!")
    assert [topic for topic, _ in flat.broker.sent] == ["light.floor_lamp/set", "switch.fountain/set"]


async def test_what_was_done_can_be_taken_back(worker):
    flat = Flat(worker)
    flat.registry.set_state("switch.printer", State(value="off"))
    await flat.say("turn on the printer")
    await flat.say("undo that")
    assert flat.broker.sent == [("switch.printer/set", "ON"), ("switch.printer/set", "OFF")]


async def test_of_two_of_one_name_it_asks_which_unless_the_room_tells(worker):
    flat, there = Flat(worker), Flat(worker, room="Hall")
    for room in ("Hall", "Office"):
        payload = b'{"name": "Lamp", "cmd_t": "house/%s/set", "dev": {"name": "Lamp", "sa": "%s"}}'
        topic = f"{PREFIX}/light/{room}/config"
        for each in (flat, there):
            each.registry.replace(topic, parse(PREFIX, topic, payload % (room.encode(), room.encode())))
    assert await flat.say("turn on the lamp") == "Which one: Hall or Office?"
    assert flat.broker.sent == []
    assert await there.say("turn on the lamp") == "Turned on Lamp."
    assert there.broker.sent == [("Hall/set", "ON")]


async def test_a_paraphrase_is_understood_and_one_that_lets_people_in_is_asked_about(worker, embedder):
    flat = Flat(worker, embedder=embedder)
    await flat.paraphrases.prepare()
    assert await flat.say("I don't need the printer anymore") == "Turned off printer."
    assert flat.broker.sent == [("switch.printer/set", "OFF")]
    assert await flat.say("let the sun in through the garage door") == "Shall I open garage door?"
    [asked] = flat.asked
    assert len(flat.broker.sent) == 1
    await flat.actions.answer(asked.action, OWNER, approve=True)
    assert flat.broker.sent[1:] == [("cover.garage_door/set", "OPEN")]
    for talk in (
        "get the front door going",
        "let the sun in through the front door",
        "the garage door is broken",
    ):
        await flat.say(talk)
        assert flat.asked == [], "no likeness unlocks a door"
    assert len(flat.broker.sent) == 2


OTHERWISE = {
    "en": (
        "don't turn on the printer",
        "never open the garage door",
        "please don't close the living room blinds",
        "the printer should not be off",
        "should I close the living room blinds",
        "it is not dark in the kitchen",
        "don't forget to turn off the printer",
        "I don't want the bedroom fan running",
        "turn off the printer when I leave",
        "turn on the printer tomorrow",
        "did you turn on the printer",
    ),
    "de": (
        "schalte den Drucker nicht ein",
        "im Bad ist es nicht dunkel",
        "soll ich das Wohnzimmerrollo schließen",
        "schalte den Drucker aus wenn ich gehe",
        "schalte morgen den Drucker ein",
        "öffne niemals das Garagentor",
    ),
}


@pytest.mark.parametrize("language", ["en", "de"])
async def test_what_says_the_opposite_asks_or_waits_is_not_guessed_at(worker, embedder, language):
    flat = Flat(worker, language, embedder=embedder)
    await flat.paraphrases.prepare()
    for text in OTHERWISE[language]:
        assert await flat.say(text) is None, text
    likely = {"en": "I don't need the printer anymore", "de": "ich brauche den Drucker nicht mehr"}[language]
    assert await flat.say(likely)
    assert flat.broker.sent == [("switch.printer/set", "OFF")]


@pytest.mark.parametrize(
    "text",
    ["", " ", "x" * 5000, "turn on " * 40, "{name}", "(((", "[turn] <on>", "\x00\ud800", "turn on the moon"],
)
async def test_what_is_no_command_goes_to_the_next_rung(worker, text):
    flat = Flat(worker)
    assert await flat.say(text) is None
    assert flat.broker.sent == []


async def test_what_can_not_be_done_is_said_in_the_language_of_the_command(worker):
    flat = Flat(worker, language="de")
    lamp = flat.registry.state("light.floor_lamp")
    flat.registry.set_state("light.floor_lamp", msgspec.structs.replace(lamp, available=False))
    assert await flat.say("schalte die Stehlampe ein") == "Das Gerät antwortet gerade nicht."
