"""The one door: what is done, asked, refused, given up, written down and taken back."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.errors import EdgeError
from edge_assistant.tools.actions import LONGEST_RESULT, WRONG_PINS, Actions
from edge_assistant.tools.policy import judge
from edge_assistant.tools.protocol import Call, schema_of
from tests.tools.conftest import ANN, GUEST, HOUSEHOLD, OWNER, Effect, Outcome, occasion


class Arguments(msgspec.Struct):
    door: str = "front"


class Door:
    """Unlocks, once for each call; what it does besides is scripted."""

    name, description, arguments = "unlock", "Unlock a door.", Arguments

    def __init__(self, risk="confirm", reach="act"):
        self.risk, self.reach = risk, reach
        self.runs = []
        self.result = Outcome(text="It is unlocked.", undo=Call("unlock", {"door": "back"}))

    def effect(self, arguments, occasion):
        return Effect(reach=self.reach, risk=self.risk, summary=f"unlock the {arguments.door} door")

    async def run(self, arguments, occasion):
        self.runs.append((arguments.door, occasion.principal.id))
        if callable(self.result):
            return await self.result()
        return self.result


class Time:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def door():
    return Door()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def actions(door, ledger, time):
    return Actions([door], ledger, pin="2468", clock=time, longest_seconds=0.2)


async def refused(work):
    with pytest.raises(EdgeError) as caught:
        await work
    return caught.value.code


CALL = Call("unlock", {"door": "front"})


async def test_what_is_risky_is_asked_about_and_done_once_after_a_yes(actions, door, ledger):
    asked = await actions.do(CALL, occasion())
    assert (asked.status, asked.text, door.runs) == ("asked", "Shall I unlock the front door?", [])
    done = await actions.answer(asked.asked.id, OWNER, approve=True)
    assert (done.status, done.text, door.runs) == ("done", "It is unlocked.", [("front", "owner")])
    assert await refused(actions.answer(asked.asked.id, OWNER, approve=True)) == "CONFIRMATION_GONE"
    assert len(door.runs) == 1
    assert ledger.events == ["action.asked", "action.began", "action.ended"]


async def test_after_a_no_nothing_happens(actions, door, ledger):
    asked = await actions.do(CALL, occasion())
    declined = await actions.answer(asked.asked.id, OWNER, approve=False)
    assert (declined.status, door.runs) == ("declined", [])
    assert ledger.events == ["action.asked", "action.declined"]


async def test_a_question_is_for_one_person_and_a_minute(actions, door, time):
    asked = (await actions.do(CALL, occasion(ANN))).asked
    assert await refused(actions.answer(asked.id, OWNER, approve=True)) == "CONFIRMATION_NOT_YOURS"
    time.now += 61
    assert await refused(actions.answer(asked.id, ANN, approve=True)) == "CONFIRMATION_GONE"
    assert door.runs == []


async def test_what_the_household_is_asked_anybody_who_lives_here_answers_but_no_guest(actions, door):
    asked = (await actions.do(CALL, occasion(HOUSEHOLD))).asked
    assert await refused(actions.answer(asked.id, GUEST, approve=True)) == "CONFIRMATION_NOT_YOURS"
    await actions.answer(asked.id, ANN, approve=True)
    assert door.runs == [("front", "ann")]


async def test_a_yes_means_the_newest_question_of_its_own_conversation(actions):
    older = (await actions.do(CALL, occasion(session="a"))).asked
    other = (await actions.do(CALL, occasion(session="b"))).asked
    newer = (await actions.do(Call("unlock", {"door": "back"}), occasion(session="a"))).asked
    assert actions.confirmations.newest(OWNER, "a") == newer
    assert actions.confirmations.newest(OWNER, "b") == other
    assert actions.confirmations.newest(OWNER, "c") is None
    assert await refused(actions.answer(older.id, OWNER, approve=True)) == "CONFIRMATION_GONE"


async def test_a_yes_does_what_was_asked_and_not_what_was_said_since(actions, door):
    call = Call("unlock", {"door": "front"})
    asked = (await actions.do(call, occasion())).asked
    call.arguments["door"] = "every"
    await actions.answer(asked.id, OWNER, approve=True)
    assert door.runs == [("front", "owner")]


async def test_a_yes_does_not_count_when_what_was_asked_became_riskier(actions, door):
    asked = await actions.do(CALL, occasion())
    door.risk = "pin"
    assert await refused(actions.answer(asked.asked.id, OWNER, approve=True)) == "CONFIRMATION_GONE"
    assert door.runs == []


async def test_a_pin_must_be_right_and_cannot_be_guessed(actions, door, time):
    door.risk = "pin"
    asked = (await actions.do(CALL, occasion())).asked
    assert asked.pin
    for _ in range(WRONG_PINS):
        assert await refused(actions.answer(asked.id, OWNER, approve=True, pin="1111")) == "PIN_WRONG"
    assert await refused(actions.answer(asked.id, OWNER, approve=True, pin="2468")) == "PIN_LOCKED"
    time.now += 301
    asked = (await actions.do(CALL, occasion())).asked
    await actions.answer(asked.id, OWNER, approve=True, pin=" 2468 ")
    assert len(door.runs) == 1


async def test_without_a_pin_what_needs_one_is_refused(door, ledger):
    door.risk = "pin"
    assert await refused(Actions([door], ledger).do(CALL, occasion())) == "PIN_NOT_SET"


async def test_a_guest_acts_on_nothing(actions, door):
    door.risk = "free"
    assert await refused(actions.do(CALL, occasion(GUEST))) == "ACTION_FORBIDDEN"
    assert door.runs == []


@given(
    risk=st.sampled_from(["free", "confirm", "pin"]), reach=st.sampled_from(["look", "note", "act"]),
    who=st.sampled_from([OWNER, ANN, HOUSEHOLD]),
)  # fmt: skip
def test_after_untrusted_text_nothing_that_acts_is_free(risk, reach, who):
    effect = Effect(risk=risk, reach=reach, summary="do it")
    assert judge(effect, occasion(who, tainted=True)) != "do" or reach != "act"
    assert (judge(effect, occasion(who)) == "do") == (risk == "free")


async def test_untrusted_text_turns_a_free_action_into_a_question(actions, door):
    door.risk = "free"
    assert (await actions.do(CALL, occasion(tainted=True))).status == "asked"
    assert (await actions.do(CALL, occasion())).status == "done"


async def test_actions_are_limited_and_looking_is_not(actions, door):
    door.risk = "free"
    codes = [await _code(actions.do(CALL, occasion(ANN))) for _ in range(25)]
    assert codes.count("ACTIONS_RATE_LIMITED") == 5
    assert await _code(actions.do(CALL, occasion(OWNER))) == ""
    door.reach = "look"
    assert await _code(actions.do(CALL, occasion(ANN))) == ""


async def _code(work):
    try:
        await work
    except EdgeError as error:
        return error.code
    return ""


async def test_the_last_action_of_a_conversation_is_taken_back_once(actions, door):
    door.risk = "free"
    await actions.do(CALL, occasion())
    assert await refused(actions.undo(occasion(session="other"))) == "NOTHING_TO_UNDO"
    door.result = Outcome(text="Back.")
    await actions.undo(occasion())
    assert [name for name, _ in door.runs] == ["front", "back"]
    assert await refused(actions.undo(occasion())) == "NOTHING_TO_UNDO"


# --- tools that misbehave


async def test_a_tool_that_hangs_is_given_up_even_when_it_ignores_that(actions, door, ledger):
    door.risk = "free"
    released = asyncio.Event()

    async def deaf():
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        return Outcome(text="late")

    door.result = deaf
    assert await refused(actions.do(CALL, occasion())) == "TOOL_TIMEOUT"
    assert ledger.entries[-1][2]["error"] == "TOOL_TIMEOUT"
    released.set()
    await asyncio.gather(*actions._stuck)


@pytest.mark.parametrize("garbage", [None, "text", {"text": 1}, Outcome(text=None), b"\xff", 10**400])
async def test_garbage_is_an_error_and_nothing_else(actions, door, garbage):
    door.risk, door.result = "free", garbage
    assert await refused(actions.do(CALL, occasion())) == "TOOL_FAILED"


async def test_a_tool_that_fails_is_named_and_no_more(actions, door, ledger):
    async def fail():
        raise ValueError("a secret")

    door.risk, door.result = "free", fail
    with pytest.raises(EdgeError) as caught:
        await actions.do(CALL, occasion())
    assert caught.value.code == "TOOL_FAILED"
    assert "secret" not in caught.value.message
    assert ledger.events == ["action.began", "action.ended"]


async def test_a_long_result_is_cut_and_a_broken_one_mended(actions, door):
    door.risk, door.result = "free", Outcome(text="x" * 2_000_000)
    assert len((await actions.do(CALL, occasion())).text) == LONGEST_RESULT
    door.result = Outcome(text="a\ud800b")
    assert (await actions.do(CALL, occasion())).text == "a?b"


@pytest.mark.parametrize(
    "call",
    [
        Call("unlock", {"door": 1}),
        Call("unlock", {"door": "x" * 1_000_000}),
        Call("unlock", {"door": "\ud800"}),
        Call("unlock", {"door": {"a": []}}),
        Call("lock", {}),
        Call("x" * 1_000_000, {}),
    ],
)
async def test_a_call_that_makes_no_sense_is_refused(actions, door, call):
    assert await refused(actions.do(call, occasion())) in {"TOOL_ARGUMENTS_BAD", "TOOL_UNKNOWN"}
    assert door.runs == []


async def test_an_action_that_is_cut_off_is_written_down_as_such(actions, door, ledger):
    door.risk = "free"

    async def slow():
        await asyncio.sleep(60)

    door.result = slow
    task = asyncio.create_task(actions.do(CALL, occasion()))
    while not door.runs:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ledger.entries[-1][0] == "action.ended"
    assert ledger.entries[-1][2]["error"] == "INTERRUPTED"


def test_the_schema_of_arguments_has_no_references(door):
    schema = schema_of(door)
    assert schema["properties"] == {"door": {"type": "string"}}
    assert "$" not in str(schema)
