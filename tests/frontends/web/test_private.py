"""A message that is marked as private stays on this device, over each wire of the page."""

from __future__ import annotations

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Config
from tests.fakes import ScriptedModel, with_cloud
from tests.frontends.web.conftest import read_until
from tests.frontends.web.test_sse import STREAM, parse

ASK = "Ask the cloud: why is the sky blue?"


@pytest.fixture
def cloud():
    return ScriptedModel("From far away.")


@pytest.fixture
async def page(serve, conversations, cloud):
    assistant = Assistant(Config(), conversations, ScriptedModel(), with_cloud(cloud, conversations))
    yield await serve(answers=assistant)
    await assistant.close()


async def test_over_the_websocket(page, cloud):
    routes = []
    async with page.socket() as socket:
        for name, more in (("a", {}), ("b", {"private": True})):
            await socket.send_json({"type": "message", "id": name, "session": name, "text": ASK, **more})
            routes.append((await read_until(socket, "turn.finished"))[-1]["route"])
    assert [route["rung"] for route in routes] == ["cloud", "local"]
    assert "marked as private" in routes[1]["reason"]
    assert len(cloud.generations) == 1


@pytest.mark.parametrize("headers", [STREAM, {}])
async def test_over_http_streamed_and_whole(page, cloud, headers):
    person, rungs = await page.sign_in(), []
    for more in ({}, {"private": True}):
        async with person.post("/api/chat", json={"text": ASK, **more}, headers=headers) as response:
            answer = parse(await response.read())[-1][2] if headers else await response.json()
            rungs.append(answer["route"]["rung"])
    assert rungs == ["cloud", "local"]
    assert len(cloud.generations) == 1
