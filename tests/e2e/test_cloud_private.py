"""What is private never reaches the broker: an administrator there reads along, on every wire and rung."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge_assistant.mqtt.connection import Connection, Incoming, Outgoing
from edge_assistant.workers.backoff import RestartPolicy
from tests.daemon import Daemon
from tests.e2e.test_documents import add, embedded
from tests.mosquitto import Mosquitto, free_port

CLOUD = "edge-assistant/cloud/"

AT_ONCE = RestartPolicy(first_seconds=0.02, longest_seconds=0.02, healthy_seconds=1.0)
"""An administrator is back before anybody else, and misses nothing of what they say."""


class Administrator:
    """Sees everything that passes, and asks over MQTT; lives on a thread of its own."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.seen: list[Incoming] = []
        self._connection = Connection(mosquitto.broker, "administrator", reconnect=AT_ONCE)
        self._connection.subscribe("#", self._see)
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._connection.run())
        self._thread = threading.Thread(target=self._live, name="administrator")
        self._thread.start()

    @property
    def online(self) -> bool:
        return self._connection.online

    def saw(self, word: str, below: str = CLOUD) -> bool:
        """Whether a word passed on a topic below this."""
        return any(word in each.payload.decode() for each in list(self.seen) if each.topic.startswith(below))

    def ask(self, **command: Any) -> None:
        """Ask the device over MQTT."""
        message = Outgoing(topic="edge-assistant/kitchen/ask", payload=json.dumps(command))
        asyncio.run_coroutine_threadsafe(self._connection.publish(message), self._loop).result(20)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    async def _see(self, message: Incoming) -> None:
        self.seen.append(message)

    def _live(self) -> None:
        self._loop.run_until_complete(asyncio.gather(self._task, return_exceptions=True))
        self._loop.close()


@pytest.fixture
def administrator(mosquitto: Mosquitto) -> Iterator[Administrator]:
    administrator = Administrator(mosquitto)
    yield administrator
    administrator.close()


@pytest.fixture
def worker(mosquitto: Mosquitto) -> Iterator[None]:
    port = free_port()
    commands = (
        ("-m", "edge_assistant.bench.upstream", str(port)),
        (
            *("-m", "edge_assistant", "cloud-worker", "--broker", mosquitto.url),
            *("--upstream", f"http://127.0.0.1:{port}", "--model", "echo"),
        ),
    )
    running = [subprocess.Popen((sys.executable, *each), stderr=subprocess.DEVNULL) for each in commands]
    yield
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def device(
    make_daemon: Callable[..., Daemon],
    mosquitto: Mosquitto,
    administrator: Administrator,
    starter_model: Path,
) -> Daemon:
    """A device whose cloud and house share a broker, as in a small home."""
    daemon = make_daemon(
        EDGE_ASSISTANT__MQTT__ENABLED="on",
        EDGE_ASSISTANT__MQTT__URL=mosquitto.url,
        EDGE_ASSISTANT__MQTT__DEVICE="kitchen",
        EDGE_ASSISTANT__HOME__ENABLED="on",
        EDGE_ASSISTANT__CLOUD__ENABLED="on",
        EDGE_ASSISTANT__CLOUD__URL=mosquitto.url,
        EDGE_ASSISTANT__CLOUD__CONSENT="asked",
        EDGE_ASSISTANT__LLM__MAX_TOKENS="8",
    )
    daemon.wait_for_model()
    daemon.wait_until(lambda: daemon.log.count("connected to the MQTT broker") == 2 and administrator.online)
    return daemon


def over_the_control_socket(device: Daemon, administrator: Administrator, text: str, **more: Any) -> None:
    with device.connect() as client:
        client.send(type="message", id=uuid.uuid4().hex, session=uuid.uuid4().hex, text=text, **more)
        client.until("turn.finished")


def by_a_command(device: Daemon, administrator: Administrator, text: str, **more: Any) -> None:
    assert device.cli("ask", text, *(["--private"] if more else [])).returncode == 0


def in_the_terminal_chat(device: Daemon, administrator: Administrator, text: str, **more: Any) -> None:
    assert device.cli("chat", stdin=f"{'/private ' if more else ''}{text}\n").returncode == 0


