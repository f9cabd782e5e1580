"""How the page is built: small, readable, reachable by keyboard, quiet on the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

import edge_assistant.bench.chat as chat_bench
from tests.daemon import Daemon
from tests.e2e.page_chat import ChatPage

AUDIT = Path(chat_bench.__file__).with_name("audit.js").read_text(encoding="utf-8").partition("\n")[2]
STATIC = Path(__file__).parents[2] / "edge_assistant" / "frontends" / "web" / "static"
SAMPLE = (
    "# Title\n\nText with `code`, **bold** and [a link](https://example.org).\n\n```python\nx = 1\n```\n\n"
    "> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n1. one\n   - two\n"
)
DRAW = """async (text) => {
    const { LiveMarkdown } = await import("/static/markdown.js");
    new LiveMarkdown(document.querySelector(".answer-text")).finish(text);
}"""
MOST_BYTES = 120 * 1024


def audit(chat: ChatPage) -> list[str]:
    complaints: list[str] = chat.page.evaluate(AUDIT)
    return complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1200, 800), (360, 720)])
def test_everything_has_a_name_and_enough_contrast(
    daemon: Daemon,
    make_context: Callable[..., BrowserContext],
    make_page: Callable[..., ChatPage],
    scheme: str,
    size: tuple[int, int],
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    chat = make_page(make_context(viewport={"width": size[0], "height": size[1]}, **options))
    chat.open(daemon.link())
    assert chat.page.locator("html").get_attribute("data-theme") == scheme
    assert audit(chat) == []
    chat.ask("What is tea?")
    chat.wait_until(lambda: len(chat.titles) == 1)
    chat.page.evaluate(DRAW, SAMPLE)
    assert audit(chat) == []
    if chat.page.locator("#open-drawer").is_visible():
        chat.page.locator("#open-drawer").click()
        assert audit(chat) == []
    chat.page.locator("#household").click()
    chat.page.get_by_role("button", name="Show the code").click()
    chat.page.locator(".digits").wait_for()
    assert audit(chat) == []
    chat.page.keyboard.press("Escape")
    session = chat.page.locator(".session")
    session.hover()
    session.get_by_label("Delete").click()
    assert audit(chat) == []


def test_the_theme_button_overrides_the_system_and_is_remembered(chat: ChatPage) -> None:
    themes = []
    for _ in range(3):
        chat.page.locator("#theme").click()
        themes.append(
            (
                chat.page.locator("html").get_attribute("data-theme"),
                chat.page.locator("#theme").get_attribute("aria-label"),
            )
        )
    assert themes == [("light", "Theme: light"), ("dark", "Theme: dark"), ("light", "Theme: as the system")]
    chat.page.locator("#theme").click()
    chat.page.locator("#theme").click()
    chat.page.reload()
    assert chat.page.locator("html").get_attribute("data-theme") == "dark"


def test_the_whole_way_goes_by_keyboard(chat: ChatPage) -> None:
    press = chat.page.keyboard.press

    def focused() -> str:
        return str(chat.page.evaluate("() => document.activeElement.id || document.activeElement.className"))

    assert focused() == "message"
    chat.page.keyboard.type("What is tea?")
    press("Enter")
    chat.wait_until(lambda: chat.answers.count() == 1)
    chat.wait_for_end()
    chat.wait_until(lambda: len(chat.titles) == 1)
    chat.page.evaluate("() => document.activeElement.blur()")
    chat.page.reload()
    chat.wait_until(lambda: chat.answers.count() == 1 and len(chat.titles) == 1)
    order = []
    chat.page.locator(".skip").focus()
    for _ in range(24):
        order.append(focused())
        press("Tab")
    session = next(each for each in order if each.startswith("open-"))
    assert order[:4] == ["skip", "new-chat", "search", session]
    assert order[4:6] == [session.replace("open-", "rename-"), "icon-button"]
    order = [each for each in order if not each.startswith("side-")]
    assert order[6:11] == ["settings", "household", "status", "export", "theme"]
    assert order[11:16] == ["scroll", "icon-button edit", "action copy-answer", "action wrong", "message"]
    chat.page.locator(".skip").focus()
    press("Enter")
    assert focused() == "message"
    chat.page.locator("#new-chat").focus()
    press("Enter")
    assert focused() == "message"
    assert chat.answers.count() == 0


def test_focus_is_always_visible(chat: ChatPage) -> None:
    for name in ("#new-chat", "#theme", "#scroll", "#suggestions button"):
        chat.page.locator("#message").focus()
        chat.page.keyboard.press("Shift+Tab")  # from here on the browser shows focus
        node = chat.page.locator(name).first
        node.focus()
        assert node.evaluate("node => getComputedStyle(node).outlineStyle") == "solid", name


def test_the_page_is_small(daemon: Daemon, make_page: Callable[..., ChatPage]) -> None:
    chat = make_page()
    sizes: list[int] = []
    chat.page.on(
        "requestfinished",
        lambda each: sizes.append(
            sum(each.sizes()[key] for key in ("responseBodySize", "responseHeadersSize"))
        ),
    )
    chat.open(daemon.link())
    chat.page.wait_for_load_state("networkidle")
    assert len(sizes) > 5
    assert sum(sizes) <= MOST_BYTES


def test_every_module_that_the_page_starts_with_is_preloaded_and_no_other() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    preloaded = set(re.findall(r'modulepreload" href="/static/([\w.-]+)"', page))
    wanted, found = {"app.js"}, set[str]()
    while wanted:
        name = wanted.pop()
        found.add(name)
        code = (STATIC / name).read_text(encoding="utf-8")
        wanted |= set(re.findall(r'from "\./([\w.-]+)"', code)) - found
    assert preloaded == found - {"app.js"}


def test_no_line_of_the_page_parses_html_or_names_another_host() -> None:
    forbidden = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "eval(",
        "http://www.w3",
    )
    for path in STATIC.glob("*.js"):
        code = path.read_text(encoding="utf-8").replace('const SVG = "http://www.w3.org/2000/svg"', "")
        assert not [word for word in forbidden if word in code], path.name


def test_a_growing_answer_never_moves_what_is_above_it(chat: ChatPage) -> None:
    """The layout-shift API counts what moves by itself; typing and clicking is not counted."""
    chat.page.evaluate(
        """() => {
            window.shifts = 0;
            new PerformanceObserver((list) => {
                for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifts += each.value;
            }).observe({ type: "layout-shift" });
        }"""
    )
    chat.ask("Write a list of ten animals, each with one sentence.")
    assert chat.page.evaluate("() => window.shifts") < 0.02
