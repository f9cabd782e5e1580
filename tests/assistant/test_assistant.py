from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace

import msgspec
import pytest

from edge_assistant.assistant import answer
from edge_assistant.assistant.answer import DROPPED_NOTICE
from edge_assistant.assistant.assistant import (
    REMEMBERED,
    WAITING,
    WAITING_PER_PERSON,
    WAITING_PER_SESSION,
)
from edge_assistant.assistant.events import (
    PromptAdvanced,
    TextDelta,
    TurnFailed,
    TurnFinished,
    TurnQueued,
    TurnStarted,
)
from edge_assistant.assistant.prompt import INTERRUPTION
from edge_assistant.assistant.request import OWNER, Principal
from edge_assistant.config import Config
from edge_assistant.config.schema import AssistantSettings, LlmSettings
from edge_assistant.errors import BusyError, EdgeError, ModelError, StoreError
from edge_assistant.llm.protocol import Progress
from tests.assistant.conftest import GUEST, ask, watch


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def refused(work):
    with pytest.raises(EdgeError) as caught:
        await work
    return caught.value


# --- how a turn goes


async def test_a_turn_tells_its_story_in_events_numbered_from_one(assistant, model):
    model.steps = [Progress(3, 7), "Hello ", "there."]
    events = await watch(await assistant.start(ask("t")))
    assert [type(event) for event in events] == [
        TurnStarted, PromptAdvanced, TextDelta, TextDelta, TurnFinished,
    ]  # fmt: skip
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    last = events[-1]
    assert (last.text, last.status, last.notice) == ("Hello there.", "complete", "")
    assert (last.route.rung, last.route.model) == ("local", "scripted")
    assert (last.usage.prompt_tokens, last.usage.cached_tokens, last.usage.completion_tokens) == (7, 3, 2)
    assert 0 < last.timings.first_token_ms <= last.timings.total_ms
    assert last.timings.queue_ms >= 1.5


async def test_the_message_is_stored_when_start_returns_and_the_answer_when_it_finishes(
    assistant, model, conversations
):
    gate = asyncio.Event()
    model.steps = ["Hello ", gate, "there."]
    turn = await assistant.start(ask("t", "Good morning"))
    stored = await conversations.turn("t", OWNER.id)
    assert (stored.user_text, stored.status) == ("Good morning", "running")
    gate.set()
    await turn.wait()
    stored = await conversations.turn("t", OWNER.id)
    assert (stored.answer_text, stored.status, stored.token_ids) == ("Hello there.", "complete", (1000, 1001))
    assert (stored.model, stored.route["rung"]) == ("scripted", "local")


async def test_an_answer_that_reached_its_limit_is_truncated(assistant, model):
    model.reason = "length"
    assert (await (await assistant.start(ask("t"))).wait()).status == "truncated"


async def test_turns_of_a_session_are_answered_in_the_order_they_came(assistant, model):
    gate = asyncio.Event()
    model.steps = [gate, "yes"]
    turns = await asyncio.gather(*(assistant.start(ask(f"t{n}", f"question {n}")) for n in range(5)))
    await until(lambda: model.generations)
    await asyncio.sleep(0.02)
    assert [each.id for each in model.generations] == ["t0"]
    gate.set()
    await asyncio.gather(*(turn.wait() for turn in turns))
    assert [each.id for each in model.generations] == ["t0", "t1", "t2", "t3", "t4"]
    assert len(model.generations[-1].messages) == 1 + 4 * 2 + 1


async def test_turns_of_different_sessions_do_not_wait_for_each_other(assistant, model):
    model.steps = [asyncio.Event()]
    for n in range(3):
        await assistant.start(ask(f"t{n}", session=f"s{n}"))
    await until(lambda: len(model.generations) == 3)


async def test_a_turn_runs_to_its_end_though_the_one_who_started_it_left(assistant, conversations):
    starter = asyncio.create_task(assistant.start(ask("t")))
    await asyncio.sleep(0)
    starter.cancel()
    await asyncio.gather(starter, return_exceptions=True)
    turn = await assistant.turn("t", OWNER)
    assert (await turn.wait()).text == "Hello there."


async def test_old_turns_that_did_not_fit_are_dropped_for_good_and_the_person_is_told(
    assistant, model, conversations
):
    for n in range(3):
        await (await assistant.start(ask(f"t{n}"))).wait()
    model.dropped_turns = 2
    assert (await (await assistant.start(ask("t3"))).wait()).notice == DROPPED_NOTICE
    assert [turn.turn_id for turn in await conversations.history("s")] == ["t2", "t3"]


