"""The web server in front of the real assistant and the real store; only the model is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Config
from edge_assistant.llm.protocol import Completion, FinishReason, Generation, ModelStatus, Piece
from edge_assistant.memory.conversations import Conversations
from tests.frontends.web.conftest import Site, read_until, until

WORDS = ("one ", "two ", "three ", "four")


class WordStream:
    """Says the words, holding still before the third until the test lets it go on."""

    def __init__(self, gate: asyncio.Event) -> None:
        self.completion: Completion | None = None
        self._gate = gate
        self._cancelled = False

    async def __aiter__(self) -> AsyncIterator[Piece]:
        said: list[str] = []
        for word in WORDS:
            if len(said) == 2:
                await self._gate.wait()
            if self._cancelled:
                break
            said.append(word)
            yield Piece(word, (len(said),), 0.0)
        reason: FinishReason = "cancelled" if self._cancelled else "stop"
        self.completion = Completion(
            reason=reason,
            token_ids=tuple(range(1, len(said) + 1)),
            prompt_tokens=9,
            cached_tokens=0,
            completion_tokens=len(said),
        )

    async def cancel(self) -> None:
        self._cancelled = True
        self._gate.set()


class WordModel:
    """Gives every generation a stream of its own, all behind one gate."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.generations: list[Generation] = []
        self.forgotten: list[str] = []
        self.status = ModelStatus(name="words", phase="ready", context=512)

    def generate(self, generation: Generation) -> WordStream:
        self.generations.append(generation)
        return WordStream(self.gate)

    async def prepare(self, generation: Generation) -> None:
        pass

    async def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)


@pytest.fixture
async def model() -> WordModel:
    return WordModel()


@pytest.fixture
async def real(conversations: Conversations, model: WordModel) -> AsyncIterator[Assistant]:
    assistant = Assistant(Config(), conversations, model)
    yield assistant
    model.gate.set()
    await assistant.close()


@pytest.fixture
async def site(serve: Callable[..., Any], real: Assistant) -> Site:
    running: Site = await serve(answers=real)
    return running


def ask(turn_id: str, session: str = "s1") -> dict[str, str]:
    return {"type": "message", "id": turn_id, "session": session, "text": "count"}


async def test_an_answer_reaches_the_page_and_the_history(site, model):
    model.gate.set()
    async with site.socket() as socket:
        await socket.send_json(ask("t1"))
        frames = await read_until(socket, "turn.finished", "turn.failed", "error")
    assert [each["seq"] for each in frames] == list(range(1, len(frames) + 1))
    assert frames[-1]["text"] == "one two three four"
    assert "".join(each["text"] for each in frames if each["type"] == "text.delta") == frames[-1]["text"]
    person = await site.sign_in()
    async with person.get("/api/sessions/s1") as response:
        (turn,) = (await response.json())["turns"]
    assert (turn["user_text"], turn["answer_text"]) == ("count", "one two three four")


async def test_a_page_reloaded_in_mid_answer_sees_it_go_on(site, model):
    async with site.socket() as socket:
        await socket.send_json(ask("t1"))
        before = await read_until(socket, "text.delta")
    person = await site.sign_in()
    async with person.get("/api/sessions/s1") as response:
        running = (await response.json())["running"]
    assert running == "t1"
    async with site.socket() as socket:
        await socket.send_json({"type": "resume", "id": running, "after": len(before)})
        await until(lambda: len(site.server._sockets) == 1)
        model.gate.set()
        after = await read_until(socket, "turn.finished")
    numbers = [each["seq"] for each in before + after]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_stop_keeps_what_was_said(site, model):
    async with site.socket() as socket:
        await socket.send_json(ask("t1"))
        await read_until(socket, "text.delta")
        await socket.send_json({"type": "stop", "id": "t1"})
        last = (await read_until(socket, "turn.finished"))[-1]
    assert last["status"] == "interrupted"
    assert last["text"].startswith("one")
    assert "four" not in last["text"]


async def test_an_old_id_shows_the_stored_answer_and_runs_nothing(site, model, real):
    model.gate.set()
    async with site.socket() as socket:
        await socket.send_json(ask("t1"))
        await read_until(socket, "turn.finished")
        real._turns.clear()  # as after a restart
        for again in (ask("t1"), {"type": "resume", "id": "t1", "after": 2}):
            await socket.send_json(again)
            assert (await read_until(socket, "turn.finished"))[-1]["text"] == "one two three four"
    assert len(model.generations) == 1


async def test_deleting_a_session_ends_its_answer_and_forgets_it_everywhere(site, model):
    person = await site.sign_in()
    async with site.socket() as socket:
        await socket.send_json(ask("t1"))
        await read_until(socket, "text.delta")
        async with person.delete("/api/sessions/s1") as response:
            assert response.status == 204
        assert (await read_until(socket, "turn.finished"))[-1]["status"] == "interrupted"
    assert model.forgotten == ["s1"]
    async with person.get("/api/sessions/s1") as response:
        assert response.status == 404


async def test_white_space_is_no_question(site):
    person = await site.sign_in()
    async with person.post("/api/chat", json={"text": " \t\n"}) as response:
        assert response.status == 400


async def test_overload_is_refused_with_a_hint_and_the_rest_is_answered(site, model):
    ids = {f"t{number}" for number in range(14)}
    finished: set[str] = set()
    refused: set[str] = set()
    async with site.socket() as socket:
        for turn_id in sorted(ids):
            await socket.send_json(ask(turn_id))
        while finished | refused != ids:
            last = (await read_until(socket, "turn.finished", "error"))[-1]
            if last["type"] == "error":
                assert last["code"] == "BUSY"
                assert last["retry_after"] > 0
                refused.add(last["id"])
                model.gate.set()
            else:
                finished.add(last["id"])
    assert refused
    assert finished
    assert not refused & finished
