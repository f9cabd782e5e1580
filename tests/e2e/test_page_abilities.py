"""A lock confirmed in the browser, timers and lists on their panel; a kill in every phase of a command."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_assistant.mqtt.connection import Connection, Incoming
from tests.daemon import Daemon
from tests.e2e.lock_daemon import TOPIC
from tests.e2e.page_chat import ChatPage
from tests.e2e.test_page_settings import AUDIT, DESK, PHONE, settings
from tests.mosquitto import Mosquitto

LOCK_DAEMON = Path(__file__).with_name("lock_daemon.py")


class Lock:
    """Hears what it is told, on a thread of its own: the browser's loop is not to be shared."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.heard: list[str] = []
        self._connection = Connection(mosquitto.broker, "lock")
        self._connection.subscribe(TOPIC, self._hear)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="lock")
        self._thread.start()

    async def _hear(self, message: Incoming) -> None:
        self.heard.append(message.payload.decode())

    def _run(self) -> None:
        self._task = self._loop.create_task(self._connection.run())
        with pytest.raises(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    @property
    def online(self) -> bool:
        return self._connection.online

    def close(self) -> None:
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def lock(mosquitto: Mosquitto) -> Iterator[Lock]:
    lock = Lock(mosquitto)
    yield lock
    lock.close()


@pytest.fixture
def house(
    make_daemon: Callable[..., Daemon], mosquitto: Mosquitto, lock: Lock, tmp_path: Path, starter_model: Path
) -> Daemon:
    """Return a daemon that knows the lock, and has a PIN for another one."""
    del starter_model
    config = tmp_path / "lock.toml"
    config.write_text(f'[tools.topics]\n"{TOPIC}" = "confirm"\n')
    daemon = make_daemon(
        (sys.executable, str(LOCK_DAEMON)),
        EDGE_ASSISTANT_CONFIG=str(config),
        EDGE_ASSISTANT__MQTT__ENABLED="true",
        EDGE_ASSISTANT__MQTT__URL=mosquitto.url,
        EDGE_ASSISTANT__MQTT__DEVICE="shelf",
        PYTHONPATH=str(Path(__file__).parents[2]),
    )
    daemon.wait_until(lambda: lock.online)
    return daemon


def test_a_lock_is_opened_by_a_tap_and_by_nothing_less(
    house: Daemon, lock: Lock, make_page: Callable[..., ChatPage]
) -> None:
    chat = make_page().open(house.link())
    chat.write("Unlock the front door")
    asked = chat.page.get_by_role("form", name=re.compile("May it send .UNLOCK"))
    asked.wait_for()
    assert lock.heard == []
    asked.get_by_role("button", name="No").click()
    chat.page.get_by_text("All right, I won't.").wait_for()
    assert lock.heard == []
    chat.write("Unlock the front door")
    asked.wait_for()
    asked.get_by_role("button", name="Yes, do it").click()
    chat.page.get_by_text(f"Sent to {TOPIC}.").wait_for()
    chat.wait_until(lambda: lock.heard == ["UNLOCK"])
    assert asked.count() == 0
    chat.page.reload()
    chat.page.get_by_text(f"Sent to {TOPIC}.").wait_for()
    assert lock.heard == ["UNLOCK"]


def test_a_question_does_not_outlive_the_daemon(
    house: Daemon, lock: Lock, make_page: Callable[..., ChatPage]
) -> None:
    """`kill -9` between the question and the yes: nothing is done, and that is said."""
    chat = make_page().open(house.link())
    chat.expected = re.compile("WebSocket|ERR_|Failed to load")
    chat.write("Unlock the front door")
    asked = chat.page.get_by_role("form", name=re.compile("May it send"))
    asked.wait_for()
    house.environ["EDGE_ASSISTANT__WEB__PORT"] = house.url.rpartition(":")[2]
    house.kill()
    house.start()
    chat.wait_until(lambda: not chat.status.startswith("Offline"))
    asked.get_by_role("button", name="Yes, do it").click()
    chat.page.get_by_text(re.compile("not asked any more")).wait_for()
    assert lock.heard == []


@pytest.mark.parametrize("options", [PHONE, DESK], ids=["phone", "desk"])
def test_timers_and_lists_are_set_and_cleared_on_their_panel(
    daemon: Daemon,
    make_context: Callable[..., Any],
    make_page: Callable[..., ChatPage],
    options: dict[str, Any],
) -> None:
    chat = make_page(make_context(**options)).open(daemon.link())
    dialog = settings(chat, "timers")
    dialog.get_by_text("Nothing is set.").wait_for()
    dialog.get_by_label("Label").fill("pasta")
    dialog.get_by_role("button", name="Start").click()
    dialog.get_by_text("Timer: pasta").wait_for()
    dialog.get_by_role("button", name="Pause: Timer: pasta").click()
    dialog.get_by_text(re.compile(r"0[45]:\d\d, paused")).wait_for()
    assert chat.page.evaluate(AUDIT) == []
    dialog.get_by_role("button", name="Cancel: Timer: pasta").click()
    dialog.get_by_text("Nothing is set.").wait_for()
    dialog.get_by_label("Item").fill("milk")
    dialog.get_by_role("button", name="Add").click()
    dialog.get_by_role("button", name="Remove milk").click()
    chat.wait_until(lambda: dialog.get_by_text("milk").count() == 0)


def test_a_timer_that_rings_is_shown_and_stopped(chat: ChatPage) -> None:
    dialog = settings(chat, "timers")
    dialog.get_by_label("Minutes").fill("0.02")
    dialog.get_by_role("button", name="Start").click()
    dialog.get_by_text("rings now").wait_for()
    dialog.get_by_role("button", name="Stop: Timer").click()
    dialog.get_by_text("Nothing is set.").wait_for()