async def test_of_what_was_left_out_the_gist_leads_the_prompt_until_it_is_erased(
    assistant, model, conversations
):
    for n, text in enumerate(("My sister is called Ada.", "Let us go on.", "And now?")):
        await (await assistant.start(ask(f"t{n}", text))).wait()
    await conversations.drop_turns("s", 2)
    await (await assistant.start(ask("t3", "Who is she?"))).wait()
    prompt = model.generations[-1].messages
    assert prompt[1].content.endswith(")\n\nAnd now?")
    assert "My sister is called Ada." in prompt[1].content
    assert prompt[-1].content == "Who is she?"
    again = msgspec.structs.replace(ask("t4", "And then?"), replaces="t0")
    await (await assistant.start(again)).wait()
    assert "Ada" not in str(model.generations[-1].messages)


# --- repeating, replaying


async def test_repeating_an_id_attaches_to_the_turn_and_runs_nothing(assistant, model):
    first, second = await asyncio.gather(assistant.start(ask("t")), assistant.start(ask("t", "other text")))
    assert first is second
    await first.wait()
    assert await assistant.start(ask("t")) is first
    assert len(model.generations) == 1


async def test_repeating_an_id_after_a_restart_replays_the_stored_turn(make_assistant, model):
    before = make_assistant()
    await (await before.start(ask("t"))).wait()
    await before.close()
    turn = await make_assistant().start(ask("t", "other text", session="elsewhere"))
    started, delta, finished = await watch(turn)
    assert (started.session, delta.text, finished.text) == ("s", "Hello there.", "Hello there.")
    assert (finished.status, finished.route.model, finished.usage.completion_tokens) == (
        "complete", "scripted", 2,
    )  # fmt: skip
    assert len(model.generations) == 1


async def test_a_rebuilt_turn_ends_with_the_whole_text_wherever_a_client_stopped_counting(
    make_assistant, model
):
    before = make_assistant()
    await (await before.start(ask("t"))).wait()
    await before.close()
    turn = await make_assistant().turn("t", OWNER)
    for after in (0, 1, 2, 3, 57):
        events = await watch(turn, after)
        assert events[-1].text == "Hello there."
        assert [event.seq for event in events] == [after + n + 1 for n in range(len(events))]


async def test_finished_turns_are_remembered_up_to_a_bound_and_rebuilt_beyond(assistant):
    for n in range(REMEMBERED + 3):
        await (await assistant.start(ask(f"t{n}", session=f"s{n}"))).wait()
    await until(lambda: assistant.active == 0)
    assert len(assistant._turns) == REMEMBERED
    assert [event.seq for event in await watch(await assistant.turn("t0", OWNER))] == [1, 2, 3]
    assert len(await watch(await assistant.turn(f"t{REMEMBERED}", OWNER))) == 4


async def test_a_turn_of_somebody_else_is_not_there(assistant):
    await (await assistant.start(ask("t"))).wait()
    assert (await refused(assistant.start(ask("t", principal=GUEST)))).code == "TURN_NOT_FOUND"
    assert await assistant.turn("t", GUEST) is None
    assert await assistant.turn("unknown", OWNER) is None


async def test_a_session_of_somebody_else_is_not_there_and_can_be_tried_again_elsewhere(assistant):
    await (await assistant.start(ask("t"))).wait()
    assert (await refused(assistant.start(ask("g", principal=GUEST)))).code == "SESSION_NOT_FOUND"
    turn = await assistant.start(ask("g", session="own", principal=GUEST))
    assert (await turn.wait()).status == "complete"


# --- stopping


async def test_a_stopped_answer_is_stored_as_far_as_it_got(assistant, model, conversations):
    model.steps = ["Hello ", "there", asyncio.Event(), " never"]
    turn = await assistant.start(ask("t"))
    await until(lambda: turn.seq == 3)
    await turn.cancel()
    await turn.cancel()
    last = await turn.wait()
    assert (last.text, last.status) == ("Hello there", "interrupted")
    stored = await conversations.turn("t", OWNER.id)
    assert (stored.answer_text, stored.status, stored.token_ids) == (
        "Hello there", "interrupted", (1000, 1001),
    )  # fmt: skip
    assert model.streams[0].cancels == 1
    await turn.cancel()


