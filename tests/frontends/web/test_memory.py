"""Memory, forgetting and the audit log over HTTP: each person's own."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from edge_assistant.memory.conversations import Conversations
from tests.frontends.web.conftest import Site


async def call(client: aiohttp.ClientSession, method: str, path: str, **body: Any) -> tuple[int, Any]:
    async with client.request(method, path, json=body or None) as response:
        kind = response.content_type
        return response.status, await (response.json() if kind == "application/json" else response.text())


async def add(client: aiohttp.ClientSession, text: str, **fields: Any) -> dict[str, Any]:
    status, answer = await call(client, "POST", "/api/memory", text=text, **fields)
    assert status == 201, answer
    (fact,) = answer["facts"]
    return fact


async def texts(client: aiohttp.ClientSession, query: str = "") -> list[str]:
    _, answer = await call(client, "GET", f"/api/memory{query}")
    return [fact["text"] for fact in answer["facts"]]


async def test_a_memory_is_added_corrected_undone_shared_and_forgotten(site: Site) -> None:
    client = await site.sign_in()
    fact = await add(client, "my sister is called Eve")
    _, newer = await call(client, "PATCH", f"/api/memory/{fact['id']}", text="my sister is called Ada")
    assert await texts(client) == ["My sister is called Ada."]
    assert len(await texts(client, "?replaced=1")) == 2
    assert await texts(client, "?q=sister") == ["My sister is called Ada."]
    assert (await call(client, "PATCH", f"/api/memory/{newer['id']}", shared=True))[1]["shared"]
    await call(client, "POST", f"/api/memory/{newer['id']}/undo")
    assert await texts(client) == ["My sister is called Eve."]
    assert (await call(client, "DELETE", f"/api/memory/{fact['id']}"))[0] == 204
    assert await texts(client, "?replaced=1") == []
    _, log = await call(client, "GET", "/api/audit")
    events = [entry["event"] for entry in reversed(log["entries"]) if entry["event"].startswith("memory.")]
    done = [event for event in events if event not in {"memory.listed", "memory.searched"}]
    assert done == [
        "memory.added", "memory.changed", "memory.changed", "memory.undone", "memory.forgotten",
    ]  # fmt: skip
    assert "sister" not in str(log)


async def test_the_right_answer_to_a_wrong_one_is_kept(site: Site, conversations: Conversations) -> None:
    client = await site.sign_in()
    await conversations.ensure_session("s", "owner")
    await conversations.begin_turn("t", "s", "owner", "How long do I boil an egg?")
    status, answer = await call(client, "POST", "/api/memory/corrections", turn="t", text="seven minutes")
    assert (status, answer["facts"][0]["origin"], answer["facts"][0]["turn"]) == (201, "corrected", "t")
    assert (await call(client, "POST", "/api/memory/corrections", turn="nobody's", text="x"))[0] == 404


async def test_nobody_sees_or_changes_what_is_anothers(site: Site) -> None:
    ann = await site.people.users.add("Ann", "member")
    hers, owner = await site.sign_in(ann.id), await site.sign_in()
    fact = await add(hers, "my bank PIN is 4711")
    assert await texts(owner) == []
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/undo")):
        status, error = await call(owner, method, f"/api/memory/{fact['id']}{path}", text="x")
        assert (status, error["error"]["code"]) == (404, "FACT_NOT_FOUND")


@pytest.mark.parametrize(
    ("kind", "part"), [("json", '"text":"I like tea."'), ("markdown", "- I like tea. _(asked")]
)
async def test_everything_is_exported(site: Site, kind: str, part: str) -> None:
    client = await site.sign_in()
    await add(client, "I like tea")
    async with client.get(f"/api/memory/export?format={kind}") as response:
        assert part in await response.text()
        assert response.headers["Content-Disposition"].startswith("attachment")


async def test_forgetting_gives_a_receipt_that_can_be_checked(site: Site) -> None:
    client = await site.sign_in()
    await add(client, "my doctor is called Kim")
    assert (await call(client, "POST", "/api/forget", topic="doctor", preview=True))[1] == {
        "preview": {"memories": 1}
    }
    status, receipt = await call(client, "POST", "/api/forget", topic="doctor")
    assert (status, receipt["erased"]) == (200, {"memories": 1})
    assert await texts(client) == []
    assert (await call(client, "POST", "/api/forget/check", **receipt))[1] == {"genuine": True}
    _, log = await call(client, "GET", "/api/audit")
    assert log["broken"] is None
    assert {"memory.listed", "forget"} <= {entry["event"] for entry in log["entries"]}


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({}, 400, "FORGET_WHAT"),
        ({"preview": True}, 400, "FORGET_WHAT"),
        ({"session": "s", "topic": "tea"}, 400, "FORGET_WHAT"),
        ({"topic": "!?"}, 400, "FORGET_WHAT"),
        ({"person": "owner"}, 403, "FORGET_NOT_YOURS"),
        ({"session": "owners"}, 404, "SESSION_NOT_FOUND"),
    ],
)
async def test_only_what_is_ones_own_can_be_forgotten(
    site: Site, conversations: Conversations, wish: dict[str, Any], status: int, code: str
) -> None:
    await conversations.ensure_session("owners", "owner")
    ann = await site.people.users.add("Ann", "member")
    answered, error = await call(await site.sign_in(ann.id), "POST", "/api/forget", **(wish or {"x": 1}))
    assert (answered, error["error"]["code"]) == (status, code)


async def test_the_log_is_the_owners(site: Site) -> None:
    ann = await site.people.users.add("Ann", "member")
    assert (await call(await site.sign_in(ann.id), "GET", "/api/audit"))[0] == 403
