"""Conversations in a real encrypted database."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_assistant.assistant.events import Route, Timings, Usage
from edge_assistant.errors import EdgeError
from edge_assistant.memory.conversation_rows import pack_ids, storable, title_of, unpack_ids
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.database import Database

TEXTS = st.text(st.characters(), max_size=200)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


@pytest.fixture
async def conversations(database: Database) -> Conversations:
    made = Conversations(database)
    await made.ensure_session("s", "me")
    return made


async def converse(conversations: Conversations, *turn_ids: str, session: str = "s") -> None:
    for turn_id in turn_ids:
        await conversations.begin_turn(turn_id, session, "me", f"question {turn_id}")
        await conversations.finish_turn(turn_id, f"answer {turn_id}", [1, 2], "model", "complete")


async def context(conversations: Conversations) -> list[str]:
    return [turn.turn_id for turn in await conversations.history("s")]


async def test_a_turn_comes_back_as_it_was_stored(conversations: Conversations) -> None:
    began = await conversations.begin_turn("t", "s", "me", "What is the time?")
    assert began.new
    assert began.turn.status == "running"
    assert await conversations.turn("t", "me") == began.turn
    route = Route(rung="local", model="m", reason="only one")
    timings, usage = Timings(queue_ms=1.5, total_ms=20.25), Usage(prompt_tokens=9, completion_tokens=3)
    assert await conversations.finish_turn(
        "t", "Noon.", [0, 49_151, 2**32 - 1], "m", "complete", route=route, timings=timings, usage=usage
    )
    (turn,) = await conversations.history("s")
    assert (turn.user_text, turn.answer_text, turn.token_ids) == (
        "What is the time?", "Noon.", (0, 49_151, 2**32 - 1),
    )  # fmt: skip
    assert (turn.model, turn.status, turn.error_code) == ("m", "complete", None)
    assert msgspec.convert(turn.route, Route) == route
    assert msgspec.convert(turn.timings, Timings) == timings
    assert msgspec.convert(turn.usage, Usage) == usage
    assert turn.created_at == began.turn.created_at <= (turn.finished_at or 0)


async def test_a_repeated_id_finds_the_stored_turn_and_stores_nothing(conversations: Conversations) -> None:
    await converse(conversations, "t")
    again = await conversations.begin_turn("t", "s", "me", "something else")
    assert not again.new
    assert (again.turn.user_text, again.turn.answer_text) == ("question t", "answer t")
    assert (await conversations.session("s", "me")).turns == 1


async def test_a_person_never_meets_the_turns_and_sessions_of_another(conversations: Conversations) -> None:
    await converse(conversations, "t")
    await conversations.ensure_session("other", "you")
    missing = "SESSION_NOT_FOUND"
    for refused, code in (
        (conversations.session("s", "you"), missing),
        (conversations.ensure_session("s", "you"), missing),
        (conversations.rename("s", "you", "Mine"), missing),
        (conversations.delete_session("s", "you"), missing),
        (conversations.transcript("s", "you"), missing),
        (conversations.begin_turn("new", "s", "you", "hello"), missing),
        (conversations.begin_turn("t", "other", "you", "hello"), "TURN_NOT_FOUND"),
        (conversations.begin_turn("t", "s", "you", "hello"), "TURN_NOT_FOUND"),
    ):
        with pytest.raises(EdgeError) as caught:
            await refused
        assert caught.value.code == code
        assert "question" not in str(caught.value)
    assert await conversations.turn("t", "you") is None
    assert [session.id for session in await conversations.sessions("you")] == ["other"]
    assert [session.title for session in await conversations.sessions("me")] == ["question t"]
    assert (await conversations.transcript("other", "you", before="t")) == []


async def test_a_session_that_is_not_there_is_not_found(conversations: Conversations) -> None:
    for missing in (
        conversations.session("nowhere", "me"),
        conversations.session("\ud800", "me"),
        conversations.begin_turn("t", "nowhere", "me", "hello"),
        conversations.snapshot_key("nowhere"),
        conversations.transcript("nowhere", "me"),
    ):
        with pytest.raises(EdgeError, match="SESSION_NOT_FOUND"):
            await missing
    assert await conversations.turn("\ud800", "me") is None


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "../x", "a\n", "ä", "a/b", "\x00", "\ud800"])
async def test_a_bad_id_is_refused(conversations: Conversations, name: str) -> None:
    with pytest.raises(EdgeError, match="BAD_ID"):
        await conversations.ensure_session(name, "me")
    with pytest.raises(EdgeError, match="BAD_ID"):
        await conversations.begin_turn(name, "s", "me", "hello")


async def test_sessions_are_listed_newest_used_first(conversations: Conversations) -> None:
    made = [await conversations.create_session("me") for _ in range(3)]
    await converse(conversations, "t", session=made[1].id)
    listed = [session.id for session in await conversations.sessions("me")]
    assert listed == [made[1].id, made[2].id, made[0].id, "s"]
    assert len(await conversations.sessions("me", limit=2)) == 2


async def test_the_first_message_names_a_session_until_a_person_does(conversations: Conversations) -> None:
    await conversations.begin_turn("a", "s", "me", "  How do I\n\n descale   the kettle?  ")
    assert (await conversations.session("s", "me")).title == "How do I descale the kettle?"
    await conversations.begin_turn("b", "s", "me", "Another question")
    assert (await conversations.session("s", "me")).title == "How do I descale the kettle?"
    assert (await conversations.rename("s", "me", " Kettle\u202e ")).title == "Kettle"
    await conversations.begin_turn("c", "s", "me", "And another")
    assert (await conversations.session("s", "me")).title == "Kettle"
    named = await conversations.create_session("me", "Named")
    await conversations.begin_turn("d", named.id, "me", "hello")
    assert (await conversations.session(named.id, "me")).title == "Named"
    with pytest.raises(EdgeError, match="TITLE_EMPTY"):
        await conversations.rename("s", "me", " \n\x00")


@given(TEXTS | st.text(max_size=5000))
def test_a_title_is_one_short_line_of_the_text(text: str) -> None:
    title = title_of(text)
    assert len(title) <= 61
    assert title.isprintable()
    title.encode()


def test_a_long_title_ends_at_a_word() -> None:
    assert title_of("word " * 30) == "word " * 11 + "word…"
    assert title_of("x" * 100) == "x" * 60 + "…"


@given(text=TEXTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_comes_back_as_utf_8_can_carry_it(conversations: Conversations, text: str) -> None:
    turn_id = secrets.token_hex(8)
    await conversations.begin_turn(turn_id, "s", "me", text)
    await conversations.finish_turn(turn_id, text[::-1], [], "m", "complete")
    turn = await conversations.turn(turn_id, "me")
    assert turn is not None
    assert (turn.user_text, turn.answer_text) == (storable(text), storable(text[::-1]))
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert turn.user_text == text


def test_surrogates_become_what_they_mean() -> None:
    assert storable("a\x00b😀\ud83d\ude00\ud800c") == "a\x00b😀😀\ufffdc"


async def test_the_longest_message_is_kept_whole(conversations: Conversations) -> None:
    text = "😀ä" * 16_000
    await conversations.begin_turn("t", "s", "me", text)
    turn = await conversations.turn("t", "me")
    assert turn is not None
    assert turn.user_text == text


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_token_ids_survive_packing(ids: list[int]) -> None:
    assert unpack_ids(pack_ids(ids)) == tuple(ids)


async def test_history_holds_answered_turns_in_order_since_the_context_start(
    conversations: Conversations,
) -> None:
    await converse(conversations, "a", "b")
    await conversations.begin_turn("silent", "s", "me", "?")
    await conversations.finish_turn("silent", "", [], "m", "failed", error_code="MODEL_FAILED")
    await converse(conversations, "c")
    await conversations.begin_turn("cut", "s", "me", "?")
    await conversations.finish_turn("cut", "half an", [1], "m", "interrupted")
    await conversations.begin_turn("now", "s", "me", "?")
    assert await context(conversations) == ["a", "b", "c", "cut"]

    await conversations.drop_turns("s", 0)
    assert await context(conversations) == ["a", "b", "c", "cut"]
    await conversations.drop_turns("s", 1)
    assert await context(conversations) == ["b", "c", "cut"]
    await conversations.drop_turns("s", 2)
    assert await context(conversations) == ["cut"]
    await conversations.drop_turns("s", 99)
    assert await context(conversations) == []
    await conversations.finish_turn("now", "here", [], "m", "complete")
    await converse(conversations, "later")
    assert await context(conversations) == ["now", "later"]
    shown = [turn.turn_id for turn in await conversations.transcript("s", "me")]
    assert shown == ["a", "b", "silent", "c", "cut", "now", "later"]


async def test_a_transcript_is_read_in_pages_from_its_end(conversations: Conversations) -> None:
    await converse(conversations, *(f"t{number}" for number in range(7)))
    pages, before = [], None
    while page := await conversations.transcript("s", "me", limit=3, before=before):
        pages.append([turn.turn_id for turn in page])
        before = page[0].turn_id
    assert pages == [["t4", "t5", "t6"], ["t1", "t2", "t3"], ["t0"]]


async def test_turns_cut_off_by_a_crash_become_interrupted(conversations: Conversations) -> None:
    await converse(conversations, "done")
    await conversations.begin_turn("cut", "s", "me", "?")
    assert await conversations.recover() == 1
    assert await conversations.recover() == 0
    turns = await conversations.transcript("s", "me")
    assert [turn.status for turn in turns] == ["complete", "interrupted"]
    assert turns[1].finished_at is not None


async def test_deleting_a_session_takes_its_turns_and_its_snapshot_key(
    conversations: Conversations, database: Database
) -> None:
    await converse(conversations, "t")
    await conversations.begin_turn("running", "s", "me", "?")
    first = await conversations.snapshot_key("s")
    assert len(first) == 32
    await conversations.delete_session("s", "me")
    assert await conversations.turn("t", "me") is None
    assert not await conversations.finish_turn("running", "too late", [], "m", "complete")
    with pytest.raises(EdgeError, match="SESSION_NOT_FOUND"):
        await conversations.snapshot_key("s")
    assert Path(f"{database.path}-wal").stat().st_size == 0  # nothing of it is left in the log
    await conversations.ensure_session("s", "me")
    assert await conversations.snapshot_key("s") != first
    assert await conversations.transcript("s", "me") == []


async def test_an_edited_message_takes_the_place_of_what_followed_it_once(conversations):
    await conversations.ensure_session("s1", "owner")
    for name in ("one", "two", "three"):
        await conversations.begin_turn(name, "s1", "owner", f"question {name}")
        await conversations.finish_turn(name, f"answer {name}", (), "m", "complete")
    began = await conversations.begin_turn("two-again", "s1", "owner", "edited", "two")
    assert (began.new, began.replaced) == (True, ("two", "three"))
    again = await conversations.begin_turn("two-again", "s1", "owner", "edited", "one")
    assert (again.new, again.replaced) == (False, ())
    assert [turn.turn_id for turn in await conversations.transcript("s1", "owner")] == ["one", "two-again"]
    assert [turn.turn_id for turn in await conversations.history("s1")] == ["one"]


async def test_an_edit_reaches_no_turn_of_another_session(conversations):
    for session, person in (("s1", "owner"), ("s2", "owner"), ("s3", "mia")):
        await conversations.ensure_session(session, person)
        await conversations.begin_turn(f"of-{session}", session, person, "question")
    for number, replaced in enumerate(("of-s2", "of-s3", "nobody's")):
        began = await conversations.begin_turn(f"new-{number}", "s1", "owner", "edited", replaced)
        assert began.replaced == ()
    assert await conversations.turn("of-s2", "owner") is not None
    assert await conversations.turn("of-s3", "mia") is not None