def over_http(device: Daemon, administrator: Administrator, text: str, **more: Any) -> None:
    token = device.cli("pair", "--token", f"t{uuid.uuid4().hex[:6]}").stdout.split()[-1]
    request = urllib.request.Request(
        f"{device.url}/api/chat", json.dumps({"text": text, **more}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200


def over_the_websocket(device: Daemon, administrator: Administrator, text: str, **more: Any) -> None:
    token = device.cli("pair", "--token", f"t{uuid.uuid4().hex[:6]}").stdout.split()[-1]

    async def ask() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.ws_connect(f"{device.url}/api/ws") as socket,
        ):
            name = uuid.uuid4().hex
            await socket.send_json({"type": "message", "id": name, "session": name, "text": text, **more})
            while (await socket.receive_json(timeout=60))["type"] != "turn.finished":
                pass

    asyncio.run(ask())


def over_mqtt(device: Daemon, administrator: Administrator, text: str, **more: Any) -> None:
    session = uuid.uuid4().hex
    administrator.ask(id=uuid.uuid4().hex, session=session, text=text, **more)
    device.wait_until(lambda: administrator.saw(session, "edge-assistant/kitchen/answer"))


def said_in_words(device: Daemon, administrator: Administrator, text: str, **more: Any) -> None:
    words = text.replace("Ask the cloud:", "Ask the cloud, but keep this between us:") if more else text
    assert device.ask(words)["type"] == "turn.finished"


WIRES = (
    over_the_control_socket, by_a_command, in_the_terminal_chat, over_http, over_the_websocket, over_mqtt,
    said_in_words,
)  # fmt: skip


def test_what_is_marked_as_private_stays_here_whichever_way_it_comes(
    device: Daemon, administrator: Administrator, worker: None
) -> None:
    device.wait_until(lambda: device.ask("Ask the cloud: hello")["route"]["rung"] == "cloud", 60)
    for number, wire in enumerate(WIRES):
        wire(device, administrator, f"Ask the cloud: what is a quokka{number}?")
        wire(device, administrator, f"Ask the cloud: what is a narwhal{number}?", private=True)
        device.wait_until(lambda word=f"quokka{number}": administrator.saw(word))  # what may leave is seen
        assert not administrator.saw(f"narwhal{number}"), wire.__name__
    assert not administrator.saw("narwhal")


@pytest.mark.timeout(400)
def test_whichever_rung_answers_nothing_private_leaves_then_or_with_what_follows(
    device: Daemon, administrator: Administrator, worker: None, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    device.wait_until(lambda: device.ask("Ask the cloud: hello")["route"]["rung"] == "cloud", 60)
    page = tmp_path / "boiler.md"
    page.write_text("# Boiler\n\nError E4 means that the narwhal valve is shut. Open it by a quarter turn.\n")
    add(device, str(page))
    device.wait_until(lambda: embedded(device), 60)
    rungs = {
        "intent": "Add narwhals to the shopping list",
        "extractive": "What does error E4 of the boiler mean?",
        "local": "Ask the cloud: my sister's name is Narwhalina, is that a good name?",
    }
    for rung, text in rungs.items():
        assert device.ask(text, session=rung)["route"]["rung"] == rung
        follows = device.ask("Ask the cloud: and what do you make of that?", session=rung)
        assert follows["route"]["rung"] != "cloud"
    mosquitto.kill()
    device.wait_until(lambda: device.log.count("can't reach the broker") == 2)
    waits = device.ask("Ask when you are online: what is a quokka?")
    assert "the question waits" in waits["route"]["reason"]
    for text, private in (("what is a narwhal?", True), ("what helps me? I am allergic to narwhals.", False)):
        with device.connect() as client:
            ask = f"Ask when you are online: {text}"
            client.send(type="message", id=uuid.uuid4().hex, session="later", text=ask, private=private)
            client.until("turn.finished")
    mosquitto.start()
    device.wait_until(lambda: administrator.saw("quokka"), 120)
    last = device.ask("Ask the cloud: is there more?")  # behind all that waited
    assert last["type"] == "turn.finished"
    assert not administrator.saw("arwhal")
