"""Actions in turns: asked, confirmed by a tap or a word, once, and by whoever may."""

from __future__ import annotations

import msgspec
import pytest

from edge_assistant.assistant.acting import WITHHELD, ConsentRung, carry_out, occasion_of
from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import ConfirmationAsked, Route, ToolCalled, ToolFinished
from edge_assistant.assistant.ladder import Extensions, QuickAnswer
from edge_assistant.assistant.request import Confirms, Request
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.protocol import Call
from tests.assistant.conftest import GUEST, OWNER, watch
from tests.tools.conftest import Ledger
from tests.tools.test_actions import Door


class Templates:
    """The words `unlock the door` unlock it, as an intent does."""

    def __init__(self, actions):
        self.actions = actions

    async def attempt(self, question):
        if "unlock" not in question.request.text:
            return None
        call, occasion = Call("unlock", {"door": "front"}), occasion_of(question.request)
        result = await carry_out(question.turn, self.actions, call, occasion)
        return QuickAnswer(text=result.text, route=Route(rung="intent", model="", reason="a template"))


class House:
    def __init__(self, conversations, model):
        self.door, self.ledger = Door(), Ledger()
        self.actions = Actions([self.door], self.ledger, pin="2468")
        extensions = Extensions(
            intents=(ConsentRung(self.actions), Templates(self.actions)), actions=self.actions
        )
        self.assistant = Assistant(Config(), conversations, model, extensions)
        self.turns = 0

    async def say(self, text, principal=OWNER, session="s", **more):
        self.turns += 1
        name = more.pop("id", f"turn-{self.turns}")
        request = Request(id=name, text=text, session=session, principal=principal, **more)
        return await watch(await self.assistant.start(request))


@pytest.fixture
async def house(conversations, model):
    house = House(conversations, model)
    yield house
    await house.assistant.close()


def one(events, kind):
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


async def test_a_risky_action_is_asked_about_and_a_spoken_yes_does_it(house, model):
    events = await house.say("unlock the door")
    asked = one(events, ConfirmationAsked)
    assert (asked.summary, asked.pin, events[-1].text) == (
        "unlock the front door", False, "Shall I unlock the front door?",
    )  # fmt: skip
    assert one(events, ToolCalled).name == "unlock"
    assert one(events, ToolFinished).outcome == "asked"
    assert house.door.runs == []
    events = await house.say("Yes, please.")
    assert events[-1].text == "It is unlocked."
    assert events[-1].route.reason == "a person answered our question, or took something back"
    assert house.door.runs == [("front", "owner")]
    assert model.generations == []


async def test_a_tap_counts_once_however_often_it_comes(house):
    asked = one(await house.say("unlock the door"), ConfirmationAsked)
    confirms = Confirms(action=asked.action, approve=True)
    for _ in range(3):
        events = await house.say("Yes.", id=f"{asked.action}-yes", confirms=confirms)
        assert events[-1].text == "It is unlocked."
    assert len(house.door.runs) == 1
    with pytest.raises(EdgeError, match="CONFIRMATION_GONE"):
        await house.say("Yes.", confirms=confirms)


async def test_a_no_and_something_else_do_nothing(house, model):
    await house.say("unlock the door")
    assert (await house.say("no"))[-1].text == "All right, I won't."
    await house.say("unlock the door")
    await house.say("yes and open the window")
    assert [g.messages[-1].content for g in model.generations] == ["yes and open the window"]
    assert house.door.runs == []


async def test_a_yes_elsewhere_or_of_somebody_else_does_nothing(house, model):
    asked = one(await house.say("unlock the door"), ConfirmationAsked)
    await house.say("yes", session="other")
    await house.say("yes", principal=GUEST, session="guest")
    assert len(model.generations) == 2
    with pytest.raises(EdgeError, match="CONFIRMATION_NOT_YOURS"):
        await house.say("Yes.", GUEST, "guest", confirms=Confirms(action=asked.action, approve=True))
    assert house.door.runs == []


async def test_what_was_done_is_taken_back_by_a_word(house, model):
    assert (await house.say("undo that"))[-1].text == "There is nothing that I could take back."
    house.door.risk = "free"
    await house.say("unlock the door")
    assert (await house.say("Undo that."))[-1].text == "It is unlocked."
    assert [door for door, _ in house.door.runs] == ["front", "back"]
    assert model.generations == []


async def test_a_pin_is_said_used_and_kept_nowhere(house, conversations, caplog):
    house.door.risk = "pin"
    events = await house.say("unlock the door")
    assert (one(events, ConfirmationAsked).pin, events[-1].text) == (
        True, "To unlock the front door I need the PIN. What is it?",
    )  # fmt: skip
    assert (await house.say("one one one one"))[-1].text == "That PIN is not right."
    assert (await house.say("two four six eight"))[-1].text == "It is unlocked."
    stored = await conversations.history("s")
    assert [turn.user_text for turn in stored] == ["unlock the door", WITHHELD, WITHHELD]
    assert "2468" not in str(house.ledger.entries) + caplog.text
    assert b"2468" not in msgspec.json.encode(events)


async def test_without_anything_to_do_a_confirmation_is_refused(conversations, model):
    assistant = Assistant(Config(), conversations, model)
    request = Request(id="x", text="Yes.", session="s", confirms=Confirms(action="a", approve=True))
    with pytest.raises(EdgeError, match="NOTHING_TO_CONFIRM"):
        await assistant.start(request)
    await assistant.close()
