from __future__ import annotations

import asyncio

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import TurnFinished
from edge_assistant.assistant.ladder import Extensions
from edge_assistant.assistant.request import HOUSEHOLD, OWNER, Principal
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError
from edge_assistant.people.users import Users
from tests.assistant.conftest import ask, watch


class Ears:
    """A source of context and a listener that note in whose name they were asked."""

    name = "memories"

    def __init__(self):
        self.asked, self.heard = [], []

    async def retrieve(self, request):
        self.asked.append(request.principal)
        return ()

    async def turn_ended(self, request, answer):
        self.heard.append(request.principal)


@pytest.fixture
async def member(database):
    return Principal((await Users(database).add("Mia", "member")).id, "member")


@pytest.fixture
async def guest(database):
    return Principal((await Users(database).add("Gus", "guest")).id, "guest")


@pytest.fixture
async def shared(conversations):
    await conversations.ensure_session("s", OWNER.id)
    await conversations.share("s", OWNER.id, "household")


async def test_people_of_the_household_go_on_in_one_conversation_one_after_the_other(
    assistant, model, conversations, member, shared
):
    gate = asyncio.Event()
    model.steps = [gate, "fine"]
    first = await assistant.start(ask("t1"))
    second = await assistant.start(ask("t2", principal=member))
    async with asyncio.timeout(60):
        while not model.generations:
            await asyncio.sleep(0.01)
    assert len(model.generations) == 1
    gate.set()
    for turn in (first, second):
        assert isinstance((await watch(turn))[-1], TurnFinished)
    assert [each.turn_id for each in await conversations.transcript("s", member.id)] == ["t1", "t2"]


async def test_a_running_answer_is_watched_and_stopped_by_those_who_see_it(
    assistant, model, member, guest, shared
):
    gate = asyncio.Event()
    model.steps = ["a", gate]
    turn = await assistant.start(ask("t1"))
    assert await assistant.turn("t1", member) is turn
    assert await assistant.turn("t1", guest) is None
    await (await assistant.turn("t1", member)).cancel()
    assert (await turn.wait()).status == "interrupted"


async def test_in_the_household_nothing_private_is_looked_up_or_remembered(
    conversations, model, member, shared
):
    ears = Ears()
    assistant = Assistant(Config(), conversations, model, Extensions(sources=(ears,), listeners=(ears,)))
    for request in (ask("t1"), ask("t2", principal=member), ask("t3", session="own", principal=member)):
        await watch(await assistant.start(request))
        while assistant.active:
            await asyncio.sleep(0)
    assert ears.asked == ears.heard == [HOUSEHOLD, HOUSEHOLD, member]
    await assistant.close()


async def test_only_some_may_erase_and_nobody_else_stops_its_answers(assistant, model, member, guest, shared):
    gate = asyncio.Event()
    model.steps = ["a", gate]
    turn = await assistant.start(ask("t1"))
    for who, code in ((member, "SESSION_NOT_YOURS"), (guest, "SESSION_NOT_FOUND")):
        with pytest.raises(EdgeError) as error:
            await assistant.forget_session("s", who)
        assert error.value.code == code
    assert not turn.stopping
    await assistant.forget_session("s", OWNER)
    assert turn.finished
    assert model.forgotten == ["s"]


async def test_a_guest_who_guesses_the_id_of_a_shared_conversation_gets_nothing(assistant, guest, shared):
    with pytest.raises(EdgeError) as error:
        await assistant.start(ask("t1", principal=guest))
    assert error.value.code == "SESSION_NOT_FOUND"
