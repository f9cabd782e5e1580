"""The house on the page: rooms and states as devices tell them, and taps that ask before what matters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_assistant.bench.home.house import THINGS
from tests.daemon import Daemon
from tests.e2e.album import Album
from tests.e2e.devices import Devices
from tests.e2e.page_chat import ChatPage
from tests.e2e.test_page_settings import AUDIT, DESK, PHONE, settings
from tests.mosquitto import Mosquitto


@pytest.fixture
def devices(mosquitto: Mosquitto) -> Iterator[Devices]:
    devices = Devices(mosquitto, THINGS)
    yield devices
    devices.close()


@pytest.fixture
def house(make_daemon: Callable[..., Daemon], mosquitto: Mosquitto, devices: Devices) -> Daemon:
    """Return a daemon whose broker knows thirty devices; no model is needed for any of it."""
    daemon = make_daemon(
        EDGE_ASSISTANT__LLM__MODEL="none",
        EDGE_ASSISTANT__MQTT__ENABLED="true",
        EDGE_ASSISTANT__MQTT__URL=mosquitto.url,
        EDGE_ASSISTANT__MQTT__DEVICE="shelf",
        EDGE_ASSISTANT__HOME__ENABLED="true",
        EDGE_ASSISTANT_SECRET_HOME_PIN="2468",
    )
    daemon.wait_until(lambda: devices.online)
    devices.announce()
    return daemon


def test_a_lamp_is_switched_and_a_lock_opened_by_taps_of_which_one_is_asked_about(
    house: Daemon, devices: Devices, make_page: Callable[..., ChatPage]
) -> None:
    chat = make_page().open(house.link())
    dialog = settings(chat, "home")
    lamp = dialog.get_by_role("switch", name=re.compile("^floor lamp"))
    chat.wait_until(lambda: lamp.count() and lamp.get_attribute("aria-checked") == "false")
    lamp.click()
    chat.wait_until(lambda: lamp.get_attribute("aria-checked") == "true")
    assert devices.heard == [("light.floor_lamp", '{"state":"ON"}')]
    devices.publish("house/light.floor_lamp/state", '{"state": "OFF"}')
    chat.wait_until(lambda: lamp.get_attribute("aria-checked") == "false")

    door = dialog.locator("[data-thing='lock.front']")
    door.get_by_text("locked").wait_for()
    unlock = door.get_by_role("button", name="Unlock: front door")
    unlock.click()
    asked = door.get_by_role("form", name="May it unlock front door?")
    asked.get_by_role("button", name="No").click()
    chat.page.get_by_text("All right, I won't.").wait_for()
    chat.wait_until(lambda: asked.count() == 0)
    unlock.click()
    asked.wait_for()
    assert ("lock.front", "UNLOCK") not in devices.heard
    asked.get_by_role("button", name="Yes, do it").click()
    door.get_by_text("unlocked").wait_for()
    assert devices.heard.count(("lock.front", "UNLOCK")) == 1
    door.get_by_role("button", name="Lock: front door").click()
    door.get_by_text(re.compile("^locked")).wait_for()
    assert dialog.locator(".asked-form").count() == 0, "locking is not asked about"


@pytest.fixture
def filled(house: Daemon, devices: Devices) -> Daemon:
    """Return it with lamps that shine and a room that is warm."""
    devices.publish("house/light.kitchen/state", '{"state": "ON", "brightness": 128}')
    devices.publish("house/cover.living_blinds/position", "40")
    devices.publish("house/climate.living/current", "20.5")
    devices.publish("house/climate.living/temperature", "21.5")
    return house


@pytest.mark.parametrize("options", [PHONE, DESK], ids=["phone", "desk"])
def test_the_house_has_room_names_and_contrast(
    filled: Daemon,
    make_context: Callable[..., Any],
    make_page: Callable[..., ChatPage],
    album: Album,
    options: dict[str, Any],
) -> None:
    chat = make_page(make_context(**options, reduced_motion="reduce")).open(filled.link())
    dialog = settings(chat, "home")
    dialog.get_by_role("heading", name="Kitchen").wait_for()
    dialog.get_by_text("now 20.5 °").wait_for()
    dialog.get_by_role("button", name="Unlock: back door").click()
    dialog.get_by_role("form", name="May it unlock back door?").wait_for()
    album.keep(chat, f"house-{'phone' if options is PHONE else 'desk'}")
    for scheme in ("light", "dark"):
        chat.page.emulate_media(color_scheme=scheme)
        chat.page.locator(f"html[data-theme={scheme}]").wait_for()
        assert chat.page.evaluate(AUDIT) == [], scheme
    dialog.get_by_label("Find a device or a room").fill("garage")
    chat.wait_until(lambda: dialog.locator(".thing").count() == 1)
    dialog.get_by_label("Find a device or a room").fill("submarine")
    dialog.get_by_text("Nothing is called “submarine”.").wait_for()
