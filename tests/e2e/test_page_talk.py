"""The page's button that is held to talk: Chromium speaks a file and sounds through a virtual speaker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Playwright

from edge_assistant.bench.voice.sound import SoundServer, write_wave
from tests.daemon import Daemon
from tests.e2e.conftest import ARGUMENTS
from tests.e2e.page_chat import ChatPage
from tests.hearing import Samples, begins_like, sounds_like

QUESTION = "Why is the sky blue?"


@pytest.fixture(scope="module")
def browser(
    playwright: Playwright,
    chromium: str,
    sound: SoundServer,
    spoken: Callable[[str], Samples],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser]:
    """Give the browser a microphone that asks a question, once each time it is opened."""
    file = tmp_path_factory.mktemp("microphone") / "question.wav"
    write_wave(file, np.concatenate([spoken(QUESTION), np.zeros(160_000, np.int16)]), 16_000)
    microphone = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={file}",
    )
    browser = playwright.chromium.launch(
        executable_path=chromium,
        args=[*ARGUMENTS, *microphone],
        ignore_default_args=["--mute-audio"],
        env=sound.whole_environ,
    )
    yield browser
    browser.close()


@pytest.fixture
def talking(make_daemon: Callable[..., Daemon], voice_models: Path, starter_model: Path) -> Daemon:
    daemon = make_daemon(
        EDGE_ASSISTANT__VOICE__ENABLED="on", EDGE_ASSISTANT__VOICE__INPUT="off",
        EDGE_ASSISTANT__VOICE__OUTPUT="off", EDGE_ASSISTANT__LLM__TEMPERATURE="0",
        EDGE_ASSISTANT__LLM__MAX_TOKENS="30",
    )  # fmt: skip
    daemon.wait_for_model()
    return daemon


def state(chat: ChatPage) -> str | None:
    return button(chat).get_attribute("data-state")


def button(chat: ChatPage) -> Locator:
    return chat.page.locator("#talk")


def hold(chat: ChatPage, milliseconds: int) -> None:
    """Hold the button once the page listens."""
    button(chat).hover()
    chat.page.mouse.down()
    chat.wait_until(lambda: state(chat) == "listening")
    chat.page.wait_for_timeout(milliseconds)
    chat.page.mouse.up()


def test_a_question_that_is_held_is_captioned_asked_and_answered_aloud(
    talking: Daemon,
    sound: SoundServer,
    make_page: Callable[..., ChatPage],
    written: Callable[[Samples], str],
) -> None:
    chat = make_page().open(talking.link())
    button(chat).wait_for()
    with sound.recording() as recording:
        hold(chat, 2500)
        chat.wait_until(lambda: len(chat.questions) == 1)
        assert begins_like(question := chat.questions[0], QUESTION)
        chat.wait_until(lambda: state(chat) == "speaking")
        chat.wait_for_end()
        chat.wait_until(lambda: state(chat) == "idle", 60)
        chat.page.wait_for_timeout(500)
    assert sounds_like(written(recording.samples), chat.text)
    assert chat.page.locator(".caption").is_hidden()
    chat.page.reload()
    chat.wait_until(lambda: chat.answers.count() == 1)
    assert chat.questions[0] == question, "it is a chat like any other"


def test_a_tap_says_how_to_use_the_button_and_stop_silences_the_answer(
    talking: Daemon, make_page: Callable[..., ChatPage]
) -> None:
    chat = make_page().open(talking.link())
    button(chat).click()
    chat.page.get_by_text("Hold the button while you speak").wait_for()
    assert chat.questions == []
    hold(chat, 2500)
    chat.wait_until(lambda: state(chat) == "speaking")
    button(chat).click()
    assert state(chat) != "speaking"


def test_the_button_is_there_only_where_the_device_can_understand(
    daemon: Daemon, make_page: Callable[..., ChatPage]
) -> None:
    chat = make_page().open(daemon.link())
    chat.wait_until(lambda: chat.status == "Ready")
    assert button(chat).count() == 0
