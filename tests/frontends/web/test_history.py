from __future__ import annotations

import json

import pytest

from edge_assistant.assistant.events import Route, Timings, Usage


@pytest.fixture
async def owner(site, conversations):
    """The owner's browser; two conversations, and one of somebody else."""
    for session, person, question, answer in (
        ("s1", "owner", "What is tea?", "An infusion of *leaves*, hot or cold."),
        ("s2", "owner", "Wie heißt der Müller?", "Er heißt Jürgen."),
        ("s3", "mia", "What is tea to me?", "A secret infusion."),
    ):
        await conversations.ensure_session(session, person)
        await conversations.begin_turn(f"turn-{session}", session, person, question)
        await conversations.finish_turn(
            f"turn-{session}", answer, (1, 2), "scripted", "complete",
            route=Route(rung="local", model="scripted", reason="a test"),
            timings=Timings(queue_ms=1, first_token_ms=20, total_ms=90),
            usage=Usage(prompt_tokens=9, completion_tokens=2),
        )  # fmt: skip
    return await site.sign_in()


async def found(client, text):
    async with client.get("/api/search", params={"q": text}) as response:
        assert response.status == 200, await response.text()
        return (await response.json())["hits"]


@pytest.mark.parametrize(
    ("text", "sessions"),
    [
        ("infusion", ["s1"]), ("TEA inf", ["s1"]), ("what leaves", ["s1"]), ("is tea", ["s1"]),
        ("muller", ["s2"]), ("jürg", ["s2"]), ("secret", []), ("", []), ("?!", []), ('" AND *', []),
        ("tea NEAR infusion", []), ("user_text:tea", []), ("%", []), ("_", []),
    ],
)  # fmt: skip
async def test_words_are_found_in_ones_own_conversations_only(owner, text, sessions):
    assert [hit["session"] for hit in await found(owner, text)] == sessions


async def test_a_hit_names_its_turn_and_shows_the_words_around_it(owner):
    [hit] = await found(owner, "infus")
    assert (hit["turn"], hit["title"]) == ("turn-s1", "What is tea?")
    assert "An \x02infusion\x03 of" in hit["snippet"]


async def test_a_title_is_found_too(owner, conversations):
    await conversations.rename("s2", "owner", "100 % Mehl_Preise")
    assert [(hit["session"], hit["turn"]) for hit in await found(owner, "% Mehl_P")] == [("s2", "")]


async def test_a_question_that_is_too_long_is_refused(owner):
    async with owner.get("/api/search", params={"q": "x" * 201}) as response:
        assert response.status == 400


async def test_what_was_deleted_is_found_no_more(owner, conversations, database):
    await conversations.delete_session("s1", "owner")
    assert await found(owner, "infusion") == []
    await database.checkpoint()

    def words(db):
        return [row[0] for row in db.execute("SELECT block FROM turn_words_data").fetchall()]

    assert not any(b"leaves" in block for block in await database.read(words))


async def test_a_conversation_is_exported_as_markdown(owner):
    async with owner.get("/api/sessions/s1/export") as response:
        assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'attachment; filename="What is tea.md"'
        text = await response.text()
    assert text.startswith("# What is tea?\n\n## You, 20")
    assert "\n## scripted\n\nAn infusion of *leaves*, hot or cold.\n" in text


async def test_a_conversation_of_any_length_is_exported_whole_and_in_order(owner, conversations):
    for number in range(450):
        await conversations.begin_turn(f"n{number}", "s2", "owner", f"number {number}")
    async with owner.get("/api/sessions/s2/export?format=json") as response:
        assert response.headers["Content-Disposition"] == 'attachment; filename="Wie heit der Mller.json"'
        exported = json.loads(await response.text())
    texts = [turn["user_text"] for turn in exported["turns"]]
    assert texts == ["Wie heißt der Müller?", *(f"number {number}" for number in range(450))]
    assert exported["session"]["id"] == "s2"


@pytest.mark.parametrize(
    ("path", "status"), [("s3/export", 404), ("nobody/export", 404), ("s1/export?format=exe", 400)]
)
async def test_what_is_not_there_or_not_ones_own_is_not_exported(owner, path, status):
    async with owner.get(f"/api/sessions/{path}") as response:
        assert response.status == status


async def test_the_inspector_gets_the_last_turns_of_ones_own_without_their_answers(owner):
    async with owner.get("/api/turns") as response:
        text = await response.text()
    turns = json.loads(text)["turns"]
    assert [turn["id"] for turn in turns] == ["turn-s2", "turn-s1"]
    assert turns[1]["timings"] == {"queue_ms": 1, "first_token_ms": 20, "total_ms": 90}
    assert "infusion" not in text