async def test_a_power_cut_leaves_what_was_said_of_an_answer(assistant, model, conversations, monkeypatch):
    monkeypatch.setattr(answer, "KEEP_SECONDS", 0.01)
    model.steps = ["It began ", "well ", asyncio.Event()]
    turn = await assistant.start(ask("t"))
    async with asyncio.timeout(60):
        while (await conversations.turn("t", OWNER.id)).answer_text != "It began well ":
            await asyncio.sleep(0.01)
    assert await conversations.recover() == 1  # as the next start does
    stored = (await conversations.history("s"))[0]
    assert (stored.status, stored.answer_text) == ("interrupted", "It began well ")
    await turn.cancel()


async def test_speaking_over_an_answer_stores_only_what_was_heard(assistant, model, conversations):
    model.steps = ["Hello ", "there", asyncio.Event()]
    turn = await assistant.start(ask("t"))
    await until(lambda: turn.seq == 3)
    await turn.cancel(heard_characters=5)
    assert (await turn.wait()).text == "Hello"
    stored = await conversations.turn("t", OWNER.id)
    assert (stored.answer_text, stored.token_ids) == ("Hello", ())


async def test_speaking_over_an_answer_that_is_complete_keeps_what_was_heard_and_tells_the_model(
    assistant, model, conversations
):
    model.steps = ["Hello ", "there, friend."]
    turn = await assistant.start(ask("t"))
    assert (await turn.wait()).text == "Hello there, friend."
    await turn.cancel(heard_characters=11)
    await turn.cancel(heard_characters=3)
    stored = await conversations.turn("t", OWNER.id)
    assert (stored.answer_text, stored.token_ids, stored.status) == ("Hello there", (), "interrupted")
    await (await assistant.start(ask("t2", "And now?"))).wait()
    told = [message.content for message in model.generations[-1].messages[2:]]
    assert told == ["Hello there", f"{INTERRUPTION}\n\nAnd now?"]


async def test_an_answer_that_was_heard_to_its_end_stays_complete(assistant, conversations):
    turn = await assistant.start(ask("t"))
    text = (await turn.wait()).text
    await turn.cancel(heard_characters=len(text))
    assert (await conversations.turn("t", OWNER.id)).status == "complete"


async def test_a_waiting_turn_can_be_stopped_before_the_model_ever_sees_it(assistant, model):
    gate = asyncio.Event()
    model.steps = [gate, "yes"]
    first = await assistant.start(ask("t1"))
    second = await assistant.start(ask("t2"))
    await second.cancel()
    last = await second.wait()
    assert (last.status, last.text, first.finished) == ("interrupted", "", False)
    gate.set()
    await first.wait()
    assert [each.id for each in model.generations] == ["t1"]


async def test_a_turn_stopped_in_the_moment_it_starts_never_reaches_the_model(assistant, model):
    turn = await assistant.start(ask("t"))
    await turn.cancel()
    assert (await turn.wait()).status == "interrupted"
    assert all(stream.cancels for stream in model.streams)


async def test_a_model_that_does_not_stop_is_left_behind(assistant, model, monkeypatch):
    monkeypatch.setattr(answer, "CANCEL_SECONDS", 0.05)
    model.deaf = True
    model.steps = ["Hello", asyncio.Event()]
    turn = await assistant.start(ask("t"))
    await until(lambda: turn.seq == 2)
    await turn.cancel()
    assert (await turn.wait()).status == "interrupted"


async def test_closing_interrupts_and_stores_what_runs_and_what_waits(assistant, model, conversations):
    model.steps = ["Hello", asyncio.Event()]
    turns = [await assistant.start(ask(f"t{n}")) for n in range(3)]
    await until(lambda: turns[0].seq == 2)
    await assistant.close()
    assert [turn.finished for turn in turns] == [True] * 3
    stored = [await conversations.turn(f"t{n}", OWNER.id) for n in range(3)]
    assert [turn.status for turn in stored] == ["interrupted"] * 3
    assert [turn.answer_text for turn in stored] == ["Hello", "", ""]
    assert (await refused(assistant.start(ask("late")))).code == "SHUTTING_DOWN"
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("turn-")]


# --- what goes wrong


