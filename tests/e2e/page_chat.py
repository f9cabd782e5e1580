"""The chat page in a real browser, and what tests do with it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request

STORY = "Write a long story about a lighthouse keeper, her dog and the sea, with many details."
LOST = re.compile(
    r"WebSocket connection to|ERR_(CONNECTION|EMPTY_RESPONSE|FAILED|INTERNET_DISCONNECTED)|\b503\b"
    r"|when fetching the script"
)
"""What a browser itself writes into the console when the device is away."""

READY = """async () => {
    await navigator.serviceWorker.ready;
    return Boolean(await caches.match("/static/wizard.js"));
}"""


class ChatPage:
    """One tab. Collects what must never happen: errors, and requests to somebody else."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(60_000)  # milliseconds
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.expected: re.Pattern[str] | None = None
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)

    def assert_clean(self) -> None:
        """Fail when something went wrong that nobody would have seen."""
        unexpected = [each for each in self.errors if not (self.expected and self.expected.search(each))]
        assert not unexpected, unexpected
        assert len(self.hosts - {""}) <= 1, f"requests to several hosts: {self.hosts}"

    def open(self, link: str) -> ChatPage:
        """Open a link and wait for the chat."""
        self.page.goto(link)
        self.page.wait_for_selector("#app:not([hidden])")
        return self

    def write(self, text: str) -> None:
        self.page.locator("#message").fill(text)
        self.page.keyboard.press("Enter")

    def ask(self, text: str) -> str:
        """Send a message, wait for its end and return the answer's text."""
        before = self.answers.count()
        self.write(text)
        self.wait_until(lambda: self.answers.count() == before + 1)
        self.wait_for_end()
        return self.text

    @property
    def answers(self) -> Locator:
        return self.page.locator(".answer")

    @property
    def questions(self) -> list[str]:
        return self.page.locator(".question").all_inner_texts()

    @property
    def text(self) -> str:
        """Text of the newest answer so far."""
        return str(self.answers.last.locator(".answer-text").inner_text())

    @property
    def phase(self) -> str | None:
        return self.answers.last.get_attribute("data-phase")

    @property
    def status(self) -> str:
        return str(self.page.locator("#status-text").inner_text())

    @property
    def titles(self) -> list[str]:
        return self.page.locator(".session .name").all_inner_texts()

    def wait_for_words(self, characters: int = 40) -> str:
        """Wait until the newest answer has some text, and return it."""
        self.wait_until(lambda: self.answers.count() > 0 and len(self.text) >= characters, 60)
        return self.text

    def wait_for_end(self) -> None:
        self.wait_until(lambda: self.answers.last.get_attribute("aria-busy") == "false", 180)

    @staticmethod
    def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something holds; the page's own policy forbids the browser to evaluate strings."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it never came to hold"
            time.sleep(0.1)


def shell_is_kept(chat: ChatPage) -> None:
    """Wait until the page opens without the device."""
    chat.wait_until(lambda: chat.page.evaluate(READY))
