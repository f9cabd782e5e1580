"""The list of chats and the way in, with the real daemon and a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Locator

from tests.daemon import Daemon
from tests.e2e.page_chat import ChatPage

NARROW = {"width": 360, "height": 720}
UNAUTHORIZED = re.compile(r"\b(401|403)\b")
"""The browser itself logs every refused request."""


def entry(chat: ChatPage, title: str) -> Locator:
    return chat.page.locator(".session", has=chat.page.get_by_text(title, exact=True))


def two_chats(chat: ChatPage) -> None:
    chat.ask("What is tea?")
    chat.page.locator("#new-chat").click()
    chat.ask("What is rain?")
    chat.wait_until(lambda: chat.titles == ["What is rain?", "What is tea?"])


def test_a_chat_is_listed_under_its_first_message_and_opens_by_a_click(chat: ChatPage) -> None:
    two_chats(chat)
    assert entry(chat, "What is rain?").locator("[aria-current=page]").count() == 1
    entry(chat, "What is tea?").locator(".pick").click()
    chat.wait_until(lambda: chat.questions == ["What is tea?"])
    assert chat.page.title().startswith("What is tea?")
    chat.page.go_back()
    chat.wait_until(lambda: chat.questions == ["What is rain?"])


def test_a_chat_gets_another_name(chat: ChatPage) -> None:
    chat.ask("What is tea?")
    chat.wait_until(lambda: chat.titles == ["What is tea?"])
    one = entry(chat, "What is tea?")
    one.hover()
    one.get_by_label("Rename").click()
    chat.page.keyboard.type("<b>Tea</b> time")
    chat.page.keyboard.press("Enter")
    chat.wait_until(lambda: chat.titles == ["<b>Tea</b> time"])
    chat.wait_until(lambda: chat.page.locator("#title").inner_text() == "<b>Tea</b> time")
    chat.page.reload()
    chat.wait_until(lambda: chat.titles == ["<b>Tea</b> time"])


def test_escape_leaves_a_name_as_it_was(chat: ChatPage) -> None:
    chat.ask("What is tea?")
    chat.wait_until(lambda: chat.titles == ["What is tea?"])
    one = entry(chat, "What is tea?")
    one.hover()
    one.get_by_label("Rename").click()
    chat.page.keyboard.type("other")
    chat.page.keyboard.press("Escape")
    assert chat.titles == ["What is tea?"]


def test_a_chat_is_deleted_only_after_a_yes(chat: ChatPage) -> None:
    two_chats(chat)
    one = entry(chat, "What is rain?")
    for answer in ("no", "yes"):
        one.hover()
        one.get_by_label("Delete").click()
        chat.page.locator(f"#confirm button[value={answer}]").click()
        if answer == "no":
            assert len(chat.titles) == 2
    chat.wait_until(lambda: chat.titles == ["What is tea?"])
    assert chat.answers.count() == 0  # the open chat is gone: a new one stands ready
    chat.page.reload()
    chat.wait_until(lambda: chat.titles == ["What is tea?"])


def test_a_chat_deleted_in_one_tab_goes_from_the_other(
    chat: ChatPage, make_page: Callable[..., ChatPage]
) -> None:
    chat.ask("What is tea?")
    other = make_page().open(chat.page.url)
    other.expected = re.compile(r"\b404\b")
    other.wait_until(lambda: other.questions == ["What is tea?"])
    one = entry(chat, "What is tea?")
    one.hover()
    one.get_by_label("Delete").click()
    chat.page.locator("#confirm button[value=yes]").click()
    other.wait_until(lambda: other.titles == [] and other.answers.count() == 0)


def test_on_a_narrow_screen_the_list_slides_in_and_gives_way(chat: ChatPage) -> None:
    two_chats(chat)
    chat.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    chat.wait_until(lambda: not chat.page.locator("#sidebar").is_visible())
    chat.page.locator("#open-drawer").click()
    assert chat.page.locator("#close-drawer").evaluate("node => node === document.activeElement")
    chat.page.keyboard.press("Escape")
    chat.wait_until(lambda: not chat.page.locator("#sidebar").is_visible())
    assert chat.page.locator("#open-drawer").evaluate("node => node === document.activeElement")
    chat.page.locator("#open-drawer").click()
    entry(chat, "What is tea?").locator(".pick").click()
    chat.wait_until(lambda: chat.questions == ["What is tea?"])
    chat.wait_until(lambda: not chat.page.locator("#sidebar").is_visible())
    assert chat.page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_token_of_a_sign_in_link_leaves_the_address_at_once(chat: ChatPage) -> None:
    assert "signin" not in chat.page.url
    chat.page.go_back()
    assert "signin" not in chat.page.url


def test_a_stranger_is_told_how_to_get_in(
    daemon: Daemon, make_context: Callable[..., BrowserContext], make_page: Callable[..., ChatPage]
) -> None:
    stranger = make_page(make_context())
    stranger.expected = UNAUTHORIZED
    stranger.page.goto(daemon.url)
    stranger.page.wait_for_selector("#signin:not([hidden])")
    assert "edge-assistant pair" in stranger.page.locator("#signin").inner_text()
    stranger.page.locator("#link").fill("http://127.0.0.1/#signin=AAAAAAAAAAAAAAAAAAAAAA")
    stranger.page.keyboard.press("Enter")
    stranger.wait_until(lambda: "too old" in stranger.page.locator("#signin-problem").inner_text())
    stranger.page.locator("#link").fill(daemon.link())
    stranger.page.keyboard.press("Enter")
    stranger.page.wait_for_selector("#app:not([hidden])")


def test_a_used_link_opened_elsewhere_says_so(
    daemon: Daemon, make_context: Callable[..., BrowserContext], make_page: Callable[..., ChatPage]
) -> None:
    link = daemon.link()
    make_page(make_context()).open(link)
    second = make_page(make_context())
    second.expected = UNAUTHORIZED
    second.page.goto(link)
    second.page.wait_for_selector("#signin:not([hidden])")
    assert "used" in second.page.locator("#signin-problem").inner_text()