async def test_a_failing_model_ends_the_turn_with_its_code_and_what_was_said_is_kept(
    assistant, model, conversations
):
    model.steps = ["Hello", ModelError("MODEL_WORKER_DIED", "ask again", retry_after=5.0)]
    events = await watch(await assistant.start(ask("t")))
    assert isinstance(events[-1], TurnFailed)
    assert (events[-1].code, events[-1].retry_after, events[-1].seq) == ("MODEL_WORKER_DIED", 5.0, 3)
    stored = await conversations.turn("t", OWNER.id)
    assert (stored.status, stored.answer_text, stored.error_code) == ("failed", "Hello", "MODEL_WORKER_DIED")


async def test_an_unexpected_error_is_told_without_its_words(assistant, model, monkeypatch):
    def broken(generation):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(model, "generate", broken)
    last = await (await assistant.start(ask("t"))).wait()
    assert (last.code, "secret" in last.message) == ("INTERNAL", False)


async def test_a_full_disk_at_the_end_is_told_and_the_streamed_text_was_seen(
    assistant, conversations, monkeypatch
):
    async def full(*_args, **_more):
        raise StoreError("STORE_FULL", "the disk is full: free some space")

    monkeypatch.setattr(conversations, "finish_turn", full)
    events = await watch(await assistant.start(ask("t")))
    assert [event.text for event in events[1:-1]] == ["Hello ", "there."]
    assert events[-1].code == "STORE_FULL"


async def test_a_message_that_cannot_be_stored_is_refused_and_may_be_sent_again(
    assistant, conversations, monkeypatch
):
    async def full(*_args, **_more):
        raise StoreError("STORE_FULL", "the disk is full: free some space")

    with monkeypatch.context() as patch:
        patch.setattr(conversations, "begin_turn", full)
        assert (await refused(assistant.start(ask("t")))).code == "STORE_FULL"
    await until(lambda: assistant.active == 0)
    assert (await (await assistant.start(ask("t"))).wait()).status == "complete"


@pytest.mark.parametrize(
    ("text", "code"), [("", "TEXT_EMPTY"), (" \0\n", "TEXT_EMPTY"), ("x" * 32_001, "TEXT_TOO_LONG")]
)
async def test_what_is_no_message_is_refused_and_nothing_is_stored(assistant, conversations, text, code):
    assert (await refused(assistant.start(ask("t", text)))).code == code
    assert await conversations.sessions(OWNER.id) == []


async def test_lone_surrogates_and_nul_become_storable_text(assistant, conversations):
    await (await assistant.start(ask("t", "a\ud800b\0c \ud83d\ude00"))).wait()
    assert (await conversations.turn("t", OWNER.id)).user_text == "a\ufffdbc \U0001f600"


async def test_too_many_waiting_in_one_session_are_refused_with_a_hint(assistant, model):
    model.steps = [asyncio.Event()]
    for n in range(1 + WAITING_PER_SESSION):
        await assistant.start(ask(f"t{n}"))
    with pytest.raises(BusyError) as caught:
        await assistant.start(ask("one more"))
    assert (caught.value.code, caught.value.retry_after >= 1) == ("BUSY", True)
    await assistant.start(ask("other", session="elsewhere"))


async def test_too_many_at_once_are_refused_with_a_hint(assistant, model):
    model.steps = [asyncio.Event()]
    for n in range(WAITING + 4):
        await assistant.start(ask(f"t{n}", session=f"s{n}", principal=Principal(f"p{n % 4}")))
    error = await refused(assistant.start(ask("more", session="another")))
    assert (error.code, error.retry_after >= 1) == ("BUSY", True)


async def test_one_person_can_not_fill_the_line_for_everybody(assistant, model):
    model.steps = [asyncio.Event()]
    for n in range(WAITING_PER_PERSON):
        await assistant.start(ask(f"t{n}", session=f"s{n}"))
    error = await refused(assistant.start(ask("more", session="another")))
    assert (error.code, error.retry_after >= 1) == ("BUSY", True)
    await assistant.start(ask("guest", session="g", principal=GUEST))


# --- the line before the model


async def three_in_line(assistant, model):
    """Ask three questions, each when the one before is at the model or in line; return the turns."""
    turns = [await assistant.start(ask("o0", session="s0"))]
    await until(lambda: len(model.generations) == 1)
    for n in (1, 2):
        turns.append(await assistant.start(ask(f"o{n}", session=f"s{n}")))
        await until(lambda: isinstance(turns[-1].last, TurnQueued))
    return turns


