"""A real headless browser. It lives per module: its event loop must not meet the ones of async tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.daemon import Daemon
from tests.e2e.album import Album
from tests.e2e.page_chat import ChatPage
from tests.e2e.registrar_desk import Operator
from tests.mosquitto import Mosquitto

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("no Chromium here: `make test` installs it", pytrace=False)
    return program


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
    yield browser
    browser.close()


@pytest.fixture
def make_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Make browsers that know nothing of each other."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(**options))
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def context(make_context: Callable[..., BrowserContext]) -> BrowserContext:
    return make_context()


@pytest.fixture
def make_page(context: BrowserContext) -> Iterator[Callable[..., ChatPage]]:
    """Open tabs; at the end each must have stayed free of errors and foreign requests."""
    pages: list[ChatPage] = []

    def make(where: BrowserContext | None = None) -> ChatPage:
        pages.append(ChatPage(where or context))
        return pages[-1]

    yield make
    for page in pages:
        page.assert_clean()


@pytest.fixture
def chat(daemon: Daemon, make_page: Callable[..., ChatPage]) -> ChatPage:
    """Return a signed-in page whose model is ready."""
    daemon.wait_for_model()
    return make_page().open(daemon.link())


@pytest.fixture
def album(tmp_path: Path) -> Album:
    """Keep pictures of what a test sees."""
    return Album(tmp_path)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """Run a fleet's broker and registrar."""
    operator = Operator(tmp_path / "operator")
    yield operator
    operator.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker that anybody may use."""
    broker = Mosquitto(tmp_path, "allow_anonymous true", "set_tcp_nodelay true").start()
    yield broker
    broker.kill()
