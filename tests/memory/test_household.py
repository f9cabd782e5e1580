"""Private and household conversations: who sees what, by role, and who may change it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.people.users import Users
from edge_assistant.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database)


@pytest.fixture
async def people(database: Database) -> dict[str, str]:
    """Somebody of each role, and somebody whom the list of people doesn't know."""
    users = Users(database)
    added = {role: (await users.add(role, role)).id for role in ("member", "guest")}
    return {"owner": "owner", "stranger": "made-up", "other": (await users.add("o", "member")).id, **added}


async def sees(conversations, session, who):
    return session in {each.id for each in await conversations.sessions(who)}


async def code_of(work):
    with pytest.raises(EdgeError) as error:
        await work
    return error.value.code


@pytest.mark.parametrize(
    ("began", "visibility", "seen_by"),
    [
        ("owner", "private", {"owner"}),
        ("member", "private", {"member"}),
        ("guest", "private", {"guest"}),
        ("owner", "household", {"owner", "member", "other"}),
        ("member", "household", {"owner", "member", "other"}),
    ],
)
async def test_who_sees_a_conversation(conversations, people, began, visibility, seen_by):
    await conversations.ensure_session("s", people[began])
    await conversations.begin_turn("t", "s", people[began], "said")
    await conversations.share("s", people[began], visibility)
    for role, who in people.items():
        if role in seen_by:
            assert await sees(conversations, "s", who)
            assert (await conversations.session("s", who)).visibility == visibility
            assert len(await conversations.transcript("s", who)) == 1
            assert await conversations.turn("t", who) is not None
            assert not (await conversations.begin_turn("t", "s", who, "again")).new
        else:
            assert not await sees(conversations, "s", who)
            assert await conversations.turn("t", who) is None
            for work in (
                conversations.session("s", who),
                conversations.transcript("s", who),
                conversations.rename("s", who, "mine"),
                conversations.share("s", who, "household"),
                conversations.delete_session("s", who),
                conversations.ensure_session("s", who),
                conversations.begin_turn("new", "s", who, "hi"),
            ):
                assert await code_of(work) == "SESSION_NOT_FOUND"


async def test_only_who_began_it_shares_it_and_takes_it_back(conversations, people):
    await conversations.ensure_session("s", people["member"])
    await conversations.share("s", people["member"], "household")
    for who in (people["other"], "owner"):
        for visibility in ("private", "household"):
            assert await code_of(conversations.share("s", who, visibility)) == "SESSION_NOT_YOURS"
    await conversations.share("s", people["member"], "private")
    assert not await sees(conversations, "s", "owner")


async def test_a_guest_shares_nothing(conversations, people):
    await conversations.ensure_session("s", people["guest"])
    assert await code_of(conversations.share("s", people["guest"], "household")) == "SESSION_NOT_YOURS"
    assert not await sees(conversations, "s", "owner")


async def test_only_who_began_it_and_the_owner_erase_it(conversations, people):
    for session in ("s1", "s2"):
        await conversations.ensure_session(session, people["member"])
        await conversations.share(session, people["member"], "household")
        assert await code_of(conversations.delete_session(session, people["other"])) == "SESSION_NOT_YOURS"
    await conversations.delete_session("s1", people["member"])
    await conversations.delete_session("s2", "owner")
    assert conversations.shared == set()


async def test_what_nobody_in_particular_began_is_the_households(conversations, people):
    session = await conversations.ensure_session("s", "household")
    assert session.visibility == "household"
    assert await sees(conversations, "s", people["member"])
    assert not await sees(conversations, "s", people["guest"])


async def test_whoever_becomes_a_guest_sees_the_household_no_more(conversations, people, database):
    await conversations.ensure_session("s", "owner")
    await conversations.share("s", "owner", "household")
    await Users(database).change(people["member"], role="guest")
    assert not await sees(conversations, "s", people["member"])


async def test_what_is_shared_is_known_after_a_restart(conversations, people, database):
    await conversations.ensure_session("s", "owner")
    await conversations.share("s", "owner", "household")
    again = Conversations(database)
    await again.recover()
    assert again.shared == {"s"}
