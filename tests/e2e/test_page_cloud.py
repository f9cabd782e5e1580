"""The cloud on the page: an answer from there, its broker gone in the middle, and back again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from edge_assistant.bench.upstream import answer_to, question
from tests.daemon import Daemon
from tests.e2e.album import Album
from tests.e2e.page_chat import ChatPage
from tests.mosquitto import Mosquitto, free_port

SHEEP = question(50, "sheep", 100)

WORDS = {
    "en": {
        "ask": f"Ask the cloud: {SHEEP}",
        "later": "Ask when you are online: why is the sky blue?",
        "answered": "from the cloud · you asked for the cloud ·",
        "taken over": "from the cloud · you asked for the cloud, but the cloud failed (CLOUD_OFFLINE) in "
        "mid-answer: the model on this device went on",
        "away": "you asked for the cloud, but the cloud's broker can't be reached",
        "waits": "the cloud's broker can't be reached: the question waits",
        "late": "from the cloud · you asked for the cloud when online",
    },
    "de": {
        "ask": f"Frag die Cloud: {SHEEP}",
        "later": "Frag, wenn du online bist: warum ist der Himmel blau?",
        "answered": "aus der Cloud · Sie wollten eine Antwort der Cloud ·",
        "taken over": "aus der Cloud · Sie wollten eine Antwort der Cloud, aber die Cloud gab nicht die "
        "ganze Antwort (CLOUD_OFFLINE) – das Modell auf diesem Gerät hat weitergesprochen",
        "away": "Sie wollten eine Antwort der Cloud, aber der Broker der Cloud ist nicht erreichbar",
        "waits": "der Broker der Cloud ist nicht erreichbar: die Frage wartet",
        "late": "aus der Cloud · Sie wollten, dass ich frage, sobald ich online bin",
    },
}  # fmt: skip
ANSWER = answer_to(SHEEP).strip()


@pytest.fixture
def cloud(mosquitto: Mosquitto) -> Iterator[None]:
    port = free_port()
    worker = (
        *(sys.executable, "-m", "edge_assistant", "cloud-worker", "--broker", mosquitto.url),
        *("--upstream", f"http://127.0.0.1:{port}", "--model", "counting"),
    )
    server = (sys.executable, "-m", "edge_assistant.bench.upstream", str(port))
    processes = [subprocess.Popen(each, stderr=subprocess.DEVNULL) for each in (server, worker)]
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def device(make_daemon: Callable[..., Daemon], mosquitto: Mosquitto, starter_model: Path) -> Daemon:
    daemon = make_daemon(
        EDGE_ASSISTANT__CLOUD__ENABLED="on",
        EDGE_ASSISTANT__CLOUD__URL=mosquitto.url,
        EDGE_ASSISTANT__CLOUD__CONSENT="asked",
        EDGE_ASSISTANT__LLM__MAX_TOKENS="24",
    )
    daemon.wait_for_model()
    daemon.wait_until(lambda: "connected to the MQTT broker" in daemon.log)
    return daemon


@pytest.fixture
def open_page(
    make_context: Callable[..., BrowserContext], make_page: Callable[..., ChatPage]
) -> Callable[[str], ChatPage]:
    return lambda language: make_page(make_context(locale=language))


@pytest.fixture(params=["en", "de"])
def told(
    request: pytest.FixtureRequest, device: Daemon, cloud: None, open_page: Callable[[str], ChatPage],
    album: Album,
) -> Told:  # fmt: skip
    return Told(open_page(request.param).open(device.link()), album, request.param)


class Told:
    """A page of one language, what is asked on it, and what it is to say of where an answer came from."""

    def __init__(self, chat: ChatPage, album: Album, language: str) -> None:
        self.chat, self.words = chat, WORDS[language]
        self._album, self.language = album, language

    def ask(self) -> None:
        """Ask the cloud something long, in a chat of its own, and return when it has begun to answer."""
        self.chat.page.locator("#new-chat").click()
        self.chat.wait_until(lambda: not self.chat.answers.count())
        self.chat.write(self.words["ask"])
        self.chat.wait_for_words()

    def says(self, what: str) -> None:
        """Wait until the line below the newest answer tells that."""
        line = self.chat.answers.last.locator(".details")
        self.chat.wait_until(lambda: line.count() and self.words[what] in line.inner_text(), 120)
        self._album.keep(self.chat, f"cloud-{self.language}-{what.replace(' ', '-')}")


def test_the_cloud_answers_goes_on_after_a_cut_gives_way_and_comes_back(
    told: Told, mosquitto: Mosquitto
) -> None:
    chat = told.chat
    told.ask()
    mosquitto.kill()
    mosquitto.start()
    told.says("answered")  # by the same worker, over a broker that died in between
    assert chat.text == ANSWER
    told.ask()
    mosquitto.kill()
    told.says("taken over")
    assert ANSWER.startswith(chat.text[:40])
    chat.ask(told.words["ask"])
    told.says("away")
    chat.ask(told.words["later"])
    told.says("waits")
    assert {"en": "I am not online", "de": "Ich bin gerade nicht online"}[told.language] in chat.text
    count = chat.answers.count()
    mosquitto.start()
    chat.wait_until(lambda: chat.answers.count() > count, 90)  # without a reload
    told.says("late")
    assert chat.text == told.words["later"].partition(": ")[2]
