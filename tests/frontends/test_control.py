"""The control socket, over real Unix sockets; only the model is scripted."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.forgetting import Forgetting
from edge_assistant.config import Config
from edge_assistant.config.address import socket_address
from edge_assistant.errors import UsageError
from edge_assistant.frontends import control
from edge_assistant.frontends.control import MAX_CONNECTIONS, MAX_WATCHED, ControlSocket
from edge_assistant.frontends.protocol import MAX_FRAME_BYTES
from edge_assistant.llm.protocol import Completion, Generation, ModelStatus, Piece
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.erasing import conversation_hook, fact_hook
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.search import SearchIndex
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.preferences import Preferences
from edge_assistant.ops.services import Services
from edge_assistant.people.people import People
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing
from tests import fakes


class ScriptedStream:
    """Says `pieces`, then waits at the gate, then ends."""

    def __init__(self, model: ScriptedModel) -> None:
        self.completion: Completion | None = None
        self._model = model
        self._cancelled = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        for text in self._model.pieces:
            yield Piece(text, (1,), 0.0)
        waiting = [
            asyncio.ensure_future(self._model.gate.wait()),
            asyncio.ensure_future(self._cancelled.wait()),
        ]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        reason = "cancelled" if self._cancelled.is_set() else "stop"
        self.completion = Completion(
            reason=reason, token_ids=(1,), prompt_tokens=1, cached_tokens=0, completion_tokens=1
        )

    async def cancel(self) -> None:
        self._cancelled.set()


class ScriptedModel:
    """Answers what the test says, when the test opens the gate."""

    def __init__(self) -> None:
        self.pieces = ("Hello ", "there.")
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = ModelStatus(name="scripted", phase="ready")

    def generate(self, generation: Generation) -> ScriptedStream:
        return ScriptedStream(self)

    async def prepare(self, generation: Generation) -> None: ...

    async def forget(self, conversation: str) -> None: ...


class Caller:
    """One connection to the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, **message: Any) -> None:
        await self.send_line(json.dumps(message).encode())

    async def send_line(self, line: bytes) -> None:
        self.writer.write(line + b"\n")
        await self.writer.drain()

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            line = await self.reader.readline()
        assert line, "hung up"
        message: dict[str, Any] = json.loads(line)
        return message

    async def until(self, *types: str) -> list[dict[str, Any]]:
        messages = [await self.receive()]
        while messages[-1]["type"] not in types:
            messages.append(await self.receive())
        return messages

    async def hung_up(self) -> bool:
        async with asyncio.timeout(30):
            try:
                await self.reader.read()
            except ConnectionResetError:
                return True
        return self.reader.at_eof()