async def test_who_waits_is_told_the_place_and_is_served_before_somebody_else_s_second_question(
    make_assistant, model
):
    assistant = make_assistant(Config(llm=LlmSettings(parallel=1)))
    gate = asyncio.Event()
    model.steps = [gate, "yes"]
    mine = await three_in_line(assistant, model)
    theirs = await assistant.start(ask("g", session="g", principal=GUEST))
    await until(lambda: theirs.seq == 2)
    queued = theirs.last
    assert isinstance(queued, TurnQueued)
    assert queued.place == 1
    assert queued.wait_seconds > 0
    gate.set()
    await asyncio.gather(*(turn.wait() for turn in (*mine, theirs)))
    assert [each.id for each in model.generations] == ["o0", "g", "o1", "o2"]
    places = [event.place for event in await watch(mine[2]) if isinstance(event, TurnQueued)]
    assert places == [2, 3, 2, 1]
    assert theirs.last.timings.queue_ms > 0


async def test_a_turn_that_is_stopped_while_it_waits_leaves_the_line(make_assistant, model):
    assistant = make_assistant(Config(llm=LlmSettings(parallel=1)))
    gate = asyncio.Event()
    model.steps = [gate, "yes"]
    turns = await three_in_line(assistant, model)
    await turns[1].cancel()
    assert (await turns[1].wait()).status == "interrupted"
    gate.set()
    await asyncio.gather(*(turn.wait() for turn in turns))
    assert [each.id for each in model.generations] == ["o0", "o2"]


async def test_a_person_who_asked_too_much_is_refused_with_a_hint_and_others_are_not(make_assistant, model):
    assistant = make_assistant(Config(assistant=AssistantSettings(answers_per_minute=1, answers_burst=1)))
    assert isinstance(await (await assistant.start(ask("t0"))).wait(), TurnFinished)
    refused = await (await assistant.start(ask("t1"))).wait()
    assert isinstance(refused, TurnFailed)
    assert refused.code == "RATE_LIMITED"
    assert 1 <= refused.retry_after <= 60
    other = await assistant.start(ask("g", session="g", principal=GUEST))
    assert isinstance(await other.wait(), TurnFinished)
    assert len(model.generations) == 2


# --- preparing and forgetting


async def test_preparing_reads_the_prompt_so_far_as_background_work(assistant, model):
    await (await assistant.start(ask("t"))).wait()
    await until(lambda: assistant.active == 0)
    await assistant.prepare("s", OWNER, "And what")
    await until(lambda: model.prepared)
    (generation,) = model.prepared
    assert [message.content for message in generation.messages[1:]] == ["Hi", "Hello there.", "And what"]
    assert (generation.tokens_per_second, generation.conversation) == (0, "s")


async def test_a_newer_preparation_replaces_the_older_and_strangers_get_none(assistant, model):
    await (await assistant.start(ask("t"))).wait()
    await until(lambda: assistant.active == 0)
    for text in ("A", "An", "And"):
        await assistant.prepare("s", OWNER, text)
    await assistant.prepare("s", GUEST, "What did they say")
    await until(lambda: not assistant._preparing)
    assert [generation.messages[-1].content for generation in model.prepared] == ["And"]


async def test_forgetting_a_session_ends_its_turns_and_leaves_nothing(assistant, model, conversations):
    model.steps = ["Hello", asyncio.Event()]
    turns = [await assistant.start(ask(f"t{n}")) for n in range(2)]
    await until(lambda: turns[0].seq == 2)
    await assistant.forget_session("s", OWNER)
    assert all(turn.finished for turn in turns)
    assert await assistant.turn("t0", OWNER) is None
    assert (model.forgotten, await conversations.sessions(OWNER.id)) == (["s"], [])


async def test_a_stranger_cannot_forget_a_session(assistant, model):
    model.steps = [asyncio.Event()]
    turn = await assistant.start(ask("t"))
    assert (await refused(assistant.forget_session("s", GUEST))).code == "SESSION_NOT_FOUND"
    assert (turn.finished, model.forgotten) == (False, [])


async def test_a_thousand_turns_leave_no_task_and_no_line_behind(assistant):
    async def one(n):
        with contextlib.suppress(BusyError):
            await (await assistant.start(ask(f"t{n}", session=f"s{n % 7}"))).wait()

    await asyncio.gather(*(one(n) for n in range(1000)))
    await until(lambda: assistant.active == 0)
    state = SimpleNamespace(**vars(assistant))
    assert (state._lines, state._tasks, state._preparing) == ({}, {}, {})
    assert len(state._turns) <= REMEMBERED
