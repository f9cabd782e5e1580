from __future__ import annotations

import pytest

from edge_assistant.memory.conversations import Conversations


async def test_a_session_is_made_listed_renamed_and_erased(site):
    person = await site.sign_in()
    async with person.post("/api/sessions", json={"title": "Garden"}) as response:
        assert response.status == 201
        made = await response.json()
    async with person.get("/api/sessions") as response:
        assert (await response.json())["sessions"] == [made]
    path = f"/api/sessions/{made['id']}"
    async with person.patch(path, json={"title": "Kitchen"}) as response:
        assert (await response.json())["title"] == "Kitchen"
    async with person.delete(path) as response:
        assert (response.status, await response.read()) == (204, b"")
    async with person.get(path) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "SESSION_NOT_FOUND"


@pytest.fixture
async def history(conversations: Conversations) -> None:
    await conversations.ensure_session("s1", "owner")
    for number in range(5):
        await conversations.begin_turn(f"t{number}", "s1", "owner", f"question {number}")
        if number < 4:
            await conversations.finish_turn(f"t{number}", f"answer {number}", [1, 2], "m", "complete")


async def test_a_transcript_is_read_page_by_page(site, history):
    person = await site.sign_in()
    async with person.get("/api/sessions/s1?limit=2") as response:
        newest = await response.json()
    assert [each["id"] for each in newest["turns"]] == ["t3", "t4"]
    assert newest["more"] is True
    async with person.get("/api/sessions/s1?limit=3&before=t3") as response:
        older = await response.json()
    assert [each["id"] for each in older["turns"]] == ["t0", "t1", "t2"]
    assert older["more"] is False
    turn = older["turns"][0]
    assert (turn["user_text"], turn["answer_text"], turn["status"]) == ("question 0", "answer 0", "complete")
    assert "token_ids" not in turn


async def test_a_reloaded_page_learns_which_answer_still_runs(site, history, conversations):
    person = await site.sign_in()
    async with person.get("/api/sessions/s1") as response:
        assert (await response.json())["running"] == "t4"
    await conversations.finish_turn("t4", "done", [], "m", "complete")
    async with person.get("/api/sessions/s1") as response:
        assert (await response.json())["running"] is None


async def test_other_peoples_sessions_do_not_exist(site, conversations):
    await conversations.create_session("somebody-else", "Private")
    await conversations.ensure_session("theirs", "somebody-else")
    person = await site.sign_in()
    async with person.get("/api/sessions") as response:
        assert (await response.json())["sessions"] == []
    for method, options in [("GET", {}), ("PATCH", {"json": {"title": "x"}}), ("DELETE", {})]:
        async with person.request(method, "/api/sessions/theirs", **options) as response:
            assert response.status == 404
    assert len(await conversations.sessions("somebody-else")) == 2


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "9" * 5000, "", "١"])
async def test_a_page_has_a_sensible_size(site, history, limit):
    person = await site.sign_in()
    async with person.get("/api/sessions/s1", params={"limit": limit}) as response:
        assert response.status == 400


@pytest.mark.parametrize("title", ["", "  ", 7, None, "x" * 501])
async def test_a_bad_title_is_refused(site, history, title):
    person = await site.sign_in()
    async with person.patch("/api/sessions/s1", json={"title": title}) as response:
        assert response.status == 400


async def test_a_conversation_is_shown_to_the_household_and_taken_back(site):
    member = await site.people.users.add("Mia", "member")
    person, other = await site.sign_in(), await site.sign_in(member.id)
    async with person.post("/api/sessions", json={"title": "Holidays"}) as response:
        path = f"/api/sessions/{(await response.json())['id']}"
    for visibility, status in (("household", 200), ("private", 404)):
        async with person.patch(path, json={"visibility": visibility}) as response:
            assert (response.status, (await response.json())["visibility"]) == (200, visibility)
        async with other.get(path) as response:
            assert response.status == status
    async with person.patch(path, json={"visibility": "everybody"}) as response:
        assert response.status == 400