class House:
    """Everything behind the socket."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.path = folder / "control.sock"
        self.model = ScriptedModel()
        self.conversations = Conversations(database)
        self.cloud = fakes.ScriptedModel("From far away.")
        extensions = fakes.with_cloud(self.cloud, self.conversations)
        self.assistant = Assistant(Config(), self.conversations, self.model, extensions)
        preferences = Preferences(Config(), folder / "settings.json")
        audit, hooks = AuditLog(database), (conversation_hook(self.assistant.forgetting), fact_hook())
        self.services = Services(
            preferences,
            KeyRing(folder),
            database,
            self.conversations,
            self.model,
            people=People(database),
            facts=Facts(database, SearchIndex(database, NoEmbedder("m"))),
            forgetting=Forgetting(database, KeyRing(folder), audit, hooks),
            audit=audit,
            notices=Notices(),
        )
        self.control = ControlSocket(self.path, self.assistant, self.services)
        self.callers: list[Caller] = []

    async def call(self) -> Caller:
        with socket_address(self.path) as address:
            caller = Caller(*await asyncio.open_unix_connection(address, limit=1 << 22))
        self.callers.append(caller)
        return caller


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    folder = tmp_path / "state"
    key = KeyRing(folder).open(folder / "assistant.db").data_key
    database = await Database.open(folder / "assistant.db", key)
    house = House(folder, database)
    await house.control.start()
    yield house
    house.model.gate.set()
    await house.assistant.close()
    await house.control.stop()
    for caller in house.callers:
        caller.writer.close()
    await database.close()


async def test_a_message_is_answered_by_the_events_of_its_turn(house: House) -> None:
    caller = await house.call()
    await caller.send(type="message", id="t1", session="s1", text="hi")
    events = await caller.until("turn.finished")
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
    assert "".join(each.get("text", "") for each in events if each["type"] == "text.delta") == "Hello there."
    assert events[0] == {"type": "turn.started", "id": "t1", "seq": 1, "session": "s1"}
    assert events[-1]["status"] == "complete"


async def test_what_is_marked_as_private_is_not_asked_elsewhere(house: House) -> None:
    caller, rungs = await house.call(), []
    for name, private in (("a", False), ("b", True)):
        text = "Ask the cloud: why is the sky blue?"
        await caller.send(type="message", id=name, session=name, text=text, private=private)
        rungs.append((await caller.until("turn.finished"))[-1]["route"]["rung"])
    assert rungs == ["cloud", "local"]
    assert len(house.cloud.generations) == 1


async def test_a_repeated_id_watches_the_same_turn_and_asks_nothing_again(house: House) -> None:
    first, second = await house.call(), await house.call()
    await first.send(type="message", id="t1", session="s1", text="hi")
    await first.until("turn.finished")
    await second.send(type="message", id="t1", session="s1", text="something else")
    assert (await second.until("turn.finished"))[-1]["text"] == "Hello there."
    assert len(await house.conversations.transcript("s1", "owner")) == 1


async def test_a_turn_goes_on_when_its_caller_leaves_and_can_be_resumed(house: House) -> None:
    house.model.gate.clear()
    first = await house.call()
    await first.send(type="message", id="t1", session="s1", text="hi")
    seen = await first.until("text.delta")
    first.writer.close()
    second = await house.call()
    await second.send(type="resume", id="t1", after=seen[-1]["seq"])
    house.model.gate.set()
    events = await second.until("turn.finished")
    assert events[0]["seq"] == seen[-1]["seq"] + 1
    assert events[-1]["text"] == "Hello there."


async def test_a_stopped_turn_keeps_what_was_said(house: House) -> None:
    house.model.gate.clear()
    caller = await house.call()
    await caller.send(type="message", id="t1", session="s1", text="hi")
    await caller.until("text.delta")
    await caller.send(type="stop", id="t1")
    last = (await caller.until("turn.finished"))[-1]
    assert last["status"] == "interrupted"
    assert last["text"]


async def test_a_caller_who_only_stopped_sending_still_gets_the_answer(house: House) -> None:
    caller = await house.call()
    await caller.send(type="message", id="t1", session="s1", text="hi")
    caller.writer.write_eof()
    assert (await caller.until("turn.finished"))[-1]["text"] == "Hello there."
    assert await caller.hung_up()


async def test_people_have_conversations_of_their_own(house: House) -> None:
    caller = await house.call()
    await caller.send(type="message", id="t1", session="s1", text="hi", user="anna")
    await caller.until("turn.finished")
    for wanted, user in ((["s1"], "anna"), ([], "owner"), ([], "ben")):
        await caller.send(type="sessions", user=user)
        assert [each["id"] for each in (await caller.receive())["items"]] == wanted
    await caller.send(type="resume", id="t1", user="ben")
    assert (await caller.receive())["code"] == "TURN_NOT_FOUND"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"nonsense", "PROTOCOL_BAD_JSON"),
        (b"\xff\xfe", "PROTOCOL_BAD_UTF8"),
        (b"[]", "PROTOCOL_BAD_FIELD"),
        (b'{"type":"fly"}', "PROTOCOL_UNKNOWN_TYPE"),
        (b'{"type":["link"]}', "PROTOCOL_UNKNOWN_TYPE"),
        (b'{"type":"message","id":"t1"}', "PROTOCOL_BAD_FIELD"),
        (b'{"type":"message","id":"t1","session":"s","text":"x","user":7}', "PROTOCOL_BAD_FIELD"),
        (b'{"type":"resume","id":"unknown"}', "TURN_NOT_FOUND"),
        (b'{"type":"stop","id":"unknown"}', "TURN_NOT_FOUND"),
        (b'{"type":"confirm","id":"t1","action":"a","approve":true}', "NOTHING_TO_CONFIRM"),
        (b'{"type":"backup","path":"relative"}', "PROTOCOL_BAD_FIELD"),
        (b'{"type":"backup","path":"/no/such/folder/x"}', "BACKUP_FOLDER_MISSING"),
        (b'{"type":"backup","path":"/tmp/x","folder":"1:2"}', "BACKUP_FOLDER_HIDDEN"),
        (b'{"type":"link"}', "WEB_DISABLED"),
    ],
)
async def test_a_bad_line_is_refused_with_a_code_and_the_next_one_is_served(
    house: House, line: bytes, code: str
) -> None:
    caller = await house.call()
    await caller.send_line(line)
    answer = await caller.receive()
    assert (answer["type"], answer["code"]) == ("error", code)
    await caller.send(type="status")
    assert (await caller.receive())["type"] == "status"


async def test_a_line_without_end_is_refused_and_hung_up_on(house: House) -> None:
    caller = await house.call()
    caller.writer.write(b"x" * (MAX_FRAME_BYTES * 3))
    assert (await caller.receive())["code"] == "PROTOCOL_TOO_LARGE"
    assert await caller.hung_up()
    other = await house.call()
    await other.send(type="status")
    assert (await other.receive())["model"]["phase"] == "ready"


async def test_a_reader_that_takes_nothing_is_dropped_and_its_turn_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "SLOW_SECONDS", 0.2)
    house.model.pieces = ("x" * 50_000,) * 100
    caller = await house.call()
    caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await caller.send(type="message", id="t1", session="s1", text="hi")
    while (await house.conversations.sessions("owner")) == []:
        await asyncio.sleep(0.05)
    stored = (await house.conversations.transcript("s1", "owner"))[-1]
    while stored.status == "running":
        await asyncio.sleep(0.05)
        stored = (await house.conversations.transcript("s1", "owner"))[-1]
    assert len(stored.answer_text) == 5_000_000
    while house.control._connections:
        await asyncio.sleep(0.05)


async def test_one_connection_watches_a_limited_number_of_turns(house: House) -> None:
    house.model.gate.clear()
    caller = await house.call()
    for number in range(MAX_WATCHED):
        await caller.send(type="message", id=f"t{number}", session=f"s{number}", text="hi")
    for _ in range(MAX_WATCHED):
        await caller.until("turn.started")
    await caller.send(type="message", id="one-more", session="one-more", text="hi")
    assert (await caller.until("error"))[-1]["code"] == "TOO_MANY_TURNS"


async def test_connections_are_limited_and_a_free_place_is_given_again(house: House) -> None:
    callers = [await house.call() for _ in range(MAX_CONNECTIONS)]
    for caller in callers:
        await caller.send(type="status")
        await caller.receive()
    assert await (await house.call()).hung_up()
    callers[0].writer.close()
    while len(house.control._connections) == MAX_CONNECTIONS:
        await asyncio.sleep(0.01)
    late = await house.call()
    await late.send(type="status")
    assert (await late.receive())["type"] == "status"


async def test_only_this_user_may_open_the_socket(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stat.S_IMODE(house.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(house.path.parent.stat().st_mode) == 0o700
    monkeypatch.setattr(control.os, "geteuid", lambda: 12345)
    monkeypatch.setattr(control, "ROOT", 54321)
    assert await (await house.call()).hung_up()


async def test_a_stale_socket_file_is_replaced_and_removed_at_the_end(house: House) -> None:
    await house.control.stop()
    assert not house.path.exists()
    house.path.write_bytes(b"left behind")
    await house.control.start()
    caller = await house.call()
    await caller.send(type="status")
    assert (await caller.receive())["pid"] == os.getpid()


async def test_a_path_too_long_for_a_socket_address_works(house: House) -> None:
    folder = house.path.parent / ("long" * 30)
    folder.mkdir()
    other = ControlSocket(folder / "control.sock", house.assistant, house.services)
    await other.start()
    house.path = folder / "control.sock"
    caller = await house.call()
    await caller.send(type="status")
    assert (await caller.receive())["type"] == "status"
    await other.stop()
    assert not house.path.exists()


async def test_orders_make_backups_links_and_recovery_codes(house: House, tmp_path: Path) -> None:
    caller = await house.call()
    await caller.send(type="backup", path=str(tmp_path / "backup"))
    assert (await caller.receive())["bytes"] == (tmp_path / "backup").stat().st_size
    await caller.send(type="recovery_code")
    assert len((await caller.receive())["code"]) > 20
    house.services.web = _Web()
    await caller.send(type="link")
    assert (await caller.receive())["url"] == "http://127.0.0.1:1/#signin=once"


async def test_an_unexpected_failure_is_one_refusal_and_not_the_end(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise RuntimeError("what the person said")

    monkeypatch.setattr(house.services, "link", broken)
    caller = await house.call()
    await caller.send(type="link")
    assert (await caller.receive())["code"] == "INTERNAL"
    assert "what the person said" not in caplog.text
    await caller.send(type="status")
    assert (await caller.receive())["type"] == "status"


class _Web:
    url = "http://127.0.0.1:1"

    async def sign_in_link(self) -> str:
        if not self.url:
            raise UsageError("WEB_DISABLED", "never here")
        return f"{self.url}/#signin=once"


async def test_what_it_remembers_is_added_found_corrected_and_taken_back(house: House) -> None:
    client = await house.call()
    (fact,) = (await ordered(client, type="memory.add", text="my sister is called Eve"))["items"]
    corrected = {"type": "memory.correct", "fact": fact["id"], "text": "my sister is called Ada"}
    (newer,) = (await ordered(client, **corrected))["items"]
    assert (await ordered(client, type="memory.list"))["items"] == [newer]
    assert len((await ordered(client, type="memory.export"))["items"]) == 2
    found = await ordered(client, type="memory.search", text="sister")
    assert [each["fact"]["id"] for each in found["items"]] == [newer["id"]]
    (again,) = (await ordered(client, type="memory.undo", fact=newer["id"]))["items"]
    assert again["text"] == "My sister is called Eve."
    refused = await ordered(client, type="memory.correct", fact="nonsense", text="x")
    assert refused["code"] == "FACT_NOT_FOUND"


async def ordered(client: Caller, **order: Any) -> dict[str, Any]:
    await client.send(**order)
    return await client.receive()


async def test_forgetting_is_counted_first_then_done_and_its_receipt_is_checked(house: House) -> None:
    client = await house.call()
    await ordered(client, type="memory.add", text="my doctor is called Kim")
    await ordered(client, type="memory.add", text="I like tea")
    topic = {"type": "memory.forget", "topic": "doctors"}
    assert (await ordered(client, **topic, preview=True))["erased"] == {"memories": 1}
    receipt = await ordered(client, **topic)
    assert (receipt["erased"], receipt["log_emptied"]) == ({"memories": 1}, True)
    (left,) = (await ordered(client, type="memory.list"))["items"]
    assert left["text"] == "I like tea."
    assert (await ordered(client, type="memory.check", receipt=receipt))["genuine"]
    forged = {**receipt, "erased": {"memories": 9}}
    assert not (await ordered(client, type="memory.check", receipt=forged))["genuine"]
    log = await ordered(client, type="memory.audit")
    assert log["broken"] is None
    assert "forget" in [entry["event"] for entry in log["items"]]
